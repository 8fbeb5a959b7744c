"""What can hold a gate's line. Standard library only: drivers run inside the guard."""

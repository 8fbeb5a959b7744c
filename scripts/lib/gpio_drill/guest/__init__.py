"""What runs inside the emulated machine; imported there as `gpio_drill.guest`."""

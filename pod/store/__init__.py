"""What the pod must not forget: the access list and the audit, in one SQLite file with one writer thread."""

"""The rules of the pod. Pure: no I/O, no clock, no randomness; the caller brings all three."""

"""The device daemon: cameras in, decisions and gate pulses out."""

"""Synthetic plates, gate scenes and the demo clip, drawn from a seed. Part of the base install."""

"""Weights, their registry, synthetic plates and training. Imports nothing of the pod."""

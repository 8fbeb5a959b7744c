"""Runs models, ours beside upstream's, on pictures whose truth is known, and keeps what came of each."""

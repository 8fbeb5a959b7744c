"""Figures that anyone can measure again: each benchmark compares with a peer or a limit in one run."""

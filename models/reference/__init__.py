"""A drawn picture whose plate is known: a model that cannot read it must not decide about a gate."""

from pathlib import Path

PICTURE = Path(__file__).with_name("reference.png")
"""800 x 450 pixels; drawn by `python -m models.reference.draw`."""

PLATE = "KHT483"
"""What its only plate says."""

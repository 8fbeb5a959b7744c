"""What plates outside North America and Europe are pressed from: colours, rims, screws."""

from models.render.designs import Box
from models.render.ornaments import bolts, rim

RED, GREEN, BLUE, NAVY, SILVER, GREY = (
    (186, 24, 30),
    (20, 110, 70),
    (30, 70, 160),
    (24, 34, 96),
    (188, 190, 190),
    (150, 152, 154),
)
RIM = rim(thick=0.025, chance=0.55)
SCREWS = bolts((0.1, 0.5), (0.9, 0.5), chance=0.3, size=0.05)
HEADLINE: Box = (0.25, 0.04, 0.75, 0.2)
"""Where an issuer's name stands above the number."""

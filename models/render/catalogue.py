"""Every kind of plate that is drawn, and how often each is. Pure data."""

from models.render.designs import Design
from models.render.elsewhere import ELSEWHERE
from models.render.europe import EUROPE
from models.render.north_america import NORTH_AMERICA

_SHARES = ((NORTH_AMERICA, 0.40), (EUROPE, 0.32), (ELSEWHERE, 0.28))
"""No labelled American crops exist, so American plates are drawn most."""

DESIGNS: dict[str, Design] = {design.name: design for designs, _ in _SHARES for design in designs}
"""Every design by its name."""
SHARES: dict[str, float] = {
    design.name: share * design.weight / sum(other.weight for other in designs)
    for designs, share in _SHARES
    for design in designs
}
"""How often each design is drawn; sums to 1."""

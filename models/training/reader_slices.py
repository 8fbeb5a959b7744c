"""Which kinds of crops a recogniser reads how well. Pure."""

from collections.abc import Sequence

from models.training.crops import Crop

TWO_LINES_BELOW = 1.8
"""Width over height; the crops of one-line plates are wider, but for those that are turned."""
NARROW_PX = 70


def slices(crop: Crop) -> tuple[str, ...]:
    """The names of all kinds that a crop is of."""
    height, width = crop.picture.shape[:2]
    two_lines = width / height < TWO_LINES_BELOW
    named = {
        "all": True,
        "text_from_source": crop.labelled,
        "north_america": crop.region in ("United States", "Canada"),
        "europe_one_line": crop.source.startswith("openalpr_eu") and not two_lines,
        "brazil": crop.region == "Brazil",
        "two_lines": two_lines,
        "narrow": width < NARROW_PX,
    }
    return tuple(name for name, is_one in named.items() if is_one)


def exact_percent(crops: Sequence[Crop], reads: Sequence[str]) -> dict[str, float]:
    """The share read character by character, of each kind of which there are any."""
    hits: dict[str, list[bool]] = {}
    for crop, read in zip(crops, reads, strict=True):
        for name in slices(crop):
            hits.setdefault(name, []).append(read == crop.text)
    return {name: round(100 * sum(right) / len(right), 1) for name, right in hits.items()}

"""The form in which plates are written down and compared. Pure."""

import unicodedata

from pod.domain.errors import PlateListError

MIN_LENGTH, MAX_LENGTH = 2, 10

_LOOK_ALIKES = str.maketrans(
    "АВЕІЈКМНОРСТУХѴ" "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "ABEIJKMHOPCTYXV" "ABEZHIKMNOPTYX",
)
"""Cyrillic and Greek capitals that plates share with Latin ones."""

_FOLDED = str.maketrans("OI", "01")


def canonical(text: str) -> str:
    """The plate as A-Z and 0-9 only: upper case, no separators, accents or look-alike scripts.

    Characters that have no place on a plate are dropped, so the result may be shorter, or empty.
    """
    decomposed = unicodedata.normalize("NFKD", text.upper()).translate(_LOOK_ALIKES)
    return "".join(c for c in decomposed if c.isascii() and c.isalnum())


def match_key(text: str) -> str:
    """What two writings of one plate have in common: the canonical form with O read as 0 and I as 1.

    Most plate fonts draw these pairs alike, so neither people nor recognisers can tell them apart.
    """
    return canonical(text).translate(_FOLDED)


def parse_plate(text: str) -> str:
    """The canonical form of a plate a person typed.

    Raises:
        PlateListError: nothing plate-like is left, or a character can't be on a plate.
    """
    strange = sorted(
        {c for c in text if not c.isspace() and c not in "-.·_/" and not canonical(c)}
    )
    if strange:
        raise PlateListError(
            f"the plate holds {' '.join(map(repr, strange))}: use letters A-Z, digits, spaces and dashes"
        )
    plate = canonical(text)
    if not MIN_LENGTH <= len(plate) <= MAX_LENGTH:
        raise PlateListError(
            f"the plate has {len(plate)} letters and digits: it must have {MIN_LENGTH} to {MAX_LENGTH}"
        )
    return plate

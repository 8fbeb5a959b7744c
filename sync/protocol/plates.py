"""The form in which plates are written down and compared, the same on a POD and in the cloud. Pure."""

import unicodedata

MIN_LENGTH, MAX_LENGTH = 2, 10

_LOOK_ALIKES = {
    **dict(zip("АВЕЅІЈКМНОРСТУХѴ", "ABESIJKMHOPCTYXV", strict=True)),  # Cyrillic
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),  # Greek
    **dict(zip("ØĐŁ", "ODL", strict=True)),  # Latin letters with a stroke, which Unicode does not take apart
}
"""Capitals that plates share with Latin ones, or that recognisers read as one."""

_FOLDED = str.maketrans("OI", "01")

_IGNORED_CATEGORIES = {"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Pd"}
"""Spaces, line ends, invisible marks that come with pasted text, accents written apart, and dashes of any
length."""

_IGNORED = "-.·•_/\\'"


def canonical(text: str) -> str:
    """The plate as A-Z and 0-9 only: upper case, no separators, accents, full-width or look-alike characters.

    Digits of any script become 0-9. Characters that have no place on a plate are dropped, so the result may
    be shorter, or empty.
    """
    # Folded to upper case twice: some capitals appear only once a compatibility character is taken apart,
    # and the other way round.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.upper()).upper())
    return "".join(filter(None, map(_latin, decomposed)))


def match_key(text: str) -> str:
    """What two writings of one plate have in common: the canonical form with O read as 0 and I as 1.

    Most plate fonts draw these pairs alike, so neither people nor recognisers can tell them apart.
    """
    return canonical(text).translate(_FOLDED)


def parse_plate(text: str) -> str:
    """The canonical form of a plate a person typed.

    Raises:
        ValueError: nothing plate-like is left, or a character can't be on a plate.
    """
    strange = sorted({c for c in text if not _is_separator(c) and not canonical(c)})
    if strange:
        raise ValueError(
            f"the plate holds {' '.join(map(repr, strange))}: use letters A-Z, digits, spaces and dashes"
        )
    plate = canonical(text)
    if not MIN_LENGTH <= len(plate) <= MAX_LENGTH:
        raise ValueError(
            f"the plate has {len(plate)} letters and digits: it must have {MIN_LENGTH} to {MAX_LENGTH}"
        )
    return plate


def _latin(c: str) -> str:
    c = _LOOK_ALIKES.get(c, c)
    if c.isascii():
        return c if c.isalnum() else ""
    digit = unicodedata.decimal(c, None)
    return "" if digit is None else str(digit)


def _is_separator(c: str) -> bool:
    return c in _IGNORED or unicodedata.category(c) in _IGNORED_CATEGORIES

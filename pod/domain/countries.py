"""How countries use O and 0, I and 1 on their plates: alike, or as different characters. Pure.

Where a country never issues the letters, or its format says which places hold letters and which digits, to
take O for 0 and I for 1 loses nothing. Where both may stand in one place, two cars may differ in nothing
else, and the reading has to tell them apart. A country that is missing here is treated like the first kind.
"""

from dataclasses import dataclass
from enum import StrEnum


class LookAlikes(StrEnum):
    """Why O and 0, I and 1 are taken for one, or why not."""

    UNKNOWN = "unknown"
    NEVER_ISSUED = "never_issued"
    BY_POSITION = "by_position"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class CountryPlates:
    """What is known of one country's plates.

    Attributes:
        formats: of plates issued now, L for a letter and N for a digit; the first that fits a reading counts.
    """

    look_alikes: LookAlikes
    formats: tuple[str, ...] = ()


COUNTRIES = {
    "AR": CountryPlates(LookAlikes.BY_POSITION, ("LLNNNLL", "LLLNNN")),
    "BR": CountryPlates(LookAlikes.DISTINCT),  # the fifth place holds a digit on old plates, a letter on new
    "DE": CountryPlates(LookAlikes.DISTINCT),  # BO I 10 and B O 110 differ in I and 1 alone
    "ES": CountryPlates(LookAlikes.NEVER_ISSUED, ("NNNNLLL",)),
    "FR": CountryPlates(LookAlikes.NEVER_ISSUED, ("LLNNNLL",)),
    "GB": CountryPlates(LookAlikes.BY_POSITION, ("LLNNLLL",)),
    "IT": CountryPlates(LookAlikes.NEVER_ISSUED, ("LLNNNLL",)),
    "SE": CountryPlates(LookAlikes.BY_POSITION, ("LLLNNN", "LLLNNL")),
}
"""By ISO 3166-1 alpha-2 code."""

_UNKNOWN = CountryPlates(LookAlikes.UNKNOWN)
_AS_DIGIT = str.maketrans("OI", "01")
_AS_LETTER = str.maketrans("01", "OI")


def plates_of(country: str | None) -> CountryPlates:
    """What is known of a country's plates; nothing where it is not named or not in the table."""
    return COUNTRIES.get(country or "", _UNKNOWN)


def tells_apart(country: str | None) -> bool:
    """Whether plates that differ in O and 0 or in I and 1 alone are different plates there."""
    return plates_of(country).look_alikes is LookAlikes.DISTINCT


def spelled(text: str, country: str | None) -> str:
    """A reading with O, 0, I and 1 as the country writes them in their places; as it is where none fits.

    For people to read; what matches is decided by `plates.match_key`.
    """
    for form in plates_of(country).formats:
        if len(form) == len(text):
            fitted = "".join(
                c.translate(_AS_LETTER if place == "L" else _AS_DIGIT)
                for c, place in zip(text, form, strict=True)
            )
            if all(c.isalpha() == (place == "L") for c, place in zip(fitted, form, strict=True)):
                return fitted
    return text

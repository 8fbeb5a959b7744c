"""One entry of a list as it goes to a POD: JSON, and refused whole where any of it is in doubt. Pure.

The digest of a list is of the text as it is, so nobody writes a text anew: the cloud's database makes it
(`platebridge.entry_document`), PODs keep it. Fields that limit nothing are left out, so that a later cloud
may send a field of its own with the entries that use it, and all others are read by every POD.
"""

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from sync.protocol.errors import ProtocolError
from sync.protocol.limits import MAX_ENTRY_BYTES
from sync.protocol.lists import Entry
from sync.protocol.plates import canonical, match_key
from sync.protocol.wire import Part, faults

MAX_LABEL = 80
MAX_SCHEDULE = 1000
MAX_NAMES = 50
MAX_USES = 10_000
EARLIEST_US, LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999."""

_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_PLAIN_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})

_Place = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Places = Annotated[tuple[_Place, ...], Field(max_length=MAX_NAMES)]
_Moment = Annotated[int, Field(ge=EARLIEST_US, le=LATEST_US)]


class EntryDocument(Part):
    """Who, for what, where and when.

    Attributes:
        key: `plates.match_key` of the plate.
        plate: in canonical form.
        starts_us, expires_us: microseconds since 1970, UTC; it counts from the one until before the other.
        gates, cameras, sites: where it holds; empty: everywhere. The POD judges them.
        schedule: when in the week it counts, as `mon-fri 08:00-18:00; sat 09:00-13:00`; the POD reads it.
        uses_left: how often it may open, counted by each POD for itself; None: without limit.
        exact_only: opens only for a reading of exactly this plate.
    """

    # A field that is unknown here may narrow what the entry lets in: so it lets nobody in.
    model_config = ConfigDict(extra="allow")

    key: Annotated[str, Field(min_length=1, max_length=32)]
    plate: Annotated[str, Field(min_length=1, max_length=32)]
    verdict: Literal["allow", "deny"]
    type: Literal["resident", "visitor", "delivery", "service", "contractor", "emergency", "staff"]
    label: Annotated[str, Field(max_length=MAX_LABEL)] = ""
    starts_us: _Moment | None = None
    expires_us: _Moment | None = None
    gates: _Places = ()
    cameras: _Places = ()
    sites: _Places = ()
    schedule: Annotated[str, Field(min_length=1, max_length=MAX_SCHEDULE)] | None = None
    uses_left: Annotated[int, Field(ge=0, le=MAX_USES)] | None = None
    exact_only: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.verdict == "allow" and self.model_extra:
            raise ValueError("it holds a field that is unknown here, so what it lets in is unknown: update")
        if canonical(self.plate) != self.plate or match_key(self.plate) != self.key:
            raise ValueError("the plate is not in its canonical form, or the key is another plate's")
        if self.starts_us is not None and self.expires_us is not None and self.expires_us <= self.starts_us:
            raise ValueError("it would end before it begins")
        if self.verdict == "deny" and self.uses_left is not None:
            raise ValueError("a denial has no uses to count")
        if any(unicodedata.category(c) in _NO_PLAIN_TEXT or c in _DIRECTION_MARKS for c in self.label):
            raise ValueError("the label holds line ends or invisible control characters")
        return self


def read_document(text: str) -> EntryDocument:
    """The entry that a text holds.

    Raises:
        ProtocolError: none, or one of which anything is in doubt; the text says what, and repeats none of it.
    """
    if len(text) > MAX_ENTRY_BYTES:
        raise ProtocolError(f"an entry of {len(text)} characters: at most {MAX_ENTRY_BYTES} are taken")
    try:
        return EntryDocument.model_validate_json(text)
    except ValidationError as error:
        raise ProtocolError(f"an entry that cannot be used: {faults(error)}") from None


def write_document(entry_id: str, document: EntryDocument) -> Entry:
    """An entry for a list, with what limits nothing left out."""
    return entry_id, document.model_dump_json(exclude_defaults=True)

"""What makes an entry of the access list, and when two entries repeat or contradict each other. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key, parse_plate
from pod.domain.schedule import Schedule

MAX_LABEL = 80
MAX_USES = 10_000
_MAX_WRITTEN = 32
_MAX_NAMES = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def make_entry(
    plate: str,
    verdict: Verdict = Verdict.ALLOW,
    *,
    type: EntryType = EntryType.RESIDENT,
    label: str = "",
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    gates: Collection[str] = (),
    cameras: Collection[str] = (),
    sites: Collection[str] = (),
    schedule: Schedule | None = None,
    uses_left: int | None = None,
    exact_only: bool = False,
    known_gates: Collection[str] | None = None,
    known_cameras: Collection[str] | None = None,
) -> Entry:
    """An entry out of what a person wrote; names come sorted and once each.

    Args:
        known_gates, known_cameras: those there are; None where that is not known.

    Raises:
        PlateListError: plate, label, times, names or uses can't be taken; the first problem found.
    """
    canonical = parse_written(plate)
    return Entry(
        key=match_key(canonical),
        plate=canonical,
        verdict=verdict,
        type=type,
        label=parse_label(label),
        starts_at=starts_at,
        expires_at=check_span(starts_at, expires_at),
        gates=parse_names(gates, "gate", known=known_gates),
        cameras=parse_names(cameras, "camera", known=known_cameras),
        sites=parse_names(sites, "site"),
        schedule=schedule,
        uses_left=check_uses(uses_left, verdict),
        exact_only=exact_only,
    )


def parse_written(plate: str) -> str:
    """The canonical plate; an overlong text is refused before its characters are looked at one by one.

    Raises:
        PlateListError: the text is no plate.
    """
    if len(plate) > _MAX_WRITTEN:
        raise PlateListError(f"the plate has {len(plate)} characters: write the plate alone")
    return parse_plate(plate)


def parse_label(text: str) -> str:
    """The label without space around it.

    Raises:
        PlateListError: too long, or not one line of plain text.
    """
    label = text.strip()
    if len(label) > MAX_LABEL:
        raise PlateListError(f"the label has {len(label)} characters: shorten it to {MAX_LABEL}")
    # Cc: control, Cs: lone surrogates, Zl and Zp: line ends; direction marks can make a text read as another.
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in _DIRECTION_MARKS for c in label):
        raise PlateListError(
            "the label holds line ends or invisible control characters: write one line of text"
        )
    return label


_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_span(starts_at: datetime | None, expires_at: datetime | None) -> datetime | None:
    """`expires_at`, once it is known to lie after `starts_at`.

    Raises:
        PlateListError: the entry would be over before it begins.
    """
    if starts_at is not None and expires_at is not None and expires_at <= starts_at:
        raise PlateListError("the entry would end before it begins: put the later date in 'until'")
    return expires_at


def check_uses(uses: int | None, verdict: Verdict) -> int | None:
    """How often an entry may open, once that is known to make sense for it.

    Raises:
        PlateListError: out of range, or a denial, which uses nothing up.
    """
    if uses is None:
        return None
    if not 0 <= uses <= MAX_USES:
        raise PlateListError(f"{uses} uses are out of range: write 1 to {MAX_USES}, or nothing for no limit")
    if verdict is Verdict.DENY:
        raise PlateListError("a denial has no uses to count: leave them out")
    return uses


def parse_uses(text: str, *, verdict: Verdict) -> int:
    """How often an entry may open, as people write it.

    Raises:
        PlateListError: not a whole number in range, or of a denial.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise PlateListError(f"{text[:40]!r} is no number of uses: write 1 to {MAX_USES}, or nothing")
    uses = int(text)
    check_uses(uses, verdict)
    return uses


def parse_names(names: Iterable[str], what: str, *, known: Collection[str] | None = None) -> tuple[str, ...]:
    """Names of gates, cameras or sites, sorted, once each; empty: all of them.

    Args:
        what: "gate", "camera" or "site", for messages.

    Raises:
        PlateListError: a name that none can have, or that none of the `known` has; or very many names.
    """
    once = sorted(set(names))
    if len(once) > _MAX_NAMES:
        raise PlateListError(f"{len(once)} {what}s are named: name at most {_MAX_NAMES}, or none for all")
    for name in once:
        if not _NAME.fullmatch(name):
            raise PlateListError(
                f"{name[:40]!r} can't be a {what}'s name: use the name from the configuration "
                "(a-z, 0-9, dash, underscore, 32 at most)"
            )
        if known is not None and name not in known:
            raise PlateListError(
                f"no {what} is named {name!r}: the configuration has {', '.join(sorted(known))}"
            )
    return tuple(once)


def repeats(a: Entry, b: Entry) -> bool:
    """Whether both say the same of the same plate; type, label and uses may differ."""
    return _same_plate(a, b) and _scope(a) == _scope(b)


def _scope(entry: Entry) -> tuple[object, ...]:
    return (
        entry.verdict,
        entry.starts_at,
        entry.expires_at,
        entry.gates,
        entry.cameras,
        entry.sites,
        entry.schedule,
    )


def contradicts(a: Entry, b: Entry) -> bool:
    """Whether one allows what the other denies, at some time and some place.

    A denial with a schedule that the other entry does not have cuts hours out of it on purpose.
    """
    denial = a if a.verdict is Verdict.DENY else b
    return (
        _same_plate(a, b)
        and a.verdict is not b.verdict
        and (denial.schedule is None or a.schedule == b.schedule)
        and _share_time(a, b)
        and _share(a.gates, b.gates)
        and _share(a.cameras, b.cameras)
        and _share(a.sites, b.sites)
    )


def _same_plate(a: Entry, b: Entry) -> bool:
    """Writings that differ in O and 0, or I and 1, are one plate unless one asks to be read exactly."""
    return a.key == b.key and (a.plate == b.plate or not (a.exact_only or b.exact_only))


def _share_time(a: Entry, b: Entry) -> bool:
    a_ends_first = a.expires_at is not None and b.starts_at is not None and a.expires_at <= b.starts_at
    b_ends_first = b.expires_at is not None and a.starts_at is not None and b.expires_at <= a.starts_at
    return not a_ends_first and not b_ends_first


def _share(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return not a or not b or not set(a).isdisjoint(b)

"""What makes an entry of the access list, and when two entries repeat or contradict each other. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key, parse_plate

MAX_LABEL = 80
_MAX_WRITTEN = 32
_GATE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def make_entry(
    plate: str,
    verdict: Verdict = Verdict.ALLOW,
    *,
    type: EntryType = EntryType.RESIDENT,
    label: str = "",
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    gates: Collection[str] = (),
    known_gates: Collection[str] | None = None,
) -> Entry:
    """An entry out of what a person wrote; gates come sorted and once each.

    Args:
        known_gates: the gates there are; None where that is not known.

    Raises:
        PlateListError: plate, label, times or gates can't be taken; the first problem found.
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
        gates=parse_gates(gates, known_gates),
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


def parse_gates(names: Iterable[str], known: Collection[str] | None = None) -> tuple[str, ...]:
    """Gate names, sorted, once each; empty: all gates.

    Raises:
        PlateListError: a name that no gate can have, or that none of the `known` has.
    """
    once = sorted(set(names))
    for name in once:
        if not _GATE_NAME.fullmatch(name):
            raise PlateListError(
                f"{name[:40]!r} can't be a gate's name: use the name from the configuration "
                "(a-z, 0-9, dash, underscore, 32 at most)"
            )
        if known is not None and name not in known:
            raise PlateListError(
                f"no gate is named {name!r}: the configuration has {', '.join(sorted(known))}"
            )
    return tuple(once)


def repeats(a: Entry, b: Entry) -> bool:
    """Whether both say the same of the same plate; type and label may differ."""
    return (a.key, a.verdict, a.starts_at, a.expires_at, a.gates) == (
        b.key,
        b.verdict,
        b.starts_at,
        b.expires_at,
        b.gates,
    )


def contradicts(a: Entry, b: Entry) -> bool:
    """Whether one allows what the other denies, at some time and some gate."""
    return a.key == b.key and a.verdict is not b.verdict and _share_time(a, b) and _share_gate(a, b)


def _share_time(a: Entry, b: Entry) -> bool:
    a_ends_first = a.expires_at is not None and b.starts_at is not None and a.expires_at <= b.starts_at
    b_ends_first = b.expires_at is not None and a.starts_at is not None and b.expires_at <= a.starts_at
    return not a_ends_first and not b_ends_first


def _share_gate(a: Entry, b: Entry) -> bool:
    return not a.gates or not b.gates or not set(a.gates).isdisjoint(b.gates)


def describe(entry: Entry) -> dict[str, object]:
    """The entry as the audit and JSON output write it; times ISO 8601, UTC."""
    return {
        "plate": entry.plate,
        "verdict": entry.verdict.value,
        "type": entry.type.value,
        "label": entry.label,
        "from": iso(entry.starts_at),
        "until": iso(entry.expires_at),
        "gates": list(entry.gates),
    }


def iso(moment: datetime | None) -> str | None:
    """UTC, ending in Z; None stays None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")

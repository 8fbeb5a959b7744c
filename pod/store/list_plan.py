"""What importing rows would do to a list: what is new, what changes, and which rows cannot be taken. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from pod.domain.entry import Entry, Owner, Verdict
from pod.domain.index import MOST_OF_A_PLATE, AccessIndex
from pod.domain.matching import confusable_with
from pod.store.entries import contradicts, repeats

_KEPT_COLUMNS = {"type": "type", "label": "label", "uses": "uses_left", "exact_only": "exact_only"}
"""Columns that do not tell entries apart, and the attributes they write."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An entry to import.

    Attributes:
        line: where it stands in its file, from 1.
        columns: the columns its file has; an entry listed already keeps what the others would write.
        overruled: it may be allowed although the list or the file denies it.
    """

    entry: Entry
    line: int
    columns: frozenset[str] = frozenset(_KEPT_COLUMNS)
    overruled: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be taken, and the mend; `column` is empty where it is about the whole row."""

    line: int
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import does to the list.

    Attributes:
        added: entries the list does not hold yet.
        updated: entries it holds with another type, label, writing of the plate, uses or exactness; each as
            it is and as it will be, with one id.
        unchanged: how many it holds just so.
        problems: why nothing can be imported; empty where all can.
    """

    added: tuple[Entry, ...]
    updated: tuple[tuple[Entry, Entry], ...]
    unchanged: int
    problems: tuple[Problem, ...] = ()


def plan_import(
    index: AccessIndex, rows: Sequence[ImportRow], *, pause: Callable[[], None] = lambda: None
) -> ImportPlan:
    """What importing the rows would do to this list; the rows agree among themselves.

    Args:
        pause: called once or twice a row, so that a long plan can let other threads run.
    """
    added: dict[Entry, int] = {}
    changed: list[tuple[Entry, Entry, int]] = []
    unchanged = 0
    problems: list[Problem] = []
    more: Counter[str] = Counter()
    for row in rows:
        pause()
        entry = row.entry
        listed = index.by_key(entry.key)
        twin = next((other for other in listed if repeats(entry, other)), None)
        if twin is not None:
            merged = _merged(twin, row)
            if merged == twin:
                unchanged += 1
            elif twin.owner is not Owner.POD:
                problems.append(Problem(row.line, "plate", not_yours(twin)))
            else:
                changed.append((twin, merged, row.line))
            continue
        more[entry.key] += 1
        if len(listed) + more[entry.key] > MOST_OF_A_PLATE:
            problems.append(Problem(row.line, "plate", _too_many(entry)))
            continue
        denial = next((other for other in listed if contradicts(entry, other)), None)
        if denial is not None and entry.verdict is Verdict.ALLOW and not row.overruled:
            problems.append(Problem(row.line, "plate", _still_denied(entry, denial)))
        added[entry] = row.line
    problems += _confusions(index, added, changed, pause=pause)
    after = tuple((before, entry) for before, entry, _ in changed)
    return ImportPlan(tuple(added), after, unchanged, tuple(problems))


def obstacle(entry: Entry, index: AccessIndex, *, before: Entry | None = None, beside: int = 0) -> str | None:
    """Why an entry cannot join a list that does not hold it yet, with the mend; None where it can.

    Args:
        before: the entry that it takes the place of; what that one bore already is no obstacle to this one.
        beside: entries of its key that join the list with it.
    """
    listed = index.by_key(entry.key)
    for other in listed:
        if repeats(entry, other):
            both = "" if other.plate == entry.plate else "; if both plates exist, mark one of them exact-only"
            return (
                f"{entry.plate} is on the list already, as {other.plate} ({other.type.value}): "
                f"change that entry, or remove it first{both}"
            )
    if len(listed) + beside >= MOST_OF_A_PLATE and (before is None or before.key != entry.key):
        return _too_many(entry)
    if entry.verdict is Verdict.ALLOW:
        for other in listed:
            if contradicts(entry, other) and not (before is not None and contradicts(before, other)):
                return _still_denied(entry, other)
    if before is not None and before.key == entry.key and before.exact_only == entry.exact_only:
        return None
    confused = _confused(entry, index)
    return None if confused is None else _too_alike(entry, confused)


def not_yours(entry: Entry) -> str:
    """Why an entry of the cloud cannot be changed here, with the mend."""
    return f"{entry.plate} ({entry.verdict.value}) is kept by the cloud: change it in the portal"


def _merged(listed: Entry, row: ImportRow) -> Entry:
    """The listed entry with what the row says of it."""
    said = {name: getattr(row.entry, name) for column, name in _KEPT_COLUMNS.items() if column in row.columns}
    return replace(listed, plate=row.entry.plate, **said)


def _confusions(
    index: AccessIndex,
    added: Mapping[Entry, int],
    changed: Sequence[tuple[Entry, Entry, int]],
    *,
    pause: Callable[[], None],
) -> Iterator[Problem]:
    """A problem for each new or changed entry that cameras confuse with another; of a pair, the later."""
    lines = {**added, **{entry: line for _, entry, line in changed}}
    then = index.replaced([before for before, _, _ in changed], list(lines))
    widened = [entry for before, entry, _ in changed if before.exact_only and not entry.exact_only]
    for entry in (*added, *widened):
        pause()
        other = _confused(entry, then, before_line=lines[entry], lines=lines)
        if other is not None:
            yield Problem(lines[entry], "plate", _too_alike(entry, other))


def _confused(
    entry: Entry,
    index: AccessIndex,
    *,
    before_line: int = 0,
    lines: Mapping[Entry, int] = MappingProxyType({}),
) -> Entry | None:
    """An entry that cameras take for this one although neither asks for exact readings; None where none."""
    if entry.exact_only or entry.verdict is Verdict.DENY:
        return None
    others = confusable_with(entry, index)
    return next((o for o in others if not o.exact_only and lines.get(o, -1) < before_line), None)


def _too_alike(entry: Entry, other: Entry) -> str:
    return (
        f"{entry.plate} and {other.plate} differ only by a character that cameras confuse: check the "
        "writing, and if both are right, mark one of them exact-only"
    )


def _too_many(entry: Entry) -> str:
    return (
        f"{entry.plate} would have more than {MOST_OF_A_PLATE} entries: remove those that are over, or join "
        "their hours into one schedule"
    )


def _still_denied(entry: Entry, denial: Entry) -> str:
    mend = f"first `platebridge plates remove {denial.plate} --deny`"
    if denial.owner is Owner.CLOUD:
        mend = "first lift the denial in the cloud's portal"
    return f"{entry.plate} stays out, the list denies {denial.plate}: {mend}"

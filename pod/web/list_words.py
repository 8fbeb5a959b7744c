"""Entries of the list in words, and the part of the list that somebody looks for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from pod.domain.entry import Entry, Owner
from pod.domain.plates import match_key, one_edit_apart
from pod.web.schedule_words import in_words

PAGE = 50
"""Entries on one page of the list."""

_NEAR_FROM = 4

STATES = {
    "now": "Counts",
    "later": "Not begun",
    "over": "Over",
    "spent": "Used up",
}
"""How an entry stands today, and what people call it."""


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What somebody looks for in the list; empty fields ask for nothing.

    Attributes:
        text: part of a plate, in any writing, or of a label.
        verdict: allow or deny.
        type: an entry type.
        state: of `STATES`.
        page: from 1.
    """

    text: str = ""
    verdict: str = ""
    type: str = ""
    state: str = ""
    page: int = 1

    @property
    def narrows(self) -> bool:
        return bool(self.text or self.verdict or self.type or self.state)


@dataclass(frozen=True, slots=True)
class EntryWords:
    """One entry as the list shows it.

    Attributes:
        look: allow, deny or idle (it does not count now): its icon and style.
        state: of `STATES`.
        when: from when to when, and at which times of the week; "" for always.
        where: gates, cameras and sites; "" for everywhere.
        extras: uses left, exactness, owner.
        locked: another keeper's entry, which cannot be changed here.
    """

    id: int
    plate: str
    who: str
    type: str
    look: str
    state: str
    when: str
    where: str
    extras: tuple[str, ...]
    locked: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some of the entries found, sorted by plate.

    Attributes:
        total: of the whole list.
        found: how many the filter leaves.
        first, last: their numbers on this page, from 1; 0 where there are none.
    """

    entries: tuple[EntryWords, ...]
    total: int
    found: int
    page: int
    pages: int
    first: int
    last: int


def page_of(entries: Sequence[Entry], wanted: ListFilter, now: datetime) -> ListPage:
    """The page that the filter asks for, or the last one where there are fewer.

    Args:
        entries: the whole list, sorted by plate.
        now: aware, in the site's time zone.
    """
    found = [entry for entry in entries if _fits(entry, wanted, now)] if wanted.narrows else list(entries)
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(wanted.page, 1), pages)
    shown = found[(page - 1) * PAGE : page * PAGE]
    first = (page - 1) * PAGE + 1 if shown else 0
    return ListPage(
        entries=tuple(entry_words(entry, now) for entry in shown),
        total=len(entries),
        found=len(found),
        page=page,
        pages=pages,
        first=first,
        last=first + len(shown) - 1 if shown else 0,
    )


def entry_words(entry: Entry, now: datetime) -> EntryWords:
    """One entry in words; `now` as in `page_of`."""
    state = state_of(entry, now)
    extras = []
    if entry.uses_left is not None:
        extras.append("1 use left" if entry.uses_left == 1 else f"{entry.uses_left or 'no'} uses left")
    if entry.exact_only:
        extras.append("only this very plate")
    if entry.owner is Owner.CLOUD:
        extras.append("kept by the cloud")
    return EntryWords(
        id=entry.id,
        plate=entry.plate,
        who=entry.label,
        type=entry.type.value,
        look=entry.verdict.value if state == "now" else "idle",
        state=state,
        when=when_of(entry, now),
        where=_where(entry),
        extras=tuple(extras),
        locked=entry.owner is Owner.CLOUD,
    )


def state_of(entry: Entry, now: datetime) -> str:
    """One of `STATES`; times of the week don't matter for it."""
    if entry.expires_at is not None and now >= entry.expires_at:
        return "over"
    if entry.starts_at is not None and now < entry.starts_at:
        return "later"
    return "spent" if entry.uses_left == 0 else "now"


def when_of(entry: Entry, now: datetime) -> str:
    """When an entry counts, in the zone of `now`; "" for always."""
    parts = []
    if entry.starts_at is not None:
        parts.append(f"from {_moment(entry.starts_at, now.tzinfo)}")
    if entry.expires_at is not None:
        parts.append(f"until {end_in_words(entry.expires_at, now)}")
    if entry.schedule is not None:
        parts.append(in_words(entry.schedule))
    return "; ".join(parts)


def end_in_words(expires_at: datetime, now: datetime) -> str:
    """An end at midnight is the day before it, as people count."""
    local = expires_at.astimezone(now.tzinfo)
    if local.time() != time():
        return _moment(expires_at, now.tzinfo)
    day = (local - timedelta(days=1)).date()
    if day == now.date():
        return "tonight"
    return f"the end of {_day(datetime.combine(day, time()))}"


def _fits(entry: Entry, wanted: ListFilter, now: datetime) -> bool:
    return (
        (not wanted.verdict or entry.verdict.value == wanted.verdict)
        and (not wanted.type or entry.type.value == wanted.type)
        and (not wanted.text or _holds(entry, wanted.text))
        and (not wanted.state or state_of(entry, now) == wanted.state)
    )


def _holds(entry: Entry, text: str) -> bool:
    key = match_key(text)
    if key and (key in entry.key or (len(key) >= _NEAR_FROM and one_edit_apart(entry.key, key))):
        return True
    return text.strip().casefold() in entry.label.casefold()


def _where(entry: Entry) -> str:
    parts = []
    for what, names in (("gate", entry.gates), ("camera", entry.cameras), ("site", entry.sites)):
        if names:
            parts.append(f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}")
    return "; ".join(parts)


def _moment(moment: datetime, zone: tzinfo | None) -> str:
    local = moment.astimezone(zone)
    return _day(local) if local.time() == time() else f"{_day(local)} {local:%H:%M}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"

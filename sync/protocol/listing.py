"""The cloud's side of lists going down: the shortest way from what a POD has to what it should have. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.protocol.down import ListChunk, ListDelta
from sync.protocol.errors import ProtocolError
from sync.protocol.limits import MAX_CHUNKS, MAX_ENTRIES, MAX_STEPS
from sync.protocol.lists import Entry, in_chunks
from sync.protocol.up import ListState, WantList


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the entries that changed since a list.

    Attributes:
        put: entries as they are now.
        gone: ids of those that are no more.
    """

    put: Sequence[Entry]
    gone: Sequence[str]


class ListSource(Protocol):
    """One POD's list in the cloud, as of one moment."""

    def state(self) -> ListState:
        """Which list it is; its version rises with each change."""

    def entries(self) -> Sequence[Entry]:
        """All entries, always in the same order."""

    def changes_since(self, version: int, *, most: int) -> tuple[ListState, Changes] | None:
        """An older list and what changed since; None where that is forgotten, or is more than `most`."""


def delta_from(source: ListSource, has: ListState) -> ListDelta | None:
    """The delta for a POD that has this list; None where it needs the whole one.

    Raises:
        ProtocolError: an entry is too large to be sent.
    """
    found = source.changes_since(has.version, most=MAX_STEPS)
    if found is None:
        return None
    since, changes = found
    put, *more = in_chunks(changes.put)
    if since != has or more:
        return None
    return ListDelta(since=has, to=source.state(), put=put, gone=list(changes.gone))


def answer_want(source: ListSource, want: WantList) -> list[ListDelta | ListChunk]:
    """What brings the POD that asks to the newest list; nothing where it has it.

    Raises:
        ProtocolError: the list, or an entry, is larger than a POD takes: an alarm for whoever keeps it.
    """
    now = source.state()
    if want.has == now:
        return []
    if want.missing is None:
        delta = delta_from(source, want.has)
        if delta is not None:
            return [delta]
    entries = source.entries()
    chunks = list(in_chunks(entries))
    if len(entries) > MAX_ENTRIES or len(chunks) > MAX_CHUNKS:
        raise ProtocolError(f"a list of {len(entries)} entries: a POD takes {MAX_ENTRIES}")
    missing = set(range(len(chunks)) if want.missing is None or want.version != now.version else want.missing)
    return [
        ListChunk(
            session=want.session,
            number=want.number,
            of=now,
            index=index,
            count=len(chunks),
            entries=chunk,
        )
        for index, chunk in enumerate(chunks)
        if index in missing
    ]

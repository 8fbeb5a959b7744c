"""The POD's side of lists coming down: what is put in force, and when it is asked for again. Pure.

A delta counts only from exactly the list that is here. The whole list counts only in answer to a question of
this session, so that no old one can be played back; it may be an older version, for a cloud that was
restored knows no better. Either way the digest must be what was signed before anything is in force.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sync.protocol.down import ListChunk, ListDelta, Welcome
from sync.protocol.limits import MAX_ENTRIES, MAX_REFUSED
from sync.protocol.lists import Entry, digest_after, digest_of_list, entry_hash
from sync.protocol.up import ListState, Receipt, Refusal, WantList

WANT_AGAIN_S = 5.0
"""After so long without all of it, what is missing of a list is asked for again."""


class ReplicaStore(Protocol):
    """The cloud's entries on the POD. Changes are durable, and in force, once they return, or not made."""

    def state(self) -> ListState:
        """Which list is in force; `lists.EMPTY` before the first."""

    def hashes(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """`lists.entry_hash` of those of these entries that are there, refused ones included."""

    def change(self, put: Sequence[Entry], gone: Sequence[str], to: ListState) -> Mapping[str, str]:
        """Change the list; returns what cannot be put in force and why, by id."""

    def replace(self, entries: Sequence[Entry], to: ListState) -> Mapping[str, str]:
        """Put a whole list in the place of the one that is there; returns as `change`."""


@dataclass(slots=True)
class _Arriving:
    of: ListState
    number: int
    count: int
    chunks: dict[int, list[Entry]] = field(default_factory=dict)


class Replica:
    """One POD's copy of its list. For one thread; `now_s` is always the same monotonic clock.

    Attributes:
        confirmed: whether the cloud's latest answer named the list that is in force here.
        spoiled: lists that did not have the digest they were signed with.
    """

    def __init__(self, store: ReplicaStore, *, session: str) -> None:
        self._store = store
        self._session = session
        self._number = self._settled = 0
        self._want_due_s = float("inf")
        self._arriving: _Arriving | None = None
        self._receipt: Receipt | None = None
        self.confirmed = False
        self.spoiled = 0

    def disconnected(self) -> None:
        """The broker is gone: the next welcome tells what to ask for."""
        self._want_due_s = float("inf")
        self._arriving = None
        self.confirmed = False

    def due_s(self) -> float:
        """When `poll` is to be called next, at the latest; also after whatever else is called here."""
        return self._want_due_s

    def poll(self, now_s: float) -> WantList | None:
        """The question that is to be sent now, if one is."""
        if now_s < self._want_due_s:
            return None
        self._want_due_s = now_s + WANT_AGAIN_S
        self._number += 1
        has, arriving = self._store.state(), self._arriving
        if arriving is None:
            return WantList(session=self._session, number=self._number, has=has)
        missing = [index for index in range(arriving.count) if index not in arriving.chunks]
        return WantList(
            session=self._session, number=self._number, has=has, version=arriving.of.version, missing=missing
        )

    def on_welcome(self, welcome: Welcome, now_s: float) -> bool:
        """Compare with what the cloud has; True where it confirmed the list that is in force."""
        self.confirmed = welcome.listed == self._store.state()
        if self.confirmed:
            self._arrived()
        elif self._want_due_s > now_s + WANT_AGAIN_S:
            self._want_due_s = now_s
        return self.confirmed

    def on_delta(self, delta: ListDelta, now_s: float) -> Receipt | None:
        """Follow a change; what does not follow from the list here is asked for."""
        state = self._store.state()
        if delta.to == state:
            known = self._receipt
            return known if known is not None and known.listed == state else Receipt(listed=state)
        if delta.since != state:
            self._want_due_s = min(self._want_due_s, now_s)
            return None
        put = dict(delta.put)
        if not put.keys().isdisjoint(delta.gone):
            self._is_spoiled(now_s)
            return None
        before = self._store.hashes({*put, *delta.gone})
        added = [entry_hash(entry) for entry in put.items()]
        if digest_after(state.digest, added=added, removed=before.values()) != delta.to.digest:
            self._is_spoiled(now_s)
            return None
        self._arrived()
        self._receipt = _receipt(delta.to, self._store.change(list(put.items()), delta.gone, delta.to))
        return self._receipt

    def on_chunk(self, chunk: ListChunk, now_s: float) -> Receipt | None:
        """Take in a part of the whole list; put it in force once it is all there."""
        if chunk.session != self._session or not self._settled < chunk.number <= self._number:
            return None
        arriving = self._arriving
        if arriving is None or (arriving.of != chunk.of and chunk.number > arriving.number):
            arriving = self._arriving = _Arriving(chunk.of, chunk.number, chunk.count)
        if arriving.of != chunk.of:
            return None
        arriving.chunks[chunk.index] = chunk.entries
        count = sum(map(len, arriving.chunks.values()))
        if chunk.index >= arriving.count or chunk.count != arriving.count or count > MAX_ENTRIES:
            self._is_spoiled(now_s)
            return None
        if len(arriving.chunks) < arriving.count:
            return None
        entries = dict(entry for _, part in sorted(arriving.chunks.items()) for entry in part)
        if digest_of_list(entries.items()) != arriving.of.digest:
            self._is_spoiled(now_s)
            return None
        self._arrived()
        self._receipt = _receipt(arriving.of, self._store.replace(list(entries.items()), arriving.of))
        return self._receipt

    def _arrived(self) -> None:
        """What was asked for so far is settled: an answer that comes later would bring an older list."""
        self._arriving = None
        self._settled = self._number
        self._want_due_s = float("inf")

    def _is_spoiled(self, now_s: float) -> None:
        self.spoiled += 1
        self._arriving = None
        self._want_due_s = now_s + WANT_AGAIN_S


def _receipt(state: ListState, refused: Mapping[str, str]) -> Receipt:
    named = list(refused.items())[:MAX_REFUSED]
    return Receipt(
        listed=state,
        refused=[Refusal(id=entry_id, reason=reason[:200]) for entry_id, reason in named],
        refused_count=len(refused),
    )

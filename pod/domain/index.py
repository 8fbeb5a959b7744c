"""The access list as decisions look it up: by plate, and by what the evidence may mean. Pure, immutable."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable

from pod.domain.confusions import likely_neighbours
from pod.domain.entry import Entry
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key

MOST_OF_A_PLATE = 50
"""Entries of one match key that a list takes: a decision looks at each of them, in the camera's thread."""

_FEW = 64
"""Up to so many additions are put in their places one by one; more are sorted in with the rest."""


class AccessIndex:
    """Every entry of one version of the list; threads share it, nothing changes it.

    Attributes:
        entries: all of them, sorted by plate.
    """

    __slots__ = ("_by_key", "entries")

    entries: tuple[Entry, ...]

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = tuple(sorted(entries, key=_place))
        by_key: dict[str, list[Entry]] = {}
        for entry in self.entries:
            by_key.setdefault(entry.key, []).append(entry)
        self._by_key = {key: tuple(entries) for key, entries in by_key.items()}

    def __len__(self) -> int:
        return len(self.entries)

    def by_key(self, key: str) -> tuple[Entry, ...]:
        """The entries of one match key, sorted by plate; empty where there are none."""
        return self._by_key.get(key, ())

    def candidates(self, consensus: Consensus) -> tuple[Entry, ...]:
        """The entries that a reading may mean, the most likely characters' first.

        Those of the reading's own match key, and those one known confusion away that the evidence gives any
        weight. Whether any of them opens is for `access.decide`.
        """
        if not consensus.text:
            return ()
        found = list(self.by_key(match_key(consensus.text)))
        for key in likely_neighbours(consensus):
            found += self.by_key(key)
        return tuple(found)

    def replaced(self, removed: Collection[Entry], added: Collection[Entry]) -> "AccessIndex":
        """An index without `removed` and with `added`; shares with this one what did not change.

        Raises:
            ValueError: an entry of `removed` is not in it; then the caller's picture of the list is wrong.
        """
        entries = list(self.entries)
        by_key = dict(self._by_key)
        for entry in removed:
            del entries[_position(entries, entry)]
            left = list(by_key[entry.key])
            left.remove(entry)
            if left:
                by_key[entry.key] = tuple(left)
            else:
                del by_key[entry.key]
        for entry in added:
            by_key[entry.key] = tuple(sorted((*by_key.get(entry.key, ()), entry), key=_place))
        if len(added) <= _FEW:
            for entry in added:
                insort(entries, entry, key=_place)
        else:
            entries.extend(added)
            entries.sort(key=_place)
        changed = AccessIndex()
        changed.entries, changed._by_key = tuple(entries), by_key
        return changed


def _place(entry: Entry) -> tuple[str, str, int]:
    return entry.plate, entry.verdict.value, entry.id


def _position(entries: list[Entry], entry: Entry) -> int:
    place = _place(entry)
    i = bisect_left(entries, place, key=_place)
    while i < len(entries) and _place(entries[i]) == place:
        if entries[i] == entry:
            return i
        i += 1
    raise ValueError(f"{entry.plate} ({entry.verdict.value}, row {entry.id}) is not in the index")

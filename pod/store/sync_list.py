"""The cloud's list as the sync agent brings it: entries are read, and put in force or refused whole."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.errors import PlateListError
from pod.domain.schedule import parse_schedule
from pod.store.cloud_entries import CloudEntries, CloudEntry, CloudList
from pod.store.following_reader import FollowingReader
from pod.store.list_staging import Pause
from pod.store.moments import from_us
from sync.protocol import lists
from sync.protocol.entry_document import read_document
from sync.protocol.errors import ProtocolError
from sync.protocol.up import ListState

_ASKED_AT_ONCE = 500
"""SQLite takes a bounded number of values in one question."""


class SqliteReplica:
    """`sync.protocol.replica.ReplicaStore` over a POD's access list.

    Each call raises StoreError where the store can't answer, and changes PlateListError while an import is
    going on; then nothing was changed.
    """

    def __init__(self, entries: CloudEntries, reader: FollowingReader) -> None:
        self._entries = entries
        self._reader = reader

    def state(self) -> ListState:
        """Which list is in force."""
        ((version, digest),) = self._reader.ask("SELECT cloud_version, cloud_digest FROM list_state")
        return ListState(version=version, digest=bytes.fromhex(digest))

    def hashes(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """The hash of those of these entries that are there, refused ones included."""
        asked = list(ids)
        found: dict[str, bytes] = {}
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            places = ", ".join("?" * len(part))
            rows = self._reader.ask(
                f"SELECT id, hash FROM cloud_refused WHERE id IN ({places}) "  # noqa: S608 - question marks
                f"UNION ALL SELECT cloud_id, cloud_hash FROM entry_in_force WHERE cloud_id IN ({places})",
                [*part, *part],
            )
            found |= {entry_id: bytes.fromhex(digest) for entry_id, digest in rows}
        return found

    def change(self, put: Sequence[lists.Entry], gone: Sequence[str], to: ListState) -> Mapping[str, str]:
        """Change the list; returns what cannot be put in force and why, by id."""
        return self._entries.change(_read_all(put), gone, _list(to))

    def replace(self, entries: Sequence[lists.Entry], to: ListState) -> Mapping[str, str]:
        """Put a whole list in the place of the one that is there; returns as `change`."""
        return self._entries.replace(_read_all(entries), _list(to))


def _list(state: ListState) -> CloudList:
    return CloudList(state.version, state.digest.hex())


def _read_all(sent: Sequence[lists.Entry]) -> list[CloudEntry]:
    pause, read = Pause(), []
    for entry in sent:
        pause()
        read.append(_read(entry))
    return read


def _read(sent: lists.Entry) -> CloudEntry:
    entry_id, text = sent
    made = CloudEntry(entry_id, lists.entry_hash(sent).hex(), None)
    try:
        return dataclasses.replace(made, entry=_entry(text))
    except (ProtocolError, PlateListError) as error:
        return dataclasses.replace(made, refused=str(error))


def _entry(text: str) -> Entry:
    """Raises: ProtocolError, PlateListError: it cannot be put in force as a whole."""
    document = read_document(text)
    return Entry(
        key=document.key,
        plate=document.plate,
        verdict=Verdict(document.verdict),
        type=EntryType(document.type),
        label=document.label,
        starts_at=None if document.starts_us is None else from_us(document.starts_us),
        expires_at=None if document.expires_us is None else from_us(document.expires_us),
        gates=tuple(sorted(set(document.gates))),
        cameras=tuple(sorted(set(document.cameras))),
        sites=tuple(sorted(set(document.sites))),
        schedule=None if document.schedule is None else parse_schedule(document.schedule),
        uses_left=document.uses_left,
        exact_only=document.exact_only,
        owner=Owner.CLOUD,
    )

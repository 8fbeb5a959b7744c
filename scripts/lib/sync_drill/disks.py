"""What each half made durable: it outlasts crashes, and is older again once a copy is restored."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sync.protocol.chain import START, Position, Row, digest_of, link_of
from sync.protocol.down import Command
from sync.protocol.intake import Line
from sync.protocol.listing import Changes
from sync.protocol.lists import EMPTY, Entry, digest_of_list, entry_hash
from sync.protocol.up import Answer, ListState


@dataclass
class PodDisk:
    """A POD's database. Rows are never changed; a restored one goes on from an older row.

    Attributes:
        went_back: how often an older list was put in force.
    """

    audit: list[Row] = field(default_factory=list)
    entries: dict[str, str] = field(default_factory=dict)
    listed: ListState = EMPTY
    spent: dict[str, Answer] = field(default_factory=dict)
    went_back: int = 0

    def copy(self) -> "PodDisk":
        spent = dict(self.spent)
        return PodDisk(list(self.audit), dict(self.entries), self.listed, spent, self.went_back)

    def append(self, kind: str, payload: Mapping[str, object], *, ts_us: int, salt: bytes) -> Row:
        """Write a row, as the POD's store seals and links it."""
        text = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        digest, seq, before = digest_of(salt, text), len(self.audit) + 1, self.head()
        link = link_of(before.link, seq, ts_us=ts_us, kind=kind, digest=digest)
        self.audit.append(Row(seq, ts_us, kind, salt, text, digest, link))
        return self.audit[-1]

    def head(self) -> Position:
        return self.audit[-1].position if self.audit else START

    def oldest(self) -> Position:
        return START

    def position(self, seq: int) -> Position | None:
        if seq == 0:
            return START
        return self.audit[seq - 1].position if seq <= len(self.audit) else None

    def rows(self, after: int, *, most: int, most_bytes: int) -> Sequence[Row]:
        found: list[Row] = []
        size = 0
        for row in self.audit[after : after + most]:
            size += len(row.payload)
            if found and size > most_bytes:
                break
            found.append(row)
        return found

    def state(self) -> ListState:
        return self.listed

    def hashes(self, ids: Collection[str]) -> Mapping[str, bytes]:
        return {one: entry_hash((one, self.entries[one])) for one in ids if one in self.entries}

    def change(self, put: Sequence[Entry], gone: Sequence[str], to: ListState) -> Mapping[str, str]:
        self.entries.update(put)
        for one in gone:
            self.entries.pop(one, None)
        self._now(to)
        return {}

    def replace(self, entries: Sequence[Entry], to: ListState) -> Mapping[str, str]:
        self.entries = dict(entries)
        self._now(to)
        return {}

    def _now(self, to: ListState) -> None:
        self.went_back += to.version < self.listed.version
        self.listed = to

    def answer(self, command_id: str) -> Answer | None:
        return self.spent.get(command_id)

    def refuse(self, answer: Answer) -> None:
        self.spent[answer.id] = answer


@dataclass
class CloudDisk:
    """The cloud's database, as far as one POD goes.

    Attributes:
        table: rows in the order of their insertion, each with the line it was taken on.
        log: which entry each version of the list changed; `states`: the list at each version.
        incidents: what a person has to look at.
    """

    line: Line = field(default_factory=Line)
    table: list[tuple[int, Row]] = field(default_factory=list)
    entries: dict[str, str] = field(default_factory=dict)
    states: list[ListState] = field(default_factory=lambda: [EMPTY])
    log: list[str] = field(default_factory=list)
    commands: dict[str, tuple[Command, Answer | None]] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    told: ListState = EMPTY

    def copy(self) -> "CloudDisk":
        return replace(
            self,
            table=list(self.table),
            entries=dict(self.entries),
            states=list(self.states),
            log=list(self.log),
            commands=dict(self.commands),
            incidents=list(self.incidents),
        )

    def on_line(self) -> dict[int, Row]:
        """The rows of the line by seq: of several, the one that was taken last."""
        rows = [row for _, row in sorted(self.table, key=lambda one: one[0])]
        return {row.seq: row for row in rows if self.line.holds(row.seq)}

    def turn(self, entry_id: str, document: str | None) -> None:
        """Change one entry of the list; None: it goes."""
        if document is None:
            self.entries.pop(entry_id, None)
        else:
            self.entries[entry_id] = document
        self.log.append(entry_id)
        digest = digest_of_list(self.entries.items())
        self.states.append(ListState(version=len(self.log), digest=digest))

    def state(self) -> ListState:
        return self.states[-1]

    def all_entries(self) -> Sequence[Entry]:
        return sorted(self.entries.items())

    def changes_since(self, version: int, *, most: int) -> tuple[ListState, Changes] | None:
        touched = set(self.log[version:])
        if version >= len(self.states) or len(touched) > most or len(self.log) - version > 6:
            return None
        put = [(one, self.entries[one]) for one in touched if one in self.entries]
        return self.states[version], Changes(put, [one for one in touched if one not in self.entries])


@dataclass(frozen=True, slots=True)
class ListView:
    """The list as `listing.ListSource` names its parts; `CloudDisk.entries` is the data itself."""

    disk: CloudDisk

    def state(self) -> ListState:
        return self.disk.state()

    def entries(self) -> Sequence[Entry]:
        return self.disk.all_entries()

    def changes_since(self, version: int, *, most: int) -> tuple[ListState, Changes] | None:
        return self.disk.changes_since(version, most=most)

"""What the sync agent reads and writes of a POD's store: its audit, its list, spent commands, its cloud."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pod.domain.access import REASONS
from pod.domain.entry import Owner, Verdict
from pod.domain.errors import PlateListError, StoreError
from pod.gate.controller import GateController
from pod.services.open_command import OpenCommands, boottime_s
from pod.services.sync_opens import RemoteOpens
from pod.store import audit, erasure
from pod.store.connection import connect_writer
from pod.store.entries import make_entry
from pod.store.following_reader import FollowingReader
from pod.store.list_staging import CHUNK
from pod.store.store import Store
from pod.store.sync_audit import SqliteAudit
from pod.store.sync_commands import SqliteSpentCommands
from pod.store.sync_home import SqliteHomes
from pod.store.sync_list import SqliteReplica
from pod.store.uses import take_use
from sync.protocol import chain, lists
from sync.protocol.down import Command
from sync.protocol.entry_document import EntryDocument, write_document
from sync.protocol.homes import Home, Homes
from sync.protocol.plates import match_key
from sync.protocol.up import Answer, ListState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


@pytest.fixture
def reader(store: Store) -> Iterator[FollowingReader]:
    reader = FollowingReader(store.path)
    yield reader
    reader.close()


@pytest.fixture
def replica(store: Store, reader: FollowingReader) -> SqliteReplica:
    return SqliteReplica(store.plates.cloud, reader)


def sent(entry_id: str, plate: str = "AB123CD", **fields: object) -> lists.Entry:
    """An entry as the cloud sends it: a resident's, unless told otherwise."""
    told = {"key": match_key(plate), "plate": plate, "verdict": "allow", "type": "resident"} | fields
    return write_document(entry_id, EntryDocument.model_validate(told))


def state_of(version: int, entries: list[lists.Entry]) -> ListState:
    return ListState(version=version, digest=lists.digest_of_list(entries))


def listed(store: Store) -> dict[str, int | None]:
    """The cloud's plates in force, with the uses that each has left."""
    return {e.plate: e.uses_left for e in store.plates.current.entries if e.owner is Owner.CLOUD}


def many(count: int, **fields: object) -> list[lists.Entry]:
    return [sent(f"e{n}", f"XY{n:05}", **fields) for n in range(count)]


@pytest.mark.parametrize("count", [pytest.param(3, id="few"), pytest.param(CHUNK + 50, id="many")])
def test_a_change_and_a_whole_list_are_in_force_when_the_call_returns(
    store: Store, replica: SqliteReplica, count: int
) -> None:
    entries = many(count)
    assert replica.change(entries, [], state_of(1, entries)) == {}
    assert len(listed(store)) == count
    assert replica.state() == state_of(1, entries)
    assert replica.hashes([entry_id for entry_id, _ in entries]) == {
        e[0]: lists.entry_hash(e) for e in entries
    }
    rest = entries[1:]
    assert replica.replace(rest, state_of(2, rest)) == {}
    assert set(listed(store)) == {f"XY{n:05}" for n in range(1, count)}
    assert replica.change([], [e[0] for e in rest], state_of(3, [])) == {}
    assert listed(store) == {}
    assert replica.state() == ListState(version=3, digest=bytes(32))


def test_a_new_pod_has_the_empty_list(replica: SqliteReplica) -> None:
    assert replica.state() == lists.EMPTY


def test_an_entry_in_doubt_is_refused_whole_and_told_and_known_again(
    store: Store, replica: SqliteReplica
) -> None:
    good, bad = sent("good"), sent("bad", "ZZ999ZZ", schedule="whenever")
    refused = replica.change([good, bad], [], state_of(1, [good, bad]))
    assert set(refused) == {"bad"}
    assert "whenever" in refused["bad"]
    assert set(listed(store)) == {"AB123CD"}
    assert replica.hashes(["bad"]) == {"bad": lists.entry_hash(bad)}
    mended = sent("bad", "ZZ999ZZ")
    assert replica.change([mended], [], state_of(2, [good, mended])) == {}
    assert set(listed(store)) == {"AB123CD", "ZZ999ZZ"}


def test_an_entry_that_is_refused_from_now_on_lets_nobody_in_by_what_it_was(
    store: Store, replica: SqliteReplica
) -> None:
    replica.change([sent("a")], [], state_of(1, [sent("a")]))
    worse = ("a", sent("a")[1][:-1] + ',"only_with_badge":true}')
    assert set(replica.change([worse], [], state_of(2, [worse]))) == {"a"}
    assert listed(store) == {}


def test_uses_taken_here_stay_taken_whatever_the_cloud_changes(store: Store, replica: SqliteReplica) -> None:
    def tell(version: int, uses: int | None, label: str = "") -> int | None:
        entry = sent("a", type="visitor", uses_left=uses, label=label)
        replica.replace([entry], state_of(version, [entry]))
        return listed(store)["AB123CD"]

    assert tell(1, 3) == 3
    for _ in range(2):
        (entry,) = store.plates.current.entries
        store.submit(lambda conn, entry=entry: take_use(conn, entry.id)).result(10)
    assert listed(store) == {"AB123CD": 1}
    assert tell(2, 3, "another label") == 1
    assert tell(3, 5) == 3
    assert tell(4, 1) == 0
    assert tell(5, 3) == 1
    assert tell(6, None) is None
    assert tell(7, 3) == 3


def test_people_at_the_pod_may_not_change_the_cloud_s_entries_and_undo_their_own(
    store: Store, replica: SqliteReplica
) -> None:
    store.plates.add(make_entry("MY111ME"), by="test").result(10)
    replica.change([sent("a")], [], state_of(1, [sent("a")]))
    with pytest.raises(PlateListError, match="kept by the cloud"):
        store.plates.remove("AB123CD", by="test").result(10)
    store.plates.undo(by="test").result(10)
    assert [e.plate for e in store.plates.current.entries] == ["AB123CD"]


def test_a_denial_of_either_side_is_in_force_beside_what_the_other_allows(
    store: Store, replica: SqliteReplica
) -> None:
    store.plates.add(make_entry("AB123CD", Verdict.DENY), by="test").result(10)
    assert replica.change([sent("a")], [], state_of(1, [sent("a")])) == {}
    verdicts = {e.owner: e.verdict for e in store.plates.current.index.by_key(match_key("AB123CD"))}
    assert verdicts == {Owner.POD: Verdict.DENY, Owner.CLOUD: Verdict.ALLOW}


def test_the_audit_is_read_as_the_protocol_proves_it(store: Store, reader: FollowingReader) -> None:
    source = SqliteAudit(reader)
    assert source.head() == source.oldest() == chain.START
    for n in range(5):
        store.record("login", {"n": n}).result(10)
    erasure.empty_rows(store, [2], lambda: True)
    rows = source.rows(0, most=10, most_bytes=10_000)
    at = chain.START
    for row in rows:
        link = chain.link_of(at.link, row.seq, ts_us=row.ts_us, kind=row.kind, digest=row.digest)
        at = chain.Position(at.seq + 1, link)
        assert row.position == at == source.position(row.seq)
        assert row.absent == ("erased" if row.seq == 2 else "")
    assert at == source.head()
    assert source.position(99) is None
    assert [row.seq for row in source.rows(2, most=2, most_bytes=10_000)] == [3, 4]
    assert [row.seq for row in source.rows(2, most=10, most_bytes=1)] == [3]


def test_reading_the_audit_keeps_no_lock_that_holds_up_the_writer(
    store: Store, reader: FollowingReader
) -> None:
    store.record("login", {"n": 1}).result(10)
    SqliteAudit(reader).rows(0, most=10, most_bytes=10_000)
    conn = connect_writer(store.path, busy_timeout_s=0)
    busy, _, _ = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    conn.close()
    assert busy == 0


def test_the_reader_follows_a_database_that_was_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    with Store.open(path) as store:
        store.record("login", {}).result(10)
    with Store.open(tmp_path / "other.db") as other:
        for _ in range(3):
            other.record("login", {}).result(10)
    reader = FollowingReader(path)
    source = SqliteAudit(reader)
    assert source.head().seq == 1
    (tmp_path / "other.db").replace(path)
    assert source.head().seq == 3
    reader.close()


def test_a_refusal_stands_and_a_spent_id_is_known(store: Store, reader: FollowingReader) -> None:
    spent = SqliteSpentCommands(store, reader)
    assert spent.answer("c1") is None
    spent.refuse(Answer(id="c1", result="refused", reason="clock_unsure"))
    spent.refuse(Answer(id="c1", result="refused", reason="command_expired"))
    assert spent.answer("c1") == Answer(id="c1", result="refused", reason="clock_unsure")


def test_a_move_is_kept_until_the_pod_is_enrolled_anew(store: Store, reader: FollowingReader) -> None:
    old, new, other = (
        Home(f"https://{n}.example", (f"mqtts://{n}.example",)) for n in ("old", "new", "other")
    )
    homes = SqliteHomes(store, reader, enrolled=old)
    assert homes.load() == Homes(old)
    homes.save(Homes(old, new, 7))
    assert SqliteHomes(store, reader, enrolled=old).load() == Homes(old, new, 7)
    assert SqliteHomes(store, reader, enrolled=other).load() == Homes(other)


def test_every_change_of_the_cloud_s_list_is_in_the_audit(store: Store, replica: SqliteReplica) -> None:
    replica.change([sent("a")], [], state_of(1, [sent("a")]))
    rows = store.submit(
        lambda conn: [audit.row_from(row) for row in conn.execute(audit.LATEST_SQL, (10,))]
    ).result(10)
    payload = rows[0].payload or {}
    assert (rows[0].kind, payload["by"], payload["owner"], payload["plate"]) == (
        "list_change",
        "cloud",
        "cloud",
        "AB123CD",
    )


class Line:
    """A gate that counts its pulses."""

    name = "main"

    def __init__(self) -> None:
        self.pulses = 0

    def pulse(self, pulse_id: str, on_end: object) -> None:
        self.pulses += 1


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def opens(store: Store, line: Line) -> RemoteOpens:
    gates = cast(Mapping[str, GateController], {"main": line})
    return RemoteOpens(OpenCommands(gates, store, publish=lambda row: None))


def asked(command_id: str, gate: str = "main", *, confirmed: bool = False) -> Command:
    return Command(
        id=command_id,
        session="s",
        gate=gate,
        action="open",
        by="Ada",
        confirmed=confirmed,
        issued_s=1.0,
        expires_s=2.0,
    )


def test_a_command_opens_once_and_its_copies_are_told_what_became_of_it(
    opens: RemoteOpens, line: Line
) -> None:
    later_s = boottime_s() + 60
    answers = [opens.carry_out(asked("c1"), before_s=later_s) for _ in range(3)]
    assert {answer.result for answer in answers} == {"commanded"}
    assert line.pulses == 1


@pytest.mark.parametrize(
    ("command", "late_s", "reason"),
    [
        pytest.param(asked("c1", "back"), 60.0, "gate_unknown", id="a gate that is not here"),
        pytest.param(asked("c1"), -1.0, "command_expired", id="too late"),
        pytest.param(asked("c1"), 60.0, "confirm_lockdown", id="a lockdown"),
    ],
)
def test_what_was_refused_once_opens_nothing_later(
    store: Store, opens: RemoteOpens, line: Line, command: Command, late_s: float, reason: str
) -> None:
    store.plates.switch(lambda state: replace(state, lockdown=True), by="test").result(10)
    told = opens.carry_out(command, before_s=boottime_s() + late_s)
    assert (told.result, told.reason) == ("refused", reason)
    store.plates.switch(lambda state: replace(state, lockdown=False), by="test").result(10)
    assert opens.carry_out(command, before_s=boottime_s() + 60) == told
    assert line.pulses == 0


def test_a_command_that_grows_old_while_it_is_written_down_opens_nothing(store: Store, line: Line) -> None:
    times_s = iter([0.0, 10.0])
    gates = cast(Mapping[str, GateController], {"main": line})
    opener = OpenCommands(gates, store, publish=lambda row: None, boot_s=lambda: next(times_s))
    told = RemoteOpens(opener).carry_out(asked("c1"), before_s=5.0)
    assert (told.result, told.reason, line.pulses) == ("refused", "command_expired", 0)


def test_a_command_that_could_not_be_written_down_is_refused_for_good(
    store: Store, opens: RemoteOpens, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full: free space on it")

    with monkeypatch.context() as broken:
        broken.setattr(store, "submit", full)
        told = opens.carry_out(asked("c1"), before_s=boottime_s() + 60)
    assert (told.result, told.reason) == ("refused", "store_failed")
    assert opens.carry_out(asked("c1"), before_s=boottime_s() + 60) == told
    assert line.pulses == 0


def test_a_command_that_lives_too_long_has_a_sentence_for_people() -> None:
    assert {"command_too_long", "other_session"} <= set(REASONS)

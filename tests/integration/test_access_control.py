"""The order of intent, pulse and outcome, on a real store; the gate is a stand-in that fails on demand."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gate_fixtures import until
from readings import read_as

from pod.domain.access import Decision
from pod.domain.approach import Action, Approaches, Step
from pod.domain.clock_trust import ClockTrust
from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.errors import GateError, StoreError
from pod.domain.evidence import Evidence
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.gate.pulse import GateBusyError, NotPulsedError, PulseEnd, PulseStarted
from pod.runtime.metrics import PodMetrics
from pod.services.access_control import AccessControl, Sighting, Site
from pod.services.alarms import Alarms
from pod.services.clock_watch import ClockWatch
from pod.services.served_cars import SAME_CAR_S, ServedCars
from pod.store.audit import SINCE_SQL, AuditRow, row_from
from pod.store.entry_rows import insert_entries
from pod.store.keeping import Keeping
from pod.store.site_state import next_version
from pod.store.store import Store
from pod.store.writer import QUEUE_JOBS

ENTRY = Entry(match_key("AB123"), "AB123", Verdict.ALLOW, EntryType.RESIDENT, "Flat 3")
OPEN = Step("entry-1", 1, Action.OPEN, Decision(Verdict.ALLOW, "listed", "AB123", 0.98, ENTRY))
BOX = (10.0, 20.0, 110.0, 50.0)


class Gate:
    """Does what each test asks of it at the moment of the pulse."""

    name = "main"

    def __init__(self, at_pulse: Callable[[], None] = lambda: None, *, pause_left_s: float = 0.0) -> None:
        self.at_pulse = at_pulse
        self._pause_left_s = pause_left_s
        self.pulses: list[str] = []

    def pause_left_s(self) -> float:
        return self._pause_left_s

    def pulse(self, pulse_id: str, on_end: Callable[[PulseEnd], None]) -> PulseStarted:
        self.on_end = on_end
        self.at_pulse()
        self.pulses.append(pulse_id)
        now_s = time.monotonic()
        on_end(PulseEnd(pulse_id, self.name, now_s, now_s + 0.5))
        return PulseStarted(pulse_id, self.name, now_s)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db", keeping=Keeping(reserve_bytes=64 * 1024)) as opened:
        yield opened


def control(
    store: Store,
    gate: Gate,
    events: list[object] | None = None,
    *,
    camera: str = "entry",
    served: ServedCars | None = None,
    opens_unrecorded: bool = True,
    commit_timeout_s: float = 0.1,
) -> AccessControl:
    return AccessControl(
        camera,
        gate,  # type: ignore[arg-type]  # stands in for the controller
        served=served or ServedCars(),
        approaches=Approaches("entry", "both", deny_after_s=1.5, reapproach_s=60, last_grants={}),
        store=store,
        site=Site("site", UTC, "detector, reader"),
        clock=believed_clock(),
        policy=Policy(),
        opens_unrecorded=opens_unrecorded,
        freshness_limit_s=2.0,
        commit_timeout_s=commit_timeout_s,
        metrics=PodMetrics(),
        publish=(events if events is not None else []).append,
    )


def believed_clock() -> ClockWatch:
    def ignore(row: dict[str, object]) -> None:
        return None

    alarms = Alarms(ignore, now=lambda: datetime.now(UTC))
    return ClockWatch(ClockTrust(newest=None, needs_sync=False), note=ignore, alarms=alarms)


def sighting(age_s: float = 0.05) -> Sighting:
    return Sighting(time.monotonic() - age_s, BOX, Evidence().consensus())


def visitor_with(uses_left: int | None, store: Store) -> Step:
    """A step that opens for a visitor on the list."""
    entry = replace(ENTRY, type=EntryType.VISITOR, uses_left=uses_left)
    store.plates.add(entry, by="test").result(5)
    (listed,) = store.plates.current.entries
    return replace(OPEN, decision=replace(OPEN.decision, entry=listed))


def rows(store: Store) -> list[AuditRow]:
    found = store.submit(lambda conn: conn.execute(SINCE_SQL, (0, 100)).fetchall()).result(5)
    return [row_from(tuple(columns)) for columns in found]


def told(store: Store) -> list[tuple[str, object, object]]:
    """Kind, verdict or result, and reason of every row."""
    return [
        (row.kind, row.payload.get("result") or row.payload.get("verdict"), row.payload.get("reason"))
        for row in rows(store)
        if row.payload is not None
    ]


def revisions(store: Store) -> list[object]:
    """The numbers of the rows of an approach that supersede each other."""
    return [row.payload["revision"] for row in rows(store) if row.payload and "revision" in row.payload]


def test_the_intent_is_on_disk_before_the_line_is_energised(store: Store) -> None:
    seen: list[list[tuple[str, object, object]]] = []
    gate = Gate(lambda: seen.append(told(store)))
    control(store, gate).act([OPEN], sighting())
    assert seen == [[("intent", "allow", "listed")]]
    assert told(store) == [("intent", "allow", "listed"), ("outcome", "pulsed", None)]


def test_a_frame_past_the_freshness_limit_opens_nothing_and_says_so(store: Store) -> None:
    gate = Gate()
    control(store, gate).act([OPEN], sighting(age_s=2.5))
    assert gate.pulses == []
    assert told(store) == [("decision", "deny", "stale_frame")]


def test_a_frame_that_grows_stale_while_the_intent_is_written_opens_nothing(store: Store) -> None:
    gate = Gate()
    slow = store.submit(lambda _conn: time.sleep(0.8))
    control(store, gate, commit_timeout_s=5.0).act([OPEN], sighting(age_s=1.5))
    slow.result(5)
    assert gate.pulses == []
    assert ("outcome", "refused", "stale_frame") in told(store)
    assert store.last_grants("entry") == {}


@contextmanager
def the_database_held(store: Store) -> Iterator[None]:
    """Another process is in a transaction, as during a long import of a foreign tool."""
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_an_intent_that_the_database_does_not_take_in_time_goes_to_the_journal_and_the_gate_opens(
    store: Store,
) -> None:
    gate = Gate()
    with the_database_held(store):
        began_s = time.monotonic()
        control(store, gate).act([OPEN], sighting())
        assert time.monotonic() - began_s < 2
        assert len(gate.pulses) == 1
    until(lambda: [kind for kind, *_ in told(store)] == ["intent", "outcome"])
    intent, _ = rows(store)
    assert intent.payload is not None
    assert intent.payload["late"] is True
    assert set(store.last_grants("entry")) == {match_key("AB123")}


def test_an_entry_whose_uses_count_opens_only_with_the_database(store: Store) -> None:
    gate, step = Gate(), visitor_with(1, store)
    with the_database_held(store):
        control(store, gate).act([step], sighting())
    assert gate.pulses == []
    until(lambda: told(store)[-1] == ("decision", "deny", "store_failed"))
    assert store.plates.current.entries[0].uses_left == 1


def test_each_opening_takes_a_use_and_the_last_one_spent_opens_no_more(store: Store) -> None:
    gate, step = Gate(), visitor_with(1, store)
    control(store, gate).act([step], sighting())
    assert store.plates.current.entries[0].uses_left == 0
    control(store, gate).act([step], sighting())
    assert len(gate.pulses) == 1
    assert told(store)[-1] == ("decision", "deny", "no_uses_left")


def test_a_use_of_which_nothing_came_is_given_back(store: Store) -> None:
    def fail() -> None:
        raise NotPulsedError("guard down")

    control(store, Gate(fail)).act([visitor_with(1, store)], sighting())
    until(lambda: told(store)[-1] == ("decision", "deny", "gate_unavailable"))
    assert store.plates.current.entries[0].uses_left == 1


@pytest.mark.parametrize(
    ("kind", "opens_unrecorded", "pulses"),
    [
        pytest.param(EntryType.RESIDENT, True, 1, id="a resident gets in"),
        pytest.param(EntryType.EMERGENCY, True, 1, id="an ambulance gets in"),
        pytest.param(EntryType.VISITOR, True, 0, id="a visitor does not"),
        pytest.param(EntryType.RESIDENT, False, 0, id="nobody does where the gate is set so"),
    ],
)
def test_with_neither_database_nor_journal_only_types_that_may_do_so_open(
    tmp_path: Path, kind: EntryType, opens_unrecorded: bool, pulses: int
) -> None:
    gate = Gate()
    entry = replace(ENTRY, type=kind)
    step = replace(OPEN, decision=replace(OPEN.decision, entry=entry))
    with Store.open(tmp_path / "pod.db") as store:  # one that keeps no journal
        with the_database_held(store):
            control(store, gate, opens_unrecorded=opens_unrecorded).act([step], sighting())
        assert len(gate.pulses) == pulses
        wanted = ["intent", "outcome"] if pulses else ["decision"]
        until(lambda: [kind for kind, *_ in told(store)][-len(wanted) :] == wanted)


def test_a_car_let_in_without_a_record_is_remembered_once_the_store_takes_rows_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "pod.db") as store:
        with the_database_held(store):
            control(store, Gate()).act([OPEN], sighting())
        until(lambda: set(store.last_grants("entry")) == {match_key("AB123")})


@pytest.mark.parametrize(
    ("confirmed_ago_s", "reason"),
    [
        pytest.param(60.0, "listed", id="a minute ago"),
        pytest.param(-3600.0, "list_stale", id="in the future, for the clock was put back"),
    ],
)
def test_a_list_confirmed_in_the_future_is_as_good_as_never_confirmed(
    store: Store, confirmed_ago_s: float, reason: str
) -> None:
    visitor = replace(ENTRY, type=EntryType.VISITOR, owner=Owner.CLOUD)

    def replicate(conn: sqlite3.Connection) -> None:
        insert_entries(conn, [visitor], version=next_version(conn))

    store.submit(replicate).result(5)
    store.plates.confirm(datetime.now(UTC) - timedelta(seconds=confirmed_ago_s)).result(5)
    assert control(store, Gate()).decide(read_as("AB123")).reason == reason


def test_a_store_that_takes_nothing_any_more_keeps_the_gate_closed(store: Store) -> None:
    gate, events = Gate(), list[object]()
    store.close()
    control(store, gate, events, opens_unrecorded=False).act([OPEN], sighting())
    assert gate.pulses == []
    with pytest.raises(StoreError):
        store.record("decision", {})


def test_in_the_pause_the_car_is_recorded_and_gets_no_pulse(store: Store) -> None:
    gate = Gate(pause_left_s=4.0)
    control(store, gate).act([OPEN], sighting())
    assert gate.pulses == []
    assert told(store) == [("decision", "allow", "gate_already_open")]


@pytest.mark.parametrize(
    ("error", "result", "reason", "remembered"),
    [
        pytest.param(
            GateBusyError("busy", 0.0), "refused", "gate_already_open", False, id="was-first-elsewhere"
        ),
        pytest.param(
            NotPulsedError("guard down"), "failed", "gate_unavailable", False, id="line-not-touched"
        ),
        pytest.param(GateError("no answer"), "failed", "gate_failed", True, id="nobody-knows"),
    ],
)
def test_a_pulse_that_fails_is_told_with_its_reason_and_remembered_where_the_gate_may_have_opened(
    store: Store, error: GateError, result: str, reason: str, remembered: bool
) -> None:
    def fail() -> None:
        raise error

    control(store, Gate(fail)).act([OPEN], sighting())
    kinds = told(store)
    assert kinds[0] == ("intent", "allow", "listed")
    assert ("outcome", result, reason) in kinds
    assert kinds[-1][0] == "decision"
    assert kinds[-1][2] == reason
    assert revisions(store) == [1, 2]
    assert bool(store.last_grants("entry")) is remembered


def test_the_true_end_of_a_pulse_that_nobody_answered_for_in_time_is_told(store: Store) -> None:
    def no_answer() -> None:
        raise GateError("no answer within 250 ms")

    gate = Gate(no_answer)
    control(store, gate).act([OPEN], sighting())
    now_s = time.monotonic()
    gate.on_end(PulseEnd("p", "main", now_s, now_s + 0.5, "the pulse was reported too late"))
    last = rows(store)[-1].payload
    assert last is not None
    assert (last["result"], last["on_ms"], last["error"]) == (
        "failed",
        500.0,
        "the pulse was reported too late",
    )


def test_a_car_that_two_cameras_of_a_gate_see_gets_one_pulse_even_after_the_pause(store: Store) -> None:
    gate, now_s = Gate(), [100.0]
    served = ServedCars(clock_s=lambda: now_s[0])
    control(store, gate, served=served).act([OPEN], sighting())
    now_s[0] += SAME_CAR_S - 1
    control(store, gate, camera="back", served=served).act([OPEN], sighting())
    assert len(gate.pulses) == 1
    assert told(store)[-1] == ("decision", "allow", "gate_already_open")


def test_a_car_that_comes_back_past_the_other_camera_is_let_through(store: Store) -> None:
    gate, now_s = Gate(), [100.0]
    served = ServedCars(clock_s=lambda: now_s[0])
    control(store, gate, served=served).act([OPEN], sighting())
    now_s[0] += SAME_CAR_S
    control(store, gate, camera="back", served=served).act([OPEN], sighting())
    assert len(gate.pulses) == 2


def test_another_car_at_the_other_camera_is_let_in_all_the_same(store: Store) -> None:
    gate, served = Gate(), ServedCars()
    control(store, gate, served=served).act([OPEN], sighting())
    other = replace(OPEN, decision=replace(OPEN.decision, plate="XY987"))
    control(store, gate, camera="back", served=served).act([other], sighting())
    assert len(gate.pulses) == 2


def test_a_granted_plate_is_remembered_with_the_intent(store: Store) -> None:
    control(store, Gate()).act([OPEN], sighting())
    assert set(store.last_grants("entry")) == {match_key("AB123")}


def test_the_end_of_a_pulse_is_lost_and_counted_rather_than_waited_for_when_the_disk_stalls(
    tmp_path: Path,
) -> None:
    gate, release = Gate(), threading.Event()
    with Store.open(tmp_path / "slow.db", full_wait_s=60) as store:
        access = control(store, gate)

        def stall_the_disk() -> None:
            store.submit(lambda _conn: release.wait(30))
            until(lambda: store.stats.queued == 0)
            for n in range(QUEUE_JOBS):
                store.record("decision", {"n": n})

        gate.at_pulse = stall_the_disk
        try:
            began_s = time.monotonic()
            access.act([OPEN], sighting())
            assert time.monotonic() - began_s < 20
        finally:
            release.set()
        assert store.stats.refused == 1
    assert len(gate.pulses) == 1


def test_a_row_names_the_list_and_the_rules_that_decided_not_those_of_its_writing(store: Store) -> None:
    store.plates.add(ENTRY, by="test").result(5)
    ours = control(store, Gate())
    decision = ours.decide(Evidence().consensus())
    decided_on = store.plates.current.version
    store.plates.add(replace(ENTRY, key=match_key("ZZ999"), plate="ZZ999"), by="test").result(5)
    ours.act([Step("entry-1", 1, Action.RECORD, decision)], sighting())
    until(lambda: bool(told(store)) and told(store)[-1][0] == "decision")
    row = rows(store)[-1].payload
    assert row is not None
    assert (row["list_version"], row["rules"]) == (decided_on, Policy().version)

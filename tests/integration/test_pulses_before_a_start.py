"""What a POD makes of the pulses of the run before, which ended with kill -9 or a power cut."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until

from pod.store.moments import to_us
from pod.store.pulses import _RECENT, RECENT_ROWS, PulsesBefore, settle_pulses
from pod.store.store import FILE_NAME, Store

CAR = {"approach": "entry-1", "camera": "entry", "gate": "main", "plate": "AB123"}
HAND = {"source": "by hand", "by": "page", "gate": "rear", "reason": "by_hand"}


class Clock:
    us = to_us(datetime(2026, 11, 22, 12, tzinfo=UTC))

    def __call__(self) -> int:
        return self.us

    def passes(self, seconds: float) -> datetime:
        self.us += round(seconds * 1e6)
        return datetime.fromtimestamp(self.us / 1e6, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / FILE_NAME, now_us=clock) as opened:
        yield opened


def record(store: Store, kind: str, row: Mapping[str, object]) -> None:
    store.record(kind, row).result(10)


def settle(store: Store) -> PulsesBefore:
    return store.submit(lambda conn: settle_pulses(conn, now_us=1)).result(10)


def outcomes(store: Store) -> list[dict[str, object]]:
    sql = "SELECT payload FROM audit WHERE kind = 'outcome' AND json_valid(payload) ORDER BY seq"
    return store.submit(lambda conn: [json.loads(text) for (text,) in conn.execute(sql)]).result(10)


@pytest.mark.proof(4)
def test_an_intent_without_an_outcome_gets_one_once_over_many_starts(store: Store, prove: Prove) -> None:
    record(store, "intent", CAR | {"pulse": "ended", "verdict": "allow"})
    record(store, "outcome", CAR | {"pulse": "ended", "result": "pulsed"})
    record(store, "intent", CAR | {"pulse": "cut", "verdict": "allow"})
    record(store, "intent", HAND | {"pulse": "by-hand", "command": "c"})
    starts = 5
    assert [settle(store).unfinished for _ in range(starts)] == [2] + [0] * (starts - 1)
    _, car, hand = outcomes(store)
    assert car.items() >= (CAR | {"pulse": "cut", "result": "unknown", "reason": "gate_failed"}).items()
    assert "not known whether it opened" in str(car["error"])
    assert (hand["pulse"], hand["by"], hand["source"], hand["result"]) == (
        "by-hand",
        "page",
        "by hand",
        "unknown",
    )
    prove(attempts=starts, faults=2, losses=len(outcomes(store)) - 3)


def test_a_gate_was_last_asked_by_the_newest_intent_that_may_have_moved_it(
    store: Store, clock: Clock
) -> None:
    for pulse, outcome in {
        "a": {"result": "pulsed"},
        "b": {"result": "failed", "reason": "gate_failed"},
        "c": {"result": "failed", "reason": "gate_unavailable"},
        "d": {"result": "refused", "reason": "stale_frame"},
    }.items():
        at = clock.passes(10)
        record(store, "intent", CAR | {"pulse": pulse})
        record(store, "outcome", CAR | {"pulse": pulse} | outcome)
        if pulse == "b":
            moved_at = at
    assert settle(store).asked == {"main": moved_at}
    at = clock.passes(10)
    record(store, "intent", CAR | {"pulse": "e"})
    clock.passes(10)
    assert settle(store).asked == settle(store).asked == {"main": at}


@pytest.mark.parametrize("payload", ["not json", "[1]", '{"pulse": 3}', "[" * 20_000], ids=range(4))
def test_a_spoilt_row_keeps_no_pod_from_starting(store: Store, payload: str) -> None:
    record(store, "intent", CAR | {"pulse": "cut"})
    sql = (
        "INSERT INTO audit SELECT seq + 1, ts_us, kind, salt, ?, payload_digest, link FROM audit "
        "ORDER BY seq DESC LIMIT 1"
    )
    store.submit(lambda conn: conn.execute(sql, (payload,)).rowcount).result(10)
    store.submit(lambda conn: conn.execute("UPDATE audit_head SET seq = seq + 1").rowcount).result(10)
    assert settle(store).unfinished == 1


def test_a_long_audit_is_not_read_as_a_whole(store: Store) -> None:
    plan = store.submit(lambda conn: conn.execute(f"EXPLAIN QUERY PLAN {_RECENT}", (0,)).fetchall())
    [step] = [row[-1] for row in plan.result(10)]
    assert step.startswith("SEARCH audit USING")
    assert "seq>?" in step or "rowid>?" in step
    record(store, "intent", CAR | {"pulse": "old"})
    for _ in range(RECENT_ROWS - 1):
        last = store.record("camera_state", {})
    last.result(30)
    assert settle(store).unfinished == 1
    assert len(outcomes(store)) == 1


@pytest.mark.proof(4)
@pytest.mark.proof(10)
def test_a_pod_killed_in_mid_pulse_says_so_once_and_keeps_the_pause_for_the_next_car(
    tmp_path: Path, prove: Prove
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    sections = {
        "gate": {"pulse_ms": 5000, "pause_s": 300},
        # Between two visits of the clip, so that the same plate is the next car.
        "access": {"reapproach_s": 5, "still_after_start_s": 0},
    }
    pod = RunningPod(tmp_path, str(gate_clips.visits()), loop=True, sections=sections)
    with pod:
        until(pod.line_is_active, timeout_s=60, what="a pulse")
        pod.kill()
    kills = 2
    for _ in range(kills):
        before = len(pod.rows())
        with pod:
            until(
                lambda seen=before: [
                    row
                    for row in pod.rows()[seen:]
                    if row.payload is not None and row.payload.get("reason") == "gate_already_open"
                ],
                timeout_s=60,
                what="the next car at the gate that rests",
            )
            page = pod.get("events").decode()
            pod.kill()
    told = [(row["result"], row["reason"]) for row in pod.payloads("outcome")]
    assert told == [("unknown", "gate_failed")]
    assert "not known whether it opened" in page
    assert len(pod.payloads("intent")) == 1
    prove(attempts=kills + 1, faults=kills + 1, losses=len(pod.pulses()) - 1)

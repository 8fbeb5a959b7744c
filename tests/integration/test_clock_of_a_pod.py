"""Promise 9 on the shipped POD: its wall clock is set while it runs; nobody gets in for that."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gate_clips
import pytest
from faked_time import FakedTime, needs_faketime
from promises import Prove
from running_pod import PLATEBRIDGE, RunningPod, until

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.plates import match_key
from pod.store.clock_rows import newest_believable
from pod.store.store import FILE_NAME, Store

YEAR_S = 365 * 86400.0
BACK_TO_1970_S = -(datetime.now(UTC).timestamp() - 3600)

pytestmark = needs_faketime


def entry(*, kind: EntryType, starts_in_s: float | None = None, ends_in_s: float | None = None) -> Entry:
    now = datetime.now(UTC)
    return Entry(
        match_key(gate_clips.PLATE),
        gate_clips.PLATE,
        Verdict.ALLOW,
        kind,
        starts_at=None if starts_in_s is None else now + timedelta(seconds=starts_in_s),
        expires_at=None if ends_in_s is None else now + timedelta(seconds=ends_in_s),
    )


def a_pod(folder: Path, time: FakedTime, listed: Entry) -> RunningPod:
    pod = RunningPod(
        folder,
        str(gate_clips.drive_up()),
        environment=time.environment,
        loop=True,
    )
    pod.data_dir.mkdir(parents=True)
    with Store.open(pod.data_dir / FILE_NAME) as store:
        store.plates.add(listed, by="test").result(10)
    return pod


def verdicts(pod: RunningPod) -> list[tuple[object, object]]:
    """Verdict and reason of every car so far."""
    return [(row["verdict"], row["reason"]) for row in pod.payloads("decision", "intent") if "verdict" in row]


@pytest.mark.proof(7)
@pytest.mark.proof(9)
@pytest.mark.parametrize(
    ("listed", "set_to_s"),
    [
        pytest.param({"ends_in_s": -3600}, BACK_TO_1970_S, id="expired, back to 1970"),
        pytest.param({"starts_in_s": 3600}, 5 * YEAR_S, id="not begun, five years on"),
    ],
)
def test_a_clock_that_is_set_while_the_pod_runs_lets_no_visitor_in(
    tmp_path: Path, listed: dict[str, float], set_to_s: float, prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    with a_pod(tmp_path / "pod", time, entry(kind=EntryType.VISITOR, **listed)) as pod:
        until(lambda: pod.address, what="the start")
        time.set(set_to_s)
        until(lambda: ("deny", "clock_unsure") in verdicts(pod), 60, what="a car in the doubtful time")
        assert pod.stop() == 0
    assert pod.pulses() == []
    assert [row["state"] for row in pod.payloads("clock")] == ["unsure"]
    assert [row["state"] for row in pod.payloads("alarm") if row["alarm"] == "clock_unsure"] == ["raised"]
    prove(attempts=len(verdicts(pod)), faults=1, losses=len(pod.pulses()))


@pytest.mark.proof(9)
def test_a_resident_without_times_gets_in_while_the_clock_is_in_doubt_and_the_audit_flags_it(
    tmp_path: Path, prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    with a_pod(tmp_path / "pod", time, entry(kind=EntryType.RESIDENT)) as pod:
        until(lambda: pod.address, what="the start")
        time.set(BACK_TO_1970_S)
        until(
            lambda: any("clock_unsure" in row.get("flags", []) for row in pod.payloads("intent")),
            60,
            what="a flagged intent",
        )
        assert pod.stop() == 0
    assert pod.pulses()
    prove(attempts=len(pod.pulses()), faults=1)


@pytest.mark.proof(9)
def test_a_pod_that_starts_with_a_clock_behind_its_audit_doubts_it_until_a_person_accepts_it(
    tmp_path: Path, prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    with a_pod(tmp_path / "pod", time, entry(kind=EntryType.VISITOR, ends_in_s=-3600)) as pod:
        until(lambda: pod.address, what="the first start")
        assert pod.stop() == 0
        time.set(-7200)
        pod.start()
        until(lambda: ("deny", "clock_unsure") in verdicts(pod), 60, what="a car before the restart")
        assert pod.stop() == 0
        subprocess.run(
            [PLATEBRIDGE, "pod", "clock", "--accept", "--config", str(pod.config)],
            env=pod.environment,
            check=True,
            timeout=60,
        )
        seen = len(verdicts(pod))
        pod.start()
        until(lambda: len(verdicts(pod)) > seen, 60, what="a car after the clock was accepted")
        assert pod.stop() == 0
    assert pod.payloads("clock")[-1]["state"] == "accepted"
    # Two hours back the visitor's hour is not over, and a person said that this is the time.
    assert verdicts(pod)[-1] == ("allow", "listed")
    assert {reason for _, reason in verdicts(pod)[:seen]} == {"clock_unsure"}
    prove(attempts=len(verdicts(pod)), faults=1)


@pytest.mark.proof(9)
def test_a_clock_ten_years_ahead_at_the_start_erases_nothing_and_lets_no_visitor_in(
    tmp_path: Path, prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    with a_pod(tmp_path / "pod", time, entry(kind=EntryType.VISITOR, starts_in_s=3600)) as pod:
        until(lambda: pod.payloads("decision"), 60, what="a car in the true time")
        assert pod.stop() == 0
        known = {row.seq for row in pod.rows() if row.payload is not None}
        time.set(10 * YEAR_S)
        pod.start()
        until(lambda: ("deny", "clock_unsure") in verdicts(pod), 60, what="a car ten years on")
        assert pod.stop() == 0
    erased = known - {row.seq for row in pod.rows() if row.payload is not None}
    assert pod.pulses() == []
    prove(attempts=len(known), faults=1, losses=len(erased))


@pytest.mark.proof(9)
def test_a_doubt_that_a_restart_ends_is_noted_so_that_later_rows_count_again(
    tmp_path: Path, prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    with a_pod(tmp_path / "pod", time, entry(kind=EntryType.RESIDENT)) as pod:
        until(lambda: pod.address, what="the start")
        time.set(7200)
        until(lambda: pod.payloads("clock"), what="the doubt")
        assert pod.stop() == 0
        pod.start()
        until(lambda: pod.address, what="the start after it")
        assert pod.stop() == 0
    assert [row["state"] for row in pod.payloads("clock")] == ["unsure", "sure"]
    with Store.open(pod.data_dir / FILE_NAME) as store:
        newest = store.submit(newest_believable).result(10)
    assert newest == pod.rows()[-1].at
    prove(attempts=1, faults=1)

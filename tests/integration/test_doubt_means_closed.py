"""Promise 7 on the shipped POD: a listed car stands outside whatever is in doubt, and the audit says why."""

import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, until

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.plates import match_key
from pod.domain.schedule import parse_schedule
from pod.domain.situation import SiteState
from pod.gate.edge_trace import Edge, read_edges, trace_path
from pod.store.store import FILE_NAME, Store

HOUR = timedelta(hours=1)
LANES = ("north", "east", "south", "west", "yard", "cellar")
"""Each has a camera and a gate of its own, both of its name; all see the same car at the same time."""

Act = dict[str, tuple[str, list[Entry]]]
"""For every lane the reason that the audit has to give, and the entries that hold at its gate."""


def an_entry(lane: str, verdict: Verdict = Verdict.ALLOW, **facts: object) -> Entry:
    """An entry of the car for one lane's gate."""
    given: dict[str, object] = {"type": EntryType.RESIDENT, "gates": (lane,)} | facts
    return Entry(match_key(gate_clips.PLATE), gate_clips.PLATE, verdict, **given)


def acts() -> list[tuple[SiteState, Act]]:
    """What each visit of the car meets at every lane.

    The camera called north is out of focus, and a stale entry of the cloud always holds at west.
    """
    now = datetime.now(UTC)
    never = f"{(now + 3 * 24 * HOUR):%a} 11:00-12:00".lower()
    times: Act = {
        "north": ("low_confidence", [an_entry("north")]),
        "east": ("not_started", [an_entry("east", starts_at=now + HOUR)]),
        "south": ("outside_schedule", [an_entry("south", schedule=parse_schedule(never))]),
        "west": ("listed", [an_entry("west", starts_at=now - HOUR)]),
        "yard": ("no_uses_left", [an_entry("yard", uses_left=0)]),
        "cellar": ("deny_listed", [an_entry("cellar"), an_entry("cellar", Verdict.DENY)]),
    }
    switches: Act = {
        "north": ("low_confidence", [an_entry("north")]),
        "east": ("wrong_camera", [an_entry("east", cameras=("elsewhere",))]),
        "south": ("expired", [an_entry("south", expires_at=now - HOUR)]),
        "west": ("list_stale", []),
        "yard": ("lockdown", [an_entry("yard")]),
        "cellar": ("auto_grant_off", [an_entry("cellar", type=EntryType.EMERGENCY)]),
    }
    return [
        (SiteState(), times),
        (SiteState(lockdown=True, auto_grant=False), switches),
    ]


def several_lanes(
    folder: Path, lanes: Sequence[str], *, blurred: str = "", **settings: dict[str, object]
) -> RunningPod:
    """A POD before a looped clip of one visit after the other, not started.

    Args:
        blurred: the lane whose camera is out of focus.
    """
    pod = RunningPod(folder, str(gate_clips.visits()), sections=settings)
    config = json.loads(pod.config.read_text())
    (camera,), (gate,) = config["cameras"], config["gates"]
    slow = {"detect_fps": 3, "loop": True, "freshness_limit_s": 30}
    config["cameras"] = [camera | slow | {"name": lane, "gate": lane} for lane in lanes]
    for camera in config["cameras"]:
        if camera["name"] == blurred:
            camera["url"] = str(gate_clips.blurred_visits())
    config["gates"] = [gate | {"name": lane} for lane in lanes]
    config["access"] |= {"deny_after_s": 30, "still_after_start_s": 0}
    pod.config.write_text(json.dumps(config))
    pod.data_dir.mkdir(parents=True)
    return pod


def put_on_the_list(pod: RunningPod, entries: Sequence[Entry], state: SiteState) -> None:
    """Have these entries alone on the list, but for those of the cloud; a running POD follows."""
    with Store.open(pod.data_dir / FILE_NAME) as store:
        ours = [entry.id for entry in store.plates.current.index.entries if entry.owner is Owner.POD]
        if ours:
            store.plates.remove(ours, by="test").result(10)
        for entry in entries:
            store.plates.add(entry, by="test").result(10)
        store.plates.switch(lambda _: state, by="test").result(10)


def put_a_stale_entry_of_the_cloud(pod: RunningPod, lane: str) -> None:
    """A contractor's, confirmed longer ago than contractors outlive."""
    with Store.open(pod.data_dir / FILE_NAME) as store:
        store.plates.add(an_entry(lane, type=EntryType.CONTRACTOR), by="test").result(10)
        store.submit(lambda conn: conn.execute("UPDATE entry SET owner = 'cloud'").rowcount).result(10)
        store.plates.confirm(datetime.now(UTC) - 73 * HOUR).result(10)


def pulses_at(pod: RunningPod, lane: str) -> list[Edge]:
    return [e for e in read_edges(trace_path(pod.data_dir / "run", lane)) if e.state == "on"]


def answers_since(pod: RunningPod, seq: int) -> dict[str, set[tuple[str, str]]]:
    """By lane, verdict and reason of what was decided after an audit row."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in pod.rows():
        if row.seq > seq and row.kind in ("decision", "intent") and row.payload is not None:
            answer = (str(row.payload["verdict"]), str(row.payload["reason"]))
            found.setdefault(str(row.payload["camera"]), set()).add(answer)
    return found


@pytest.mark.proof(7)
def test_whatever_is_in_doubt_about_a_listed_car_keeps_the_gate_closed_and_the_audit_says_it(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    rounds = often(1, 6)
    pod = several_lanes(tmp_path, LANES, blurred="north")
    put_a_stale_entry_of_the_cloud(pod, "west")
    reasons: set[str] = set()
    attempts = faults = wrongly_opened = wrongly_explained = 0
    script = [act for _ in range(rounds) for act in acts()]
    put_on_the_list(pod, [e for _, entries in script[0][1].values() for e in entries], script[0][0])
    with pod:
        until(lambda: pod.address, what="the start")
        for state, act in script:
            put_on_the_list(pod, [e for _, entries in act.values() for e in entries], state)
            seq = pod.rows()[-1].seq
            before = {lane: len(pulses_at(pod, lane)) for lane in LANES}
            until(
                lambda after=seq: set(answers_since(pod, after)) == set(LANES), 90, what="all six decisions"
            )
            found = answers_since(pod, seq)
            for lane, (reason, _) in act.items():
                opened, may_open = len(pulses_at(pod, lane)) > before[lane], reason == "listed"
                attempts += 1
                faults += not may_open
                wrongly_opened += opened and not may_open
                wrongly_explained += found[lane] != {("allow" if may_open else "deny", reason)}
                assert opened or not may_open, "the control stayed closed: the test proves nothing"
            reasons |= {reason for reason, _ in act.values()}
            assert wrongly_explained == 0, {lane: (found[lane], act[lane][0]) for lane in LANES}
    prove(attempts=attempts, faults=faults, losses=wrongly_opened, reasons=len(reasons))


@contextmanager
def held_by_another_process(database: Path) -> Iterator[None]:
    """A transaction that nobody ends: writes find the file locked."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        yield
        conn.execute("ROLLBACK")


def refused(pod: RunningPod, lane: str, reason: str) -> int:
    """How often the gate of a lane stayed closed for this reason, counted without its database."""
    with urllib.request.urlopen(f"{pod.address}metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    name = f'platebridge_decisions_total{{camera="{lane}",reason="{reason}",verdict="deny"}} '
    return round(
        sum(float(line.removeprefix(name)) for line in metrics.splitlines() if line.startswith(name))
    )


@pytest.mark.proof(7)
def test_while_another_process_holds_the_database_counted_uses_and_pictures_grown_old_open_nothing(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    lanes = ("north", "east", "south")
    # Longer than the car is in view, so that no further look at it follows the refusal.
    pod = several_lanes(tmp_path, lanes, store={"commit_timeout_ms": 2200})
    config = json.loads(pod.config.read_text())
    config["cameras"][1]["freshness_limit_s"] = 1.5
    pod.config.write_text(json.dumps(config))
    put_on_the_list(pod, [an_entry("north", uses_left=9), an_entry("east"), an_entry("south")], SiteState())
    visits = often(1, 6)
    with pod:
        until(lambda: pod.address, what="the start")
        for visit in range(visits):
            with held_by_another_process(pod.data_dir / FILE_NAME):
                until(lambda n=visit: len(pulses_at(pod, "south")) > n, 90, what="the control's pulse")
                until(lambda n=visit: refused(pod, "north", "store_failed") > n, 60, what="the uncounted use")
                until(lambda n=visit: refused(pod, "east", "stale_frame") > n, 60, what="the old picture")
            until(lambda n=visit: len(pod.payloads("decision")) >= 2 * (n + 1), what="the rows afterwards")
        assert pod.stop() == 0
    told = {(row["camera"], row["reason"]) for row in pod.payloads("decision")}
    assert told == {("north", "store_failed"), ("east", "stale_frame")}
    late = [row for row in pod.payloads("intent") if row.get("late")]
    assert {row["camera"] for row in late} >= {"south"}
    opened = len(pulses_at(pod, "north")) + len(pulses_at(pod, "east"))
    prove(attempts=3 * visits, faults=2 * visits, losses=opened, controls=len(pulses_at(pod, "south")))

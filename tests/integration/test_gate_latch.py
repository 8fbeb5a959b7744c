"""A latched gate stays latched: through restarts, on any disk, until a person takes it back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import gate_clips
import pytest
import running_pod
from gate_fixtures import Recorder, a_gate, guard_with, is_replaced, pulses, until
from promises import Prove
from running_pod import RunningPod, list_plates
from small_disk import small_disk_at

from pod.commands.doctor_gates import check_gates
from pod.config_load import load_config
from pod.gate.gate_states import GateStates
from pod.gate.gate_watch import GateWatch
from pod.gate.latches import Latches, latch_now
from pod.gate.pulse import GateState, NotPulsedError
from pod.runtime.instance_lock import InstanceLock
from pod.store.audit import SINCE_SQL, row_from
from pod.store.connection import connect_reader
from pod.store.store import FILE_NAME

WELDED = "switching off failed: the line is stuck"


def latch(run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    Latches(run_dir).write(latch_now("main", WELDED))


@pytest.mark.proof(3)
def test_a_latch_outlives_the_process_and_the_next_one_gives_no_pulse(tmp_path: Path, prove: Prove) -> None:
    recorder = Recorder()
    client = recorder.start(tmp_path, command=guard_with("off_raises_1"))
    client.pulse("main", "p", on_end=recorder.ends.append)
    until(lambda: client.state("main").condition == "latched")
    client.close()
    starts, refused = 3, 0
    for attempt in range(starts):
        after = Recorder()
        client = after.start(tmp_path, a_gate(), a_gate("other"))
        try:
            assert client.state("main").condition == "latched"
            assert WELDED.split(":", maxsplit=1)[0] in after.alarms["gate_latched"]
            assert "platebridge gate unlatch main" in after.alarms["gate_latched"]
            assert [s.condition for s in after.states if s.gate == "main"] == ["latched"]
            assert client.state("other").condition == "ready"
            killed = client.pid
            assert killed is not None
            os.kill(killed, 9)
            until(lambda running=client, gone=killed: is_replaced(running, gone))
            with pytest.raises(NotPulsedError, match="gate unlatch main"):
                client.pulse("main", f"q{attempt}", on_end=after.ends.append)
            refused += 1
        finally:
            client.close()
    prove(attempts=starts, faults=starts, losses=starts - refused + len(pulses(tmp_path)) - 1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0" * 100, id="zeroes"),
        pytest.param(b'{"gate": "main", "rea', id="cut-short"),
        pytest.param(b"[1, 2]", id="another-form"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param(None, id="a-folder"),
    ],
)
def test_a_latch_that_cannot_be_read_is_a_latch(tmp_path: Path, content: bytes | None) -> None:
    path = Latches(tmp_path).path("main")
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    client = Recorder().start(tmp_path)
    try:
        assert client.state("main").condition == "latched"
        with pytest.raises(NotPulsedError, match=r"latched.*gate unlatch main"):
            client.pulse("main", "p", on_end=lambda end: None)
    finally:
        client.close()


@pytest.fixture
def small_place(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "small", "size=64k,nr_inodes=4") as disk:
        yield disk


def no_names_left(place: Path) -> None:
    for number in range(10):
        try:
            (place / f"filler{number}").touch()
        except OSError:
            return


def read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)


def has_room_again(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    for filler in place.glob("filler*"):
        filler.unlink()


@pytest.mark.parametrize("spoil", [no_names_left, read_only], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_does_not_prevent_the_latch_and_gets_it_once_it_can(
    small_place: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.latches.RETRY_S", 0.02)
    recorder, told = Recorder(), list[GateState]()
    watch = GateWatch([a_gate()], alarms=recorder)
    states = GateStates(["main"], small_place, watch=watch, on_state=told.append)
    spoil(small_place)
    states.latch("main", WELDED)
    assert states.get("main").condition == "latched"
    assert "not on disk yet" in told[0].reason
    assert "not on disk yet" in recorder.alarms["gate_latched"]
    states.set("main", "ready")
    assert states.get("main").condition == "latched"
    has_room_again(small_place)
    until(lambda: (found := Latches(small_place).read("main")) is not None and found.reason == WELDED)
    states.close()


def test_a_disk_out_of_room_for_the_words_keeps_the_latch_all_the_same(small_place: Path) -> None:
    with (small_place / "filler").open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(bytes(4096))
            except OSError:
                break
    with pytest.raises(OSError, match="No space left"):
        Latches(small_place).write(latch_now("main", WELDED))
    assert Latches(small_place).read("main") is not None


def test_a_disk_that_hangs_delays_the_guards_keeper_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.latches.KEEP_WAIT_S", 0.05)
    told = list[GateState]()
    states = GateStates(["main"], tmp_path, watch=GateWatch([a_gate()]), on_state=told.append)
    path = Latches(tmp_path).path("main")
    os.mkfifo(path)  # to open it for writing waits for a reader
    states.latch("main", WELDED)
    assert "the disk does not answer" in told[0].reason
    states.close()
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def gate_unlatch(config: Path, *arguments: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    program = str(Path(sys.executable).with_name("platebridge"))
    command = [program, "gate", "unlatch", *arguments, "--config", str(config)]
    return subprocess.run(command, input=answer, capture_output=True, text=True, timeout=60)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data_dir: {tmp_path}/data\n"
        "cameras: [{name: front, url: clip.mp4, gate: main}]\n"
        "gates: [{name: main, pulse_ms: 100}, {name: rear}]\n"
    )
    return path


def test_only_a_person_unlatches_a_gate_and_the_audit_says_who(config: Path) -> None:
    run_dir = config.parent / "data" / "run"
    latch(run_dir)
    declined = gate_unlatch(config, "main", answer="n\n")
    assert WELDED in declined.stdout
    assert declined.returncode != 0
    assert Latches(run_dir).read("main") is not None
    with InstanceLock(config.parent / "data"):
        refused = gate_unlatch(config, "main", "--yes")
    assert "stop it first" in refused.stderr
    assert Latches(run_dir).read("main") is not None
    done = gate_unlatch(config, "main", answer="y\n")
    assert done.returncode == 0, done.stderr
    conn = connect_reader(config.parent / "data" / FILE_NAME)
    [row] = [row_from(tuple(columns)) for columns in conn.execute(SINCE_SQL, (0, 10))]
    conn.close()
    assert row.payload is not None
    assert (row.kind, row.payload["state"], row.payload["text"]) == ("gate_state", "unlatched", WELDED)
    assert str(row.payload["by"]).startswith("command line, user ")
    client = Recorder().start(run_dir)
    try:
        client.pulse("main", "p", on_end=lambda end: None)
    finally:
        client.close()
    assert len(pulses(run_dir)) == 1


def test_a_gate_that_is_not_latched_is_not_unlatched(config: Path) -> None:
    done = gate_unlatch(config, "rear", "--yes")
    assert (done.returncode, done.stdout) == (0, "gate rear: it is not latched\n")


def test_a_latch_that_cannot_be_removed_stays_and_is_named(config: Path) -> None:
    Latches(config.parent / "data" / "run").path("main").mkdir(parents=True)
    done = gate_unlatch(config, "main", "--yes")
    assert done.returncode != 0
    assert "main.latched cannot be removed" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_and_the_pulse_by_hand_know_the_latch(config: Path) -> None:
    latch(config.parent / "data" / "run")
    told = [finding.text for finding in check_gates(load_config(config)) if finding.status == "fail"]
    assert len(told) == 1
    assert told[0].startswith(f"main: latched: {WELDED}")
    by_hand = subprocess.run(
        [str(Path(sys.executable).with_name("platebridge")), "gate", "test", "main", "-y", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert by_hand.returncode != 0
    assert "gate unlatch main" in by_hand.stderr
    assert pulses(config.parent / "data" / "run") == []


@pytest.mark.proof(3)
def test_a_pod_that_is_restarted_tells_of_the_latch_from_the_start_and_pulses_nothing(
    tmp_path: Path, prove: Prove
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    latch(tmp_path / "data" / "run")
    pod = RunningPod(tmp_path, str(gate_clips.visits()), loop=True)
    starts = 2
    for start in range(1, starts + 1):
        with pod:
            running_pod.until(lambda: pod.address is not None, what="the page")
            with pytest.raises(HTTPError) as failing:
                pod.get("healthz")
            health = json.loads(failing.value.read())
            [gate] = [part for part in health["parts"] if part["part"] == "gate main"]
            assert (health["status"], gate["status"]) == ("failing", "failing")
            assert "gate unlatch main" in gate["sentence"]
            raised = [row for row in pod.payloads("alarm") if row["alarm"] == "gate_latched"]
            assert [row["state"] for row in raised] == ["raised"] * start
            running_pod.until(
                lambda: [r for r in pod.payloads("decision") if r["reason"] == "gate_unavailable"],
                what="a car that is refused",
            )
            pod.kill()
    prove(attempts=starts, faults=starts, losses=len(pod.pulses()))

"""`platebridge gate test` as an operator runs it, and the lock that keeps it away from a running pod."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gate_device import OK, GateDevice
from gate_fixtures import pulses, until

from pod.domain.errors import ConfigError
from pod.gate.edge_trace import line_is_active, read_edges, trace_path
from pod.gate.guard_gate import input_path
from pod.runtime.instance_lock import AlreadyRunningError, InstanceLock
from pod.store.audit import SINCE_SQL, AuditRow, row_from
from pod.store.connection import connect_reader
from pod.store.store import FILE_NAME


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data_dir: {tmp_path}/data\n"
        "cameras: [{name: front, url: clip.mp4, gate: main}]\n"
        "gates: [{name: main, pulse_ms: 100}, {name: rear, pulse_ms: 50}]\n"
    )
    return path


def gate_test(config: Path, *arguments: str, answer: str = "") -> "subprocess.CompletedProcess[str]":
    command = [
        str(Path(sys.executable).parent / "platebridge"),
        "gate",
        "test",
        *arguments,
        "--config",
        str(config),
    ]
    return subprocess.run(command, input=answer, capture_output=True, text=True, timeout=60)


def run_dir(config: Path) -> Path:
    return config.parent / "data" / "run"


def test_one_pulse_is_given_and_measured(config: Path) -> None:
    result = gate_test(config, "main", "--yes")
    assert result.returncode == 0, result.stderr
    measured = re.search(r"pulse of (\d+\.\d) ms, 100 ms asked for", result.stdout)
    assert measured is not None
    assert 100 <= float(measured[1]) <= 200
    assert re.findall(r"ms  (on|off)$", result.stdout, re.MULTILINE) == ["on", "off"]
    assert len(pulses(run_dir(config))) == 1
    assert pulses(run_dir(config), "rear") == []


def audited(config: Path) -> list[AuditRow]:
    conn = connect_reader(config.parent / "data" / FILE_NAME)
    found = [row_from(columns) for columns in conn.execute(SINCE_SQL, (0, 100))]
    conn.close()
    return found


def test_a_pulse_by_hand_is_in_the_audit_with_who_asked_and_what_came_of_it(config: Path) -> None:
    assert gate_test(config, "main", "--yes").returncode == 0
    intent, outcome = audited(config)
    assert (intent.kind, outcome.kind) == ("intent", "outcome")
    assert intent.payload is not None
    assert outcome.payload is not None
    assert intent.payload["source"] == outcome.payload["source"] == "by hand"
    assert str(intent.payload["by"]).startswith("command line, user ")
    assert [edge.pulse for edge in pulses(run_dir(config))] == [intent.payload["pulse"]]
    assert outcome.payload["pulse"] == intent.payload["pulse"]
    assert outcome.payload["result"] == "pulsed"
    assert 100 <= float(str(outcome.payload["on_ms"])) <= 200


def test_without_an_audit_there_is_no_pulse_by_hand(config: Path) -> None:
    (config.parent / "data").mkdir()
    (config.parent / "data" / FILE_NAME).write_text("certainly no database " * 100)
    result = gate_test(config, "main", "--yes")
    assert result.returncode != 0
    assert "not a database: move it away" in result.stderr
    assert pulses(run_dir(config)) == []


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        pytest.param("y\n", 1, id="yes"),
        pytest.param("n\n", 0, id="no"),
        pytest.param("\n", 0, id="nothing"),
        pytest.param("", 0, id="nobody there"),
    ],
)
def test_the_gate_moves_only_after_a_yes(config: Path, answer: str, given: int) -> None:
    result = gate_test(config, "main", answer=answer)
    assert "clear of it?" in result.stdout
    assert (result.returncode == 0) == bool(given)
    assert len(pulses(run_dir(config))) == given


def test_a_name_that_no_gate_has_is_answered_with_those_there_are(config: Path) -> None:
    result = gate_test(config, "mian", "--yes")
    assert result.returncode != 0
    assert "no gate is named mian; the configuration has: main, rear" in result.stderr
    assert "Traceback" not in result.stderr


def test_it_refuses_while_a_pod_runs_on_the_same_data(config: Path) -> None:
    with InstanceLock(config.parent / "data"):
        result = gate_test(config, "main", "--yes")
    assert result.returncode != 0
    assert (
        f"a pod already runs on {config.parent}/data (process {os.getpid()}); stop it first" in result.stderr
    )
    assert pulses(run_dir(config)) == []


def test_the_lock_admits_one_and_is_free_again_afterwards(tmp_path: Path) -> None:
    with InstanceLock(tmp_path / "new"), pytest.raises(AlreadyRunningError), InstanceLock(tmp_path / "new"):
        pytest.fail("two at once")
    with InstanceLock(tmp_path / "new"):
        pass


def test_the_lock_of_a_killed_holder_is_free_though_its_children_live(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from pod.runtime.instance_lock import InstanceLock\n"
        "with InstanceLock(Path(sys.argv[1])):\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    child_pid = int(holder.stdout.readline())
    try:
        with pytest.raises(AlreadyRunningError), InstanceLock(tmp_path):
            pytest.fail("two at once")
        holder.kill()
        holder.wait()
        with InstanceLock(tmp_path):
            assert (tmp_path / "pod.lock").read_text() == f"{os.getpid()}\n"
    finally:
        os.kill(child_pid, signal.SIGKILL)
        holder.stdout.close()


def test_a_directory_that_cannot_be_made_is_a_config_error_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"data_dir: .* cannot be written"),
        InstanceLock(tmp_path / "file" / "data"),
    ):
        pytest.fail("no directory, no lock")


def test_ctrl_c_at_the_question_leaves_the_gate_alone(config: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "platebridge"),
        "gate",
        "test",
        "main",
        "--config",
        str(config),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: (config.parent / "data" / "pod.lock").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert pulses(run_dir(config)) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_pulse_stopped_midway_leaves_the_line_at_rest_and_its_outcome_in_the_audit(
    config: Path, stop: signal.Signals
) -> None:
    config.write_text(config.read_text().replace("pulse_ms: 100", "pulse_ms: 5000"))
    command = [str(Path(sys.executable).parent / "platebridge"), "gate", "test", "main", "--yes"]
    process = subprocess.Popen(
        [*command, "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    trace = trace_path(run_dir(config), "main")
    until(lambda: line_is_active(trace), 20)
    process.send_signal(stop)
    _, told = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Traceback" not in told
    assert not line_is_active(trace)
    on, off = (edge for edge in read_edges(trace) if edge.pulse is not None)
    assert (on.state, off.state) == ("on", "off")
    assert off.t_mono_ns - on.t_mono_ns < 4e9
    intent, outcome = audited(config)
    assert intent.payload is not None
    assert outcome.payload is not None
    assert outcome.payload["pulse"] == intent.payload["pulse"]
    assert (outcome.payload["result"], outcome.payload["error"]) == ("failed", "stopped before its end")


def gate_rest(config: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "platebridge"), "gate", "rest", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_without_contacts_the_command_says_no_more_than_commanded(config: Path) -> None:
    result = gate_test(config, "main", "--yes")
    assert "gate main: commanded; no contact is wired, so nobody knows whether it moved" in result.stdout


def test_of_a_device_on_the_network_nothing_is_claimed_to_be_measured(config: Path) -> None:
    with GateDevice(OK) as device:
        driver = f'driver: http, http: {{url: "{device.url()}"}}'
        config.write_text(config.read_text().replace("name: main,", f"name: main, {driver},"))
        result = gate_test(config, "main", "--yes")
    assert result.returncode == 0, result.stderr
    assert "the device said yes to a pulse of 100 ms, which it times by itself; nothing" in result.stdout
    assert re.findall(r"ms  \w+$", result.stdout, re.MULTILINE) == []
    assert len([head for head in device.requests if head]) == 1


def test_with_contacts_it_tells_what_the_gate_did(config: Path) -> None:
    config.write_text(
        config.read_text().replace(
            "{name: main, pulse_ms: 100}",
            "{name: main, pulse_ms: 100, open_within_s: 3, inputs: [{shows: closed, driver: simulated}]}",
        )
    )
    contact = input_path(run_dir(config), "main", "closed")
    contact.parent.mkdir(parents=True)
    contact.write_text("1")
    command = [str(Path(sys.executable).parent / "platebridge"), "gate", "test", "main", "--yes"]
    with subprocess.Popen([*command, "--config", str(config)], stdout=subprocess.PIPE, text=True) as running:
        until(lambda: bool(pulses(run_dir(config))))
        contact.write_text("0")
        printed, _ = running.communicate(timeout=60)
    assert re.findall(r"ms  (commanded|moved|on|off)$", printed, re.MULTILINE) == [
        "on",
        "off",
        "commanded",
        "moved",
    ]
    assert "gate main: not closed\n" in printed


def test_with_contacts_it_says_that_the_gate_did_not_move(config: Path) -> None:
    config.write_text(
        config.read_text().replace(
            "{name: main, pulse_ms: 100}",
            "{name: main, pulse_ms: 100, open_within_s: 1, inputs: [{shows: closed, driver: simulated}]}",
        )
    )
    contact = input_path(run_dir(config), "main", "closed")
    contact.parent.mkdir(parents=True)
    contact.write_text("1")
    result = gate_test(config, "main", "--yes")
    assert "gate main: closed\n" in result.stdout
    assert "It was told to open and did not move within 1 s: check the drive and its power." in result.stdout


def test_a_step_gate_that_is_not_closed_is_not_pulsed_by_hand_either(config: Path) -> None:
    config.write_text(
        config.read_text().replace(
            "{name: main, pulse_ms: 100}",
            "{name: main, pulse_ms: 100, input: step, inputs: [{shows: closed, driver: simulated}]}",
        )
    )
    result = gate_test(config, "main", "--yes")
    assert result.returncode != 0
    assert "one more step might stop or close it" in result.stderr
    assert pulses(run_dir(config)) == []
    assert [row.payload["reason"] for row in audited(config) if row.payload is not None] == [
        "by_hand",
        "gate_not_closed",
    ]


def test_bringing_relays_to_rest_names_each_gate_and_what_cannot_be_reached(config: Path) -> None:
    assert gate_rest(config).stdout == (
        "gate main: driver simulated, there is no line to drive\n"
        "gate rear: driver simulated, there is no line to drive\n"
    )
    config.write_text(
        config.read_text().replace(
            "{name: rear, pulse_ms: 50}",
            "{name: rear, driver: gpio, gpio: {chip: /dev/null, line: 1}}, "
            "{name: side, driver: gpio, gpio: {chip: no-such-chip, line: 1}}",
        )
    )
    result = gate_rest(config)
    assert result.returncode != 0
    assert "gate main: driver simulated" in result.stdout
    assert "gate rear: /dev/null is no GPIO chip" in result.stderr
    assert "gate side: there is no GPIO chip labelled no-such-chip" in result.stderr
    assert "Traceback" not in result.stderr

"""The simulated line's trace: what is written, and what a reader makes of it."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pod.gate.bounded_line import BoundedLine
from pod.gate.drivers.simulated import SimulatedLine
from pod.gate.edge_trace import line_is_active, read_edges, trace_path


def test_a_new_holder_records_the_line_at_rest(tmp_path: Path) -> None:
    trace = trace_path(tmp_path, "main")
    SimulatedLine(str(trace)).release()
    assert [(edge.state, edge.pulse) for edge in read_edges(trace)] == [("off", None)]


def test_edges_are_read_in_order_with_their_pulse(tmp_path: Path) -> None:
    trace = trace_path(tmp_path, "main")
    line = SimulatedLine(str(trace))
    line.on("p")
    assert line_is_active(trace)
    line.off("p")
    assert not line_is_active(trace)
    line.release()
    edges = read_edges(trace)
    assert [(edge.state, edge.pulse) for edge in edges] == [("off", None), ("on", "p"), ("off", "p")]
    assert [edge.t_mono_ns for edge in edges] == sorted(edge.t_mono_ns for edge in edges)


def test_a_line_whose_holder_is_gone_is_not_active(tmp_path: Path) -> None:
    trace = trace_path(tmp_path, "main")
    line = SimulatedLine(str(trace))
    line.on("p")
    line.release()
    assert read_edges(trace)[-1].state == "on"
    assert not line_is_active(trace)


def test_a_trace_that_does_not_exist_is_a_line_at_rest(tmp_path: Path) -> None:
    assert read_edges(trace_path(tmp_path, "main")) == ()
    assert not line_is_active(trace_path(tmp_path, "main"))


def test_a_line_that_a_power_cut_left_half_written_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    trace = trace_path(tmp_path, "main")
    SimulatedLine(str(trace)).release()
    with trace.open("ab") as file:
        file.write(b'{"t_mono_ns": 12')
    assert len(read_edges(trace)) == 1
    SimulatedLine(str(trace)).release()
    assert len(read_edges(trace)) == 2


def test_a_held_line_cannot_be_taken_and_is_not_disturbed(tmp_path: Path) -> None:
    trace = trace_path(tmp_path, "main")
    line = SimulatedLine(str(trace))
    line.on("p")
    with pytest.raises(OSError, match="another process holds this line"):
        SimulatedLine(str(trace))
    assert line_is_active(trace)
    line.release()


def test_a_trace_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SimulatedLine(str(tmp_path / "missing" / "main.edges.jsonl"))


def test_a_full_disk_is_an_error_and_no_silent_edge(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110  (a device, not a file of ours)
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError, match="No space left"):
        SimulatedLine("/dev/full")


@contextmanager
def no_room_in(trace: Path, *, spare_bytes: int) -> Iterator[None]:
    """The file may grow by so much and no more, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (trace.stat().st_size + spare_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


NO_ROOM = pytest.mark.parametrize("spare_bytes", [0, 20], ids=["no-room", "room-for-half-an-edge"])


@NO_ROOM
def test_a_line_that_a_full_disk_kept_at_rest_is_not_latched_and_pulses_once_there_is_room(
    tmp_path: Path, spare_bytes: int
) -> None:
    trace = trace_path(tmp_path, "main")
    said: list[tuple[str, dict[str, object]]] = []
    line = BoundedLine(
        "main",
        SimulatedLine(str(trace)),
        pulse_ns=0,
        clock_ns=lambda: 0,
        say=lambda event, **fields: said.append((event, fields)),
        limit_changed=lambda: None,
    )
    with no_room_in(trace, spare_bytes=spare_bytes):
        line.begin("p")
    assert [event for event, _ in said] == ["failed", "ending", "off"]
    assert "free space on its disk" in str(said[0][1]["reason"])
    assert str(trace) in str(said[0][1]["reason"])
    assert line.refusal() is None
    line.begin("q")
    line.tick()
    line.release()
    assert [(edge.state, edge.pulse) for edge in read_edges(trace)] == [
        ("off", None),
        ("on", "q"),
        ("off", "q"),
    ]


@NO_ROOM
def test_a_line_that_is_on_is_not_said_to_be_off_while_the_disk_is_full(
    tmp_path: Path, spare_bytes: int
) -> None:
    trace = trace_path(tmp_path, "main")
    line = SimulatedLine(str(trace))
    line.on("p")
    with no_room_in(trace, spare_bytes=spare_bytes), pytest.raises(OSError, match="free space on its disk"):
        line.off("p")
    line.off("p")
    line.release()
    assert read_edges(trace)[-1].state == "off"


def test_a_trace_keeps_its_newest_edges_and_never_grows_beyond_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pod.gate.drivers.simulated.LONGEST_TRACE_BYTES", 4000)
    monkeypatch.setattr("pod.gate.drivers.simulated.KEPT_TRACE_BYTES", 2000)
    trace = trace_path(tmp_path, "main")
    line = SimulatedLine(str(trace))
    for pulse in range(200):
        line.on(f"p{pulse}")
        assert line_is_active(trace)
        line.off(f"p{pulse}")
        assert trace.stat().st_size <= 4000
    line.release()
    edges = read_edges(trace)
    assert 10 < len(edges) < 60
    assert [edge.pulse for edge in edges[-2:]] == ["p199", "p199"]
    assert [edge.t_mono_ns for edge in edges] == sorted(edge.t_mono_ns for edge in edges)

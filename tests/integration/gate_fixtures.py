"""What the gate tests share: clients, gates, waiting for a condition, and the measure of a pulse."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from pod.config import GateConfig
from pod.gate.edge_trace import Edge, line_is_active, read_edges, trace_path
from pod.gate.guard_client import GuardClient
from pod.gate.guard_process import GUARD_COMMAND
from pod.gate.pulse import GateState, PulseEnd

HERE = Path(__file__).parent
PULSE_MS = 120
LIMIT_MS = PULSE_MS + 100
"""The promise: the line is never on longer than the pulse and 100 ms, for any one failure."""


def a_gate(name: str = "main", pulse_ms: int = PULSE_MS) -> GateConfig:
    return GateConfig(name=name, pulse_ms=pulse_ms, pause_s=1)


def guard_with(fault: str) -> Sequence[str]:
    """The command of a real guard whose driver misbehaves; see faulty_guard.py."""
    return (sys.executable, str(HERE / "faulty_guard.py"), fault)


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; AssertionError when it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.001)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet counts as gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_replaced(client: GuardClient, pid: int) -> bool:
    """Whether another guard than this one is ready for requests."""
    return client.pid not in (None, pid)


def pulses(run_dir: Path, gate: str = "main") -> list[Edge]:
    """The edges that energised the line."""
    return [edge for edge in read_edges(trace_path(run_dir, gate)) if edge.state == "on"]


def is_active(run_dir: Path, gate: str = "main") -> bool:
    return line_is_active(trace_path(run_dir, gate))


def on_times_ms(run_dir: Path, gate: str = "main", *, dead_ns: int) -> list[float]:
    """How long each pulse of the trace lasted. One without an end lasted until its holder was seen dead."""
    times: list[float] = []
    on_ns: int | None = None
    for edge in read_edges(trace_path(run_dir, gate)):
        if edge.state == "on":
            on_ns = edge.t_mono_ns
        elif on_ns is not None:
            # A new holder's rest state says nothing of when the old one's line fell: it died before that.
            end_ns = edge.t_mono_ns if edge.pulse is not None else min(edge.t_mono_ns, dead_ns)
            times.append((end_ns - on_ns) / 1e6)
            on_ns = None
    if on_ns is not None:
        times.append((dead_ns - on_ns) / 1e6)
    return times


class Recorder:
    """Remembers the ends of pulses, the states of gates, and the alarms that stand."""

    def __init__(self) -> None:
        self.ends: list[PulseEnd] = []
        self.states: list[GateState] = []
        self.alarms: dict[str, str] = {}

    def begin(self, code: str, subject: str, text: str) -> None:
        self.alarms.setdefault(code, text)

    def end(self, code: str, subject: str) -> None:
        self.alarms.pop(code, None)

    def start(self, run_dir: Path, *gates: GateConfig, command: Sequence[str] | None = None) -> GuardClient:
        chosen = gates or (a_gate(),)
        return GuardClient.start(
            chosen,
            run_dir,
            on_state=self.states.append,
            alarms=self,
            command=command or GUARD_COMMAND,
        )

"""What the guard is told of one gate: a part of its first line of input. Pure."""

from pathlib import Path

from pod.config import GateConfig
from pod.gate.edge_trace import trace_path


def guard_gate(gate: GateConfig, run_dir: Path) -> dict[str, object]:
    """One gate's driver, pulse and lines as JSON.

    Args:
        run_dir: where simulated lines keep their files.
    """
    told: dict[str, object] = {
        "name": gate.name,
        "driver": gate.driver,
        "pulse_ms": gate.pulse_ms,
    }
    if gate.driver == "simulated":
        told["trace"] = str(trace_path(run_dir, gate.name))
    if gate.gpio is not None:
        told["gpio"] = gate.gpio.model_dump()
    return told

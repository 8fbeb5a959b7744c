"""What the guard is told of one gate: a part of its first line of input. Pure."""

from pathlib import Path

from pod.config import GateConfig
from pod.config_gates import InputConfig
from pod.gate.edge_trace import trace_path


def guard_gate(gate: GateConfig, run_dir: Path) -> dict[str, object]:
    """One gate's driver, pulse, lines and inputs as JSON. It holds secrets: it goes to the guard's pipe only.

    Args:
        run_dir: where simulated lines keep their files.
    """
    told: dict[str, object] = {
        "name": gate.name,
        "driver": gate.driver,
        "pulse_ms": gate.pulse_ms,
        "input": gate.input,
        "inputs": [_input(gate.name, one, run_dir) for one in gate.inputs],
    }
    if gate.gpio is not None:
        told["gpio"] = gate.gpio.model_dump(exclude={"monostable_ms"})
    elif gate.http is not None:
        secrets = {"password": gate.http.password, "token": gate.http.token}
        plain = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
        told["http"] = gate.http.model_dump(exclude=set(secrets)) | plain
    else:
        told["trace"] = str(trace_path(run_dir, gate.name))
    return told


def input_path(run_dir: Path, gate: str, shows: str) -> Path:
    """The file that stands for a simulated input: `1` active, `0` at rest; without it, at rest."""
    return run_dir / f"{gate}.{shows}.input"


def _input(gate: str, one: InputConfig, run_dir: Path) -> dict[str, object]:
    if one.driver == "simulated":
        return {
            "shows": one.shows,
            "driver": "simulated",
            "file": str(input_path(run_dir, gate, one.shows)),
        }
    return one.model_dump()

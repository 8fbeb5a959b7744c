"""`platebridge gate test`: one pulse by hand, with its edges and its length."""

import queue
import uuid
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.place import DEFAULT_CONFIG
from pod.config import GateConfig, PodConfig
from pod.config_load import load_config
from pod.domain.errors import ConfigError, GateError
from pod.gate.controller import GateController
from pod.gate.edge_trace import read_edges, trace_path
from pod.gate.guard_client import RUN_DIR, GuardClient
from pod.gate.pulse import PulseEnd, PulseStarted
from pod.runtime.instance_lock import InstanceLock

GRACE_S = 1.0
"""Waited beyond the pulse for its end; the guard is ended long before."""

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def gate() -> None:
    """Try a gate by hand."""


@app.command("test", epilog="Example: platebridge gate test main --config config.yaml")
def pulse_by_hand(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gate, as the configuration names it.")],
    config_path: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
    ] = DEFAULT_CONFIG,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; people are clear of the gate.")
    ] = False,
) -> None:
    """Pulse one gate once, and show the edges of its line and the measured length of the pulse.

    The gate may move. Refused while a pod runs on the same data directory, whose guard then holds the line.
    """
    config = load_config(config_path)
    gate = _gate_named(name, config)
    with InstanceLock(Path(config.data_dir)):
        if not yes:
            typer.confirm(f"Gate {name} may move. Are all people and vehicles clear of it?", abort=True)
        _pulse_once(gate, Path(config.data_dir) / RUN_DIR)


def _gate_named(name: str, config: PodConfig) -> GateConfig:
    for gate in config.gates:
        if gate.name == name:
            return gate
    known = ", ".join(gate.name for gate in config.gates)
    raise ConfigError(f"no gate is named {name}; the configuration has: {known}")


def _pulse_once(gate: GateConfig, run_dir: Path) -> None:
    ended: queue.SimpleQueue[PulseEnd] = queue.SimpleQueue()
    guard = GuardClient.start([gate], run_dir)
    try:
        started = GateController(gate, guard).pulse(f"test-{uuid.uuid4().hex}", ended.put)
        try:
            end = ended.get(timeout=gate.pulse_ms / 1000 + GRACE_S)
        except queue.Empty:
            raise GateError(f"gate {gate.name}: the end of the pulse was not reported") from None
    finally:
        guard.close()
    for at_ms, state in _edges(started, end, trace_path(run_dir, gate.name)):
        typer.echo(f"{at_ms:9.1f} ms  {state}")
    typer.echo(f"gate {gate.name}: pulse of {end.on_for_ms:.1f} ms, {gate.pulse_ms} ms asked for")
    if end.error is not None:
        raise GateError(f"gate {gate.name}: {end.error}")


def _edges(started: PulseStarted, end: PulseEnd, trace: Path) -> list[tuple[float, str]]:
    """The pulse's edges, milliseconds from the first: from the line's trace, else from the guard."""
    traced = [(edge.t_mono_ns / 1e6, edge.state) for edge in read_edges(trace) if edge.pulse == end.pulse_id]
    edges = traced or [(started.on_s * 1000, "on"), (end.off_s * 1000, "off")]
    return [(at_ms - edges[0][0], state) for at_ms, state in edges]

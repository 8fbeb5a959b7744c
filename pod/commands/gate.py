"""`platebridge gate test`: one pulse by hand, with its edges and its length."""

import queue
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import DEFAULT_CONFIG
from pod.config import GateConfig, PodConfig
from pod.config_load import load_config
from pod.domain.errors import ConfigError, GateError, StoreError
from pod.domain.history import BY_HAND
from pod.gate.controller import GateController
from pod.gate.edge_trace import read_edges, trace_path
from pod.gate.guard_client import RUN_DIR, GuardClient
from pod.gate.pulse import NotPulsedError, PulseEnd, PulseStarted
from pod.runtime.instance_lock import InstanceLock
from pod.store.store import FILE_NAME, Store

GRACE_S = 1.0
"""Waited beyond the pulse for its end; the guard is ended long before."""

COMMIT_TIMEOUT_S = 5.0

_FAILED: dict[str, object] = {"result": "failed", "reason": "gate_failed"}

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

    The gate may move. The audit keeps the pulse and who asked for it. Refused while a pod runs on the same
    data directory, whose guard then holds the line.
    """
    config = load_config(config_path)
    gate = _gate_named(name, config)
    with InstanceLock(Path(config.data_dir)):
        if not yes:
            typer.confirm(f"Gate {name} may move. Are all people and vehicles clear of it?", abort=True)
        _pulse_on_record(gate, Path(config.data_dir))


def _gate_named(name: str, config: PodConfig) -> GateConfig:
    for gate in config.gates:
        if gate.name == name:
            return gate
    known = ", ".join(gate.name for gate in config.gates)
    raise ConfigError(f"no gate is named {name}; the configuration has: {known}")


def _pulse_on_record(gate: GateConfig, data_dir: Path) -> None:
    """One pulse with its intent and its outcome in the audit, in that order around it."""
    run_dir = data_dir / RUN_DIR
    pulse_id = f"test-{uuid.uuid4().hex}"
    row = {"source": BY_HAND, "by": operator(), "gate": gate.name, "pulse": pulse_id}
    with Store.open(data_dir / FILE_NAME) as store, _sigterm_interrupts():

        def commit(kind: str, **facts: object) -> None:
            store.wait_for(store.record(kind, {**row, "reason": "by_hand", **facts}), COMMIT_TIMEOUT_S)

        guard = GuardClient.start([gate], run_dir)
        outcome: dict[str, object] | None = _FAILED | {"error": "stopped before its end"}
        try:
            commit("intent")
            started, end = _pulse_once(gate, guard, pulse_id)
            outcome = _outcome_of(end)
        except StoreError:
            outcome = None  # There is no intent that would want one.
            raise
        except GateError as error:
            outcome = _FAILED | ({"reason": "gate_unavailable"} if isinstance(error, NotPulsedError) else {})
            raise
        finally:
            guard.close()  # The line comes to rest first; then the row says what became of it.
            if outcome is not None:
                commit("outcome", **outcome)
    for at_ms, state in _edges(started, end, trace_path(run_dir, gate.name)):
        typer.echo(f"{at_ms:9.1f} ms  {state}")
    typer.echo(f"gate {gate.name}: pulse of {end.on_for_ms:.1f} ms, {gate.pulse_ms} ms asked for")
    if end.error is not None:
        raise GateError(f"gate {gate.name}: {end.error}")


def _outcome_of(end: PulseEnd) -> dict[str, object]:
    if end.error is None:
        return {"result": "pulsed", "on_ms": round(end.on_for_ms, 1)}
    return _FAILED | {"error": end.error}


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Within it SIGTERM raises KeyboardInterrupt, as Ctrl-C does: no intent is left without its outcome."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _pulse_once(gate: GateConfig, guard: GuardClient, pulse_id: str) -> tuple[PulseStarted, PulseEnd]:
    ended: queue.SimpleQueue[PulseEnd] = queue.SimpleQueue()
    started = GateController(gate, guard).pulse(pulse_id, ended.put)
    try:
        return started, ended.get(timeout=gate.pulse_ms / 1000 + GRACE_S)
    except queue.Empty:
        raise GateError(f"gate {gate.name}: the end of the pulse was not reported") from None


def _edges(started: PulseStarted, end: PulseEnd, trace: Path) -> list[tuple[float, str]]:
    """The pulse's edges, milliseconds from the first: from the line's trace, else from the guard."""
    traced = [(edge.t_mono_ns / 1e6, edge.state) for edge in read_edges(trace) if edge.pulse == end.pulse_id]
    edges = traced or [(started.on_s * 1000, "on"), (end.off_s * 1000, "off")]
    return [(at_ms - edges[0][0], state) for at_ms, state in edges]

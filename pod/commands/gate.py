"""`platebridge gate`: one pulse by hand and what the gate did, all relays to rest, a latch taken back."""

import queue
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.operator import operator
from pod.commands.place import DEFAULT_CONFIG
from pod.config import GateConfig, PodConfig
from pod.config_load import load_config
from pod.domain.errors import ConfigError, GateError, StoreError
from pod.domain.gate_facts import POSITION_WORDS, GateFact
from pod.domain.history import BY_HAND
from pod.gate.controller import GateController
from pod.gate.edge_trace import read_edges, trace_path
from pod.gate.guard_client import RUN_DIR, GuardClient
from pod.gate.latches import Latches
from pod.gate.pulse import NotPulsedError, PulseEnd, PulseStarted
from pod.runtime.instance_lock import InstanceLock
from pod.store.store import FILE_NAME, Store

GRACE_S = 1.0
"""Waited beyond the pulse for its end; the guard is ended long before."""

COMMIT_TIMEOUT_S = 5.0

_FAILED: dict[str, object] = {"result": "failed", "reason": "gate_failed"}

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="PLATEBRIDGE_CONFIG")
]

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def gate() -> None:
    """Try a gate by hand, bring every relay to rest, or take a latch back."""


@app.command(epilog="Example: platebridge gate rest --config config.yaml")
def rest(config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Drive the relay line of every gate to rest, and give it back.

    The service does this whenever it has ended, for kernels that leave a line as it was when its holder died.
    A line that a running pod holds is left alone. Nothing is ever switched on.
    """
    from pod.gate.drivers.gpio import GpioLine
    from pod.gate.drivers.line import fault_text

    faults: list[str] = []
    for one in load_config(config_path).gates:
        if one.gpio is None:
            typer.echo(f"gate {one.name}: driver {one.driver}, there is no line to drive")
            continue
        try:
            GpioLine(one.gpio.model_dump()).release()
        except OSError as fault:
            faults.append(f"gate {one.name}: {fault_text(fault)}")
        else:
            typer.echo(f"gate {one.name}: line {one.gpio.line} of {one.gpio.chip} is at rest")
    if faults:
        raise GateError("\n".join(faults))


@app.command("test", epilog="Example: platebridge gate test main --config config.yaml")
def pulse_by_hand(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gate, as the configuration names it.")],
    config_path: ConfigPath = DEFAULT_CONFIG,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; people are clear of the gate.")
    ] = False,
) -> None:
    """Pulse one gate once, and show the edges of its line, the length of the pulse, and what the gate did.

    Of a device on the network nothing is measured, only its answer is told.

    The gate may move. Where contacts are wired, it is watched until it is open or should be. The audit keeps
    the pulse and who asked for it. Refused while a pod runs on the same data directory, as its guard holds
    the line.
    """
    config = load_config(config_path)
    gate = _gate_named(name, config)
    with InstanceLock(Path(config.data_dir)):
        if not yes:
            typer.confirm(f"Gate {name} may move. Are all people and vehicles clear of it?", abort=True)
        _pulse_on_record(gate, Path(config.data_dir))


@app.command(epilog="Example: platebridge gate unlatch main --config config.yaml")
def unlatch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The gate, as the configuration names it.")],
    config_path: ConfigPath = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; the relay was checked.")] = False,
) -> None:
    """Let a gate be pulsed again that was latched because its relay did not switch off.

    Check the relay and its wiring first: one that is welded opens the gate for good. A restart does not do
    this, only a person. Nothing is pulsed. The audit keeps who did it. Refused while a pod runs on the same
    data directory.
    """
    config = load_config(config_path)
    gate, data_dir = _gate_named(name, config), Path(config.data_dir)
    with InstanceLock(data_dir):
        latches = Latches(data_dir / RUN_DIR)
        if (latch := latches.read(gate.name)) is None:
            typer.echo(f"gate {name}: it is not latched")
            return
        since = f" (since {latch.at})" if latch.at else ""
        typer.echo(f"gate {name}: {latch.reason}{since}")
        if not yes:
            typer.confirm(f"Does the relay of gate {name} switch off again, and was it checked?", abort=True)
        with Store.open(data_dir / FILE_NAME) as store:
            row = {"gate": gate.name, "state": "unlatched", "text": latch.reason, "by": operator()}
            store.wait_for(store.record("gate_state", row), COMMIT_TIMEOUT_S)
            latches.clear(gate.name)
        typer.echo(f"gate {name}: it is not latched any more; the POD pulses it again once it is started")


def _gate_named(name: str, config: PodConfig) -> GateConfig:
    for gate in config.gates:
        if gate.name == name:
            return gate
    known = ", ".join(gate.name for gate in config.gates)
    raise ConfigError(f"no gate is named {name}; the configuration has: {known}")


def _pulse_on_record(gate: GateConfig, data_dir: Path) -> None:
    """One pulse with its intent and its outcome in the audit, in that order around it; then what it did."""
    run_dir = data_dir / RUN_DIR
    pulse_id = f"test-{uuid.uuid4().hex}"
    row = {"source": BY_HAND, "by": operator(), "gate": gate.name, "pulse": pulse_id}
    with Store.open(data_dir / FILE_NAME) as store, _sigterm_interrupts():

        def commit(kind: str, **facts: object) -> None:
            store.wait_for(store.record(kind, {**row, "reason": "by_hand", **facts}), COMMIT_TIMEOUT_S)

        told: queue.SimpleQueue[GateFact] = queue.SimpleQueue()
        guard = GuardClient.start([gate], run_dir, on_fact=told.put)
        try:
            started, end = _pulse_with_outcome(gate, guard, pulse_id, commit=commit)
            _show_pulse(gate, started, end, trace_path(run_dir, gate.name))
            if end.error is not None:
                raise GateError(f"gate {gate.name}: {end.error}")
            _show_facts(gate, guard, started.on_s, told)
        finally:
            guard.close()


def _pulse_with_outcome(
    gate: GateConfig, guard: GuardClient, pulse_id: str, *, commit: Callable[..., None]
) -> tuple[PulseStarted, PulseEnd]:
    outcome: dict[str, object] | None = _FAILED | {"error": "stopped before its end"}
    try:
        commit("intent")
        started, end = _pulse_once(gate, guard, pulse_id)
        outcome = _outcome_of(end)
    except StoreError:
        outcome = None  # There is no intent that would want one.
        raise
    except GateError as error:
        outcome = _FAILED | ({"reason": error.reason} if isinstance(error, NotPulsedError) else {})
        raise
    finally:
        if outcome is None or outcome["result"] != "pulsed":
            guard.close()  # The line comes to rest first; then the row says what became of it.
        if outcome is not None:
            commit("outcome", **outcome)
    return started, end


def _show_pulse(gate: GateConfig, started: PulseStarted, end: PulseEnd, trace: Path) -> None:
    if gate.driver == "http":
        typer.echo(
            f"gate {gate.name}: the device said yes to a pulse of {gate.pulse_ms} ms, which it times by "
            "itself; nothing of it was measured"
        )
        return
    for at_ms, state in _edges(started, end, trace):
        typer.echo(f"{at_ms:9.1f} ms  {state}")
    typer.echo(f"gate {gate.name}: pulse of {end.on_for_ms:.1f} ms, {gate.pulse_ms} ms asked for")


def _show_facts(
    gate: GateConfig, guard: GuardClient, on_s: float, told: "queue.SimpleQueue[GateFact]"
) -> None:
    """Tell each fact as it comes, until the gate has done what its contacts can show, or should have."""
    shown = {one.shows for one in gate.inputs}
    if not shown & {"closed", "open"}:
        typer.echo(f"gate {gate.name}: commanded; {POSITION_WORDS['not_wired']} whether it moved")
        return
    last = "opened" if "open" in shown else "moved"
    give_up_s = on_s + gate.open_within_s + GRACE_S
    while (left_s := give_up_s - time.monotonic()) > 0:
        try:
            fact = told.get(timeout=left_s)
        except queue.Empty:
            break
        typer.echo(f"{(fact.at_s - on_s) * 1000:9.1f} ms  {fact.fact.replace('_', ' ')}")
        if fact.fact == last:
            break
    typer.echo(f"gate {gate.name}: {POSITION_WORDS[guard.facts(gate.name).position]}")
    for text in guard.alarms(gate.name).values():
        typer.echo(f"gate {gate.name}: {text}")


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

"""Start the gates' guard and controllers, each at rest as its last pulse wants it. No rules live here."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pod.config import GateConfig
from pod.domain.gate_facts import GateFact
from pod.gate.controller import GateController, rest_after_start_s
from pod.gate.device_watch import DeviceWatch
from pod.gate.guard_client import RUN_DIR, GuardClient
from pod.gate.pulse import GateState
from pod.runtime.heartbeat import Heartbeats
from pod.services.alarms import Alarms
from pod.services.clock_watch import ClockWatch
from pod.services.health import HealthProbe
from pod.services.probes import gate_probe
from pod.services.served_cars import ServedCars
from pod.store.pulses import settle_pulses
from pod.store.store import Store

log = logging.getLogger(__name__)

GUARD_SILENCE_S = 5.0
"""The guard's keeper beats every second."""

SETTLE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateParts:
    """What the gates of a POD need.

    Attributes:
        on_state, on_fact: told what becomes of a gate; must not block.
        on_fault: told the bug that ended a part, on its thread.
    """

    gates: tuple[GateConfig, ...]
    data_dir: Path
    store: Store
    clock: ClockWatch
    alarms: Alarms
    heartbeats: Heartbeats
    on_state: Callable[[GateState], None]
    on_fact: Callable[[GateFact], None]
    on_fault: Callable[[Exception], None]


@dataclass(frozen=True, slots=True)
class StartedGates:
    """The gates, ready to be asked.

    Attributes:
        served: by gate, the cars that its cameras let in together.
        probes: one a gate.
    """

    controllers: Mapping[str, GateController]
    served: Mapping[str, ServedCars]
    probes: tuple[HealthProbe, ...]


def start_gates(parts: GateParts, stack: AsyncExitStack) -> StartedGates:
    """Start the guard and what watches the gates' devices; `stack` ends them.

    Raises:
        GateError: the guard does not start.
    """
    asked = _settle_pulses(parts.store)
    guard = GuardClient.start(
        parts.gates,
        parts.data_dir / RUN_DIR,
        on_state=parts.on_state,
        on_fact=parts.on_fact,
        alarms=parts.alarms,
        on_fault=parts.on_fault,
        beat=parts.heartbeats.register("gate guard", GUARD_SILENCE_S).beat,
    )
    stack.callback(guard.close)
    moment = parts.clock.look()
    rests_s = {
        gate.name: rest_after_start_s(gate, guard, asked.get(gate.name), now=moment.now, doubt=moment.doubt)
        for gate in parts.gates
    }
    controllers = {gate.name: GateController(gate, guard, rest_s=rests_s[gate.name]) for gate in parts.gates}
    return StartedGates(
        controllers,
        {gate.name: ServedCars() for gate in parts.gates},
        tuple(_probe(gate, controllers[gate.name], parts.on_fault, stack=stack) for gate in parts.gates),
    )


def _settle_pulses(store: Store) -> Mapping[str, datetime]:
    """Note the pulses in which the last POD ended; when each gate was last asked to open."""
    job = partial(settle_pulses, now_us=time.time_ns() // 1000)
    before = store.wait_for(store.submit(job), SETTLE_TIMEOUT_S)
    if before.unfinished:
        log.warning("it is not known how %d pulses ended: the POD did before", before.unfinished)
    return before.asked


def _probe(
    gate: GateConfig,
    controller: GateController,
    on_fault: Callable[[Exception], None],
    *,
    stack: AsyncExitStack,
) -> HealthProbe:
    if gate.http is None:
        return gate_probe(controller)
    watch = DeviceWatch(gate, on_fault=on_fault)
    watch.start()
    stack.callback(watch.stop)
    return gate_probe(controller, lambda: watch.fault)

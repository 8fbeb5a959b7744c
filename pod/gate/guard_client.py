"""The pod's side of the guard: starts it, asks it for pulses, watches it, and starts it again. Thread-safe.

Guard and pod bound each other: the guard ends its pulses when the pod dies or stalls, and this client ends a
guard that lets a pulse run over or falls silent. It never asks for a pulse by itself, nor repeats a request.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from pod.config import GateConfig
from pod.domain.errors import GateError
from pod.domain.gate_facts import Attempted, Commanded, GateFacts, PulseOver
from pod.gate.drivers.line import fault_text
from pod.gate.flight import Flight
from pod.gate.gate_states import GateStates
from pod.gate.gate_watch import AlarmSink, GateWatch, OnFact
from pod.gate.guard_gate import guard_gate
from pod.gate.guard_process import GUARD_COMMAND, Event, GuardProcess
from pod.gate.pulse import GateState, NotPulsedError, OnEnd, OnState, PulseEnd, PulseStarted
from pod.runtime.backoff import backoff_delays_s

log = logging.getLogger(__name__)

VALID_FOR_NS = 200_000_000
"""The guard refuses a request older than this, so that a late one cannot open behind the caller's back."""

ANSWER_TIMEOUT_S = 0.25
"""How long a caller waits; longer than a request stays valid."""

OVERRUN_NS = 80_000_000
"""A pulse still on this long after its end costs the guard its life; longer than its own alarm waits."""

SILENCE_NS = 4_000_000_000
"""The guard speaks every second; silent for this long, also about one pulse that is over, it is frozen."""

START_TIMEOUT_S = 15.0

BEAT_S = 1.0
"""Between two signs of life of the client's own thread, at most."""

RUN_DIR = "run"
"""The folder inside a pod's data directory for latches, and for the traces of simulated lines."""

_LATE = "the pulse was reported after its caller had given up"

STABLE_AFTER_S = 60.0
"""A guard that lived this long starts the backoff afresh."""


class GuardClient:
    """One guard process for all gates of a pod, kept alive by one thread. Make it with `start`."""

    def __init__(
        self,
        gates: Sequence[GateConfig],
        run_dir: Path,
        *,
        watch: GateWatch,
        on_state: OnState | None,
        on_fault: Callable[[Exception], None] | None,
        beat: Callable[[], None],
        command: Sequence[str],
    ) -> None:
        self._gates = {gate.name: gate for gate in gates}
        self._run_dir = run_dir
        self._watch = watch
        self._on_fault = on_fault
        self._beat = beat
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._states = GateStates(self._gates, run_dir, watch=watch, on_state=on_state)
        self._flights: dict[str, Flight] = {}
        self._switching_off: set[str] = set()  # gates; of the client's own thread
        self._process: GuardProcess | None = None
        self._heard_ns = 0
        self._closing = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gate-guard", daemon=True)

    @classmethod
    def start(
        cls,
        gates: Sequence[GateConfig],
        run_dir: Path,
        *,
        on_state: OnState | None = None,
        on_fact: OnFact | None = None,
        alarms: AlarmSink | None = None,
        on_fault: Callable[[Exception], None] | None = None,
        beat: Callable[[], None] = lambda: None,
        command: Sequence[str] = GUARD_COMMAND,
    ) -> Self:
        """Start the guard and wait until it has taken its lines; every line is then at rest.

        A line that cannot be taken does not stop the others; its gate is `unavailable`.

        Args:
            run_dir: a folder for latches and for the traces of simulated lines; created. A gate that was
                latched there before is latched from the start.
            on_state: called by the client's thread whenever a gate's state changes; must not block.
            on_fact: told by the client's thread what became true of a gate; must not block.
            alarms: where the alarms of the gates begin and end.
            on_fault: told the bug that ended the client's thread, on that thread; the guard is gone then.
            beat: called by the client's thread at least every second while it works.
            command: starts the guard.

        Raises:
            GateError: the guard did not start.
        """
        run_dir.mkdir(parents=True, exist_ok=True)
        watch = GateWatch(gates, on_fact=on_fact, alarms=alarms)
        client = cls(
            gates, run_dir, watch=watch, on_state=on_state, on_fault=on_fault, beat=beat, command=command
        )
        client._thread.start()
        client._settled.wait(START_TIMEOUT_S)
        if not client.alive:
            client.close()
            raise GateError(
                "the gate's guard process did not start; its own message stands above on standard error"
            )
        return client

    @property
    def alive(self) -> bool:
        """Whether the guard holds its lines and spoke lately."""
        with self._lock:
            return self._process is not None and time.monotonic_ns() - self._heard_ns < SILENCE_NS

    @property
    def pid(self) -> int | None:
        """Process id of the guard that is ready for requests now."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    def state(self, gate: str) -> GateState:
        """What is known of one gate of the configuration."""
        return self._states.get(gate)

    def facts(self, gate: str) -> GateFacts:
        """What is known of what one gate of the configuration did."""
        return self._watch.facts(gate)

    def alarms(self, gate: str) -> Mapping[str, str]:
        """The alarms that stand by those facts."""
        return self._watch.alarms(gate)

    def answer_timeout_s(self, gate: str) -> float:
        """How long `pulse` waits at most."""
        http = self._gates[gate].http
        return ANSWER_TIMEOUT_S + (http.timeout_ms / 1000 if http is not None else 0.0)

    def pulse(self, gate: str, pulse_id: str, *, on_end: OnEnd) -> PulseStarted:
        """Ask for one pulse and wait for the line's edge.

        Args:
            pulse_id: never used before; 1 to 64 printable ASCII characters without spaces.
            on_end: called once, by the client's thread, when the line is at rest again; must not block. Also
                where nobody answered in time and the line turned out to have been active; its error says so.

        Raises:
            NotPulsedError: the line was not touched.
            GateError: the driver failed, or nobody answered in time (250 ms, for a device on the network its
                own limit, too); the line may have been active.
        """
        if not (0 < len(pulse_id) <= 64 and pulse_id.isascii() and pulse_id.isprintable()) or " " in pulse_id:
            raise NotPulsedError("a pulse id has 1 to 64 printable ASCII characters and no space")
        flight = Flight(pulse_id, gate, on_end)
        with self._lock:
            state, process = self._states.get(gate), self._process
            if state.condition != "ready" or process is None:
                raise NotPulsedError(
                    f"gate {gate} is not pulsed: {state.reason or 'the guard is not running'}"
                )
            if pulse_id in self._flights:
                raise NotPulsedError(f"gate {gate}: pulse {pulse_id} is under way")
            valid_until_ns = time.monotonic_ns() + VALID_FOR_NS
            try:
                process.send(f"pulse {gate} {pulse_id} {valid_until_ns}\n".encode())
            except OSError as fault:
                raise NotPulsedError(
                    f"gate {gate}: the guard takes no requests ({fault_text(fault)})"
                ) from fault
            self._flights[pulse_id] = flight
        timeout_s = self.answer_timeout_s(gate)
        flight.answered.wait(timeout_s)
        with self._lock:
            if flight.error is not None:
                raise flight.error
            if flight.on_ns is not None:
                return PulseStarted(pulse_id, gate, flight.on_ns / 1e9)
            flight.abandoned = True
            flight.due_ns = time.monotonic_ns() + self._gates[gate].pulse_ms * 1_000_000 + SILENCE_NS
        waited_ms = timeout_s * 1000
        raise GateError(f"gate {gate}: no answer within {waited_ms:.0f} ms; is the machine overloaded?")

    def close(self, timeout_s: float = 2.0) -> None:
        """Bring every line to rest and end the guard. Safe to repeat."""
        with self._lock:
            self._closing.set()
            process = self._process
        if process is not None:
            process.hang_up()
            self._thread.join(timeout_s)
            process.kill()
        self._thread.join(timeout_s)
        self._states.close()

    # What follows runs in the client's own thread.

    def _run(self) -> None:
        try:
            self._keep_alive()
        except Exception as error:
            log.exception("the keeper of the gate guard failed; every line is released")
            if self._on_fault is not None:
                self._on_fault(error)

    def _keep_alive(self) -> None:
        delays = self._delays()
        self._states.tell_latched()
        while not self._closing.is_set():
            began_s = time.monotonic()
            reason = self._run_one_guard()
            self._settled.set()
            if self._closing.is_set():
                return
            if time.monotonic() - began_s > STABLE_AFTER_S:
                delays = self._delays()
            delay_s = next(delays)
            log.error(
                "the gate guard ended (%s); every line is released; next start in %.1f s", reason, delay_s
            )
            self._pause(delay_s)

    def _pause(self, delay_s: float) -> None:
        """Wait before the next start; cut short by `close`."""
        over_s = time.monotonic() + delay_s
        while (left_s := over_s - time.monotonic()) > 0 and not self._closing.is_set():
            self._beat()
            self._watch.tick()
            self._closing.wait(min(left_s, BEAT_S))

    @staticmethod
    def _delays() -> Iterator[float]:
        return backoff_delays_s(random.Random().random, 0.2)

    def _run_one_guard(self) -> str:
        """Start a guard and follow it to its end; how it ended."""
        gates = [guard_gate(gate, self._run_dir) for gate in self._gates.values()]
        try:
            process = GuardProcess(self._command, gates)
        except OSError as fault:
            return f"it could not be started: {fault}"
        self._heard_ns = time.monotonic_ns()
        try:
            self._follow(process)
        finally:
            how = process.reap()
            self._guard_ended(how)
        return how

    def _follow(self, process: GuardProcess) -> None:
        while not (self._closing.is_set() and self._process is None):
            limits_ns = [self._heard_ns + (SILENCE_NS if self._process else int(START_TIMEOUT_S * 1e9))]
            limits_ns += [flight.due_ns for flight in self._flights_now() if flight.due_ns is not None]
            left_ns = min(limits_ns) - time.monotonic_ns()
            self._beat()
            self._watch.tick()
            events = process.events(min(max(0.0, left_ns / 1e9), BEAT_S))
            if events is None:
                return
            for event in events:
                self._heard_ns = time.monotonic_ns()
                self._take_event(process, event)
            if not events and left_ns <= 0:
                log.error("the gate guard let a pulse run over, or fell silent about it; it is ended")
                return

    def _flights_now(self) -> list[Flight]:
        with self._lock:
            return list(self._flights.values())

    def _take_event(self, process: GuardProcess, event: Event) -> None:
        kind, gate = event["event"], str(event.get("gate", ""))
        if kind == "ready":
            self._guard_ready(process, event)
            return
        if kind in ("input", "beat"):
            self._watch.told(event)
            return
        with self._lock:
            flight = self._flights.get(str(event.get("pulse", "")))
        if kind == "taken":
            self._states.set(gate, "ready")
        elif kind == "off_failed":
            self._states.latch(gate, str(event["reason"]))
        elif kind == "ending":
            self._switching_off.add(gate)
        elif kind == "off":
            self._switching_off.discard(gate)
        if flight is None:
            if kind == "error":
                log.error("the gate guard refused a request: %s", event["reason"])
        elif kind == "on":
            self._pulse_began(flight, int(str(event["t_ns"])))
        elif kind == "off":
            fault = event["fault"]
            self._pulse_ended(flight, int(str(event["t_ns"])), str(fault) if fault is not None else None)
        elif kind in ("refused", "failed"):
            text = f"gate {gate}: {event['reason']}"
            if kind == "failed":
                self._watch.signal(gate, Attempted(time.monotonic()))
                self._answer(flight, GateError(text))
            else:
                self._answer(flight, NotPulsedError(text, str(event.get("code", "gate_unavailable"))))

    def _guard_ready(self, process: GuardProcess, event: Event) -> None:
        faults = event["gates"]
        assert isinstance(faults, dict)
        with self._lock:
            if self._closing.is_set():
                return  # `close` found no guard to hang up on; unannounced, this one is ended right away.
            self._process = process
        for gate in self._gates:
            if (fault := faults.get(gate)) is None:
                self._states.set(gate, "ready")
            else:
                self._states.set(gate, "unavailable", f"its line could not be taken: {fault}")
        self._settled.set()

    def _pulse_began(self, flight: Flight, on_ns: int) -> None:
        with self._lock:
            flight.on_ns = on_ns
            flight.due_ns = on_ns + self._gates[flight.gate].pulse_ms * 1_000_000 + OVERRUN_NS
            if flight.abandoned:
                log.error("gate %s: pulse %s: %s", flight.gate, flight.pulse_id, _LATE)
        flight.answered.set()
        self._watch.signal(flight.gate, Commanded(on_ns / 1e9))

    def _pulse_ended(self, flight: Flight, off_ns: int, fault: str | None) -> None:
        with self._lock:
            self._flights.pop(flight.pulse_id, None)
        if flight.on_ns is None:
            return
        if flight.abandoned:
            fault = "; ".join(filter(None, (_LATE, fault)))
        end = PulseEnd(flight.pulse_id, flight.gate, flight.on_ns / 1e9, off_ns / 1e9, fault)
        self._watch.signal(flight.gate, PulseOver(end.off_s, end.on_for_ms))
        try:
            flight.on_end(end)
        except Exception:
            log.exception("gate %s: the listener to the end of pulse %s failed", flight.gate, flight.pulse_id)

    def _answer(self, flight: Flight, error: GateError) -> None:
        with self._lock:
            flight.error = error
            self._flights.pop(flight.pulse_id, None)
        flight.answered.set()

    def _guard_ended(self, how: str) -> None:
        ended_ns = time.monotonic_ns()
        with self._lock:
            self._process = None
        for gate in self._switching_off:  # also where switching on had failed and its flight is over
            self._states.latch(gate, f"the guard ended ({how}) while it switched off")
        self._switching_off.clear()
        for flight in self._flights_now():
            if flight.on_ns is None:
                self._watch.signal(flight.gate, Attempted(ended_ns / 1e9))
                self._answer(
                    flight, GateError(f"gate {flight.gate}: the guard ended ({how}) before it answered")
                )
            else:
                self._pulse_ended(flight, ended_ns, f"the guard ended ({how}) during the pulse")
        self._watch.blind()
        stopping = self._closing.is_set()
        reason = "the pod is stopping" if stopping else f"the guard ended ({how}) and is being started again"
        for gate in self._gates:
            self._states.set(gate, "down", reason)

"""Whether each gate of a pod can be pulsed; a latched one stays latched. Any thread may read, one writes."""

import threading
from collections.abc import Iterable
from pathlib import Path

from pod.gate.gate_watch import GateWatch
from pod.gate.latches import Latches, latch_now
from pod.gate.pulse import Condition, GateState, OnState


class GateStates:
    """The states of all gates, from the latches on disk on.

    Args:
        folder: where the latches lie; exists.
        on_state: called by the writing thread with each change; must not block.
    """

    def __init__(
        self, gates: Iterable[str], folder: Path, *, watch: GateWatch, on_state: OnState | None
    ) -> None:
        self._latches = Latches(folder)
        self._watch = watch
        self._on_state = on_state
        self._lock = threading.Lock()
        self._states = {gate: self._first(gate) for gate in gates}

    def get(self, gate: str) -> GateState:
        with self._lock:
            return self._states[gate]

    def tell_latched(self) -> None:
        """Tell of the gates that were latched before this start."""
        for state in list(self._states.values()):
            if state.condition == "latched":
                self._tell(state)

    def set(self, gate: str, condition: Condition, reason: str = "") -> None:
        """Change a state and tell of it; a latched gate stays as it is."""
        state = GateState(gate, condition, reason)
        with self._lock:
            if self._states[gate].condition == "latched" or self._states[gate] == state:
                return
            self._states[gate] = state
        self._tell(state)

    def latch(self, gate: str, reason: str) -> None:
        """Shut a gate until a person takes it back: in memory at once, then on disk, then told.

        Waits for the disk for a second at most. Of several reasons the first is kept.
        """
        latch = latch_now(gate, reason)
        with self._lock:
            if self._states[gate].condition == "latched":
                return
            state = self._states[gate] = GateState(gate, "latched", latch.sentence())
        if (fault := self._latches.keep(latch)) is not None:
            unkept = f"this is not on disk yet ({fault}), so a restart may forget it"
            state = GateState(gate, "latched", f"{latch.sentence()}; {unkept}")
            with self._lock:
                self._states[gate] = state
        self._tell(state)

    def close(self) -> None:
        """Try no more to write what the disk refused."""
        self._latches.close()

    def _first(self, gate: str) -> GateState:
        if (latch := self._latches.read(gate)) is not None:
            return GateState(gate, "latched", latch.sentence())
        return GateState(gate, "down", "the guard is starting")

    def _tell(self, state: GateState) -> None:
        self._watch.state_changed(state)
        if self._on_state is not None:
            self._on_state(state)

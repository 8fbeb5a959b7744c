"""Write down and publish changes of state, from whatever thread tells them. No rules live here."""

import logging
from collections.abc import Callable
from concurrent.futures import Future

from pod.domain.errors import StoreError
from pod.domain.gate_facts import GateFact
from pod.gate.pulse import GateState
from pod.media.state import CameraState
from pod.runtime.broadcast import Event
from pod.runtime.metrics import PodMetrics
from pod.store.store import Store

log = logging.getLogger(__name__)


class ChangeNotes:
    """Rows about changes of state; its methods may be called from any thread, and none of them blocks."""

    def __init__(self, store: Store, publish: Callable[[Event], None], *, metrics: PodMetrics) -> None:
        """
        Args:
            publish: tells those who watch; must not block.
        """
        self._store = store
        self._publish = publish
        self._metrics = metrics

    def note(self, kind: str, row: Event) -> None:
        """Record and publish a change; one that cannot be recorded is counted and logged, and published."""
        try:
            self._store.record(kind, row, wait=False).add_done_callback(self._noted)
        except StoreError as error:
            self._lost(error)
        self._publish({"kind": kind, **row})

    def camera(self, name: str, state: CameraState) -> None:
        """A camera's new state."""
        playing = state.kind == "playing"
        self._metrics.camera_up.labels(name).set(playing)
        log.log(
            logging.INFO if playing or state.kind == "ended" else logging.WARNING,
            "camera %s is %s: %s",
            name,
            state.kind,
            state.text,
        )
        row = {"camera": name, "state": state.kind, "reason": state.reason, "text": state.text}
        self.note("camera_state", row)

    def gate(self, state: GateState) -> None:
        """A gate's new state."""
        self.note("gate_state", {"gate": state.gate, "state": state.condition, "text": state.reason})

    def gate_fact(self, fact: GateFact) -> None:
        """What a gate's inputs tell."""
        self.note("gate_fact", {"gate": fact.gate, "fact": fact.fact})

    def _noted(self, write: Future[int]) -> None:
        error = write.exception()
        if error is not None:
            self._lost(error)

    def _lost(self, error: BaseException) -> None:
        self._metrics.store_errors.inc()
        log.error("a row about a change of state was lost: %s", error)

"""From one step of an approach to a committed row and, where granted, a pulse.

Runs on the camera's own thread and never touches the event loop. The order is: intent committed, relay
energised, outcome committed; whatever fails on the way leaves the gate at rest.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pod.domain.access import Decision, Policy, decide
from pod.domain.approach import Action, Approaches, Step
from pod.domain.entry import Verdict
from pod.domain.errors import GateError, StoreError
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key
from pod.domain.reads import Box
from pod.gate.controller import GateController
from pod.gate.pulse import GateBusyError, NotPulsedError, PulseEnd
from pod.runtime.metrics import PodMetrics
from pod.services.served_cars import ServedCars
from pod.store.store import Grant, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The frame that a step rests on.

    Attributes:
        captured_s: monotonic clock, when the camera took it.
        box: the plate in it, pixels of the full frame.
        frames: how many reads the track's evidence holds.
    """

    captured_s: float
    box: Box
    frames: int


class AccessControl:
    """Decides, records and opens for one camera."""

    def __init__(
        self,
        camera: str,
        gate: GateController,
        *,
        served: ServedCars,
        approaches: Approaches,
        store: Store,
        policy: Policy,
        freshness_limit_s: float,
        commit_timeout_s: float,
        metrics: PodMetrics,
        publish: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._camera = camera
        self._gate = gate
        self._served = served
        self._approaches = approaches
        self._store = store
        self._policy = policy
        self._freshness_limit_s = freshness_limit_s
        self._commit_timeout_s = commit_timeout_s
        self._metrics = metrics
        self._publish = publish

    def decide(self, consensus: Consensus) -> Decision:
        """What the list as it stands now says of this plate."""
        candidates = self._store.plates.current.candidates(match_key(consensus.text))
        return decide(consensus, candidates, gate=self._gate.name, now=datetime.now(UTC), policy=self._policy)

    def act(self, steps: Sequence[Step], sighting: Sighting) -> None:
        """Carry out what an approach asks for: record it, or pulse the gate for it."""
        for step in steps:
            if step.action is Action.OPEN:
                refused = self._open(step, sighting)
                if refused is not None:
                    self._record(refused, sighting)
            else:
                self._record(step, sighting)

    def _open(self, step: Step, sighting: Sighting) -> Step | None:
        """Intent, pulse, outcome. Returns what to record where no pulse went out, None once the line is on.

        A refusal after the intent supersedes it, with a revision of its own.
        """
        if self._is_stale(sighting):
            return self._failed(step, "stale_frame")
        key = match_key(step.decision.plate)
        if self._served.by_another(key, self._camera):
            self._approaches.gate_opened(step.approach_id, time.monotonic())
            return _refused(step, "gate_already_open")
        pause_left_s = self._gate.pause_left_s()
        if pause_left_s > 0:
            return self._busy(step, time.monotonic() + pause_left_s)
        pulse_id = uuid.uuid4().hex
        intent = self._row(step, sighting) | {"pulse": pulse_id}
        if not self._commit(intent, step):
            return self._failed(self._approaches.superseding(step), "store_failed")
        if self._is_stale(sighting):
            self._not_pulsed(pulse_id, step, result="refused", reason="stale_frame")
            return self._failed(self._approaches.superseding(step), "stale_frame")
        try:
            started = self._gate.pulse(pulse_id, lambda end: self._pulse_ended(end, step))
        except GateBusyError as error:
            self._not_pulsed(pulse_id, step, result="refused", reason="gate_already_open")
            return self._busy(self._approaches.superseding(step), error.until_s)
        except NotPulsedError as error:
            self._did_not_open(error)
            self._not_pulsed(pulse_id, step, result="failed", reason="gate_unavailable")
            return self._failed(self._approaches.superseding(step), "gate_unavailable")
        except GateError as error:
            self._did_not_open(error)
            self._outcome(pulse_id, step, result="failed", reason="gate_failed")
            return self._failed(self._approaches.superseding(step), "gate_failed")
        self._served.note(key, self._camera)
        self._approaches.gate_opened(step.approach_id, started.on_s)
        latency_s = started.on_s - sighting.captured_s
        self._metrics.open_latency.labels(self._camera).observe(latency_s)
        self._count(step)
        self._publish({"kind": "intent", **intent, "latency_ms": round(latency_s * 1000, 1)})
        return None

    def _did_not_open(self, error: GateError) -> None:
        log.error("gate %s did not open for camera %s: %s", self._gate.name, self._camera, error)

    def _failed(self, step: Step, reason: str) -> Step:
        self._approaches.gate_failed(step.approach_id, reason)
        return _refused(step, reason)

    def _busy(self, step: Step, until_s: float) -> Step:
        self._approaches.gate_busy(step.approach_id, until_s)
        return _refused(step, "gate_already_open")

    def _is_stale(self, sighting: Sighting) -> bool:
        return time.monotonic() - sighting.captured_s > self._freshness_limit_s

    def _pulse_ended(self, end: PulseEnd, step: Step) -> None:
        if end.error is None:
            self._outcome(end.pulse_id, step, result="pulsed", on_ms=round(end.on_for_ms, 1))
        else:
            log.error("gate %s: %s", self._gate.name, end.error)
            self._outcome(
                end.pulse_id,
                step,
                result="failed",
                reason="gate_failed",
                on_ms=round(end.on_for_ms, 1),
                error=end.error,
            )

    def _not_pulsed(self, pulse_id: str, step: Step, *, result: str, reason: str) -> None:
        """The line was certainly not touched: a restart must not take this car for one that was let in."""
        self._outcome(pulse_id, step, revoke=self._grant(step), result=result, reason=reason)

    def _grant(self, step: Step) -> Grant:
        return Grant(self._camera, match_key(step.decision.plate))

    def _outcome(self, pulse_id: str, step: Step, *, revoke: Grant | None = None, **facts: object) -> None:
        row = {
            "approach": step.approach_id,
            "camera": self._camera,
            "gate": self._gate.name,
            "plate": step.decision.plate,
            "pulse": pulse_id,
            **facts,
        }
        self._metrics.pulses.labels(self._gate.name, str(facts["result"])).inc()
        self._submit("outcome", row, revoke=revoke)
        self._publish({"kind": "outcome", **row})

    def _record(self, step: Step, sighting: Sighting) -> None:
        row = self._row(step, sighting)
        self._submit("decision", row)
        self._count(step)
        self._publish({"kind": "decision", **row})

    def _row(self, step: Step, sighting: Sighting) -> dict[str, object]:
        decision = step.decision
        return {
            "approach": step.approach_id,
            "revision": step.revision,
            "camera": self._camera,
            "gate": self._gate.name,
            "plate": decision.plate,
            "verdict": decision.verdict.value,
            "reason": decision.reason,
            "confidence": round(decision.confidence, 4),
            "entry": decision.entry.plate if decision.entry else None,
            "type": decision.entry.type.value if decision.entry else None,
            "label": decision.entry.label if decision.entry else None,
            "box": [round(v, 1) for v in sighting.box],
            "frames": sighting.frames,
            "age_ms": round((time.monotonic() - sighting.captured_s) * 1000, 1),
            "list_version": self._store.plates.current.version,
        }

    def _count(self, step: Step) -> None:
        self._metrics.decisions.labels(self._camera, step.decision.verdict.value, step.decision.reason).inc()

    def _commit(self, intent: Mapping[str, object], step: Step) -> bool:
        """Whether the intent is durable within the time allowed; a late one gets its outcome, too."""
        try:
            written = self._store.record("intent", intent, grant=self._grant(step))
        except StoreError as error:
            self._not_committed(str(error))
            return False
        try:
            written.result(self._commit_timeout_s)
        except StoreError as error:
            self._not_committed(str(error))
            return False
        except FutureTimeoutError:
            self._not_committed(f"it took longer than {self._commit_timeout_s * 1000:.0f} ms")
            if not written.cancel():
                self._not_pulsed(str(intent["pulse"]), step, result="refused", reason="store_failed")
            return False
        return True

    def _not_committed(self, why: str) -> None:
        self._metrics.store_errors.inc()
        log.error("camera %s: no intent was committed, so the gate stays closed: %s", self._camera, why)

    def _submit(self, kind: str, row: Mapping[str, object], *, revoke: Grant | None = None) -> None:
        """Queue a row that nothing waits for, without waiting; a lost one is counted and shown in health."""
        try:
            self._store.record(kind, row, revoke=revoke, wait=False).add_done_callback(self._submitted)
        except StoreError as error:
            self._metrics.store_errors.inc()
            log.error("camera %s: a %s row was lost: %s", self._camera, kind, error)

    def _submitted(self, future: Future[int]) -> None:
        error = future.exception()
        if error is not None:
            self._metrics.store_errors.inc()
            log.error("camera %s: a row was lost: %s", self._camera, error)


def _refused(step: Step, reason: str) -> Step:
    """The step as it is recorded when no pulse went out. A gate that is open already is no refusal."""
    verdict = Verdict.ALLOW if reason == "gate_already_open" else Verdict.DENY
    return replace(step, decision=replace(step.decision, verdict=verdict, reason=reason))

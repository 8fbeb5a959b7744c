"""From one step of an approach to a committed row and, where granted, a pulse.

Runs on the camera's own thread and never touches the event loop. The order is: intent committed, relay
energised, outcome committed; whatever fails on the way leaves the gate at rest.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from math import inf

from pod.domain.access import Decision, decide
from pod.domain.approach import Action, Approaches, Step
from pod.domain.entry import Entry, Verdict
from pod.domain.entry_types import opens_unrecorded
from pod.domain.errors import GateError, StoreError, UsesSpentError
from pod.domain.evidence import Consensus
from pod.domain.evidence_record import to_record
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.domain.reads import Box
from pod.domain.situation import Situation
from pod.gate.controller import GateController
from pod.gate.pulse import GateBusyError, NotPulsedError, PulseEnd
from pod.runtime.metrics import PodMetrics
from pod.services.clock_watch import ClockWatch, Moment
from pod.services.served_cars import ServedCars
from pod.store.grants import Grant
from pod.store.late_rows import NotDurableError
from pod.store.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """The frame that a step rests on.

    Attributes:
        captured_s: monotonic clock, when the camera took it.
        box: the plate in it, pixels of the full frame.
        consensus: what the track's evidence said then.
    """

    captured_s: float
    box: Box
    consensus: Consensus


@dataclass(frozen=True, slots=True)
class Site:
    """What every decision of a POD shares.

    Attributes:
        id: as entries name it.
        zone: schedules are in its wall time.
        models: names of the models that read, for the audit.
    """

    id: str
    zone: tzinfo
    models: str


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
        site: Site,
        clock: ClockWatch,
        policy: Policy,
        opens_unrecorded: bool,
        freshness_limit_s: float,
        commit_timeout_s: float,
        metrics: PodMetrics,
        publish: Callable[[Mapping[str, object]], None],
    ) -> None:
        """
        Args:
            opens_unrecorded: whether the types of entry that may do so open while neither store nor journal
                takes the intent.
        """
        self._camera = camera
        self._gate = gate
        self._served = served
        self._approaches = approaches
        self._store = store
        self._site = site
        self._clock = clock
        self._policy = policy
        self._opens_unrecorded = opens_unrecorded
        self._freshness_limit_s = freshness_limit_s
        self._commit_timeout_s = commit_timeout_s
        self._metrics = metrics
        self._publish = publish

    def decide(self, consensus: Consensus) -> Decision:
        """What the list as it stands now says of this plate."""
        listed, moment = self._store.plates.current, self._clock.look()
        situation = Situation(
            camera=self._camera,
            gate=self._gate.name,
            now=moment.now,
            site=self._site.id,
            zone=self._site.zone,
            clock_doubt=moment.doubt,
            list_age_s=_age_s(listed.confirmed_at, moment),
            state=listed.state,
            list_version=listed.version,
        )
        candidates = listed.index.candidates(consensus)
        return decide(consensus, candidates, situation=situation, policy=self._policy)

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
        refusal = self._write_down(intent, step)
        if refusal is not None:
            return self._failed(self._approaches.superseding(step), refusal)
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
            self._not_pulsed(pulse_id, step, result="failed", reason=error.reason)
            return self._failed(self._approaches.superseding(step), error.reason)
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
        entry = step.decision.entry
        counted = entry.id if entry is not None and entry.uses_left is not None else None
        return Grant(self._camera, match_key(step.decision.plate), entry_id=counted)

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
            "entry_id": decision.entry.id if decision.entry else None,
            "type": decision.entry.type.value if decision.entry else None,
            "label": decision.entry.label if decision.entry else None,
            "box": [round(v, 1) for v in sighting.box],
            "frames": sighting.consensus.frames,
            "read": sighting.consensus.text,
            "read_confidence": round(sighting.consensus.confidence, 4),
            "evidence": to_record(sighting.consensus),
            "flags": list(decision.flags),
            "age_ms": round((time.monotonic() - sighting.captured_s) * 1000, 1),
            "list_version": decision.list_version,
            "rules": decision.rules,
            "models": self._site.models,
        }

    def _count(self, step: Step) -> None:
        self._metrics.decisions.labels(self._camera, step.decision.verdict.value, step.decision.reason).inc()

    def _write_down(self, intent: Mapping[str, object], step: Step) -> str | None:
        """Make the intent durable within the time allowed; the reason where the gate stays closed.

        The store first, else the journal. Where both fail, only an entry whose type may do so opens, and its
        row follows as soon as the store can take it.
        """
        entry = step.decision.entry
        try:
            self._store.make_durable(
                "intent", intent, grant=self._grant(step), timeout_s=self._commit_timeout_s
            )
        except UsesSpentError:
            return "no_uses_left"
        except NotDurableError as error:
            self._metrics.store_errors.inc()
            if not self._opens_unrecorded or not _may_go_unrecorded(entry, self._policy):
                log.error("camera %s: no intent on disk, so the gate stays closed: %s", self._camera, error)
                if error.may_appear:
                    pulse_id = str(intent["pulse"])
                    self._not_pulsed(pulse_id, step, result="refused", reason="store_failed")
                return "store_failed"
            log.error("camera %s: opening although no intent is on disk: %s", self._camera, error)
            self._submit("intent", {**intent, "late": True}, grant=self._grant(step))
        return None

    def _submit(
        self,
        kind: str,
        row: Mapping[str, object],
        *,
        grant: Grant | None = None,
        revoke: Grant | None = None,
    ) -> None:
        """Queue a row that nothing waits for, without waiting; a lost one is counted and shown in health."""
        try:
            written = self._store.record(kind, row, grant=grant, revoke=revoke, wait=False)
            written.add_done_callback(self._submitted)
        except StoreError as error:
            self._metrics.store_errors.inc()
            log.error("camera %s: a %s row was lost: %s", self._camera, kind, error)

    def _submitted(self, future: Future[int]) -> None:
        error = future.exception()
        if error is not None:
            self._metrics.store_errors.inc()
            log.error("camera %s: a row was lost: %s", self._camera, error)


def _may_go_unrecorded(entry: Entry | None, policy: Policy) -> bool:
    return entry is not None and opens_unrecorded(entry, policy.types[entry.type])


def _age_s(confirmed_at: datetime | None, moment: Moment) -> float | None:
    """How old the cloud's word on its entries is: negative if from the future, inf while in doubt."""
    if confirmed_at is None:
        return None
    return inf if moment.doubt else (moment.now - confirmed_at).total_seconds()


def _refused(step: Step, reason: str) -> Step:
    """The step as it is recorded when no pulse went out. A gate that is open already is no refusal."""
    verdict = Verdict.ALLOW if reason == "gate_already_open" else Verdict.DENY
    return replace(step, decision=replace(step.decision, verdict=verdict, reason=reason))

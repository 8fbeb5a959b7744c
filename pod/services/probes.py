"""What each part's state means for health, with the mend for whoever reads it."""

from collections.abc import Callable

from pod.gate.controller import GateController
from pod.media.live.service import LiveVideo
from pod.media.source import FRESH, CameraSource
from pod.services.health import HealthProbe, PartHealth, Status
from pod.store.store import Store
from pod.store.store_facts import StoreFacts
from pod.vision.pipeline import Models

_CAMERA_STATUS = {
    "connecting": Status.DEGRADED,
    "playing": Status.OK,
    "stale": Status.FAILING,
    "failed": Status.FAILING,
    "ended": Status.DEGRADED,
}


def camera_probe(name: str, source: CameraSource) -> HealthProbe:
    """A camera is well while fresh frames come, and says so where they take another way than they should.

    A file that was played to its end is no fault, but blind.
    """

    def probe() -> PartHealth:
        state = source.state
        sentence = "" if state.text == FRESH else state.text
        return PartHealth(f"camera {name}", _CAMERA_STATUS[state.kind], sentence)

    return probe


def gate_probe(gate: GateController, device_fault: Callable[[], str | None] = lambda: None) -> HealthProbe:
    """A gate fails that cannot be pulsed; one that did not do as told, or hides where it is, wants a look.

    Args:
        device_fault: why the device on the network that moves the gate cannot be reached; None while it can.
    """

    def probe() -> PartHealth:
        part, state = f"gate {gate.name}", gate.state
        if state.condition != "ready":
            return PartHealth(part, Status.FAILING, state.reason)
        if (fault := device_fault()) is not None:
            return PartHealth(part, Status.DEGRADED, f"Its device cannot be asked to open now: {fault}.")
        if alarms := gate.alarms:
            return PartHealth(part, Status.DEGRADED, " ".join(alarms.values()))
        if gate.facts.position == "unknown":
            return PartHealth(part, Status.DEGRADED, "Its contacts do not tell where it is: check them.")
        return PartHealth(part, Status.OK)

    return probe


def store_probe(store: Store) -> HealthProbe:
    """The store is as its last write was: no car is let in while the intent cannot be written down."""

    def probe() -> PartHealth:
        if not store.alive:
            mend = "The store takes no rows. Check the disk, then restart the POD."
            return PartHealth("store", Status.FAILING, mend)
        stats = store.stats
        facts = store.facts
        if stats.fault is not None:
            what = "The gate stays closed while nothing can be written."
            if facts is not None and facts.journaled:
                what = f"The database takes no rows, {facts.journaled} wait in the journal."
            if facts is not None and facts.unwritten:
                what = f"Nothing can be written, {facts.unwritten} rows wait in memory."
            if facts is not None and facts.dropped:
                what += f" Rows lost since the start: {facts.dropped}."
            return PartHealth("store", Status.FAILING, f"{what} {stats.fault}")
        if (unread := store.plates.fault) is not None:
            what = "The access list on file cannot be read, an older one decides: put back a good copy."
            return PartHealth("store", Status.FAILING, f"{what} {unread}")
        if facts is not None and (trouble := _kept_badly(facts)):
            return PartHealth("store", Status.DEGRADED, trouble)
        lost = stats.failed + stats.refused
        return PartHealth("store", Status.OK, f"Failed writes since the start: {lost}." if lost else "")

    return probe


def _kept_badly(facts: StoreFacts) -> str:
    """What is not as it should be while rows are written all the same; empty where nothing is."""
    sentences = []
    if facts.journaled:
        sentences.append(f"The database takes no rows, {facts.journaled} wait in the journal.")
    if not facts.is_reserve_held:
        sentences.append("The disk is full, what was held back for the database is in use: free space.")
    if facts.recovered is not None:
        sentences.append(facts.recovered.sentence())
    if facts.copy_fault is not None:
        sentences.append(f"No good copy can be made: {facts.copy_fault}")
    return " ".join(sentences)


def models_probe(models: Models) -> HealthProbe:
    """Models that do not read the reference picture never start; one may fail on a frame all the same."""
    named = (models.detector, models.recognizer)
    sentence = ", ".join(f"{model.name} on {model.provider}" for model in named)

    def probe() -> PartHealth:
        troubles = [trouble for model in named if (trouble := model.faults.trouble) is not None]
        if not troubles:
            return PartHealth("models", Status.OK, sentence)
        status = Status.FAILING if any(trouble.is_now for trouble in troubles) else Status.DEGRADED
        told = " ".join(
            f"Nothing is concluded from frames that a model fails at, {trouble.count} since the start: "
            f"{trouble.sentence}."
            for trouble in troubles
        )
        return PartHealth("models", status, told)

    return probe


def live_probe(live: LiveVideo) -> HealthProbe:
    """Live video that ended or hangs is a nuisance; cars are let in all the same."""

    def probe() -> PartHealth:
        if (fault := live.fault) is not None:
            return PartHealth("live video", Status.DEGRADED, fault)
        sentence = f"Viewers now: {len(live.sessions())}."
        if live.faults:
            sentence += f" Faults since the start: {live.faults}; the log tells them."
        if dropped := sum(counts.dropped_packets for counts in live.relays().values()):
            sentence += f" Packets it was too slow for since the start: {dropped}."
        if troubles := live.server_troubles:
            told = "; ".join(f"{url} {trouble}" for url, trouble in troubles.items())
            sentence += f" Viewers in other networks may get no video: {told}."
            return PartHealth("live video", Status.DEGRADED, sentence)
        return PartHealth("live video", Status.OK, sentence)

    return probe

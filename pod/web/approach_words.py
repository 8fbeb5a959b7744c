"""The story of one car in words: every step, what was read, and what would change it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from pod.domain.history import ApproachRecord, Revision, SlotGuesses
from pod.web.car_words import CarWords, as_sure, car_of

PAD = "_"
SURE_FROM = 0.85
"""Below this, a character counts as doubtful on the page; what opens is for the rules to say."""

BAR_WIDTH = 100
"""Of a certain character, in the units of its picture."""

_CERTAINLY_EMPTY = 0.98


@dataclass(frozen=True, slots=True)
class Mend:
    """What would change the outcome, and where one does that.

    Attributes:
        action: add, edit, gate, cameras, health or "": which button helps.
    """

    sentence: str
    action: str = ""


MENDS = {
    "listed": Mend(""),
    "not_listed": Mend("Add the plate to the list, if this car may come in.", "add"),
    "deny_listed": Mend("Remove the entry that keeps it out, if that is over.", "edit"),
    "low_confidence": Mend(
        "Nothing on the list is at fault. Light, angle, dirt or distance made the plate hard to read: "
        "look at the picture, and open the gate yourself if you know the car.",
        "cameras",
    ),
    "unsure_match": Mend(
        "A listed plate looks alike, but the reading was not clear enough to tell. If this is that car, open "
        "the gate yourself; if it is another one, add its own plate.",
        "cameras",
    ),
    "ambiguous": Mend(
        "More than one plate of the list fits what was read. Mark those that are alike as 'only this very "
        "plate', so that they are never taken for each other.",
        "edit",
    ),
    "not_started": Mend("Set an earlier start in the entry.", "edit"),
    "expired": Mend("Set a later end in the entry.", "edit"),
    "outside_schedule": Mend("Widen the times of the week in the entry.", "edit"),
    "no_uses_left": Mend("Give the entry more uses.", "edit"),
    "wrong_gate": Mend("Add this gate to the entry.", "edit"),
    "wrong_camera": Mend("Add this camera to the entry.", "edit"),
    "wrong_site": Mend("The entry is for another site: add this site where the list is kept.", "edit"),
    "lockdown": Mend("End the lockdown, or open the gate yourself.", "gate"),
    "auto_grant_off": Mend(
        "Switch opening by itself on again, or open the gate yourself for each car.", "gate"
    ),
    "list_stale": Mend("The list was not confirmed for too long: check this POD's network.", "health"),
    "clock_unsure": Mend(
        "Entries with a time wait until the clock can be trusted: check the POD's network and time.", "health"
    ),
    "leaving": Mend("Nothing: this camera opens for cars that come. Its direction is a setting.", "cameras"),
    "direction_unknown": Mend(
        "Let the car drive up to the gate again; point the camera so that cars stay in view longer.",
        "cameras",
    ),
    "not_moved": Mend("Let the car move a little, or open the gate yourself.", "gate"),
    "stale_frame": Mend("The camera or its network was slow: see how it fares.", "health"),
    "gate_already_open": Mend(""),
    "just_served": Mend(""),
    "gate_failed": Mend("Look at the gate, then at its state here.", "gate"),
    "gate_unavailable": Mend("See what keeps the gate from being asked.", "gate"),
    "gate_not_closed": Mend(
        "The one button of this gate would have stopped or closed it. It opens again once it is closed.",
        "gate",
    ),
    "store_failed": Mend("The disk or database did not take the record: see health.", "health"),
}
"""By the reason code of a decision. Where the car was let in, there is nothing to change."""

FLAGS = {
    "clock_unsure": "The clock could not be trusted then.",
    "near_match": "One character was in doubt; with all the others it could only be this plate of the list.",
    "list_stale": "The list had not been confirmed for a long time.",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """One character that a slot may hold; `width` in the units of its bar."""

    char: str
    percent: str
    width: float


@dataclass(frozen=True, slots=True)
class SlotWords:
    """One place of the plate: what it most likely holds, and what else.

    Attributes:
        doubtful: less sure than `SURE_FROM`.
    """

    best: Guess
    others: tuple[Guess, ...]
    doubtful: bool


@dataclass(frozen=True, slots=True)
class StepWords:
    """One thing that was written down about the car; `note` is empty where there is nothing more to say."""

    at: datetime
    look: str
    title: str
    sentence: str
    plate: str
    sure: str
    note: str


@dataclass(frozen=True, slots=True)
class StoryWords:
    """Everything the page says of one car.

    Attributes:
        question: what people ask about it.
        mend: what would change it; its sentence is empty where nothing needs changing.
        notes: what else mattered.
        read: what the camera read, where another plate won by the evidence; else "".
        facts: names and values for those who look closer.
        measured: inputs at the gate told what it did.
    """

    car: CarWords
    question: str
    mend: Mend
    notes: tuple[str, ...]
    read: str
    steps: tuple[StepWords, ...]
    slots: tuple[SlotWords, ...]
    facts: tuple[tuple[str, str], ...]
    measured: bool


def story_of(record: ApproachRecord, now: datetime, facts: Sequence[tuple[datetime, str]] = ()) -> StoryWords:
    """One car's story.

    Args:
        facts: what inputs at the gate told after its opening began; see `history.gate_facts`.
        now: aware, in the site's time zone, which is that of every time in the result.
    """
    car = car_of(record, now)
    decided = record.decided
    steps = [_step(revision, now.tzinfo) for revision in record.story]
    steps += [_fact(at, fact, now.tzinfo) for at, fact in facts]
    read = decided.read if decided is not None and decided.read != decided.plate else ""
    return StoryWords(
        car=car,
        question="Why did it open?"
        if car.look in ("opened", "already", "opening")
        else "Why didn't it open?",
        mend=MENDS.get(record.reason, Mend("")),
        notes=tuple(FLAGS.get(flag, flag.replace("_", " ")) for flag in record.flags),
        read=read,
        steps=tuple(sorted(steps, key=lambda step: step.at)),
        measured=bool(facts),
        slots=slots_of(decided.evidence) if decided is not None else (),
        facts=_facts(record, decided),
    )


def slots_of(evidence: Sequence[SlotGuesses]) -> tuple[SlotWords, ...]:
    """The places of the plate in order, without those that are certainly empty."""
    return tuple(_slot(guesses) for guesses in evidence if guesses and not _is_empty(guesses))


def _is_empty(guesses: SlotGuesses) -> bool:
    char, probability = guesses[0]
    return char == PAD and probability >= _CERTAINLY_EMPTY


def _slot(guesses: SlotGuesses) -> SlotWords:
    best, *others = (_guess(char, probability) for char, probability in guesses)
    return SlotWords(best, tuple(others), doubtful=guesses[0][1] < SURE_FROM)


def _guess(char: str, probability: float) -> Guess:
    shown = "none" if char == PAD else char
    return Guess(shown, as_percent(probability), round(min(max(probability, 0.0), 1.0) * BAR_WIDTH, 1))


def as_percent(probability: float) -> str:
    """Whole percent; neither certainty nor nothing is claimed where there is a little doubt."""
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


_STEP_TITLES = {
    "open commanded": ("opened", "Gate told to open"),
    "opening": ("opening", "Decided to open"),
    "open already": ("already", "Already open"),
    "let in already": ("already", "Already let in"),
    "not opened": ("kept", "Refused"),
    "failed": ("fault", "Not opened"),
    "not known": ("fault", "Not known whether it opened"),
}


def _step(revision: Revision, zone: tzinfo | None) -> StepWords:
    look, title = _STEP_TITLES[revision.outcome]
    is_read = revision.kind != "outcome" and bool(revision.plate)
    notes = []
    if revision.kind == "outcome":
        sentence = revision.error or ("" if look == "opened" else revision.why)
        if revision.on_ms is not None:
            notes.append(f"the signal lasted {revision.on_ms:.0f} ms")
    else:
        sentence = revision.why
        if revision.frames:
            notes.append(f"from {revision.frames} {'picture' if revision.frames == 1 else 'pictures'}")
    if revision.late:
        notes.append("written down late, because the database did not answer in time")
    return StepWords(
        at=revision.at.astimezone(zone),
        look=look,
        title=title,
        sentence=sentence,
        plate=revision.plate if is_read else "",
        sure=as_sure(revision.confidence, revision.flags) if is_read else "",
        note="; ".join(notes),
    )


_FACT_TITLES = {
    "moved": ("already", "The gate moved"),
    "opened": ("opened", "The gate is open"),
    "closed": ("kept", "The gate closed"),
    "held": ("fault", "The gate stays open"),
}


def _fact(at: datetime, fact: str, zone: tzinfo | None) -> StepWords:
    look, title = _FACT_TITLES[fact]
    return StepWords(at.astimezone(zone), look, title, "", "", "", "told by an input at the gate")


def _facts(record: ApproachRecord, decided: Revision | None) -> tuple[tuple[str, str], ...]:
    facts = [("Camera", record.camera), ("Gate", record.gate), ("Approach", record.approach)]
    if decided is not None:
        version = "" if decided.list_version is None else str(decided.list_version)
        facts += [("List version", version), ("Rules", decided.rules), ("Models", decided.models)]
    return tuple((name, value) for name, value in facts if value)

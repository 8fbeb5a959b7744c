"""What the page says of a gate: what is known, and what merely was commanded. Pure."""

from dataclasses import dataclass
from typing import Literal

from pod.services.open_command import OpenResult
from pod.web.car_words import ago
from pod.web.view import GateView

_CONDITIONS = {
    "ready": ("ok", "Ready"),
    "down": ("failing", "Cannot be opened now"),
    "unavailable": ("failing", "Cannot be opened"),
    "latched": ("failing", "Shut down after a fault"),
}
"""Look and title by condition."""

_POSITIONS = {
    "open": "It is open.",
    "closed": "It is closed.",
    "moving": "It is between open and closed.",
    "not_closed": "It is not closed.",
    "not_open": "It is not open.",
    "unknown": "Its contacts tell nothing sure of where it is.",
    "not_wired": "No position input is wired: nobody here knows whether it is open.",
}
_HAPPENED = {
    "commanded": "Told to open",
    "moved": "Began to move",
    "opened": "Reached its open end",
    "closed": "Reached its closed end",
}
"""In the order in which they happen; the first is what was commanded, the others what was measured."""


@dataclass(frozen=True, slots=True)
class GateWords:
    """One gate.

    Attributes:
        look: ok, degraded or failing.
        facts: what its inputs say, one sentence each.
        can_open: whether asking makes sense.
    """

    name: str
    look: str
    title: str
    sentence: str
    facts: tuple[str, ...]
    can_open: bool


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """What became of an opening by hand."""

    kind: Literal["good", "care", "bad"]
    title: str
    sentence: str
    fact: str


def gate_words(gate: GateView) -> GateWords:
    """One gate in words."""
    look, title = _CONDITIONS.get(gate.condition, ("failing", gate.condition))
    if look == "ok" and gate.pause_left_s > 0:
        title = "Just asked to open"
    return GateWords(gate.name, look, title, gate.sentence, facts_of(gate), gate.condition == "ready")


def facts_of(gate: GateView) -> tuple[str, ...]:
    """What is known of the gate; what was commanded is called that, and never taken for what was measured."""
    facts = [_POSITIONS.get(gate.position, gate.position)]
    if gate.presence is not None:
        facts.append("Something stands on the loop." if gate.presence else "Nothing stands on the loop.")
    facts += [
        f"{words} {ago(gate.ages_s[fact]) or 'more than a day ago'}."
        for fact, words in _HAPPENED.items()
        if fact in gate.ages_s
    ]
    return tuple(facts)


def answer_words(result: OpenResult, gate: GateView) -> AnswerWords:
    """The result in words; a pulse is called no more than commanded where nothing is measured."""
    if result.result == "commanded":
        fact = (
            "Watch its state below: moved and opened are told apart from commanded."
            if gate.is_wired
            else "No position input is wired, so nobody here knows whether it moved. Look at it."
        )
        title = "Open was commanded before" if result.repeated else "Open commanded"
        return AnswerWords("good", title, "The gate was told to open, once.", fact)
    if result.result == "refused":
        return AnswerWords("care", "Not opened", result.sentence, "The gate was not touched.")
    title = "Gate fault" if result.result == "failed" else "Outcome not known"
    return AnswerWords("bad", title, result.sentence, "It may have opened all the same. Look at it.")

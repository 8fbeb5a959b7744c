"""What a pod's events mean, in words for the terminal. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from pod.domain.access import REASONS

_TROUBLE = ("failed", "stale", "down", "unavailable", "latched")
"""States of a camera (`media.state`) and of a gate (`gate.pulse`) that somebody should look at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the pod told one car.

    Attributes:
        approach: which car's approach; a later answer to the same one replaces the earlier.
        latency_ms: from the camera taking the deciding picture to the relay, or else to the decision.
    """

    approach: str
    plate: str
    verdict: Literal["allow", "deny"]
    reason: str
    latency_ms: float


def answer_of(event: Mapping[str, object]) -> Answer | None:
    """The answer an event carries; None where it is about something else."""
    kind = event.get("kind")
    if kind not in ("intent", "decision"):
        return None
    latency = event.get("latency_ms", event.get("age_ms", 0.0))
    return Answer(
        approach=str(event["approach"]),
        plate=str(event["plate"]),
        verdict="allow" if event["verdict"] == "allow" else "deny",
        reason=str(event["reason"]),
        latency_ms=float(str(latency)),
    )


def line_of(event: Mapping[str, object], clock: str) -> Text | None:
    """One line about an event, or None where a viewer need not know.

    Args:
        clock: local time, ready to print.
    """
    answer = answer_of(event)
    line = Text(f"{clock}  ", style="dim")
    if answer is not None:
        line.append(f"{answer.plate or '(unread)':<10}", style="bold")
        line.append(*_verdict_words(str(event["kind"]), answer))
        line.append(REASONS.get(answer.reason, answer.reason), style="default")
        line.append(_details(event, answer), style="dim")
        return line
    if event.get("kind") == "outcome":
        if event["result"] == "pulsed":
            return line.append(
                f"{'':<10}gate {event['gate']}: relay was on for {event['on_ms']} ms", style="dim"
            )
        why = REASONS.get(str(event.get("reason")), str(event.get("reason")))
        return line.append(f"{'':<10}gate {event['gate']}: {why}", style="yellow")
    if event.get("kind") in ("camera_state", "gate_state"):
        what = f"camera {event['camera']}" if event["kind"] == "camera_state" else f"gate {event['gate']}"
        trouble = event.get("state") in _TROUBLE
        text = f"{what} is {event['state']}" + (f": {event['text']}" if event.get("text") else "")
        return line.append(f"{'':<10}{text}", style="yellow" if trouble else "dim")
    return None


def _verdict_words(kind: str, answer: Answer) -> tuple[str, str]:
    if kind == "intent":
        return "OPENS      ", "bold green"
    return ("OPEN NOW   ", "green") if answer.verdict == "allow" else ("STAYS SHUT ", "bold red")


def _sure(event: Mapping[str, object]) -> str:
    flags = event.get("flags")
    if isinstance(flags, list) and "near_match" in flags:
        return "sure but for one character"
    return f"{float(str(event.get('confidence', 0))):.0%} sure"


def _details(event: Mapping[str, object], answer: Answer) -> str:
    parts = []
    if event.get("label"):
        parts.append(str(event["label"]))
    parts.append(f"{_sure(event)} after {event.get('frames')} pictures")
    if event.get("kind") == "intent":
        parts.append(f"relay on {answer.latency_ms:.0f} ms after the camera saw it")
    return "  (" + ", ".join(parts) + ")"

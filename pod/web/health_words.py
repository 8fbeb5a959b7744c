"""What the page says of the pod's parts, in words for whoever looks after the gate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pod.services.health import Health, PartHealth, Status

_PARTS = {
    "camera": ("Camera", "Fresh pictures"),
    "models": ("Plate reading", "Test passed"),
    "gate": ("Gate", "Ready"),
    "store": ("Records", "Up to date"),
    "clock": ("Clock", "Right"),
    "pictures": ("Pictures", "Being kept"),
    "clips": ("Clips", "Being kept"),
    "live": ("Live", "Ready"),
    "who": ("Who", "Keys in order"),
    "retention": ("Retention", "Up to date"),
}
"""Name and good news by kind of part, which is the first word of its name, in the order in which a car meets
them: "live video" and "who may watch" keep the rest."""

_STATES = {Status.OK: "Works", Status.DEGRADED: "Limited", Status.FAILING: "Does not work"}
_HEADLINES = {
    Status.OK: "All is well",
    Status.DEGRADED: "Works, with limits",
    Status.FAILING: "Needs attention",
}


@dataclass(frozen=True, slots=True)
class PartWords:
    """One part of the pod: `sentence` says how it fares, and the mend where it needs one."""

    title: str
    status: Status
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class HealthWords:
    """How the pod fares; what fails comes first."""

    status: Status
    title: str
    parts: Sequence[PartWords]
    blind: bool
    """No camera works: a quiet list means nothing."""


def health_of(health: Health) -> HealthWords:
    """The pod's health in words."""
    kinds, states = list(_PARTS), list(_STATES)

    def place(part: PartHealth) -> tuple[int, int]:
        kind = _kind(part)
        return -states.index(part.status), kinds.index(kind) if kind in kinds else len(kinds)

    cameras = [part for part in health.parts if _kind(part) == "camera"]
    return HealthWords(
        status=health.status,
        title=_HEADLINES[health.status],
        parts=[part_words(part) for part in sorted(health.parts, key=place)],
        blind=bool(cameras) and not any(part.status is Status.OK for part in cameras),
    )


def _kind(part: PartHealth) -> str:
    return part.part.partition(" ")[0]


def part_words(part: PartHealth) -> PartWords:
    """One part in words."""
    kind, _, name = part.part.partition(" ")
    title, good_news = _PARTS.get(kind, (kind.capitalize(), ""))
    # Other parts that are well tell more than a page needs; a camera tells of another way to read it.
    well = part.status is Status.OK and not (kind == "camera" and part.sentence)
    return PartWords(
        title=f"{title} {name}".strip(),
        status=part.status,
        state=_STATES[part.status],
        sentence=good_news if well else _as_sentence(part.sentence),
    )


def _as_sentence(text: str) -> str:
    """With a capital, unless it starts with an address or a name with digits, and a full stop."""
    first = text.split(" ", 1)[0]
    start = text[:1].upper() + text[1:] if first.rstrip(":,'").isalpha() else text
    return start if not start or start.endswith((".", "!", "?")) else f"{start}."

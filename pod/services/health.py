"""How the pod fares, part by part, in words an operator can act on."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """Worst last, so that `max` by `_RANK` sums up."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


_RANK = {Status.OK: 0, Status.DEGRADED: 1, Status.FAILING: 2}


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part's state: `sentence` says what is wrong and how to mend it, empty when all is well."""

    part: str
    status: Status
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The pod's state: as bad as its worst part."""

    parts: tuple[PartHealth, ...]

    @property
    def status(self) -> Status:
        return max((p.status for p in self.parts), key=_RANK.__getitem__, default=Status.OK)

    def as_json(self) -> dict[str, object]:
        return {"status": self.status.value, "parts": [asdict(p) for p in self.parts]}


HealthProbe = Callable[[], PartHealth]


def examine(probes: Iterable[HealthProbe]) -> Health:
    """Ask every part how it fares; probes only look at memory, so this never blocks."""
    return Health(tuple(probe() for probe in probes))

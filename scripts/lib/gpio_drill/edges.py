"""From the kernel's record of a simulated chip to when a wire was active. Pure.

The rules of the chip are those of Linux's gpio-sim: an output takes the level that is set; a line given back
falls to its pull, whoever gave it back; a pull moves a wire that nobody drives.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["set", "output", "input", "free", "pull"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the chip for one line.

    Attributes:
        t_ns: CLOCK_MONOTONIC, rounded down to a microsecond.
        level: 0 or 1, the voltage, whatever counts as active; None for `input` and `free`.
    """

    t_ns: int
    kind: Kind
    offset: int
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A wire has this level from `t_ns` on."""

    t_ns: int
    level: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a wire was active."""

    on_ns: int
    off_ns: int

    @property
    def ms(self) -> float:
        return (self.off_ns - self.on_ns) / 1e6

    def holds(self, t_ns: int) -> bool:
        """Whether the wire was active at that moment."""
        return self.on_ns <= t_ns < self.off_ns


_LINE = re.compile(
    r"\s(?P<s>\d+)\.(?P<us>\d{6}): (?P<name>\w+): \((?:\w+)\+0x0/0x[0-9a-f]+ \[gpio_sim\]\)(?P<arguments>.*)$"
)


def calls(trace_line: str) -> tuple[Call, ...]:
    """What one line of the kernel's trace says; several calls where several lines were set at once.

    Raises:
        ValueError: it is not a line of the drill's probes.
    """
    found = _LINE.search(trace_line)
    if found is None:
        raise ValueError(f"not a probe of the simulated chip: {trace_line!r}")
    t_ns = int(found["s"]) * 1_000_000_000 + int(found["us"]) * 1000
    given = {name: int(value, 0) for name, value in re.findall(r"(\w+)=(\S+)", found["arguments"])}
    try:
        match found["name"]:
            case "set_multiple":
                mask, bits = given["mask"], given["bits"]
                offsets = (offset for offset in range(mask.bit_length()) if mask >> offset & 1)
                return tuple(Call(t_ns, "set", offset, bits >> offset & 1) for offset in offsets)
            case "set" | "output" | "pull" as kind:
                return (Call(t_ns, kind, given["offset"], int(given["level"] != 0)),)
            case "free" | "input" as kind:
                return (Call(t_ns, kind, given["offset"]),)
    except KeyError as missing:
        raise ValueError(f"the probe gave no {missing}: {trace_line!r}") from missing
    raise ValueError(f"no probe is called {found['name']}")


def levels(of_line: Iterable[Call]) -> tuple[Level, ...]:
    """The wire's levels, one entry a change, from the calls for one line in the order of time."""
    changes: list[Level] = []
    pull, driven = 0, False
    now = 0
    for call in of_line:
        if call.kind in ("set", "output") and call.level is not None:
            driven = driven or call.kind == "output"
            now = call.level
        elif call.kind == "pull" and call.level is not None:
            pull = call.level
            now = now if driven else pull
        elif call.kind == "free":
            driven, now = False, pull
        else:
            driven = False  # An input keeps the level it had until its pull changes.
        if not changes or changes[-1].level != now:
            changes.append(Level(call.t_ns, now))
    return tuple(changes)


def level_at(changes: Sequence[Level], t_ns: int) -> int | None:
    """The level at a moment; None before the first call."""
    before = [change.level for change in changes if change.t_ns <= t_ns]
    return before[-1] if before else None


def active_spans(changes: Sequence[Level], active: int, *, since_ns: int, until_ns: int) -> tuple[Span, ...]:
    """When the wire had its active level between two moments.

    Args:
        active: the level, 0 or 1, that energises the relay.
        since_ns: when the relay was wired; what was before does not count.
        until_ns: the end of the record; a wire that is active then counts up to it.
    """
    ends = [*(change.t_ns for change in changes[1:]), until_ns]
    return tuple(
        Span(max(change.t_ns, since_ns), end_ns)
        for change, end_ns in zip(changes, ends, strict=False)
        if change.level == active and end_ns > since_ns
    )

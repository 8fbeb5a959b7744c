"""What came out of the emulated machine: one JSON object a line, read into records. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gpio_drill.edges import Call, calls


class RecordingError(Exception):
    """The recording cannot be judged; the text says why."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A relay hangs on the line from `t_ns` on; `active` is the level, 0 or 1, that energises it."""

    t_ns: int
    gate: str
    offset: int
    active: int
    pulse_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """The guard is about to be asked for one pulse."""

    t_ns: int
    scenario: str
    gate: str


@dataclass(frozen=True, slots=True)
class Strike:
    """A signal that was sent to a guard or a pod while all its lines were pulsed."""

    t_ns: int
    target: str
    how: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The wire's level as its own file showed it."""

    t_ns: int
    gate: str
    level: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was told of a line that could not be taken; `names` has to be part of it."""

    what: str
    condition: str
    text: str
    names: str


@dataclass(slots=True)
class Recording:
    """Everything of one run, each kind in the order of time.

    Attributes:
        other_offsets: lines that the drill itself used, without a relay.
        facts: what was told of the gate with the contact, and how often.
        moves: how often that gate moved after a pulse; once more, it moved without one.
        starts: how often a pod's client started a guard; a guard that is started again is not counted.
        lost: events that the kernel could not record.
        timer_late_ms: how late the machine woke a sleeper at worst.
    """

    wired: list[Wired] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    other_offsets: list[int] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    moves: int = 0
    starts: int = 0
    ended_ns: int = 0
    lost: int = 0
    timer_late_ms: float = 0.0
    kernel: str = ""
    gpiod: str = ""


def read_recording(lines: Iterable[str]) -> Recording:
    """Read a recording.

    Raises:
        RecordingError: the run did not reach its end, or a line is not what the drill writes.
    """
    found = Recording()
    scenario = ""
    done = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            kind = row["record"]
            if kind == "scenario":
                scenario = str(row["name"])
            elif kind == "fault":
                raise RecordingError(f"the drill failed inside the machine, in {scenario}:\n{row['text']}")
            elif kind == "done":
                done = True
                found.ended_ns = int(row["t_ns"])
                found.lost, found.kernel, found.gpiod = int(row["lost"]), row["kernel"], row["gpiod"]
            else:
                _take(found, kind, row, scenario=scenario)
        except (ValueError, KeyError, TypeError) as fault:
            raise RecordingError(f"line {number} of the recording makes no sense: {line[:200]!r}") from fault
    if not done:
        where = f"in {scenario}" if scenario else "before its first scenario"
        raise RecordingError(f"the machine ended {where}; its console shows why")
    return found


def _take(found: Recording, kind: str, row: Mapping[str, object], *, scenario: str) -> None:
    at_ns = int(str(row["t_ns"]))
    if kind == "trace":
        found.calls.extend(calls(str(row["line"])))
    elif kind == "wired":
        offset, active, pulse_ms = (int(str(row[name])) for name in ("offset", "active", "pulse_ms"))
        found.wired.append(Wired(at_ns, str(row["gate"]), offset, active, pulse_ms))
    elif kind == "request":
        found.requests.append(Request(at_ns, scenario, str(row["gate"])))
    elif kind == "strike":
        found.strikes.append(Strike(at_ns, str(row["target"]), str(row["how"])))
    elif kind == "level":
        found.samples.append(Sample(at_ns, str(row["gate"]), int(str(row["level"]))))
    elif kind == "refusal":
        texts = (str(row[name]) for name in ("what", "condition", "text", "names"))
        found.refusals.append(Refusal(*texts))
    elif kind == "facts":
        counts = row["counts"]
        assert isinstance(counts, dict)
        found.facts = {str(name): int(count) for name, count in counts.items()}
        found.moves = int(str(row["moves"]))
    elif kind == "used":
        found.other_offsets.append(int(str(row["offset"])))
    elif kind == "start":
        found.starts += 1
    elif kind == "lateness":
        found.timer_late_ms = int(str(row["worst_ns"])) / 1e6
    else:
        raise ValueError(f"no record is called {kind}")

"""What a POD promises, and the page of figures that `scripts/prove.sh` makes of the tests that prove it."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PROMISES: Mapping[int, str] = {
    1: "For any one failure the relay is on no longer than the pulse and 100 ms; a frozen guard is ended by "
    "the POD, and only a monostable relay bounds it for certain.",
    2: "No pulse at boot, update, restart, reconnect or when the configuration is loaded.",
    3: "When switching off fails, the gate latches: no further opens, and an alarm.",
    4: "The intent to open is on disk before the relay is energised; its outcome follows.",
    5: "No committed audit row is lost, doubled or moved by a crash of the POD.",
    6: "A command to open is carried out at most once, and never after its time.",
    7: "Doubt means closed: what is wrong with model, list, rules or clock denies, and says so.",
    8: "A stale list obeys the limit of each type of entry.",
    9: "A clock that jumps, or that nobody keeps, lets nobody in who would not have been let in.",
    10: "One approach gets at most one pulse, and the next car is not held up by it.",
    11: "A frame older than the limit never opens, whoever held it back.",
    12: "Whatever becomes of live video, of those who watch and of their network, the gate opens.",
    13: "A full disk still decides and audits; pictures go first.",
    14: "A corrupt database is put aside, the last good copy restored, the alarm raised, and the gate works.",
    17: "The POD only asks to open for a moment: it cannot close, hold or bypass anything.",
    18: "Commanded, moved and opened are different facts; without an input the POD says commanded.",
    21: "Bad input gets a clear error; nothing is lost and nothing falls over.",
}
"""The promises of one POD by their number in the list of all; the others come with sync and updates."""


Prove = Callable[..., None]
"""What the fixture `prove` gives a test: called with `attempts`, `faults`, `losses` and figures."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What one run of one test showed.

    Attributes:
        attempts: how often the promise was put to the test; zero proves nothing.
        faults: how many of them had a fault made on purpose.
        losses: how often the promise was broken.
        figures: worst cases and the like, with their units in the names.
    """

    promise: int
    test: str
    attempts: int
    faults: int
    losses: int
    figures: Mapping[str, float]


def save(proofs: Iterable[Proof], path: Path) -> None:
    """Write proofs as JSON, one an element."""
    path.write_text(json.dumps([asdict(proof) for proof in proofs], indent=2) + "\n")


def load(path: Path) -> list[Proof]:
    """Read what `save` wrote."""
    return [Proof(**proof) for proof in json.loads(path.read_text())]


def render(proofs: Iterable[Proof], *, when: str) -> str:
    """The page: each promise with its proofs and figures.

    Raises:
        ValueError: a promise has no proof, a proof no attempts, or a promise was broken.
    """
    found = merged(proofs)
    missing = sorted(set(PROMISES) - {proof.promise for proof in found})
    if missing:
        raise ValueError(f"no test proves promise {', '.join(map(str, missing))}")
    for proof in found:
        if proof.attempts <= 0:
            raise ValueError(f"{proof.test} attempted nothing, so it proves nothing")
        if proof.losses:
            raise ValueError(f"{proof.test} broke promise {proof.promise} {proof.losses} times")
    lines = [
        "# What a POD promises, and how that is proved",
        "",
        "Written by a script, not by hand. Each line is a test that every test run makes;",
        "`./scripts/prove.sh` makes them with many more attempts and writes this page. A POD is no safety",
        f"device, and the project claims conformity with no standard. Figures of {when}.",
    ]
    for number, text in PROMISES.items():
        lines += ["", f"## {number}. {text}", "", "| Test | Attempts | Faults made | Broken | Figures |"]
        lines += ["|---|---:|---:|---:|---|"]
        lines += [_row(proof) for proof in found if proof.promise == number]
    return "\n".join(lines) + "\n"


def merged(proofs: Iterable[Proof]) -> list[Proof]:
    """One proof for each test of a promise: counts summed over its cases, of each figure the largest."""
    cases: dict[tuple[int, str], list[Proof]] = {}
    for proof in proofs:
        cases.setdefault((proof.promise, proof.test), []).append(proof)
    return [
        Proof(
            promise,
            test,
            sum(one.attempts for one in ones),
            sum(one.faults for one in ones),
            sum(int(one.losses) for one in ones),
            {
                name: max(o.figures[name] for o in ones if name in o.figures)
                for one in ones
                for name in one.figures
            },
        )
        for (promise, test), ones in sorted(cases.items())
    ]


def _largest(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for one in figures:
        largest |= {name: max(value, largest.get(name, value)) for name, value in one.items()}
    return largest


def _row(proof: Proof) -> str:
    figures = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in proof.figures.items())
    return f"| `{proof.test}` | {proof.attempts} | {proof.faults} | {proof.losses} | {figures} |"


if __name__ == "__main__":
    source, target, when = sys.argv[1:]
    Path(target).write_text(render(load(Path(source)), when=when))

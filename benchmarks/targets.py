"""The targets of `targets.toml`, and whether figures meet them. Pure, but for reading that file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_FILE = Path(__file__).with_name("targets.toml")


@dataclass(frozen=True, slots=True)
class Target:
    """One bound on one figure.

    Attributes:
        absolute: the figure depends on the machine, so it counts only on one like that of the targets.
    """

    metric: str
    at_most: float | None
    at_least: float | None
    absolute: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one target."""

    metric: str
    value: float
    bound: str
    verdict: Literal["met", "missed", "not_counted"]
    missed_by: float


def load_targets() -> tuple[dict[str, list[Target]], float]:
    """Targets by benchmark, and the calibration loop's time in ms on the machine they were set on."""
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    reference_ms = float(tables.pop("calibration")["reference_ms"])
    return {
        benchmark: [
            Target(metric, row.get("at_most"), row.get("at_least"), row.get("absolute", False))
            for metric, row in rows.items()
        ]
        for benchmark, rows in tables.items()
    }, reference_ms


def judge(
    figures: Mapping[str, float], targets: Sequence[Target], *, machine_is_comparable: bool
) -> list[Finding]:
    """One finding per target.

    Raises:
        KeyError: a target has no figure: the benchmark did not measure what it promised.
    """
    return [_judged(figures[target.metric], target, machine_is_comparable) for target in targets]


def _judged(value: float, target: Target, machine_is_comparable: bool) -> Finding:
    bounds, missed_by = [], 0.0
    if target.at_most is not None:
        bounds.append(f"at most {target.at_most:g}")
        missed_by = max(missed_by, value - target.at_most)
    if target.at_least is not None:
        bounds.append(f"at least {target.at_least:g}")
        missed_by = max(missed_by, target.at_least - value)
    verdict: Literal["met", "missed", "not_counted"] = "missed" if missed_by > 0 else "met"
    if target.absolute and not machine_is_comparable:
        verdict = "not_counted"
    return Finding(target.metric, value, " and ".join(bounds), verdict, missed_by)

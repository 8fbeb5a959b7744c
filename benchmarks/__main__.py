"""`python -m benchmarks NAME [--json] [--check]`: runs one benchmark and holds it against its targets."""

import argparse
import importlib
import json
import sys
from dataclasses import asdict

from benchmarks.calibration import calibrate
from benchmarks.prerequisites import CannotRunError
from benchmarks.targets import Finding, judge, load_targets

EXIT_CANNOT_RUN = 2


def main() -> int:
    targets, reference_ms = load_targets()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=sorted(targets))
    parser.add_argument("--json", action="store_true", help="print one JSON line last on stdout")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    asked = parser.parse_args()

    measure = importlib.import_module(f"benchmarks.{asked.name.replace('-', '_')}").measure
    before = calibrate(reference_ms)
    try:
        figures: dict[str, float] = measure()
    except CannotRunError as error:
        print(f"{asked.name} cannot run here: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    after = calibrate(reference_ms)
    machine = max(before, after, key=lambda calibration: abs(calibration.deviation))
    findings = judge(figures, targets[asked.name], machine_is_comparable=machine.is_comparable)

    lines = sys.stderr if asked.json else sys.stdout
    for name, value in figures.items():
        print(f"{name:<32} {value:>10.3f}", file=lines)
    for finding in findings:
        print(_sentence(finding), file=lines)
    print(
        f"calibration {machine.measured_ms:.1f} ms, {machine.deviation:+.0%} against the targets' machine",
        file=lines,
    )
    if asked.json:
        print(
            json.dumps(
                {
                    "benchmark": asked.name,
                    "figures": figures,
                    "findings": [asdict(finding) for finding in findings],
                    "calibration": asdict(machine),
                }
            )
        )
    return 1 if asked.check and any(finding.verdict == "missed" for finding in findings) else 0


def _sentence(finding: Finding) -> str:
    bound = f"{finding.metric} {finding.value:.3f}, must be {finding.bound}"
    match finding.verdict:
        case "met":
            return f"met: {bound}"
        case "missed":
            return f"MISSED by {finding.missed_by:.3f}: {bound}"
        case _:
            return f"not counted, this machine differs too much: {bound}"


if __name__ == "__main__":
    sys.exit(main())

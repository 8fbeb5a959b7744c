"""Hold what the wires did against the promises: `python -m gpio_drill.judge RECORDING` prints a JSON object.

Exits with 1 when a promise was broken, with 2 when there is nothing to judge. Only `main` does I/O.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpio_drill.edges import Level, Span, active_spans, level_at, levels
from gpio_drill.recording import Recording, RecordingError, Request, Wired, read_recording

MARGIN_MS = 100
"""Promise 1: never on longer than the pulse and this, for any one failure."""

ANSWER_NS = 300_000_000
"""An edge belongs to the request at most this long before it; requests stay valid for 200 ms."""

LEAST_ORDINARY_PULSES = 50
LEAST_STRIKES = {
    ("guard", "SIGKILL"): 30,
    ("guard", "SIGSTOP"): 10,
    ("guard", "SIGTERM"): 10,
    ("pod", "SIGKILL"): 30,
    ("pod", "SIGSTOP"): 10,
}
"""Who was struck and how -> how often, at least, while every line was active; other strikes do not count."""

REFUSALS = ("busy", "missing_chip", "missing_line")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the drill prints; `broken` has a sentence for each promise broken and each thing left untried."""

    figures: dict[str, object]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wire:
    """One relay's wire, and which request each of its active spans answers; None: nobody had asked."""

    wired: Wired
    levels: tuple[Level, ...]
    spans: tuple[tuple[Span, Request | None], ...]
    unanswered: tuple[Request, ...]


def judge(run: Recording) -> Verdict:
    """Every figure of one run, and all that was broken."""
    wires = {wired.gate: _wire(run, wired) for wired in run.wired}
    spans = [(span, request, wire.wired) for wire in wires.values() for span, request in wire.spans]
    given = Counter(request.scenario for _, request, _ in spans if request is not None)
    struck = [
        (strike, hit)
        for strike in run.strikes
        if len(hit := [span for span, _, _ in spans if span.holds(strike.t_ns)]) == len(wires)
    ]
    strikes = Counter((strike.target, strike.how) for strike, _ in struck)
    falls_ms = [
        (span.off_ns - strike.t_ns) / 1e6
        for strike, hit in struck
        for span in hit
        if (strike.target, strike.how) == ("guard", "SIGKILL")
    ]
    longest: dict[str, float] = {}
    for span, request, _ in spans:
        scenario = request.scenario if request is not None else "no_request"
        longest[scenario] = round(max(span.ms, longest.get(scenario, 0.0)), 3)
    broken = (
        *_wrong_spans(spans),
        *_left_untried(wires, given, strikes),
        *_unclear_refusals(run),
        *_untold_facts(run),
        *_doubts(run, wires),
    )
    figures: dict[str, object] = {
        "pulses": sum(given.values()),
        "kills": sum(count for (_, how), count in strikes.items() if how == "SIGKILL"),
        **{f"{target}_{how.lower()}": strikes[target, how] for target, how in LEAST_STRIKES},
        "worst_on_ms": _worst([span.ms for span, _, _ in spans]),
        "worst_over_pulse_ms": _worst([span.ms - wired.pulse_ms for span, _, wired in spans]),
        "worst_fall_after_guard_kill_ms": _worst(falls_ms),
        "worst_on_ms_in": longest,
        "edges_at_start": sum(request is None for _, request, _ in spans),
        "starts": run.starts,
        "lines_taken": sum(call.kind == "output" for call in run.calls),
        "refusals": len(run.refusals),
        "contact_moves": run.facts.get("moved", 0),
        "level_checks": len(run.samples),
        "losses": run.lost,
        "timer_late_ms": round(run.timer_late_ms, 3),
        "kernel": run.kernel,
        "gpiod": run.gpiod,
    }
    return Verdict(figures, broken)


def _wire(run: Recording, wired: Wired) -> _Wire:
    changes = levels(call for call in run.calls if call.offset == wired.offset)
    waiting = [request for request in run.requests if request.gate == wired.gate]
    answered: list[tuple[Span, Request | None]] = []
    for span in active_spans(changes, wired.active, since_ns=wired.t_ns, until_ns=run.ended_ns):
        owner = next((r for r in waiting if r.t_ns <= span.on_ns <= r.t_ns + ANSWER_NS), None)
        if owner is not None:
            waiting.remove(owner)
        answered.append((span, owner))
    return _Wire(wired, changes, tuple(answered), tuple(waiting))


def _worst(values_ms: list[float]) -> float:
    return round(max(values_ms, default=0.0), 3)


def _wrong_spans(spans: list[tuple[Span, Request | None, Wired]]) -> Iterator[str]:
    for span, request, wired in spans:
        where = f"gate {wired.gate}, {request.scenario if request else 'outside any request'}"
        if request is None:
            yield f"{where}: the line went active at {span.on_ns} ns, and nobody had asked"
        if span.ms > wired.pulse_ms + MARGIN_MS:
            yield f"{where}: on for {span.ms:.1f} ms, more than the pulse of {wired.pulse_ms} and {MARGIN_MS}"


def _left_untried(
    wires: Mapping[str, _Wire], given: Counter[str], strikes: Counter[tuple[str, str]]
) -> Iterator[str]:
    for gate, wire in wires.items():
        for request in wire.unanswered:
            yield f"gate {gate}, {request.scenario}: asked for a pulse, and the line never went active"
    if given["ordinary_pulses"] < LEAST_ORDINARY_PULSES:
        yield f"only {given['ordinary_pulses']} ordinary pulses, {LEAST_ORDINARY_PULSES} were due"
    for (target, how), least in LEAST_STRIKES.items():
        if (count := strikes[target, how]) < least:
            yield f"only {count} times {how} for the {target} during a pulse, {least} were due"


def _unclear_refusals(run: Recording) -> Iterator[str]:
    told = {refusal.what: refusal for refusal in run.refusals}
    for what in REFUSALS:
        refusal = told.get(what)
        if refusal is None:
            yield f"{what} was not tried"
        elif refusal.condition != "unavailable" or refusal.names not in refusal.text:
            yield f"{what}: the gate is {refusal.condition}, and {refusal.text!r} names no {refusal.names}"


def _untold_facts(run: Recording) -> Iterator[str]:
    due = {"commanded": run.moves, "moved": run.moves + 1, "closed": run.moves + 1, "forced": 1}
    if run.moves == 0:
        yield "no contact was moved"
    for fact, times in due.items():
        if run.facts.get(fact, 0) != times:
            yield f"the gate with a contact was told {fact} {run.facts.get(fact, 0)} times instead of {times}"


def _doubts(run: Recording, wires: Mapping[str, _Wire]) -> Iterator[str]:
    """What would make the record itself untrue."""
    if run.lost:
        yield f"the kernel lost {run.lost} events, so the record of the wires has holes"
    known = {wired.offset for wired in run.wired} | set(run.other_offsets)
    for offset in sorted({call.offset for call in run.calls} - known):
        yield f"line {offset} was touched, and no gate hangs on it"
    if not run.samples:
        yield "no wire was read, so nothing bears out the kernel's record"
    for sample in run.samples:
        recorded = level_at(wires[sample.gate].levels, sample.t_ns)
        if recorded != sample.level:
            where = f"gate {sample.gate} at {sample.t_ns} ns"
            yield f"{where}: the wire was {sample.level}, recorded was {recorded}"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        run = read_recording(Path(sys.argv[1]).read_text(errors="replace").splitlines())
    except (OSError, RecordingError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    verdict = judge(run)
    for sentence in verdict.broken:
        print(f"broken: {sentence}", file=sys.stderr)
    print(json.dumps(verdict.figures))
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())

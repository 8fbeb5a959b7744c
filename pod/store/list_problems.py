"""Tell people every problem of a file by line, like ones summed up. Pure."""

import re
from collections.abc import Sequence
from itertools import groupby

from pod.store.list_plan import Problem

MAX_KINDS = 50
"""How many kinds of problem a message lists; it counts the rest."""

MAX_ALIKE = 3
"""How many problems of one kind are told in full; the others only by their lines."""

_MAX_SPANS = 20
_OWN = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\b[A-Z0-9]{2,10}\b|\d+")
"""What tells one problem from others of its kind: quoted texts, plates, numbers."""


def report(problems: Sequence[Problem], name: str) -> str:
    """A line for each problem, `file:line: column: mend`, sorted by line.

    The first three of a kind are told in full, of the others only the lines; of more than 50 kinds only how
    many problems the others are.
    """
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in sorted(problems, key=lambda p: p.line):
        kinds.setdefault((problem.column, _OWN.sub("", problem.text)), []).append(problem)
    told = list(kinds.values())[:MAX_KINDS]
    lines = [(p.line, f"{name}:{p.line}: {_text(p)}") for alike in told for p in alike[:MAX_ALIKE]]
    lines.sort(key=lambda numbered: numbered[0])
    for alike in told:
        if len(alike) > MAX_ALIKE:
            lines.append((0, _others(alike, name)))
    untold = len(problems) - sum(map(len, told))
    if untold:
        lines.append((0, f"{name}: and {untold} more problems of other kinds"))
    return "\n".join(text for _, text in lines)


def _text(problem: Problem) -> str:
    return f"{problem.column}: {problem.text}" if problem.column else problem.text


def _others(alike: Sequence[Problem], name: str) -> str:
    others = alike[MAX_ALIKE:]
    first = alike[0]
    what = f"{first.column}: " if first.column else ""
    times = "problem" if len(others) == 1 else "problems"
    return f"{name}: {what}{len(others)} more {times} like that of line {first.line}, in {_spans(others)}"


def _spans(problems: Sequence[Problem]) -> str:
    """Such as `lines 4-9, 12`."""
    lines = sorted({problem.line for problem in problems})
    spans = []
    for _, run in groupby(enumerate(lines), key=lambda numbered: numbered[1] - numbered[0]):
        first, *rest = (line for _, line in run)
        spans.append(f"{first}-{rest[-1]}" if rest else str(first))
    shown = ", ".join(spans[:_MAX_SPANS])
    if len(spans) > _MAX_SPANS:
        shown += " and others"
    return f"{'line' if len(lines) == 1 else 'lines'} {shown}"

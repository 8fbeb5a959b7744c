"""What an import would do, in words: what is new, what changes, and every problem by line. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pod.domain.entry import Entry
from pod.store.list_plan import ImportPlan, Problem
from pod.web.list_words import EntryWords, entry_words

SHOWN = 100
"""Entries of each kind that the preview shows; it counts the rest."""

PROBLEMS_SHOWN = 300
"""Problems that the preview shows; it counts the rest."""


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """An entry that an import changes, as it will be; `changes` says what differs."""

    entry: EntryWords
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreviewWords:
    """What the preview shows.

    Attributes:
        added, updated: the first of each; the counts are of all.
    """

    added: tuple[EntryWords, ...]
    added_count: int
    updated: tuple[ChangeWords, ...]
    updated_count: int
    unchanged: int

    @property
    def changes_nothing(self) -> bool:
        return not self.added_count and not self.updated_count


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """The problems of a file: the first of them, and how many more there are."""

    shown: tuple[Problem, ...]
    more: int
    lines: int


def preview_of(plan: ImportPlan, now: datetime) -> PreviewWords:
    """A plan in words; `now` aware, in the site's time zone."""
    return PreviewWords(
        added=tuple(entry_words(entry, now) for entry in plan.added[:SHOWN]),
        added_count=len(plan.added),
        updated=tuple(
            ChangeWords(entry_words(after, now), changes(before, after))
            for before, after in plan.updated[:SHOWN]
        ),
        updated_count=len(plan.updated),
        unchanged=plan.unchanged,
    )


def problems_of(problems: Sequence[Problem]) -> ProblemWords:
    """The problems of a file, sorted by line."""
    found = sorted(problems, key=lambda problem: (problem.line, problem.column))
    return ProblemWords(
        shown=tuple(found[:PROBLEMS_SHOWN]),
        more=max(0, len(found) - PROBLEMS_SHOWN),
        lines=len({problem.line for problem in found}),
    )


def changes(before: Entry, after: Entry) -> tuple[str, ...]:
    """What an import changes of an entry; only these fields can differ."""
    pairs = (
        ("plate", before.plate, after.plate),
        ("type", before.type.value, after.type.value),
        ("label", before.label or "none", after.label or "none"),
        ("uses left", _uses(before.uses_left), _uses(after.uses_left)),
        ("only this very plate", _yes(before.exact_only), _yes(after.exact_only)),
    )
    return tuple(f"{name}: {old} → {new}" for name, old, new in pairs if old != new)


def summary(plan: ImportPlan) -> str:
    """One sentence on what was done."""
    added, updated = len(plan.added), len(plan.updated)
    parts = [f"{added} {'entry' if added == 1 else 'entries'} added"] if added else []
    parts += [f"{updated} changed"] if updated else []
    parts += [f"{plan.unchanged} unchanged"] if plan.unchanged else []
    return f"Import done: {', '.join(parts) or 'nothing to do'}."


def _uses(uses: int | None) -> str:
    return "any number" if uses is None else str(uses)


def _yes(value: bool) -> str:
    return "yes" if value else "no"

"""The documentation names only what exists: files, folders, verbs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup

from pod.cli import root_command
from pod.commands.lazy import LazyCommand

ROOT = Path(__file__).parents[2]
TOP = "pod|models|sync|systemd|scripts|tests|docs|deploy|benchmarks"
DOCS = sorted(
    path
    for pattern in ("*.md", "*/*.md", "*/*/*.md", "*/*/*/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
ALL = pytest.mark.parametrize("doc", [pytest.param(doc, id=str(doc.relative_to(ROOT))) for doc in DOCS])


def links(text: str) -> Iterator[str]:
    """Targets of links to files beside the document."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            yield target.split("#")[0]


def paths(text: str) -> Iterator[str]:
    """Files of the repository that the text names as code."""
    named = rf"(?:\./)?(?:{TOP})/[\w./-]+|[\w-]+(?:\.example)?\.(?:yaml|toml|lock|md)"
    for code in re.findall(r"`([^`\n]+)`", text):
        yield from (word for word in code.split() if re.fullmatch(named, word))


@ALL
def test_every_link_to_a_file_leads_somewhere(doc: Path) -> None:
    missing = [link for link in links(doc.read_text()) if not (doc.parent / link).exists()]
    assert missing == []


@ALL
def test_every_file_that_is_named_exists(doc: Path) -> None:
    theirs = {"config.yaml"}  # files of the operator, not of the repository
    missing = [
        path
        for path in paths(doc.read_text())
        if path not in theirs and not (ROOT / path).exists() and not (doc.parent / path).exists()
    ]
    assert missing == []


@ALL
def test_every_verb_that_is_named_exists(doc: Path) -> None:
    root = root_command()
    for name, second in re.findall(r"platebridge ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", doc.read_text()):
        stand_in = root.commands.get(name)
        assert isinstance(stand_in, LazyCommand), f"platebridge {name}"
        command = stand_in.load()
        if isinstance(command, TyperGroup) and second and not command.invoke_without_command:
            assert second in command.commands, f"platebridge {name} {second}"

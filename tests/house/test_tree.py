"""What is in the tree: no place of one machine, no credential, no unfinished work."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNWANTED = {
    # Each pattern is written so that it does not match itself.
    "a place of one machine": r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/(?!\*)",
    "a package index of one machine": r"/opt/(?:pypi|wheels)|(?:extra-)?index-url[ =]+(?!https://pypi\.org)\w+://",
    "a credential in an address": r"https?://[^\s/@\"'{}<>$*]+:[^\s/@\"'{}<>$*]+@",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE[ ]KEY",
    "unfinished work": r"\b(?:TO[D]O|FIX[M]E|X{3}|HAC[K])\b",
    "a left-over of a merge": r"(?m)^(?:<{7}|>{7}) ",
}


def tracked() -> list[Path]:
    """Files of the repository, and new ones that git would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [
        ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name and (ROOT / name).is_file()
    ]


def text_of(path: Path) -> str:
    """The text of a file, "" when it holds none."""
    raw = path.read_bytes()
    return "" if b"\0" in raw[:8000] else raw.decode("utf-8", "replace")


@pytest.mark.parametrize("what", UNWANTED)
def test_the_tree_holds_nothing_that_does_not_belong_in_it(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked()
        if not (what == "a credential in an address" and path.is_relative_to(ROOT / "tests"))
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if re.search(UNWANTED[what], line)
    ]
    assert found == [], f"{what} in the tree"


def test_every_module_says_what_it_does() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py"
        and not path.is_relative_to(ROOT / "tests")
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_a_suppressed_check_says_why() -> None:
    pattern = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?::\s*[A-Z0-9, ]+|\[[a-z-, ]+\])?\s*$")
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert bare == []

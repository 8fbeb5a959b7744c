"""The lock pins the whole base install by hash, and names no index: it installs from any mirror."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins() -> dict[str, str]:
    """Block of lines by package name; one name may be pinned for several Pythons."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", LOCK.split("\n", 2)[2])
    return {re.split(r"[=\[ ]", block)[0]: block for block in blocks if block.strip()}


def test_every_dependency_of_the_base_install_is_pinned() -> None:
    named = {re.split(r"[<>=~!\[; ]", dependency)[0].lower() for dependency in PROJECT["dependencies"]}
    assert named - set(pins()) == set()


def test_every_pin_has_a_hash_and_an_exact_version() -> None:
    loose = [
        n for n, block in pins().items() if "==" not in block.split("\n")[0] or "--hash=sha256:" not in block
    ]
    assert loose == []


def test_the_lock_is_the_base_install_alone() -> None:
    extras = {"torch", "ultralytics", "pytest", "ruff", "mypy", "opencv-python"}
    assert extras & set(pins()) == set()


def test_the_lock_names_no_place() -> None:
    assert (
        re.findall(r"\w+://|--(?:extra-)?index-url |--find-links|(?m:^ *-e )", LOCK.split("\n", 2)[2]) == []
    )

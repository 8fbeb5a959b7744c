"""What `pip` installs for training, one requirement a line; read by `install.sh`.

`training_needs.py pins`: the `train` extra of pyproject.toml without ultralytics; `ultralytics`: that alone;
`rest`: what the installed ultralytics needs beside these; `stamp FOLDER`: a name for all of this and the
lock, which changes when any of it does.

Ultralytics cannot be installed with all it asks for: `opencv-python` and the `opencv-python-headless` of the
base install write the same files, and the wheel of torchvision on PyPI is linked against CUDA, so that it
cannot be imported beside a torch without it. A stub in models/training stands in.
"""

import hashlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = {"opencv-python", "torchvision", "torch", "ultralytics-platform"}
"""The first two as above; torch is pinned by the extra; the last talks to a cloud service."""

_ROOT = Path(__file__).parents[2]
_PROJECT, _LOCK = _ROOT / "pyproject.toml", _ROOT / "requirements.lock"


def name_of(requirement: str) -> str:
    """The distribution's name, lower-case."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0].lower() if found else ""


def pins() -> list[str]:
    """The `train` extra, as pyproject.toml writes it."""
    with _PROJECT.open("rb") as file:
        extra: list[str] = tomllib.load(file)["project"]["optional-dependencies"]["train"]
    return extra


def rest(required: list[str]) -> list[str]:
    """What remains of the requirements of ultralytics: no extras, and nothing that is left out."""
    return [r for r in required if "extra ==" not in r and name_of(r) not in LEFT_OUT]


def main() -> None:
    which = sys.argv[1]
    if which == "stamp":
        parts = [
            sys.argv[2].encode(),
            Path(__file__).read_bytes(),
            _LOCK.read_bytes(),
            *map(str.encode, pins()),
        ]
        lines = [hashlib.sha256(b"\n".join(parts)).hexdigest()[:16]]
    elif which == "rest":
        lines = rest(importlib.metadata.requires("ultralytics") or [])
    else:
        lines = [pin for pin in pins() if (name_of(pin) == "ultralytics") == (which == "ultralytics")]
    print("\n".join(lines))


if __name__ == "__main__":
    main()

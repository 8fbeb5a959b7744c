"""A small file system in memory, to fill up or to find read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_at(place: Path, options: str) -> Iterator[Path]:
    """Mount one at `place`, which is made; skips where that cannot be done.

    Args:
        options: of a tmpfs, such as size=4m.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs a file system to be mountable here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)

"""A wall clock that a test sets while the shipped POD runs (Debian's faketime); the monotonic one goes on."""

from pathlib import Path

import pytest

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs faketime (Debian package faketime)")


class FakedTime:
    """The wall clock of every process started with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self.offset_s = 0.0
        self.set(0.0)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset_s: float) -> None:
        """Let the wall clock differ from the true time by so much from now on."""
        self.offset_s = offset_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+.0f}\n")
        fresh.replace(self._file)

"""Run one command of a stage in a process of its own, tell its progress, keep all it says in a log.

A process of its own, because ultralytics changes cv2 and torch for everybody around it, and because the
memory of one training must be back before the next begins. It dies with this one, so that after a kill nobody
trains unseen.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.training.stages import StageError, clock

SILENCE_S = 60.0
"""At least this often something is told."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_SHOWN_LINES = 15


def run(
    arguments: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str],
    say: Callable[[str], None],
    name: str,
    epochs: int | None = None,
    output: Path | None = None,
    good: tuple[int, ...] = (0,),
) -> None:
    """Run to the end.

    Args:
        epochs: how many lines with an "epoch" the command will print as JSON; None for a command without any.
        output: a file for what it writes to its standard output, which is else kept in the log.
        good: exit statuses that are no failure.

    Raises:
        StageError: it failed; the message ends with the last lines it said.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    part = None if output is None else output.with_suffix(".part")
    told, heard = os.pipe()
    with log.open("ab") as kept, os.fdopen(told, "rb") as raw, contextlib.ExitStack() as opened:
        stdout = heard if part is None else opened.enter_context(part.open("wb"))
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=heard,
            env=os.environ | environment,
            preexec_fn=_die_with_parent,
        )
        os.close(heard)
        progress, rest = _Progress(name, epochs, say), b""
        while True:
            if not select.select([raw], [], [], SILENCE_S)[0]:
                progress.still_running()
                continue
            said = os.read(raw.fileno(), 65536)
            if not said:
                break
            kept.write(said)
            kept.flush()
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                progress.hear(line)
        status = process.wait()
    if status not in good:
        raise StageError(_what_went_wrong(name, status, log))
    if part is not None and output is not None:
        part.replace(output)


class _Progress:
    """Turns lines of JSON with an epoch into lines for a tired person."""

    def __init__(self, name: str, epochs: int | None, say: Callable[[str], None]) -> None:
        self._name, self._epochs, self._say = name, epochs, say
        self._started_s = self._told_s = time.monotonic()
        self._first: int | None = None

    def hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            epoch = int(said["epoch"])
        except (ValueError, KeyError, TypeError):
            if time.monotonic() - self._told_s >= SILENCE_S:
                self.still_running()
            return
        elapsed_s = time.monotonic() - self._started_s
        self._first = epoch if self._first is None else self._first
        done = epoch - self._first + 1
        left = ""
        if self._epochs:
            left = f" of {self._epochs}, about {clock(elapsed_s / done * max(0, self._epochs - epoch))} left"
        figures = ", ".join(
            f"{k} {v}" for k, v in said.items() if k != "epoch" and isinstance(v, int | float)
        )
        self._tell(f"      {self._name}: epoch {epoch}{left}  ({figures})")

    def still_running(self) -> None:
        self._tell(f"      {self._name}: running for {clock(time.monotonic() - self._started_s)}")

    def _tell(self, line: str) -> None:
        self._told_s = time.monotonic()
        self._say(line)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _what_went_wrong(name: str, status: int, log: Path) -> str:
    said = log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
    if status == -signal.SIGKILL:
        why = "was killed, most often for want of memory: end other programs, then start again to go on"
    else:
        why = f"failed with status {status}: mend what stands above, then start again to go on"
    return "\n".join([*said, f"{name}: {why} (all it said: {log})"])

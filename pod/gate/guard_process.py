"""One running guard as its parent sees it: requests in, events out. No rules."""

import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

GUARD_COMMAND = (sys.executable, "-I", "-m", "pod.gate.guard")

Event = dict[str, object]


class GuardProcess:
    """A guard from its start to its end. `send`, `hang_up` and `kill` may be called by any thread."""

    def __init__(self, command: Sequence[str], gates: Sequence[Mapping[str, object]]) -> None:
        """Start the guard and tell it its gates; its `ready` event says which lines it took.

        Raises:
            OSError: the process could not be started.
        """
        # Its own process group keeps Ctrl-C and Ctrl-Z at a terminal away from a pulse; the empty environment
        # keeps the pod's secrets out of it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env={}, process_group=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        self._readable = select.poll()  # select() knows no descriptor beyond 1023.
        self._readable.register(self._stdout, select.POLLIN)
        self._lock = threading.Lock()
        self._tail = b""
        start = json.dumps({"parent": os.getpid(), "gates": list(gates)}).encode() + b"\n"
        try:
            self._stdin.write(start)
            os.set_blocking(self._stdin.fileno(), False)
        except BrokenPipeError:
            log.debug("the guard ended before it read its gates")  # `events` reports the end.

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: bytes) -> None:
        """Write one request line, whole or not at all; never waits.

        Raises:
            OSError: the guard is gone, or its pipe is full.
        """
        with self._lock:
            if self._stdin.closed:
                raise BrokenPipeError("the guard is stopping")
            os.write(self._stdin.fileno(), request)

    def events(self, timeout_s: float) -> list[Event] | None:
        """Events that arrive within the timeout; None when the guard has ended."""
        if not self._readable.poll(timeout_s * 1000):
            return []
        chunk = os.read(self._stdout.fileno(), 65536)
        if not chunk:
            return None
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        return [event for event in map(_parsed, lines) if event is not None]

    def hang_up(self) -> None:
        """End the guard's input: it brings every line to rest and exits."""
        with self._lock:
            self._stdin.close()

    def kill(self) -> None:
        """End the guard at once; the kernel releases its lines."""
        self._process.kill()

    def reap(self) -> str:
        """Make sure that the guard is gone; how it ended."""
        self.hang_up()
        self.kill()
        code = self._process.wait()
        self._stdout.close()
        return f"signal {-code}" if code < 0 else f"exit status {code}"


def _parsed(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict):
        return event
    log.warning("the gate guard printed something that is not an event: %r", line[:200])
    return None

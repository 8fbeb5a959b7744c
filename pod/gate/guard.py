"""The guard: a tiny process that alone holds the gates' lines and bounds every pulse. Standard library only.

Standard input: one line of JSON, `{"parent": pid, "gates": [...]}` with gates as `guard_gate` makes them, then
requests, `pulse GATE ID VALID_UNTIL_NS` (CLOCK_MONOTONIC), one a line. There is no other request: nothing
holds, closes or lengthens. Standard output: one JSON event a line, dropped and counted where nobody reads.

Every line goes to rest when its pulse is over, on end of input, on SIGTERM and when the parent dies. Should
this process hang instead, an alarm with the default action lets the kernel end it, which releases the lines.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping

from pod.gate.bounded_line import BoundedLine
from pod.gate.drivers.line import Line
from pod.gate.drivers.simulated import SimulatedLine

BEAT_NS = 1_000_000_000
"""Between two signs of life."""

LONGEST_PULSE_MS = 5000
LONGEST_REQUEST_BYTES = 512
LONGEST_VALIDITY_NS = 1_000_000_000
"""A request that claims to stay valid for longer than this is garbage."""

REMEMBERED_IDS = 256


def _gpio_line(gate: Mapping[str, object]) -> Line:
    from pod.gate.drivers.gpio import GpioLine  # Only a machine with GPIO needs its library.

    given = gate["gpio"]
    assert isinstance(given, dict)
    return GpioLine(given)


DRIVERS: dict[str, Callable[[Mapping[str, object]], Line]] = {
    "simulated": lambda gate: SimulatedLine(str(gate["trace"])),
    "gpio": _gpio_line,
}
"""Driver name -> what takes the line of one gate, given its part of the first input line."""


class Guard:
    """Serves requests until input ends, SIGTERM comes or the parent dies."""

    def __init__(self, *, requests_fd: int = 0, replies_fd: int = 1) -> None:
        self._requests_fd = requests_fd
        self._replies_fd = replies_fd
        self._lines: dict[str, BoundedLine] = {}
        self._seen: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._buffer = bytearray()
        self._skipping = False
        self._dropped = 0

    def serve(self, parent_pid: int, gates: list[Mapping[str, object]]) -> None:
        """Take the lines, answer requests, and leave every line at rest."""
        woken_fd = _take_signals()
        watched = [self._requests_fd, woken_fd, *_watch_parent(parent_pid)]
        os.set_blocking(self._requests_fd, False)
        os.set_blocking(self._replies_fd, False)
        try:
            self._take_lines(gates)
            beat_ns = time.monotonic_ns()
            while parent_pid == os.getppid():
                now_ns = time.monotonic_ns()
                if now_ns >= beat_ns:
                    self._say("beat")
                    beat_ns = now_ns + BEAT_NS
                due_ns = min(
                    [beat_ns, *(line.due_ns for line in self._lines.values() if line.due_ns is not None)]
                )
                ready, _, _ = select.select(watched, (), (), max(0, due_ns - time.monotonic_ns()) / 1e9)
                for line in self._lines.values():
                    line.tick()
                if any(fd != self._requests_fd for fd in ready):
                    return
                if ready and not self._read_requests():
                    return
        finally:
            for line in self._lines.values():
                line.release()

    def _take_lines(self, gates: list[Mapping[str, object]]) -> None:
        faults: dict[str, str | None] = {}
        for gate in gates:
            name = str(gate["name"])
            pulse_ms = int(str(gate["pulse_ms"]))
            try:
                if not 0 < pulse_ms <= LONGEST_PULSE_MS:
                    raise ValueError(f"a pulse lasts 1 to {LONGEST_PULSE_MS} ms")
                line = DRIVERS[str(gate["driver"])](gate)
            except Exception as fault:
                faults[name] = str(fault) or repr(fault)
                continue
            faults[name] = None
            self._lines[name] = BoundedLine(
                name,
                line,
                pulse_ns=pulse_ms * 1_000_000,
                clock_ns=time.monotonic_ns,
                say=self._say,
                limit_changed=self._set_alarm,
            )
        self._say("ready", gates=faults)

    def _read_requests(self) -> bool:
        """Serve what has arrived; False at the end of input."""
        try:
            chunk = os.read(self._requests_fd, 4096)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self._buffer += chunk
        while (end := self._buffer.find(b"\n")) >= 0:
            request = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if self._skipping or len(request) > LONGEST_REQUEST_BYTES:
                self._skipping = False
                self._say("error", reason=f"a request has at most {LONGEST_REQUEST_BYTES} bytes")
            else:
                self._serve_request(request)
        if len(self._buffer) > LONGEST_REQUEST_BYTES:
            self._skipping = True
            self._buffer.clear()
        return True

    def _serve_request(self, request: bytes) -> None:
        words = request.decode("ascii", "replace").split(" ")
        if len(words) != 4 or words[0] != "pulse" or not _is_id(words[2]) or not words[3].isdigit():
            self._say("error", reason="expected: pulse GATE ID VALID_UNTIL_NS")
            return
        _, gate, pulse_id, valid_until = words
        left_ns = int(valid_until) - time.monotonic_ns()
        line = self._lines.get(gate)
        if line is None:
            refusal: str | None = "no such gate, or its line could not be taken"
        elif pulse_id in self._seen:
            refusal = "this pulse was asked for before"
        elif not 0 < left_ns <= LONGEST_VALIDITY_NS:
            refusal = (
                "the request came too late" if left_ns <= 0 else "the request claims to be valid too long"
            )
        else:
            refusal = line.refusal()
        if line is None or refusal is not None:
            self._say("refused", gate=gate, pulse=pulse_id, reason=refusal)
            return
        self._seen.append(pulse_id)
        line.begin(pulse_id)

    def _set_alarm(self) -> None:
        limits_ns = [line.limit_ns for line in self._lines.values() if line.limit_ns is not None]
        left_s = max(0.001, (min(limits_ns) - time.monotonic_ns()) / 1e9) if limits_ns else 0.0
        signal.setitimer(signal.ITIMER_REAL, left_s)

    def _say(self, event: str, **fields: object) -> None:
        if self._dropped:
            fields["dropped"] = self._dropped
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        try:
            os.write(self._replies_fd, line)
        except OSError:
            self._dropped += 1  # A parent that does not read, or is gone, must not delay a line.


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable()


def _take_signals() -> int:
    """Let SIGTERM wake the loop; the returned descriptor then becomes readable.

    Ctrl-C and a closed terminal reach a whole process group: the parent decides what they mean. The alarm
    gets its default action whatever the parent did with it, for it must work when Python does not.
    """
    woken_fd, wake_fd = os.pipe()
    os.set_blocking(wake_fd, False)
    signal.set_wakeup_fd(wake_fd)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return woken_fd


def _watch_parent(parent_pid: int) -> list[int]:
    """A descriptor that becomes readable when the parent dies; none before Linux 5.3, where input ends."""
    with contextlib.suppress(OSError):
        return [os.pidfd_open(parent_pid)]
    return []


def main() -> None:
    """Read the first line, then serve."""
    start = json.loads(_first_line(0))
    Guard().serve(int(start["parent"]), start["gates"])


def _first_line(fd: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            sys.exit("the guard needs its gates on the first line of its input")
        line += byte
    return bytes(line)


if __name__ == "__main__":
    main()

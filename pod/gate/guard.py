"""The guard: a tiny process that alone holds the gates' lines and bounds every pulse. It imports little.

Standard input: one line of JSON, `{"parent": pid, "gates": [...]}`, gates as `guard_gate` makes them, then
requests, `pulse GATE ID VALID_UNTIL_NS` (CLOCK_MONOTONIC), one a line. There is no other request: nothing
holds, closes or lengthens. Standard output: one JSON event a line, dropped and counted where nobody reads;
what an input shows is told when it changes and again with every beat, so that a lost event heals.

Every line goes to rest when its pulse is over, on end of input, on SIGTERM and when the parent dies. Should
this process hang instead, an alarm with the default action lets the kernel end it, which releases the lines.
"""

import contextlib
import errno
import json
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping

from pod.gate.bounded_line import BoundedLine
from pod.gate.drivers.line import Line, fault_text
from pod.gate.drivers.simulated import SimulatedLine
from pod.gate.timed_device import Device, TimedDevice
from pod.gate.watched_inputs import WatchedInputs

BEAT_NS = 1_000_000_000
"""Between two signs of life."""

TAKE_TIMEOUT_S = 1.0
"""How long a new guard waits for the holder before it to be gone."""

RETAKE_NS = 5_000_000_000
"""Between two attempts to take a line that could not be taken: its chip may come later than the pod."""

LONGEST_PULSE_MS = 5000
LONGEST_REQUEST_BYTES = 512
LONGEST_VALIDITY_NS = 1_000_000_000
"""A request that claims to stay valid for longer than this is garbage."""

REMEMBERED_IDS = 256


def _http_device(gate: Mapping[str, object]) -> Device:
    from pod.gate.drivers.http import HttpDevice  # Only a gate behind a web address needs sockets and TLS.

    given = gate["http"]
    assert isinstance(given, dict)
    return HttpDevice(given, pulse_ms=int(str(gate["pulse_ms"])), gate=str(gate["name"]))


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

Gate = Mapping[str, object]


class Guard:
    """Serves requests until input ends, SIGTERM comes or the parent dies."""

    def __init__(self, *, requests_fd: int = 0, replies_fd: int = 1) -> None:
        self._requests_fd = requests_fd
        self._replies_fd = replies_fd
        self._gates: dict[str, Gate] = {}
        self._lines: dict[str, BoundedLine | TimedDevice] = {}
        self._faults: dict[str, str] = {}
        self._inputs = WatchedInputs(clock_ns=time.monotonic_ns, say=self._say)
        self._woken_fd, self._wake_fd = _wake_pipe()
        self._seen: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._buffer = bytearray()
        self._skipping = False
        self._dropped = 0

    def serve(self, parent_pid: int, gates: list[Gate]) -> None:
        """Take the lines, answer requests, and leave every line at rest."""
        ending = [_take_signals(), *_watch_parent(parent_pid)]
        os.set_blocking(self._requests_fd, False)
        os.set_blocking(self._replies_fd, False)
        try:
            self._start(gates)
            beat_ns = retake_ns = time.monotonic_ns() + BEAT_NS
            while parent_pid == os.getppid():
                now_ns = time.monotonic_ns()
                if now_ns >= beat_ns:
                    self._say("beat", inputs=self._inputs.levels())
                    beat_ns = now_ns + BEAT_NS
                if now_ns >= retake_ns and self._is_at_rest():
                    self._retake()
                    retake_ns = now_ns + RETAKE_NS
                watched = [self._requests_fd, self._woken_fd, *self._inputs.filenos(), *ending]
                left_s = max(0, self._due_ns(beat_ns) - time.monotonic_ns()) / 1e9
                ready, _, _ = select.select(watched, (), (), left_s)
                for line in self._lines.values():
                    line.tick()
                self._inputs.look()
                self._withdraw_steps()
                if self._woken_fd in ready:
                    os.read(self._woken_fd, 512)
                if any(fd in ready for fd in ending):
                    return
                if self._requests_fd in ready and not self._read_requests():
                    return
        finally:
            for line in self._lines.values():
                line.release()
            self._inputs.release()

    def _due_ns(self, beat_ns: int) -> int:
        due_ns = [line.due_ns for line in self._lines.values()] + [self._inputs.due_ns]
        return min([beat_ns, *(due for due in due_ns if due is not None)])

    def _is_at_rest(self) -> bool:
        return all(line.due_ns is None for line in self._lines.values())

    def _start(self, gates: list[Gate]) -> None:
        """Take what can be taken; a line that its last holder is about to leave is waited for."""
        self._gates = {str(gate["name"]): gate for gate in gates}
        for name, gate in self._gates.items():
            self._inputs.add(name, gate.get("inputs", []))
        give_up_s = time.monotonic() + TAKE_TIMEOUT_S
        while self._take_missing() and time.monotonic() < give_up_s:
            time.sleep(0.005)
        self._say("ready", gates={name: self._faults.get(name) for name in self._gates})
        self._inputs.say_all()

    def _retake(self) -> None:
        before = dict(self._faults)
        self._take_missing()
        for name in before.keys() - self._faults.keys():
            self._say("taken", gate=name)

    def _take_missing(self) -> bool:
        """Try to take every line that is not held yet; whether some are only held by another process."""
        busy = self._inputs.take_missing()
        for name, gate in self._gates.items():
            if name in self._lines:
                continue
            try:
                self._lines[name] = self._taken(name, gate)
                self._faults.pop(name, None)
            except Exception as fault:
                busy = busy or (isinstance(fault, OSError) and fault.errno == errno.EBUSY)
                self._faults[name] = fault_text(fault)
        return busy

    def _taken(self, name: str, gate: Gate) -> BoundedLine | TimedDevice:
        pulse_ms = int(str(gate["pulse_ms"]))
        if not 0 < pulse_ms <= LONGEST_PULSE_MS:
            raise ValueError(f"a pulse lasts 1 to {LONGEST_PULSE_MS} ms")
        pulse_ns = pulse_ms * 1_000_000
        if gate["driver"] == "http":
            return TimedDevice(
                name,
                _http_device(gate),
                pulse_ns=pulse_ns,
                clock_ns=time.monotonic_ns,
                say=self._say,
                wake=self._wake,
            )
        return BoundedLine(
            name,
            DRIVERS[str(gate["driver"])](gate),
            pulse_ns=pulse_ns,
            clock_ns=time.monotonic_ns,
            say=self._say,
            limit_changed=self._set_alarm,
        )

    def _wake(self) -> None:
        """Let the loop look at its lines; any thread may call."""
        with contextlib.suppress(BlockingIOError):  # A full pipe wakes it, too.
            os.write(self._wake_fd, b"\0")

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
        if self._gates[gate].get("input") == "step" and (moved := self._not_closed(gate)) is not None:
            self._say("refused", gate=gate, pulse=pulse_id, reason=moved, code="gate_not_closed")
            return
        self._seen.append(pulse_id)
        line.begin(pulse_id)

    def _withdraw_steps(self) -> None:
        """A device may take its time to be reached: no step is sent to a gate that has moved meanwhile."""
        for name, line in self._lines.items():
            if not isinstance(line, TimedDevice) or self._gates[name].get("input") != "step":
                continue
            if line.due_ns is not None and (moved := self._not_closed(name)) is not None:
                line.withdraw(moved)

    def _not_closed(self, gate: str) -> str | None:
        """Why it is not certain that the gate is closed, by its inputs at this moment; None where it is."""
        closed, opened = self._inputs.level(gate, "closed"), self._inputs.level(gate, "open")
        if closed is None:
            return "its closed contact tells nothing, and one more step might stop or close it"
        if not closed:
            return "it is not closed, and one more step might stop or close it"
        return "its contacts say closed and open at once; check their wiring" if opened else None

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
    woken_fd, wake_fd = _wake_pipe()
    signal.set_wakeup_fd(wake_fd)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return woken_fd


def _wake_pipe() -> tuple[int, int]:
    """Read end and write end; neither ever blocks."""
    woken_fd, wake_fd = os.pipe()
    os.set_blocking(woken_fd, False)
    os.set_blocking(wake_fd, False)
    return woken_fd, wake_fd


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

"""Lines without hardware: an output whose edges are stamped and traced, and an input that is a file."""

import errno
import fcntl
import json
import os
import time

from pod.gate.drivers.line import Input, Line

LONGEST_TRACE_BYTES = 1_000_000
KEPT_TRACE_BYTES = 500_000
"""What remains of a trace that grew beyond the longest: some thousands of edges."""

LONGEST_INPUT_BYTES = 16


class SimulatedLine(Line):
    """Appends edges to `trace`, one JSON object a line: t_mono_ns, t_wall (seconds since 1970), state, pulse.

    A real line is released by the kernel when the process that holds it dies. Here the holder keeps a lock on
    the trace, which the kernel drops in the same moment; `edge_trace.line_is_active` looks at both.
    """

    def __init__(self, trace: str) -> None:
        """Take the line and record it at rest.

        Raises:
            OSError: the trace cannot be written, or another process holds the line.
        """
        self._trace = trace
        self._active = False
        self._fd = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take()
            os.write(self._fd, b"\n")  # Ends a line that a power cut left half written.
            self._record("off", None)
            self._forget_old_edges()
        except OSError:
            self.release()
            raise

    def on(self, pulse_id: str) -> None:
        self._record("on", pulse_id)
        self._active = True

    def off(self, pulse_id: str) -> None:
        if not self._active:
            return  # A disk too full to record the "on" left the line at rest: there is nothing to record.
        self._record("off", pulse_id)
        self._active = False
        self._forget_old_edges()

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EBUSY, "another process holds this line; stop it first") from None

    def _forget_old_edges(self) -> None:
        """Keep the newest edges of a long trace. Called at rest only: nobody may take a cut for an edge."""
        size_bytes = os.fstat(self._fd).st_size
        if size_bytes <= LONGEST_TRACE_BYTES:
            return
        with open(self._trace, "rb") as trace:  # noqa: PTH123 (pathlib is no small import for the guard)
            trace.seek(size_bytes - KEPT_TRACE_BYTES)
            _, _, kept = trace.read().partition(b"\n")
        os.ftruncate(self._fd, 0)
        os.write(self._fd, kept)

    def _record(self, state: str, pulse_id: str | None) -> None:
        edge = {"t_mono_ns": time.monotonic_ns(), "t_wall": time.time(), "state": state, "pulse": pulse_id}
        line = json.dumps(edge).encode() + b"\n"
        try:
            written = os.write(self._fd, line)
        except OSError as fault:
            raise OSError(
                fault.errno, f"{fault.strerror}: free space on its disk, or check it", self._trace
            ) from fault
        if written != len(line):
            # Half an edge would spoil the next one.
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(errno.ENOSPC, "only part of an edge was taken: free space on its disk", self._trace)


class SimulatedInput(Input):
    """A contact that is a file: active while its text is `1`, at rest while it is `0` or there is no file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._active: bool | None = None
        self._since_ns = 0

    def fileno(self) -> None:
        return None

    def read(self) -> tuple[bool, int]:
        active = self._read_file()
        if active is not self._active:
            self._active, self._since_ns = active, time.monotonic_ns()
        return active, self._since_ns

    def release(self) -> None:
        pass

    def _read_file(self) -> bool:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        try:
            text = os.read(fd, LONGEST_INPUT_BYTES).strip()
        finally:
            os.close(fd)
        if text in (b"0", b"1"):
            return text == b"1"
        if not text and self._active is not None:
            return self._active  # Caught between its truncation and its new text.
        raise OSError(errno.EINVAL, f"{self._path} holds neither 0 nor 1")

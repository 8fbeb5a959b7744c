"""A line without hardware: every edge is stamped and traced; the line lives only as long as its holder."""

import errno
import fcntl
import json
import os
import time

from pod.gate.drivers.line import TAKE_TIMEOUT_S, Line


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

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _take(self) -> None:
        give_up_s = time.monotonic() + TAKE_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= give_up_s:
                    raise OSError("another process holds this line; stop it first") from None
                time.sleep(0.005)

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

"""What the drill tells the machine outside: one JSON object a line on the second serial port."""

import json
import os
import time
import tty


class Records:
    """The line to the outside. Every record carries the moment it was made, CLOCK_MONOTONIC."""

    def __init__(self, port: str = "/dev/ttyS1") -> None:
        self._fd = os.open(port, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self._fd)

    def say(self, record: str, *, t_ns: int | None = None, **fields: object) -> None:
        """Send one record.

        Args:
            record: its kind; `gpio_drill.recording` lists them.
            t_ns: when it happened; now, where it is left out.
        """
        at_ns = time.monotonic_ns() if t_ns is None else t_ns
        line = json.dumps({"record": record, "t_ns": at_ns, **fields}).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

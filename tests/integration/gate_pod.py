"""Pods reduced to their gate: `python gate_pod.py PULSE_MS`. Run by tests, which kill or stop them.

For every folder read from standard input one pod starts there, prints `PID GUARD_PID` and pulses its gate.
Forked, so that a test of many kills does not pay for imports many times.
"""

import os
import signal
import sys
from pathlib import Path

from pod.config import GateConfig
from pod.gate.guard_client import GuardClient


def run_pod(run_dir: Path, pulse_ms: int) -> None:
    guard = GuardClient.start([GateConfig(name="main", pulse_ms=pulse_ms)], run_dir)
    print(os.getpid(), guard.pid, flush=True)
    guard.pulse("main", "p", on_end=lambda end: None)
    signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps the pods.
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_pod(Path(line.strip()), int(sys.argv[1]))

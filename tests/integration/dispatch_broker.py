"""A real mosquitto that forgets everything, for tests of the dispatch."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"


class Mosquitto:
    """One broker on a free port of this machine; it can be killed and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._config.write_text(CONFIG.format(port=self.port))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [self._program, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up_s = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < give_up_s, "mosquitto did not start"
                time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, with all that it held."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def a_mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """A running broker for as long as the block runs."""
    if PROGRAM is None:
        pytest.skip("needs mosquitto (apt-get install mosquitto)")
    broker = Mosquitto(PROGRAM, folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()

"""The shipped `platebridge pod run` as a process, and what it left behind on disk."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import StoreError
from pod.domain.plates import match_key
from pod.gate.edge_trace import Edge, line_is_active, read_edges, trace_path
from pod.store.audit import SINCE_SQL, AuditRow, row_from
from pod.store.connection import connect_reader
from pod.store.store import FILE_NAME, Store
from pod.web.sign_in_link import SignInLink

PLATEBRIDGE = Path(sys.executable).with_name("platebridge")
PULSE_MS = 500


def until(condition: Callable[[], object], timeout_s: float = 60.0, *, what: str = "it") -> None:
    """Wait until the condition holds; AssertionError when it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(0.02)


def list_plates(data_dir: Path, plates: Sequence[str]) -> None:
    """Put plates on the access list as residents."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with Store.open(data_dir / FILE_NAME) as store:
        for plate in plates:
            entry = Entry(match_key(plate), plate, Verdict.ALLOW, EntryType.RESIDENT, "test")
            store.plates.add(entry, by="test").result(10)


class RunningPod:
    """`with RunningPod(folder, url) as pod:` runs it; leaving stops it with SIGTERM if it still runs.

    Args:
        port: of the local page; 0 takes a free one at every start.
        sections: further settings, by section; `gate` are those of the one gate.
        environment: further variables of the process.
        program: what is run in the place of `platebridge`.
        camera: further settings of the camera.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        port: int = 0,
        sections: Mapping[str, Mapping[str, object]] | None = None,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str | Path] = (PLATEBRIDGE,),
        **camera: object,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self.config = folder / "config.yaml"
        self.log = folder / "pod.log"
        self.environment = {"PATH": os.environ["PATH"]} | dict(environment or {})
        self.program = program
        more = {name: dict(section) for name, section in (sections or {}).items()}
        gate = {"name": "main", "driver": "simulated", "pulse_ms": PULSE_MS, "pause_s": 2}
        settings: dict[str, object] = {
            "data_dir": str(self.data_dir),
            "cameras": [{"name": "entry", "url": url, "gate": "main"} | camera],
            "gates": [gate | more.pop("gate", {})],
            "web": {"port": port} | more.pop("web", {}),
            "access": {"reapproach_s": 5} | more.pop("access", {}),
            "log": {"format": "json", "level": "info"},
            "site": {"clock": "rtc"},  # no time service keeps the clock of a test machine
        }
        settings |= more
        self.config.write_text(json.dumps(settings))  # JSON is YAML
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._browser: urllib.request.OpenerDirector | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        self._log_start = len(self.log.read_text()) if self.log.exists() else 0
        self._browser = None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "pod", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if error is not None and self.log.exists():
            print(self.log.read_text()[-4000:])

    @property
    def address(self) -> str | None:
        """The local page's address, once the log tells it; of the newest start."""
        lines = self.log.read_text()[self._log_start :].splitlines() if self.log.exists() else ()
        for line in lines:
            if "local page at " in line:
                return line.split("local page at ")[1].split('"')[0]
        return None

    def get(self, path: str) -> bytes:
        """One page of the running pod, signed in."""
        if self._browser is None:
            self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            self._browser.open(self.sign_in_link(), timeout=5).close()
        with self._browser.open(f"{self.address}{path}", timeout=5) as answer:
            body: bytes = answer.read()
        return body

    def sign_in_link(self) -> str:
        """Signs one browser in, once."""
        return f"{self.address}signin?token={SignInLink(self.data_dir).make()}"

    def rows(self) -> list[AuditRow]:
        """The audit so far, oldest first; none while the pod still makes its database."""
        try:
            conn = connect_reader(self.data_dir / FILE_NAME)
        except StoreError:
            return []
        try:
            return [row_from(tuple(columns)) for columns in conn.execute(SINCE_SQL, (0, 100_000))]
        finally:
            conn.close()

    def payloads(self, *kinds: str) -> list[dict[str, object]]:
        """What the audit's rows of these kinds hold, oldest first."""
        return [row.payload for row in self.rows() if row.kind in kinds and row.payload is not None]

    def edges(self) -> tuple[Edge, ...]:
        """The gate line's edges so far."""
        return read_edges(trace_path(self.data_dir / "run", "main"))

    def pulses(self) -> list[Edge]:
        return [edge for edge in self.edges() if edge.state == "on"]

    def line_is_active(self) -> bool:
        return line_is_active(trace_path(self.data_dir / "run", "main"))

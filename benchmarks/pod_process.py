"""The shipped `platebridge pod run` as a process, with what it costs and what it wrote."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import StoreError
from pod.domain.plates import match_key
from pod.gate.edge_trace import Edge, read_edges, trace_path
from pod.store.audit import SINCE_SQL, AuditRow, row_from
from pod.store.connection import connect_reader
from pod.store.store import FILE_NAME, Store

_PLATEBRIDGE = Path(sys.executable).with_name("platebridge")
_PULSE_MS = 200
_PAUSE_S = 1.0
"""As short as the settings allow, so that cars may follow each other closely."""

_LONGEST_AUDIT = 1_000_000


def wait_until(condition: Callable[[], object], timeout_s: float, *, what: str) -> None:
    """
    Raises:
        RuntimeError: it did not come about in time.
    """
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            raise RuntimeError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.05)


class PodProcess:
    """`with PodProcess(folder, {"gate": url}, listed=[...]) as pod:` runs one on embedded defaults.

    Each camera has a simulated gate of its own name. Every listed plate is a resident's.

    Args:
        transport: of every camera.
        live: the settings of live video.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Mapping[str, str],
        *,
        listed: Sequence[str] = (),
        transport: Literal["auto", "native", "libav"] = "auto",
        live: Mapping[str, object] | None = None,
    ) -> None:
        self._data_dir = folder / "data"
        self._data_dir.mkdir(parents=True)
        self._log = folder / "pod.log"
        self._config = folder / "config.yaml"
        gate = {"driver": "simulated", "pulse_ms": _PULSE_MS, "pause_s": _PAUSE_S}
        settings = {
            "data_dir": str(self._data_dir),
            "cameras": [
                {"name": name, "url": url, "gate": name, "transport": transport}
                for name, url in cameras.items()
            ],
            "gates": [{"name": name, **gate} for name in cameras],
            "web": {"port": 0},
            "log": {"format": "json"},
            "site": {"clock": "rtc"},
            "live": dict(live or {}),
        }
        self._config.write_text(json.dumps(settings))  # JSON is YAML
        with Store.open(self._data_dir / FILE_NAME) as store:
            for plate in listed:
                entry = Entry(match_key(plate), plate, Verdict.ALLOW, EntryType.RESIDENT, "benchmark")
                store.plates.add(entry, by="benchmark").result(10)

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self.started_wall_s = time.time()
            self._process = subprocess.Popen(
                [_PLATEBRIDGE, "pod", "run", "--config", str(self._config)],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if error is not None:
            print(self._log.read_text()[-4000:], file=sys.stderr)

    def wait_until_playing(self) -> None:
        """Wait until every camera gives frames.

        Raises:
            RuntimeError: not within a minute, or the pod ended.
        """
        wait_until(self._is_well, 60, what="the pod's start")

    def rows(self) -> list[AuditRow]:
        """The audit so far, oldest first."""
        try:
            conn = connect_reader(self._data_dir / FILE_NAME)
        except StoreError:
            return []
        try:
            return [row_from(tuple(columns)) for columns in conn.execute(SINCE_SQL, (0, _LONGEST_AUDIT))]
        finally:
            conn.close()

    def edges(self, gate: str) -> tuple[Edge, ...]:
        return read_edges(trace_path(self._data_dir / "run", gate))

    def frames_by_fate(self) -> dict[str, float]:
        """How many frames the pod read, found still, or passed over, since its start."""
        lines = self._get("metrics").decode().splitlines()
        counted = [line.rsplit(" ", 1) for line in lines if line.startswith("platebridge_frames_total{")]
        fates = [(name.split('fate="')[1].split('"')[0], float(count)) for name, count in counted]
        return {fate: sum(count for f, count in fates if f == fate) for fate, _ in fates}

    def cpu_s(self) -> float:
        """Processor time of the pod and its guard so far."""
        return cpu_s(self._process.pid)

    def rss_bytes(self) -> int:
        """Resident memory of the pod and its guard; what they share counts twice."""
        return sum(process.memory_info().rss for process in _family(self._process.pid))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> str:
        """Where the local page is, once the pod plays."""
        return self._said_after("local page at ") or ""

    @property
    def audience(self) -> str:
        """How stream tokens name this pod, once it plays."""
        return (self._said_after("name this POD ") or "").split(" as their audience")[0]

    def _said_after(self, words: str) -> str | None:
        """The rest of the first log line with these words; None while there is none."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the pod ended: {self._log.read_text()[-2000:]}")
        for line in self._log.read_text().splitlines():
            if words in line:
                return line.split(words)[1].split('"')[0]
        return None

    def _is_well(self) -> bool:
        """Whether every part is; not while a camera still connects, nor before the page answers."""
        try:
            return self.address != "" and json.loads(self._get("healthz"))["status"] == "ok"
        except urllib.error.URLError:
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=5) as answer:
            body: bytes = answer.read()
        return body


def cpu_s(pid: int) -> float:
    """Processor time of a process and its children so far."""
    return sum(sum(process.cpu_times()[:2]) for process in _family(pid))


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]

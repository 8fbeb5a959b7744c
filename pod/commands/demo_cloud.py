"""The demo with a cloud beside the POD: a plate added there opens the gate, and the audit arrives there."""

import importlib.util
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pod.commands.demo_camera import DemoCamera
from pod.commands.demo_check import CheckResult
from pod.commands.demo_words import answer_of
from pod.domain.errors import ConfigError
from pod.runtime.broadcast import Event
from sync.agent.enroll import enroll
from sync.agent.identity_error import IdentityError

COMMUNITY = "home"
START_TIMEOUT_S = 90.0
ASK_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
LOOK_EVERY_S = 1.0
_LATEST_ROWS = 200


@dataclass(frozen=True, slots=True)
class DemoCloud:
    """A cloud that runs in a process of its own; everything is asked by its own command line."""

    folder: Path
    portal: str
    broker: str

    def ask(self, *words: str) -> str:
        """What `platebridge cloud ...` prints.

        Raises:
            ConfigError: it fails; the text is its own.
        """
        done = subprocess.run(
            [*_PROGRAM, "cloud", *words, "--embedded", str(self.folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise ConfigError(f"the demo's cloud: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


_PROGRAM = (sys.executable, "-m", "pod.cli")


@contextmanager
def cloud_folder(data_dir: Path | None) -> Iterator[Path]:
    """Where the demo's cloud keeps everything: beside the POD's data directory, or forgotten afterwards.

    Not in it: where root runs this, the database has an account of its own, which may not enter there.
    """
    if data_dir is not None:
        yield data_dir.with_name(f"{data_dir.name}-cloud")
        return
    with tempfile.TemporaryDirectory(prefix="platebridge-cloud-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "cloud"


@contextmanager
def demo_cloud(folder: Path, console: Console) -> Iterator[DemoCloud]:
    """A cloud in this folder for as long as the block runs.

    Raises:
        ConfigError: its packages are missing, or it does not start.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigError("the cloud's packages are not installed: run `./scripts/demo.sh --cloud`")
    console.print("Starting a cloud: database, broker and services; the first time takes some seconds.")
    # Its own group: Ctrl-C is for the demo, which then ends its cloud in order.
    process = subprocess.Popen(
        [*_PROGRAM, "cloud", "run", "--embedded", str(folder), "--port", "0", "--broker-port", "0", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said = _first_line(process)
        threading.Thread(target=_drain, args=(process,), name="demo-cloud", daemon=True).start()
        places = json.loads(said)
        yield DemoCloud(folder, places["portal"], places["broker"])
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def join_cloud(cloud: DemoCloud, data_dir: Path, console: Console) -> str:
    """Enroll the POD of this data directory; returns its id there."""
    line = cloud.ask("pod", "add")
    try:
        identity = enroll(
            data_dir,
            line.split()[-1],
            name="Demo gate",
            new_key=False,
            say=lambda text: console.print(text, style="dim", soft_wrap=True, markup=False),
        )
    except IdentityError as error:
        raise ConfigError(f"the demo's POD was not enrolled: {error}") from None
    return identity.pod


class CloudCheck(CheckResult):
    """Whether a plate that was added in the cloud opened the gate, and the cloud heard of it."""

    def __init__(self, file: str | None, cloud: DemoCloud, console: Console) -> None:
        """
        Args:
            file: as that of `CheckResult`.
        """
        super().__init__(file)
        self._cloud = cloud
        self._console = console
        self._stranger = ""
        """The plate that was turned away first, and then added in the cloud."""
        self._is_added = self._is_verified = False
        self._opened_s: float | None = None
        self._arrived_s: float | None = None
        self._cloud_rows = 0

    def take(self, event: Event) -> None:
        """Note an event, and act on it; never blocks."""
        super().take(event)
        answer = answer_of(event)
        if answer is None:
            return
        if not self._stranger and answer.verdict == "deny" and answer.reason == "not_listed":
            self._stranger = answer.plate
            self._start(self._add)
        elif answer.plate == self._stranger and answer.verdict == "allow" and self._opened_s is None:
            self._opened_s = time.monotonic()
            self._start(self._wait_for_audit)

    @property
    def missing(self) -> list[str]:
        """What is still waited for, in words."""
        steps = (
            (bool(self._stranger), "a car that is not let in"),
            (self._is_added, "its plate on the cloud's list"),
            (self._opened_s is not None, "the gate opening for it"),
            (self._arrived_s is not None, "the audit of it in the cloud"),
            (self._is_verified, "the proof of that audit"),
        )
        return [words for is_done, words in steps if not is_done]

    def report(self, camera: DemoCamera) -> dict[str, object]:
        """The JSON line of --check."""
        told = super().report(camera) | {
            "portal": self._cloud.portal,
            "broker": self._cloud.broker,
            "plate": self._stranger,
            "cloud_rows": self._cloud_rows,
            "cloud_audit_verified": self._is_verified,
        }
        if self._opened_s is not None and self._arrived_s is not None:
            told["audit_arrived_after_s"] = round(self._arrived_s - self._opened_s, 1)
        return told

    def _start(self, step: Callable[[], None]) -> None:
        threading.Thread(target=self._run, args=(step,), name="demo-cloud-ask", daemon=True).start()

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (ConfigError, subprocess.TimeoutExpired, ValueError) as error:
            self.fault = str(error)

    def _add(self) -> None:
        said = self._cloud.ask("plates", "add", COMMUNITY, self._stranger, "--label", "Added in the cloud")
        self._is_added = True
        self._tell(f"In the cloud: {said.strip()} It opens when the car comes again.")

    def _wait_for_audit(self) -> None:
        while True:
            rows = [json.loads(line) for line in self._rows()]
            if any(self._is_the_opening(row) for row in rows):
                break
            time.sleep(LOOK_EVERY_S)
        self._arrived_s = time.monotonic()
        self._cloud_rows = max(row["seq"] for row in rows)
        proof = self._cloud.ask("audit", "verify", COMMUNITY)
        self._is_verified = True
        self._tell(f"In the cloud: the audit arrived. {proof.strip()}")

    def _rows(self) -> Sequence[str]:
        words = ("audit", "list", COMMUNITY, "--json", "--limit", str(_LATEST_ROWS))
        return self._cloud.ask(*words).splitlines()

    def _is_the_opening(self, row: dict[str, object]) -> bool:
        payload = row["payload"]
        if not isinstance(payload, dict):
            return False
        return payload.get("plate") == self._stranger and payload.get("verdict") == "allow"

    def _tell(self, text: str) -> None:
        self._console.print(text, style="cyan", soft_wrap=True, markup=False)


def _first_line(process: subprocess.Popen[str]) -> str:
    """What it says once it is ready.

    Raises:
        ConfigError: it ended, or says nothing for too long; with what it said instead.
    """
    if process.stdout is None:
        raise ConfigError("the demo's cloud did not start: nothing can be read from it")
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.terminate()
        _, complaint = process.communicate(timeout=STOP_TIMEOUT_S)
        last = complaint.strip().splitlines()[-1:] or [f"no word within {START_TIMEOUT_S:.0f} s"]
        raise ConfigError(f"the demo's cloud did not start: {last[0]}")
    return line


def _drain(process: subprocess.Popen[str]) -> None:
    """Read what it says, so that it is never held up by a full pipe."""
    if process.stderr is not None:
        for _ in process.stderr:
            pass

"""`platebridge cloud run --embedded`: the shipped process, and what becomes of it when parts are killed."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from cloud_database import memory

PROGRAM = (sys.executable, "-m", "pod.cli", "cloud")
START_S = 90


def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until it holds; AssertionError where it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.05)


def cloud(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=START_S, check=False)


class RunningCloud:
    """One that runs, until it is ended."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*PROGRAM, "run", "--embedded", str(folder), "--json", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=10)[1]
        self.places = json.loads(line)

    def is_ready(self) -> bool:
        """Whether the portal says that broker and database are there."""
        context = ssl.create_default_context(cafile=self.folder / "certificates" / "ca.crt")
        try:
            with urllib.request.urlopen(
                f"{self.places['portal']}/api/health/ready", context=context, timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def child(self, name: str) -> psutil.Process:
        """The process of that name below this folder: the database leaves its parent."""
        for process in psutil.process_iter(["name", "cmdline"]):
            words = " ".join(process.info["cmdline"] or ())
            if process.info["name"] == name and str(self.folder) in words:
                return process
        raise AssertionError(f"no {name} of {self.folder} runs")

    def has(self, name: str, *, but: int = 0) -> bool:
        """Whether one of that name runs, other than this one."""
        try:
            return self.child(name).pid != but
        except AssertionError:
            return False

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it in order; its exit status, and what it complained of."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, complaint = self.process.communicate(timeout=60)
        return self.process.returncode, complaint


@contextmanager
def running(folder: Path, *words: str) -> Iterator[RunningCloud]:
    one = RunningCloud(folder, *words)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
            try:
                one.process.wait(30)
            except subprocess.TimeoutExpired:
                one.process.kill()
        one.process.wait()
        for pipe in (one.process.stdout, one.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the database's account may enter, for a cloud that every test of this file starts."""
    folder = Path(tempfile.mkdtemp(prefix="platebridge-cloud-", dir=memory()))
    folder.chmod(0o711)
    yield folder / "cloud"
    shutil.rmtree(folder, ignore_errors=True)


def test_it_starts_is_ready_survives_kills_of_its_parts_and_keeps_everything(place: Path) -> None:
    with running(place, "--port", "0", "--broker-port", "0") as one:
        until(one.is_ready)
        added = cloud("plates", "add", "home", "BAB 123", "--embedded", str(place))
        assert added.returncode == 0, added.stderr
        for name in ("nats-server", "postgres"):
            victim = one.child(name).pid
            os.kill(victim, signal.SIGKILL)
            until(lambda name=name, victim=victim: one.has(name, but=victim))
            until(one.is_ready, 60)
        first = one.places
        code, complaint = one.end(signal.SIGINT)
        assert code == 0, complaint
        assert not one.has("nats-server")
        assert not one.has("postgres")
    with running(place) as again:
        assert again.places == first
        until(again.is_ready)
        assert "BAB123" in cloud("plates", "list", "home", "--embedded", str(place)).stdout


def test_a_join_string_is_for_this_cloud_and_its_pods_are_listed(place: Path) -> None:
    with running(place, "--port", "0", "--broker-port", "0") as one:
        line = cloud("pod", "add", "--embedded", str(place))
        assert line.returncode == 0, line.stderr
        assert line.stdout.startswith("platebridge pod enroll PB1-")
        data_dir = place.parent / "pod"
        data_dir.mkdir()
        done = subprocess.run(
            [*PROGRAM[:-1], *line.stdout.split()[1:], "--data-dir", str(data_dir), "--name", "North"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        shown = cloud("pod", "list", "--embedded", str(place)).stdout
        assert "North  at home: offline, never heard of; no list yet; 0 audit rows" in shown
        pod = shown.split()[0]
        assert cloud("pod", "revoke", pod, "--embedded", str(place)).returncode == 0
        assert "REVOKED" in cloud("pod", "list", "--embedded", str(place)).stdout
        assert one.is_ready()


def test_a_port_that_is_taken_is_named_and_nothing_is_left_running(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option, mend in (
            ("--port", "choose another address or port"),
            ("--broker-port", "choose another --broker-port"),
        ):
            other = ("--broker-port", "0") if option == "--port" else ("--port", "0")
            ended = cloud("run", "--embedded", str(place), "--json", option, port, *other)
            assert ended.returncode == 2, ended.stdout
            assert mend in ended.stderr
            assert "Traceback" not in ended.stderr
    assert not any(
        str(place) in " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid()
    )


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        pytest.param(("run", "--embedded", "/proc/cloud"), "a folder that this user may write", id="folder"),
        pytest.param(("run", "--embedded", "x", "--host", "a b"), "no name or address", id="host"),
        pytest.param(("pod", "add", "--embedded", "nowhere"), "no cloud was run here", id="no-cloud"),
    ],
)
def test_what_cannot_be_is_told_with_the_mend(tmp_path: Path, words: tuple[str, ...], mend: str) -> None:
    ended = subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert ended.returncode == 2
    assert mend in ended.stderr
    assert "Traceback" not in ended.stderr

"""What the pod tells systemd, heard on a real datagram socket."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod.runtime.heartbeat import Heartbeats
from pod.runtime.sd_notify import SystemdNotifier
from pod.runtime.slow_start import make_slowly
from pod.runtime.watchdog import feed_watchdog


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(10)

    def environ(self, **more: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address, **more}

    def heard(self) -> str:
        """The next message; waits for it."""
        return self._socket.recv(4096).decode()

    async def hears(self) -> str:
        return await asyncio.to_thread(self.heard)

    def drain(self) -> int:
        """Take what lies there; how many messages."""
        self._socket.setblocking(False)
        count = 0
        try:
            while self._socket.recv(4096):
                count += 1
        except BlockingIOError:
            return count
        finally:
            self._socket.settimeout(10)
        return count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = tmp_path / "notify"
    manager = Manager(str(path) if request.param == "path" else f"@platebridge-test-{os.getpid()}")
    yield manager
    manager.close()


def test_start_and_stop_are_told_in_systemds_words(manager: Manager) -> None:
    notifier = SystemdNotifier(manager.environ())
    notifier.ready("2 cameras,\n1 gate")
    notifier.watchdog()
    notifier.stopping()
    assert [manager.heard() for _ in range(3)] == [
        "READY=1\nSTATUS=2 cameras, 1 gate",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_without_systemd_nothing_is_sent_and_nothing_fails() -> None:
    notifier = SystemdNotifier({})
    notifier.ready("up")
    assert notifier.watchdog_interval_s is None


def test_a_manager_that_is_gone_or_does_not_listen_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("up")
    assert "systemd was not told READY" in caplog.text
    deaf = Manager(str(tmp_path / "deaf"))
    notifier = SystemdNotifier(deaf.environ())
    for _ in range(2000):  # More than the socket's queue takes.
        notifier.watchdog()
    deaf.close()


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        pytest.param({"WATCHDOG_USEC": "3000000"}, 1.5, id="half of what is allowed"),
        pytest.param({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5, id="meant for us"),
        pytest.param({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None, id="meant for another"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="not a number"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="zero"),
    ],
)
def test_the_watchdogs_interval_comes_from_systemd(environ: dict[str, str], interval_s: float | None) -> None:
    assert SystemdNotifier(environ).watchdog_interval_s == interval_s


async def test_the_watchdog_is_fed_only_while_every_part_is_fresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    now_s = 100.0
    heartbeats = Heartbeats(clock_s=lambda: now_s)
    heartbeats.register("store", 1000)
    camera = heartbeats.register("camera front", 5)
    notifier = SystemdNotifier(manager.environ(WATCHDOG_USEC="20000"))
    feeding = asyncio.create_task(feed_watchdog(notifier, heartbeats), name="watchdog")
    try:
        assert await manager.hears() == "WATCHDOG=1"
        now_s += 6
        async with asyncio.timeout(10):
            while "no sign of life from: camera front" not in caplog.text:
                await asyncio.sleep(0.005)
        manager.drain()
        await asyncio.sleep(0.1)  # Ten intervals of silence are the observation itself.
        assert manager.drain() == 0
        assert caplog.text.count("no sign of life") == 1
        camera.beat()
        assert await manager.hears() == "WATCHDOG=1"
        assert "back from: camera front" in caplog.text
    finally:
        feeding.cancel()
        manager.close()


class Part:
    """Something that takes until `go` to make."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.is_closed = False

    def made(self) -> "Part":
        assert self.go.wait(20)
        return self

    def close(self) -> None:
        self.is_closed = True


async def test_a_slow_start_is_extended_while_it_gives_signs_of_life_and_no_longer(manager: Manager) -> None:
    now_s, part = [0.0], Part()
    heartbeat = Heartbeats(clock_s=lambda: now_s[0]).register("store", 15)
    notifier = SystemdNotifier(manager.environ())
    making = asyncio.create_task(
        make_slowly(part.made, notifier=notifier, heartbeat=heartbeat, every_s=0.005)
    )
    for _ in range(3):
        assert await manager.hears() == "EXTEND_TIMEOUT_USEC=60000000"
    now_s[0] = 16
    await asyncio.sleep(0.05)  # a word that was on its way
    manager.drain()
    await asyncio.sleep(0.05)
    assert manager.drain() == 0
    heartbeat.beat()
    assert await manager.hears() == "EXTEND_TIMEOUT_USEC=60000000"
    part.go.set()
    assert await making is part
    assert not part.is_closed


async def test_a_start_that_is_cancelled_lets_go_of_what_came_of_it(manager: Manager) -> None:
    part = Part()
    heartbeat = Heartbeats().register("store", 15)
    notifier = SystemdNotifier(manager.environ())
    making = asyncio.create_task(make_slowly(part.made, notifier=notifier, heartbeat=heartbeat))
    await manager.hears()
    making.cancel()
    await asyncio.sleep(0)
    part.go.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert part.is_closed

"""The relay and a receiver that shares no code with it, GStreamer's webrtcbin: it reads the number drawn."""

import asyncio
import json
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from camera_fixtures import FPS
from live_fixtures import live_camera, live_video
from relay_fixtures import LENGTH, MadeUpCamera, until_soon

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("webrtcbin_receiver.py")


def absence() -> str | None:
    """Why there is no webrtcbin here; None where there is."""
    elements = ("webrtcbin", "nicesrc", "openh264dec", "rtph264depay", "h264parse")
    probe = (
        "import gi\n"
        "for one in ('Gst', 'GstSdp', 'GstWebRTC'): gi.require_version(one, '1.0')\n"
        "from gi.repository import Gst, GstSdp, GstWebRTC\n"
        "Gst.init(None)\n"
        f"raise SystemExit(not all(Gst.ElementFactory.find(one) for one in {elements}))"
    )
    try:
        done = subprocess.run([PYTHON, "-c", probe], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else "apt install gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0"


_absence = absence()
pytestmark = pytest.mark.skipif(_absence is not None, reason=f"needs GStreamer: {_absence}")


class Webrtcbin:
    """The receiver's process, and what it saw."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self.numbers: list[int] = []
        self.times_s: list[float] = []

    async def offer(self) -> str:
        """Its SDP; it begins DTLS: its certificate is an RSA one, which aiortc takes from clients only."""
        offer = str(json.loads(await self._output.readline())["offer"])
        return offer.replace("a=setup:actpass", "a=setup:active")

    async def take(self, answer: str) -> None:
        self._input.write(json.dumps({"answer": answer}).encode() + b"\n")
        await self._input.drain()

    async def watch(self) -> None:
        """Note every picture until the process ends."""
        while line := await self._output.readline():
            told = json.loads(line)
            self.numbers.append(told["number"])
            self.times_s.append(told["time_s"])

    async def end(self) -> None:
        self._input.close()
        await self._process.wait()


@pytest.fixture
async def receiver() -> AsyncIterator[Webrtcbin]:
    process = await asyncio.create_subprocess_exec(PYTHON, str(SCRIPT), stdin=PIPE, stdout=PIPE)
    made = Webrtcbin(process)
    yield made
    if process.returncode is None:
        await made.end()


async def test_an_independent_receiver_shows_every_picture_in_turn(receiver):
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        answer = await live.offer("gate", await receiver.offer(), viewer="anna", lease_s=60.0)
        await receiver.take(answer.sdp)
        watching = asyncio.create_task(receiver.watch())
        await until_soon(lambda: len(receiver.numbers) >= 2 * FPS, timeout_s=15.0)
        await receiver.end()
        await watching
    steps = [(later - one) % LENGTH for one, later in pairwise(receiver.numbers)]
    assert set(steps) == {1}
    assert receiver.times_s == sorted(receiver.times_s)

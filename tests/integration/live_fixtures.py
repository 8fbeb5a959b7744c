"""What the tests of live sessions share: live video of made-up cameras, and aiortc as the viewer."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from relay_fixtures import FACTS, MadeUpCamera, number_in, until_soon

from pod.config import CameraConfig
from pod.domain.errors import LiveError
from pod.media.live.limits import LiveLimits
from pod.media.live.service import LiveCamera, LiveVideo
from pod.media.live.sessions import EndedSession, IceServer, LiveAnswer
from pod.media.state import CameraState

PLAYING = CameraState("playing", "", "fresh frames come in")
CHROMIUM = (Path(__file__).parents[1] / "offers" / "chromium.sdp").read_text()
"""An offer that nobody stands behind: what it is answered waits in vain."""


def live_camera(
    camera: MadeUpCamera, name: str = "gate", *, state: Callable[[], CameraState] = lambda: PLAYING
) -> LiveCamera:
    """`camera` as live video knows it."""
    return LiveCamera(
        config=CameraConfig(name=name, url="rtsp://192.0.2.1/", gate="main"),
        packets=camera.packets,
        units=camera.units,
        facts=lambda: FACTS,
        state=state,
    )


@contextlib.contextmanager
def live_video(
    *cameras: LiveCamera,
    limits: LiveLimits | None = None,
    ice_servers: tuple[IceServer, ...] = (),
) -> Iterator[LiveVideo]:
    """Running live video; it must end in time."""
    live = LiveVideo(cameras, limits=limits, ice_servers=lambda: ice_servers)
    live.start()
    try:
        yield live
    finally:
        assert live.close(), "live video did not end in time"


def without_candidates(sdp: str) -> str:
    """As a browser's offer that was posted before anything was gathered."""
    return re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", sdp)


async def refusal(asked: Awaitable[object]) -> LiveError:
    """The error that `asked` ends with."""
    with pytest.raises(LiveError) as caught:
        await asked
    return caught.value


class Ends:
    """How sessions ended, oldest first."""

    def __init__(self, live: LiveVideo) -> None:
        self.all: list[EndedSession] = []
        live.on_ended(self.all.append)

    @property
    def reasons(self) -> list[str]:
        return [end.reason for end in self.all]


class Watcher:
    """A viewer as aiortc makes one, on the test's own loop."""

    def __init__(self, *, audio_first: bool = False) -> None:
        self.numbers: list[int] = []
        self.sizes: set[tuple[int, int]] = set()
        self.peer = RTCPeerConnection()
        if audio_first:
            self.peer.addTransceiver("audio", direction="recvonly")
        self.peer.addTransceiver("video", direction="recvonly")
        self.peer.on("track", self._on_track)
        self._reading: list[asyncio.Task[None]] = []

    async def offer(self) -> str:
        """Its offer's SDP."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def take(self, answer: LiveAnswer) -> None:
        """Go on with the answer."""
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))

    async def watch(
        self, live: LiveVideo, camera: str = "gate", *, viewer: str = "anna", lease_s: float = 60.0
    ) -> LiveAnswer:
        """Offer, answer, and wait for the first picture."""
        answer = await live.offer(camera, await self.offer(), viewer=viewer, lease_s=lease_s)
        await self.take(answer)
        await self.first_picture()
        return answer

    async def first_picture(self) -> None:
        await until_soon(lambda: self.numbers)

    def pull_the_plug(self) -> None:
        """Neither send nor hear anything from now on, without a word."""
        for protocol in self.peer.getTransceivers()[0].receiver.transport.transport._connection._protocols:
            protocol.transport.abort()

    async def leave(self) -> None:
        await self.peer.close()
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        self._reading.clear()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reading.append(asyncio.ensure_future(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                picture = await track.recv()
                if isinstance(picture, av.VideoFrame):
                    self.numbers.append(number_in(picture))
                    self.sizes.add((picture.width, picture.height))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

"""What the relay's tests share: a camera that publishes packets, and real receivers beside the sender."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from types import TracebackType
from typing import Self

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, rtp
from aiortc.mediastreams import MediaStreamError
from camera_fixtures import BLOCK_PX, FPS, NUMBER_BITS, numbered_picture

from pod.config import CameraConfig
from pod.media.fanout import AccessUnitFanout
from pod.media.frame import AccessUnit
from pod.media.live.aiortc_private import OwnSender
from pod.media.live.relay import CameraRelay
from pod.media.live.viewer import Viewer
from pod.media.packetize import packetize
from pod.media.packets import PacketBatch, PacketFanout
from pod.media.stream_facts import StreamFacts

FACTS = StreamFacts("h264", "42c01f", False, 320, 240, "native")
SIZE = (320, 240)
LENGTH = 50
"""Pictures of the clip, numbered from 0; a keyframe every `FPS` of them."""


@cache
def numbered_units(
    codec: str = "libx264", b_frames: int = 0, *, size: tuple[int, int] = SIZE
) -> tuple[AccessUnit, ...]:
    """`LENGTH` access units in sending order, each a numbered picture; two GOPs."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", FPS, Fraction(1, FPS)
    encoder.gop_size, encoder.max_b_frames = FPS, b_frames
    quiet = {"x265-params": "log-level=error:repeat-headers=1"} if codec == "libx265" else {}
    encoder.options = {"preset": "ultrafast", **quiet} | ({} if b_frames else {"tune": "zerolatency"})
    encoded = []
    for number in range(LENGTH):
        picture = av.VideoFrame.from_ndarray(numbered_picture(number, *size), format="rgb24")
        picture.pts = number
        encoded += encoder.encode(picture)
    encoded += encoder.encode()
    kind = "hevc" if codec == "libx265" else "h264"
    return tuple(
        AccessUnit(bytes(packet), kind, packet.is_keyframe, (packet.pts or 0) / FPS, 0.0)
        for packet in encoded
    )


def number_in(picture: av.VideoFrame) -> int:
    """The number that `numbered_picture` wrote into a decoded picture."""
    luma = picture.to_ndarray(format="gray")
    row = luma[BLOCK_PX // 2, BLOCK_PX // 2 :: BLOCK_PX][:NUMBER_BITS]
    return sum(1 << bit for bit, level in enumerate(row) if level > 126)


class MadeUpCamera:
    """Publishes the numbered clip without end as a camera's thread does; `with` is its lifetime."""

    def __init__(self, units: Sequence[AccessUnit] | None = None, *, fps: float = FPS) -> None:
        self.packets = PacketFanout()
        self.units = AccessUnitFanout()
        self.session = 1
        self.shift_s = 0.0
        self.sent = 0
        self.clip = units or numbered_units()
        self._fps = fps
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="made-up-camera")

    def publish(self, number: int, *, lost: int = 0) -> None:
        """Send picture `number`, counted on over the clip's end; `lost` packets before it never came."""
        clip = self.clip
        late_s = number // len(clip) * len(clip) / FPS
        unit = clip[number % len(clip)]
        unit = replace(unit, rtp_time_s=unit.rtp_time_s + late_s + self.shift_s, arrival_s=time.monotonic())
        self.units.publish(unit)
        packets = packetize(unit, most_bytes=1400)
        self.packets.publish(PacketBatch(packets, unit.codec, self.session, unit.arrival_s, lost))
        self.sent += 1

    def _run(self) -> None:
        started_s = time.monotonic()
        while not self._done.wait(max(0.0, started_s + self.sent / self._fps - time.monotonic())):
            self.publish(self.sent)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()


def a_relay(
    camera: MadeUpCamera,
    *,
    facts: StreamFacts | Callable[[], StreamFacts] | None = FACTS,
    config: CameraConfig | None = None,
) -> CameraRelay:
    """A relay of `camera` on the running loop."""
    return CameraRelay(
        config or CameraConfig(name="gate", url="rtsp://192.0.2.1/", gate="main"),
        camera.packets,
        units=camera.units,
        facts=facts if callable(facts) else lambda: facts,
        loop=asyncio.get_running_loop(),
    )


class Receiver:
    """A viewer as aiortc knows it, and the sending side of its connection."""

    def __init__(self, relay: CameraRelay, *, rtx: bool = True) -> None:
        """
        Args:
            rtx: whether packets that were lost may come in a stream of their own.
        """
        self.numbers: list[int] = []
        self.pictures: list[av.VideoFrame] = []
        self._relay = relay
        self._sending = RTCPeerConnection()
        transceiver = self._sending.addTransceiver("video", direction="sendonly")
        transceiver.setCodecPreferences(
            [
                codec
                for codec in RTCRtpSender.getCapabilities("video").codecs
                if codec.mimeType in (("video/H264", "video/rtx") if rtx else ("video/H264",))
            ]
        )
        self.rtp_sender = transceiver.sender
        self.sender = OwnSender(transceiver.sender)
        self.viewer: Viewer = relay.attach(self.sender)
        self.peer = RTCPeerConnection()
        self._receiver = self.peer.addTransceiver("video", direction="recvonly").receiver
        self.peer.on("track", self._on_track)
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> Self:
        """Offer and answer; returns when both sides are connected."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        await self._sending.setRemoteDescription(self.peer.localDescription)
        await self._sending.setLocalDescription(await self._sending.createAnswer())
        await self.peer.setRemoteDescription(self._sending.localDescription)
        await until_soon(lambda: self.peer.connectionState == "connected")
        await until_soon(lambda: self.viewer.stats().state != "connecting")
        return self

    async def want_keyframe(self) -> None:
        """Say that nothing can be shown without one (PLI)."""
        await self._receiver._send_rtcp_pli(self.rtp_sender._ssrc)

    def sender_reports(self) -> list[rtp.RtcpSrPacket]:
        """All that come from now on, as they come."""
        reports: list[rtp.RtcpSrPacket] = []
        real = self._receiver._handle_rtcp_packet

        async def handle(packet: rtp.AnyRtcpPacket) -> None:
            if isinstance(packet, rtp.RtcpSrPacket):
                reports.append(packet)
            await real(packet)

        vars(self._receiver)["_handle_rtcp_packet"] = handle
        return reports

    async def close(self) -> None:
        self._relay.detach(self.viewer)
        await self._sending.close()
        await self.peer.close()
        if self._reading is not None:
            await self._reading

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                picture = await track.recv()
                assert isinstance(picture, av.VideoFrame)
                self.pictures.append(picture)
                self.numbers.append(number_in(picture))

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def until_soon(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait on the loop until the condition holds; AssertionError when it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        await asyncio.sleep(0.005)

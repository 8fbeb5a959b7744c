"""One camera's packets to all who watch it: read once, kept from the last keyframe on, sent to each viewer.

    relay = CameraRelay(camera, packets, units=units, facts=facts, loop=loop)
    sender = OwnSender(rtp_sender)
    viewer = relay.attach(sender)
    viewer.stats()
    relay.detach(viewer)
    relay.close()

`rtp_sender` is the RTCRtpSender of a `sendonly` video transceiver (it needs no track), wrapped right after
addTransceiver and before setRemoteDescription, with H.264 first among its codecs. A viewer begins to send by
itself when ICE and DTLS are done, and stops by itself when its connection ends; detach is due even then.
"""

import asyncio
from collections.abc import Callable

from pod.config import CameraConfig
from pod.media.fanout import AccessUnitFanout
from pod.media.live.aiortc_private import OwnSender
from pod.media.live.gop_cache import GopCache
from pod.media.live.inbox import Inbox
from pod.media.live.mode import mode_of
from pod.media.live.timeline import Timeline
from pod.media.live.viewer import Viewer
from pod.media.packetize import refragment
from pod.media.packets import PacketBatch, PacketFanout, VideoPacket
from pod.media.stream_facts import StreamFacts

MOST_PAYLOAD_BYTES = 1152
"""With RTP header, extensions, RTX number and SRTP tag at most 1,200 bytes of UDP, as browsers' own."""

_LOOK_S = 1.0
"""How often the camera's facts are looked at while somebody watches."""


class CameraRelay:
    """Belongs to the loop's thread, the constructor apart. Who may watch, and how many, others decide."""

    def __init__(
        self,
        camera: CameraConfig,
        packets: PacketFanout,
        *,
        units: AccessUnitFanout,
        facts: Callable[[], StreamFacts | None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._camera = camera
        self._packets = packets
        self._units = units
        self._facts = facts
        self._loop = loop
        self._gop = GopCache()
        self._timeline = Timeline()
        self._viewers: list[Viewer] = []
        self._inbox = Inbox(self._drain_soon)
        self._unsubscribe = packets.subscribe(self._inbox.put)
        self._look: asyncio.TimerHandle | None = None
        self._lost = 0

    @property
    def mode(self) -> str:
        """`as_sent`, `transcoded: H.265` (or `B-frames`, `MJPEG`, `masks`), `unplayable: ...`, `unknown`."""
        return mode_of(self._facts(), masked=self._camera.live_masks and bool(self._camera.masks))

    @property
    def viewers(self) -> int:
        """How many are attached."""
        return len(self._viewers)

    def attach(self, sender: OwnSender) -> Viewer:
        """A new viewer; it sends as soon as its connection is there."""
        viewer = Viewer(sender, self._gop, loop=self._loop, on_started=self._drain)
        self._viewers.append(viewer)
        self._inbox.rouse(True)
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """End `viewer`; may be called twice."""
        viewer.end()
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self._viewers:
            self._inbox.rouse(False)

    def close(self) -> None:
        """End all viewers, and take nothing more from the camera; may be called twice."""
        self._unsubscribe()
        self._inbox.close()
        for viewer in tuple(self._viewers):
            self.detach(viewer)

    def _drain_soon(self) -> None:
        """Called on the camera's thread."""
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        """Take what the camera sent, keep it, and give it to every viewer."""
        fitted: list[VideoPacket] = []
        for batch in self._inbox.take():
            fitted += self._fitted(batch)
        if fitted:
            self._gop.add(fitted)
            for viewer in tuple(self._viewers):
                viewer.give(fitted)

    def _fitted(self, batch: PacketBatch) -> list[VideoPacket]:
        """`batch` in packets that fit the path, on the viewers' clock."""
        fitted = []
        for packet in batch.packets:
            timestamp = self._timeline.place(packet.timestamp, batch.session, arrival_s=batch.arrival_s)
            for part in refragment(packet, most_bytes=MOST_PAYLOAD_BYTES, codec=batch.codec):
                fitted.append(VideoPacket(part.payload, part.marker, timestamp, part.starts_keyframe))
        return fitted

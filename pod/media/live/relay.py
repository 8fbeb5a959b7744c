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
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

from pod.config import CameraConfig
from pod.media.fanout import AccessUnitFanout
from pod.media.live.aiortc_private import OwnSender
from pod.media.live.gop_cache import GopCache
from pod.media.live.inbox import Inbox
from pod.media.live.mode import UNKNOWN, mode_of, transcodes
from pod.media.live.refit import refit
from pod.media.live.sessions import RelayCounts
from pod.media.live.timeline import Timeline
from pod.media.live.transcode import Transcoder
from pod.media.live.viewer import BETWEEN_KEYFRAMES_S, Viewer
from pod.media.packets import PacketBatch, PacketFanout
from pod.media.stream_facts import StreamFacts

log = logging.getLogger(__name__)

MOST_PAYLOAD_BYTES = 1152
"""With RTP header, extensions, RTX number and SRTP tag at most 1,200 bytes of UDP, as browsers' own."""

_LOOK_S = 1.0
"""How often the camera's facts are looked at while somebody watches."""

ENCODE_AGAIN_S = 10.0
"""How long after its start an encoder that a fault has ended is replaced, while somebody watches."""


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
        self._masks = camera.masks if camera.live_masks else ()
        self._units = units
        self._facts = facts
        self._loop = loop
        self._gop = GopCache()
        self._timeline = Timeline()
        self._session: int | None = None
        self._viewers: list[Viewer] = []
        self._inbox = Inbox(self._drain_soon)
        self._unsubscribe = packets.subscribe(self._from_camera)
        self._transcoder: Transcoder | None = None
        self._transcoders = 0
        self._transcoder_from_s = 0.0
        self._encode_skipped = self._encode_corrupt = 0
        self._ordered_s = loop.time() - BETWEEN_KEYFRAMES_S
        self._look: asyncio.TimerHandle | None = None

    @property
    def mode(self) -> str:
        """`as_sent`; `transcoded: ` and why; `unplayable: ` and why; `unknown` while the camera is away."""
        if self._transcoder is not None and self._transcoder.fault is not None:
            return f"unplayable: {self._transcoder.fault}"
        return mode_of(self._facts(), masked=bool(self._masks))

    @property
    def viewers(self) -> int:
        """How many are attached."""
        return len(self._viewers)

    @property
    def counts(self) -> RelayCounts:
        """What was left out since the start; may be asked for from any thread."""
        transcoder = self._transcoder
        skipped, corrupt = (0, 0) if transcoder is None else (transcoder.dropped, transcoder.corrupt)
        return RelayCounts(
            dropped_packets=self._inbox.dropped,
            long_gops=self._gop.forgotten,
            encode_skipped_units=self._encode_skipped + skipped,
            encode_corrupt_units=self._encode_corrupt + corrupt,
        )

    def attach(self, sender: OwnSender) -> Viewer:
        """A new viewer; it sends as soon as its connection is there."""
        viewer = Viewer(
            sender,
            self._gop,
            loop=self._loop,
            on_started=self._drain,
            new_keyframe=self._new_keyframe,
        )
        self._viewers.append(viewer)
        self._inbox.rouse(True)
        if self._look is None:
            self._look_at_facts()
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """End `viewer`; may be called twice."""
        viewer.end()
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self._viewers:
            self._inbox.rouse(False)
            self._stop_transcoder()
            if self._look is not None:
                self._look.cancel()
                self._look = None

    def close(self) -> None:
        """End all viewers, and take nothing more from the camera; may be called twice."""
        self._unsubscribe()
        self._inbox.close()
        for viewer in tuple(self._viewers):
            self.detach(viewer)

    def _look_at_facts(self) -> None:
        """Encode anew where the camera's stream needs it, or no longer; comes again every second."""
        self._look = self._loop.call_later(_LOOK_S, self._look_at_facts)
        mode = mode_of(self._facts(), masked=bool(self._masks))
        if mode == UNKNOWN:
            self._gop.clear()  # it would be shown as now to whoever asks for a keyframe
            return
        if transcodes(mode) == (self._transcoder is not None) and not self._encoding_is_due_again():
            return
        self._stop_transcoder()
        if transcodes(mode):
            self._start_over()
            self._transcoders += 1
            self._transcoder = Transcoder(
                self._camera.name,
                self._units,
                session=-self._transcoders,  # the camera's own count up from 1
                publish=self._inbox.put,
                masks=self._masks,
                most_payload_bytes=MOST_PAYLOAD_BYTES,
            )
            self._transcoder_from_s = self._loop.time()
            self._transcoder.start()

    def _encoding_is_due_again(self) -> bool:
        """Whether a fault has ended the encoder, and the next may begin."""
        failed = self._transcoder is not None and self._transcoder.fault is not None
        return failed and self._loop.time() - self._transcoder_from_s >= ENCODE_AGAIN_S

    def _stop_transcoder(self) -> None:
        """Forget the encoded stream, where there is one: the camera's own goes on."""
        if self._transcoder is not None:
            self._transcoder.stop()
            self._encode_skipped += self._transcoder.dropped
            self._encode_corrupt += self._transcoder.corrupt
            self._transcoder = None
            self._start_over()

    def _start_over(self) -> None:
        """Another stream comes: nothing of the one before may follow its keyframe."""
        self._gop.clear()
        for viewer in self._viewers:
            viewer.start_over()

    def _new_keyframe(self) -> bool:
        """Whether one was ordered: a camera sends its own when it likes, our encoder when it is told."""
        if self._transcoder is None:
            return False
        now_s = self._loop.time()
        if now_s - self._ordered_s >= BETWEEN_KEYFRAMES_S:
            self._ordered_s = now_s
            self._transcoder.want_keyframe()
        return True

    def _from_camera(self, batch: PacketBatch) -> None:
        """Called on the camera's thread. What must not be shown as it is does not get further than this."""
        if batch.codec == "h264" and not self._masks:
            self._inbox.put(batch)

    def _drain_soon(self) -> None:
        """Called on the camera's or the transcoder's thread, which a loop that has ended must not break."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        """Take what came, and pass on what is of the stream that is shown."""
        broken, batches = self._inbox.take()
        if broken:
            self._start_over()
        encoded = None if self._transcoder is None else self._transcoder.session
        for session, together in groupby(batches, lambda batch: batch.session):
            if session != encoded and (encoded is not None or session < 0):
                continue
            if session != self._session:
                self._session = session
                self._start_over()
            self._pass_on(together)

    def _pass_on(self, batches: Iterable[PacketBatch]) -> None:
        """Cut one session's packets to fit the path, put them on the viewers' clock, keep and send them."""
        place = self._timeline.place
        fitted = refit(
            [
                replace(packet, timestamp=place(packet.timestamp, batch.session, arrival_s=batch.arrival_s))
                for batch in batches
                for packet in batch.packets
            ],
            most_bytes=MOST_PAYLOAD_BYTES,
        )
        if not fitted:
            return
        self._gop.add(fitted)
        for viewer in tuple(self._viewers):
            try:
                viewer.give(fitted)
            except Exception:
                log.exception("camera %s: a viewer met a bug; it ends alone", self._camera.name)
                viewer.end()

"""Encodes one camera's video anew for browsers: once for all its viewers, and only while somebody watches."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import av.error
from av.video.frame import PictureType

from pod.config import Polygon
from pod.media.decoder import Decoder, PictureDecoder, StreamDecoder
from pod.media.fanout import AccessUnitFanout
from pod.media.frame import AccessUnit
from pod.media.live.masked import masked
from pod.media.packetize import CLOCK_HZ, packetize
from pod.media.packets import PacketBatch

log = logging.getLogger(__name__)

WAITING_UNITS = 12
"""About half a second; where encoding cannot keep up, it skips to a keyframe."""
MOST_WIDTH_PX, MOST_HEIGHT_PX = 1920, 1080
"""Larger pictures are scaled down: browsers are promised no more, and no small box encodes more."""
KEYFRAME_EVERY = 50
"""Pictures; a viewer who joins late never waits longer."""
RATE_BITS_S = 4_000_000
NICE = 10
"""Reading plates goes first on the processor."""
_WAKE_S = 0.2

_OPTIONS = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "24",
    "maxrate": str(RATE_BITS_S),
    "bufsize": str(RATE_BITS_S),
    "threads": "1",
    "forced-idr": "1",
}


_FURTHEST_S = 5.0
"""A longer way from one picture to the next, or one back, is another session of the camera."""


class Transcoder:
    """One thread from `start` to `stop`; used once.

    Attributes:
        session: the session that its packets carry.
        pictures: encoded so far.
        corrupt: units that could not be decoded.
        fault: what ended it before its time, for people; None while it works.
    """

    def __init__(
        self,
        camera: str,
        units: AccessUnitFanout,
        *,
        session: int,
        publish: Callable[[PacketBatch], None],
        masks: Sequence[Polygon],
        most_payload_bytes: int,
    ) -> None:
        """
        Args:
            publish: takes the encoded packets, on the transcoder's thread; up to one picture more after
                `stop`.
            masks: burnt in; none where empty.
        """
        self.session = session
        self.fault: str | None = None
        self.pictures = 0
        self.corrupt = 0
        self._units = units.subscribe(WAITING_UNITS)
        self._publish = publish
        self._masks = masks
        self._most_payload_bytes = most_payload_bytes
        self._keyframe = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"transcode-{camera}", daemon=True)

    @property
    def dropped(self) -> int:
        """Units that were skipped because encoding could not keep up."""
        return self._units.dropped

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it; returns at once."""
        self._units.close(discard=True)

    def want_keyframe(self) -> None:
        """Make the next picture one that can be decoded alone."""
        self._keyframe.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after `stop`; False when it did not come in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
        try:
            self._encode_all()
        except Exception as error:
            self.fault = f"it cannot be encoded anew: {error}"
            log.error("%s ended by a fault", self._thread.name, exc_info=error)

    def _encode_all(self) -> None:
        encoder: _Encoder | None = None
        for unit, picture in self._pictures():
            size = _fitting_size(picture)
            if encoder is None or not encoder.follows(unit.rtp_time_s, size):
                encoder = _Encoder(size)
            shown = masked(picture, self._masks) if self._masks else picture
            forced = self._keyframe.is_set()
            self._keyframe.clear()
            for encoded in encoder.encode(shown, unit, keyframe=forced):
                packets = packetize(encoded, most_bytes=self._most_payload_bytes)
                self._publish(PacketBatch(packets, "h264", self.session, encoded.arrival_s))
            self.pictures += 1

    def _pictures(self) -> Iterator[tuple[AccessUnit, av.VideoFrame]]:
        """The camera's pictures, until `stop`."""
        decoder: Decoder | None = None
        codec = None
        while not self._units.closed:
            unit = self._units.take(_WAKE_S)
            if unit is None:
                continue
            if decoder is None or unit.codec != codec:
                codec = unit.codec
                decoder = PictureDecoder() if codec == "mjpeg" else StreamDecoder(codec, None)
            try:
                for source, picture in decoder.decode(unit):
                    if not picture.is_corrupt:
                        yield source, picture
            except av.error.FFmpegError:
                self.corrupt += 1


class _Encoder:
    """libx264 for pictures of one size, in the order they are shown."""

    def __init__(self, size: tuple[int, int]) -> None:
        context = av.CodecContext.create("libx264", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, CLOCK_HZ)
        context.gop_size, context.max_b_frames = KEYFRAME_EVERY, 0
        context.options = _OPTIONS
        self._context = context
        self._size = size
        self._last_s: float | None = None

    def follows(self, time_s: float, size: tuple[int, int]) -> bool:
        """Whether a picture of that time and size can be the next one."""
        return size == self._size and (self._last_s is None or 0 < time_s - self._last_s <= _FURTHEST_S)

    def encode(self, picture: av.VideoFrame, unit: AccessUnit, *, keyframe: bool) -> Iterator[AccessUnit]:
        """The units that `picture`, which came in `unit`, becomes; without delay it is one."""
        width, height = self._size
        fitted = picture.reformat(width, height, "yuv420p", threads=1)
        self._last_s = unit.rtp_time_s
        fitted.pts, fitted.time_base = round(unit.rtp_time_s * CLOCK_HZ), self._context.time_base
        # The decoder wrote the camera's own choice there, and the encoder would take it for a wish.
        fitted.pict_type = PictureType.I if keyframe else PictureType.NONE
        for packet in self._context.encode(fitted):
            yield replace(unit, data=bytes(packet), codec="h264", keyframe=packet.is_keyframe)


def _fitting_size(picture: av.VideoFrame) -> tuple[int, int]:
    """Width and height in pixels: as they are, or scaled down; even, as the colours need it."""
    scale = min(1.0, MOST_WIDTH_PX / picture.width, MOST_HEIGHT_PX / picture.height)
    width, height = round(picture.width * scale), round(picture.height * scale)
    return max(2, width - width % 2), max(2, height - height % 2)

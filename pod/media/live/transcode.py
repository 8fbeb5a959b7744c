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
from pod.media.packetize import packetize
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


_NOMINAL_FPS = 25
"""The encoder shares its rate out over pictures by this; cameras' own times may leap."""


class Transcoder:
    """One thread from `start` to `stop`; used once.

    Attributes:
        session: the session that its packets carry.
        corrupt: units that could not be decoded, or not whole.
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

    def _run(self) -> None:
        try:
            self._go_behind()
            self._encode_all()
        except Exception as error:
            self.fault = f"it cannot be encoded anew: {error}"
            log.error("%s ended by a fault", self._thread.name, exc_info=error)

    def _go_behind(self) -> None:
        """Let all others of the POD go first on the processor, where the system lets one."""
        thread = threading.get_native_id()
        try:
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
        except PermissionError:
            log.warning(
                "%s may not lower its priority, and competes with the reading of plates: "
                "allow setpriority in the service's SystemCallFilter",
                self._thread.name,
            )

    def _encode_all(self) -> None:
        encoder: _Encoder | None = None
        for unit, picture in self._pictures():
            size = _fitting_size(picture)
            if encoder is None or encoder.size != size:
                encoder = _Encoder(size)
            shown = masked(picture, self._masks) if self._masks else picture
            forced = self._keyframe.is_set()
            self._keyframe.clear()
            for encoded in encoder.encode(shown, unit, keyframe=forced):
                packets = packetize(encoded, most_bytes=self._most_payload_bytes)
                self._publish(PacketBatch(packets, "h264", self.session, encoded.arrival_s))

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
                    if picture.is_corrupt:
                        self.corrupt += 1
                    else:
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
        context.time_base, context.framerate = Fraction(1, _NOMINAL_FPS), Fraction(_NOMINAL_FPS)
        context.gop_size, context.max_b_frames = KEYFRAME_EVERY, 0
        context.options = _OPTIONS
        self._context = context
        self.size = size
        self._count = 0

    def encode(self, picture: av.VideoFrame, unit: AccessUnit, *, keyframe: bool) -> Iterator[AccessUnit]:
        """The units that `picture`, which came in `unit`, becomes; without delay it is one."""
        width, height = self.size
        fitted = picture.reformat(width, height, "yuv420p", threads=1)
        fitted.pts, fitted.time_base = self._count, self._context.time_base
        self._count += 1
        # The decoder wrote the camera's own choice there, and the encoder would take it for a wish.
        fitted.pict_type = PictureType.I if keyframe else PictureType.NONE
        for packet in self._context.encode(fitted):
            yield replace(unit, data=bytes(packet), codec="h264", keyframe=packet.is_keyframe)


def _fitting_size(picture: av.VideoFrame) -> tuple[int, int]:
    """Width and height in pixels: as they are, or scaled down; even, as the colours need it."""
    scale = min(1.0, MOST_WIDTH_PX / picture.width, MOST_HEIGHT_PX / picture.height)
    width, height = round(picture.width * scale), round(picture.height * scale)
    return max(2, width - width % 2), max(2, height - height % 2)

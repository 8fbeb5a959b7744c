"""Access units to pictures: a running codec for streams, one picture file at a time for folders."""

import errno
import io
from collections.abc import Iterator
from typing import Protocol

import av
import av.error
from av.codec import Codec
from av.codec.context import Flags

from pod.media.frame import AccessUnit

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before any memory is taken for them."""
LIMITS = {"max_pixels": str(MAX_PIXELS)}
"""What libav is told, for whatever it opens."""
MAX_STREAM_PIXELS = 8192 * 4352
"""8K, the largest of both codecs' levels. A running decoder keeps up to 17 pictures, whatever a few bytes of
parameter sets say: 1.2 GB of this size, 2.2 GB of `MAX_PIXELS`."""
STREAM_LIMITS = {"max_pixels": str(MAX_STREAM_PIXELS)}
INPUT_PADDING_BYTES = 64
"""Zeroes that libav's decoders want behind what they read (AV_INPUT_BUFFER_PADDING_SIZE)."""


class Decoder(Protocol):
    """Turns units into pictures; one per session, used by one thread."""

    def decode(self, unit: AccessUnit | None) -> Iterator[tuple[AccessUnit, av.VideoFrame]]:
        """The pictures that `unit` completes, each with the unit it came in; None flushes what is held back.

        Raises:
            av.error.FFmpegError: the unit is damaged; the next call may succeed.
        """
        ...


class StreamDecoder:
    """A running codec: H.264, H.265 and whatever else libav decodes."""

    def __init__(self, codec_name: str, extradata: bytes | None) -> None:
        """
        Args:
            extradata: parameter sets that came beside the stream, in the form the units have.
        """
        self._context = Codec(codec_name, "r").create("video")
        if extradata:
            # PyAV leaves the padding behind it as it was, and decoders read it: a longer one zeroes it.
            self._context.extradata = extradata + bytes(INPUT_PADDING_BYTES)
            self._context.extradata = extradata
        self._context.thread_count = 1
        self._context.options = STREAM_LIMITS
        self._context.flags |= Flags.copy_opaque

    def decode(self, unit: AccessUnit | None) -> Iterator[tuple[AccessUnit, av.VideoFrame]]:
        packet = None
        if unit is not None:
            if not unit.data:
                return  # libav would take it for the end of the stream
            # av.Packet(data) refers to the bytes themselves, and decoders read on behind: one made by size
            # has zeroed padding.
            packet = av.Packet(len(unit.data))
            packet.update(unit.data)
            packet.opaque = unit
        for picture in self._context.decode(packet):
            if isinstance(picture.opaque, AccessUnit):
                yield picture.opaque, picture


class PictureDecoder:
    """Units that are picture files of any kind and size, each complete in itself."""

    def decode(self, unit: AccessUnit | None) -> Iterator[tuple[AccessUnit, av.VideoFrame]]:
        if unit is None:
            return
        with av.open(io.BytesIO(unit.data), mode="r", options=LIMITS) as container:
            if not container.streams.video:
                raise av.error.InvalidDataError(errno.EINVAL, "no picture in it")
            stream = container.streams.video[0]
            stream.codec_context.options = LIMITS
            for picture in container.decode(stream):
                yield unit, picture
                return

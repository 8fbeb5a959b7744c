"""What every source of pictures has in common: one open stream that gives access units in real time."""

from collections.abc import Iterator
from typing import Protocol

from pod.media.decoder import Decoder
from pod.media.frame import AccessUnit, Codec

CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc", "mjpeg": "mjpeg"}


class Session(Protocol):
    """An open stream.

    Attributes:
        live: units come when the camera sends them; False where this process paces them.
    """

    live: bool

    def decoder(self) -> Decoder:
        """A new decoder for this stream's units."""
        ...

    def units(self) -> Iterator[AccessUnit]:
        """Units as they arrive, until the stream ends for good.

        Raises:
            SessionError: the stream broke, or nothing came for too long.
        """
        ...

    def close(self) -> None:
        """Let go of connection and files."""
        ...

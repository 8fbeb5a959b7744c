"""What every source of pictures has in common: one open stream that gives access units in real time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pod.media.decoder import Decoder
from pod.media.frame import AccessUnit, Codec
from pod.media.stream_facts import SessionPath

CODECS: dict[str, Codec] = {"h264": "h264", "hevc": "hevc", "mjpeg": "mjpeg"}


@dataclass(frozen=True, slots=True)
class StreamLosses:
    """What an open stream brought that nobody could use; each only grows.

    Attributes:
        units_damaged: access units left out because something of them is missing or wrong.
        packets_lost: packets that never came.
        packets_refused: packets and reports whose fields cannot be true.
    """

    units_damaged: int = 0
    packets_lost: int = 0
    packets_refused: int = 0


class Session(Protocol):
    """An open stream.

    Attributes:
        live: units come when the camera sends them; False where this process paces them.
        path: how it is read. Of a `native` one the packets, too, are passed on as the camera sent them.
    """

    live: bool
    path: SessionPath

    @property
    def losses(self) -> StreamLosses:
        """What was lost so far; nothing where only libav could know."""
        ...

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

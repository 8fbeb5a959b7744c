"""What is known about the video that a camera sends. Pure."""

from dataclasses import dataclass
from typing import Literal

from pod.media.frame import Codec

SessionPath = Literal["native", "libav", "file"]


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One session's video.

    Attributes:
        profile_level_id: H.264's, six hexadecimal digits in lower case; None where unknown or another codec.
        has_b_frames: whether pictures are sent in another order than shown; None while nothing tells.
        width: in pixels; 0 while unknown.
        height: in pixels; 0 while unknown.
        path: how the stream is read: by the POD's own session, through libav, or from a file.
        has_keyframes: False for H.264 that is renewed bit by bit (intra refresh): decoders may begin at any
            point that it names, browsers do not.
    """

    codec: Codec
    profile_level_id: str | None
    has_b_frames: bool | None
    width: int
    height: int
    path: SessionPath
    has_keyframes: bool = True

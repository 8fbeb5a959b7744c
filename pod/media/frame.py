"""What travels from a camera: compressed access units, and decoded frames that know their age."""

from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation

Codec = Literal["h264", "hevc", "mjpeg", "other"]

UNIT_OVERHEAD_BYTES = 250
"""Memory that a unit takes beside its data, which may be of a few bytes."""

_THREADS = 1
"""libav would start its own for every picture, which costs more than the conversion on a busy box."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One compressed picture, as the camera sent it (Annex B for H.264 and H.265).

    Attributes:
        rtp_time_s: the camera's clock, seconds from an arbitrary start.
        arrival_s: monotonic clock of this machine when the last byte came.
        lag_s: how much later than the session's best it came (`pod.domain.freshness`); at least 0.
        reported_lag_s: how old it was when it came by the camera's own reports; at least 0, and 0 where there
            are none. It can only add to what is measured here.
    """

    data: bytes
    codec: Codec
    keyframe: bool
    rtp_time_s: float
    arrival_s: float
    lag_s: float = 0.0
    reported_lag_s: float = 0.0

    @property
    def held_bytes(self) -> int:
        """Memory that it takes while it is kept."""
        return len(self.data) + UNIT_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture.

    Attributes:
        index: counts decoded frames of this session from 0.
        session: counts the camera's sessions from 1; a reconnect starts the next.
        captured_s: best estimate, on the monotonic clock, of when the camera took it.
        arrival_s: monotonic clock when its access unit arrived.
    """

    camera: str
    session: int
    index: int
    captured_s: float
    arrival_s: float
    picture: av.VideoFrame

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    def luma(self) -> npt.NDArray[np.uint8]:
        """The brightness plane, shape (height, width), uint8; a view where the pixel format has one."""
        plane = self.picture.planes[0]
        if self.picture.format.name in ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "gray", "nv12"):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            return rows[: self.height, : self.width]
        return np.asarray(self.picture.to_ndarray(format="gray"), np.uint8)

    def scaled_rgb(self, height: int, width: int) -> npt.NDArray[np.uint8]:
        """The whole picture at another size, shape (height, width, 3), uint8, RGB; one cheap pass."""
        scaled = self.picture.reformat(
            width, height, "rgb24", interpolation=Interpolation.FAST_BILINEAR, threads=_THREADS
        )
        return np.asarray(scaled.to_ndarray(), np.uint8)

    def rgb(self) -> npt.NDArray[np.uint8]:
        """The whole picture, shape (height, width, 3), uint8, RGB. Converts on every call."""
        return np.asarray(self.picture.reformat(format="rgb24", threads=_THREADS).to_ndarray(), np.uint8)

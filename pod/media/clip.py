"""A video file played as if a camera sent it: in real time, once or without end."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import av
import av.container
import av.error
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from pod.media.decoder import LIMITS, StreamDecoder
from pod.media.faults import SessionError, no_access
from pod.media.frame import AccessUnit
from pod.media.session import CODECS, StreamLosses
from pod.media.stream_facts import SessionPath

LONGEST_GAP_S = 5.0
"""A longer step between two timestamps is an error of the file: one picture's time is played instead."""
FALLBACK_FPS = 25
ANNEX_B_FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}


class ClipSession:
    """Plays one file. Timestamps go on without a step when it starts over."""

    live = False
    path: SessionPath = "file"
    losses = StreamLosses()

    def __init__(self, path: Path, stop: Event, *, loop: bool) -> None:
        """
        Args:
            stop: ends `units` at once when set.

        Raises:
            SessionError: missing, empty, unreadable, no video, or no decoder for it.
        """
        self._path = path
        self._stop = stop
        self._loop = loop
        self._container = _open(path)
        stream = self._container.streams.video[0]
        self._codec = stream.codec_context.name
        self._filter_name = ANNEX_B_FILTERS.get(self._codec)
        self._extradata = None if self._filter_name else stream.codec_context.extradata
        self._frame_s = 1 / float(stream.average_rate or FALLBACK_FPS)

    def decoder(self) -> StreamDecoder:
        return StreamDecoder(self._codec, self._extradata)

    def close(self) -> None:
        self._container.close()

    def units(self) -> Iterator[AccessUnit]:
        """Units at the times the file says.

        Raises:
            SessionError: `corrupt`, the file breaks off.
        """
        start_s = time.monotonic()
        clip_start_s = 0.0
        while True:
            end_s = clip_start_s
            for packet, at_s, shown_s in self._timed_packets(clip_start_s):
                wait_s = start_s + at_s - time.monotonic()
                if self._stop.wait(max(0.0, wait_s)):
                    return
                end_s = at_s + self._frame_s
                yield AccessUnit(
                    data=bytes(packet),
                    codec=CODECS.get(self._codec, "other"),
                    keyframe=packet.is_keyframe,
                    rtp_time_s=shown_s,
                    arrival_s=time.monotonic(),
                )
            if not self._loop or end_s == clip_start_s:
                return
            clip_start_s = end_s
            self._container.close()
            self._container = _open(self._path)

    def _timed_packets(self, clip_start_s: float) -> Iterator[tuple["av.Packet[VideoStream]", float, float]]:
        """One pass: each packet with the times to send and to show it, counted from the first pass."""
        stream = self._container.streams.video[0]
        to_annex_b = BitStreamFilterContext(self._filter_name, stream) if self._filter_name else None
        at_s = clip_start_s
        previous_s: float | None = None
        try:
            for packet in self._container.demux(stream):
                if not packet.size:
                    continue
                stamp = packet.dts if packet.dts is not None else packet.pts
                stamp_s = None if stamp is None else float(stamp * packet.time_base)
                if previous_s is not None:
                    step_s = self._frame_s if stamp_s is None else stamp_s - previous_s
                    at_s += step_s if 0 <= step_s <= LONGEST_GAP_S else self._frame_s
                previous_s = stamp_s if stamp_s is not None else (previous_s or 0.0) + self._frame_s
                reorder_s = 0.0
                if packet.pts is not None and packet.dts is not None:
                    reorder_s = float((packet.pts - packet.dts) * packet.time_base)
                for unit in to_annex_b.filter(packet) if to_annex_b else [packet]:
                    yield unit, at_s, at_s + reorder_s
        except av.error.FFmpegError:
            raise SessionError(
                "corrupt",
                f"{self._path} is damaged {at_s - clip_start_s:.1f} s after its start: copy it again",
            ) from None


def _open(path: Path) -> av.container.InputContainer:
    try:
        size_bytes = path.stat().st_size
        if not os.access(path, os.R_OK):
            raise PermissionError
    except OSError as error:
        raise no_access(path, error) from None
    if size_bytes == 0:
        raise SessionError("corrupt", f"{path} is empty: record or copy it again")
    try:
        container = av.open(str(path), options=LIMITS)
    except av.error.FFmpegError:
        raise SessionError("corrupt", f"{path} is no video, or is cut off: record or copy it again") from None
    if not container.streams.video:
        container.close()
        raise SessionError("no_video", f"{path} has no video in it: use another file")
    if container.streams.video[0].codec_context is None:
        container.close()
        raise SessionError("unsupported_codec", f"no decoder for {path}: convert it to H.264 or H.265")
    return container

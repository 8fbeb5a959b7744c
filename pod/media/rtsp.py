"""One RTSP session through libav: opened within a bound, demuxed once, its units stamped as they arrive."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import av
import av.container
import av.error

from pod.media.decoder import STREAM_LIMITS, StreamDecoder
from pod.media.faults import SessionError
from pod.media.frame import AccessUnit
from pod.media.libav_memory import bound_blocks
from pod.media.location import StreamLocation
from pod.media.parameter_sets import START_CODE, with_parameter_sets
from pod.media.rtsp_faults import fault_of
from pod.media.rtsp_probe import probe
from pod.media.session import CODECS, StreamLosses
from pod.media.stream_facts import SessionPath
from pod.media.timing import RtspTiming

UNTIMED_UNITS = 16
"""A stream may start with this many units that carry no time; more is a fault."""


class RtspSession:
    """An open session with one camera."""

    live = True
    path: SessionPath = "libav"
    losses = StreamLosses()

    def __init__(self, location: StreamLocation, stop: Event, *, timing: RtspTiming) -> None:
        """Connect, log in and start the stream.

        Args:
            stop: ends the attempt, and `units`, when set: within 0.1 s while the camera has not answered
                at all, with the next unit while it plays, and within `timing` where it falls silent.

        Raises:
            SessionError: `unreachable`, `wrong_password`, `not_found`, `unsupported_codec` and others.
        """
        self._shown = location.shown
        self._stop = stop
        self._timing = timing
        bound_blocks()
        probe(location, stop, timeout_s=timing.connect_s)
        self._container = self._open(location.url)
        context = self._container.streams.video[0].codec_context
        self._codec_name = context.name
        self._codec = CODECS.get(context.name, "other")
        self._extradata = context.extradata

    def _open(self, url: str) -> av.container.InputContainer:
        options = {
            "rtsp_transport": "tcp",
            # A single stream keeps libav on the bare RTP clock; with several it mixes in sender reports.
            "allowed_media_types": "video",
            "probesize": "32",
            "analyzeduration": "0",
            "timeout": str(round(self._timing.silence_s * 1e6)),
            **STREAM_LIMITS,
        }
        timeout_s = (self._timing.open_s, self._timing.silence_s)
        started_s = time.monotonic()
        try:
            container = av.open(url, format="rtsp", options=options, timeout=timeout_s)
        except av.error.FFmpegError as error:
            # The chain is cut here because libav's error quotes the address with its password.
            raise fault_of(error, self._shown, waited_s=time.monotonic() - started_s) from None
        problem: SessionError | None = None
        if not container.streams.video:
            problem = SessionError("no_video", f"{self._shown} sends no video: correct the path of the url")
        elif container.streams.video[0].codec_context is None:
            problem = SessionError(
                "unsupported_codec", f"no decoder for the video of {self._shown}: set it to H.264 or H.265"
            )
        if problem is not None:
            container.close()
            raise problem
        return container

    def decoder(self) -> StreamDecoder:
        return StreamDecoder(self._codec_name, self._extradata)

    def close(self) -> None:
        self._container.close()

    def units(self) -> Iterator[AccessUnit]:
        """Units as they arrive; returns only when stopped. Keyframes carry their parameter sets.

        Raises:
            SessionError: `closed` by the camera, `silent`, `no_timestamps` or broken.
        """
        untimed: deque[AccessUnit] = deque()
        rtp_time_s: float | None = None
        for unit, stamp_s in self._arrivals():
            if stamp_s is not None:
                rtp_time_s = stamp_s
            if rtp_time_s is None:
                untimed.append(unit)
                if len(untimed) > UNTIMED_UNITS:
                    raise SessionError(
                        "no_timestamps", f"{self._shown} sends no RTP times: update the camera's firmware"
                    )
                continue
            while untimed:
                early = untimed.popleft()
                yield replace(early, rtp_time_s=rtp_time_s - (unit.arrival_s - early.arrival_s))
            # A unit without a time is the rest of the picture before it.
            yield replace(unit, rtp_time_s=rtp_time_s)

    def _arrivals(self) -> Iterator[tuple[AccessUnit, float | None]]:
        """Units with the time they arrived; their RTP time, where they carry one, beside them."""
        announced = self._extradata or b""
        if START_CODE not in announced[:4]:
            announced = b""
        waiting_since_s = time.monotonic()
        try:
            for packet in self._container.demux(video=0):
                arrival_s = time.monotonic()
                if self._stop.is_set():
                    return
                if not packet.size:
                    continue
                data = bytes(packet)
                if packet.is_keyframe:
                    data = with_parameter_sets(data, self._codec, announced)
                stamp_s = None if packet.pts is None else float(packet.pts * packet.time_base)
                yield AccessUnit(data, self._codec, packet.is_keyframe, 0.0, arrival_s), stamp_s
                waiting_since_s = time.monotonic()
        except av.error.FFmpegError as error:
            waited_s = time.monotonic() - waiting_since_s
            raise fault_of(error, self._shown, waited_s=waited_s, playing=True) from None
        raise SessionError("closed", f"{self._shown} ended the stream: see whether the camera restarted")

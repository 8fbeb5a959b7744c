"""One RTSP session over TCP: opened within a bound, demuxed once, its units stamped as they arrive."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Event

import av
import av.container
import av.error

from pod.media.decoder import StreamDecoder
from pod.media.faults import CameraFault
from pod.media.frame import AccessUnit
from pod.media.location import StreamLocation
from pod.media.rtsp_faults import fault_of
from pod.media.rtsp_probe import probe
from pod.media.session import CODECS

UNTIMED_UNITS = 16
"""A stream may start with this many units that carry no time; more is a fault."""


@dataclass(frozen=True, slots=True)
class RtspTiming:
    """How long a camera may keep us waiting, in seconds.

    Attributes:
        connect_s: for the TCP connection and the first answer, each.
        open_s: for the whole handshake up to PLAY.
        silence_s: between two access units.
    """

    connect_s: float = 3.0
    open_s: float = 8.0
    silence_s: float = 5.0


class RtspSession:
    """An open session with one camera."""

    live = True

    def __init__(self, location: StreamLocation, stop: Event, *, timing: RtspTiming) -> None:
        """Connect, log in and start the stream.

        Args:
            stop: ends the attempt, and `units`, when set; noticed within 0.1 s while nothing was answered yet, and
                within `timing` after that.

        Raises:
            CameraFault: with the reason, such as `unreachable`, `wrong_password`, `not_found`, `unsupported_codec`.
        """
        self._location = location
        self._stop = stop
        self._timing = timing
        probe(location, stop, timeout_s=timing.connect_s)
        self._container = self._open()

    def _open(self) -> av.container.InputContainer:
        options = {
            "rtsp_transport": "tcp",
            # One stream keeps libav on the bare RTP clock: with several it adds the offset of the sender reports.
            "allowed_media_types": "video",
            "probesize": "32",
            "analyzeduration": "0",
            "timeout": str(round(self._timing.silence_s * 1e6)),
        }
        started_s = time.monotonic()
        try:
            container = av.open(
                self._location.url,
                format="rtsp",
                options=options,
                timeout=(self._timing.open_s, self._timing.silence_s),
            )
        except av.error.FFmpegError as error:
            # The chain is cut: libav's error quotes the address with its password.
            raise fault_of(error, self._location.shown, waited_s=time.monotonic() - started_s) from None
        if not container.streams.video:
            container.close()
            raise CameraFault(
                "no_video", f"{self._location.shown} sends no video: correct the path of the camera's url"
            )
        if container.streams.video[0].codec_context is None:
            container.close()
            raise CameraFault(
                "unsupported_codec",
                f"{self._location.shown} sends video that cannot be decoded: set the camera to H.264 or H.265",
            )
        return container

    def decoder(self) -> StreamDecoder:
        context = self._container.streams.video[0].codec_context
        return StreamDecoder(context.name, context.extradata)

    def close(self) -> None:
        self._container.close()

    def units(self) -> Iterator[AccessUnit]:
        """Units as they arrive; returns only when stopped.

        Raises:
            CameraFault: `closed` by the camera, `silent`, or broken.
        """
        untimed: deque[AccessUnit] = deque()
        rtp_time_s: float | None = None
        for unit, stamp_s in self._arrivals():
            if stamp_s is None and rtp_time_s is None:
                untimed.append(unit)
                if len(untimed) > UNTIMED_UNITS:
                    raise CameraFault(
                        "no_timestamps",
                        f"{self._location.shown} sends no RTP times: update the camera's firmware",
                    )
                continue
            # A unit without a time belongs to the picture before it.
            rtp_time_s = stamp_s if stamp_s is not None else rtp_time_s
            assert rtp_time_s is not None
            while untimed:
                early = untimed.popleft()
                yield replace(early, rtp_time_s=rtp_time_s - (unit.arrival_s - early.arrival_s))
            yield replace(unit, rtp_time_s=rtp_time_s)

    def _arrivals(self) -> Iterator[tuple[AccessUnit, float | None]]:
        """Units with the time they arrived; their RTP time, where they carry one, beside them."""
        stream = self._container.streams.video[0]
        codec = CODECS.get(stream.codec_context.name, "other")
        waiting_since_s = time.monotonic()
        try:
            for packet in self._container.demux(stream):
                arrival_s = time.monotonic()
                if self._stop.is_set():
                    return
                if not packet.size:
                    continue
                stamp_s = None if packet.pts is None else float(packet.pts * packet.time_base)
                yield (
                    AccessUnit(
                        data=bytes(packet),
                        codec=codec,
                        keyframe=packet.is_keyframe,
                        rtp_time_s=0.0,
                        arrival_s=arrival_s,
                    ),
                    stamp_s,
                )
                waiting_since_s = time.monotonic()
        except av.error.FFmpegError as error:
            waited_s = time.monotonic() - waiting_since_s
            raise fault_of(error, self._location.shown, waited_s=waited_s, playing=True) from None
        raise CameraFault(
            "closed", f"{self._location.shown} ended the stream: see whether the camera restarted"
        )

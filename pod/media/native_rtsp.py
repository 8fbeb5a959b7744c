"""One RTSP session over TCP, spoken by the POD itself: packets as they come, units without delay."""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event

from pod.media.decoder import StreamDecoder
from pod.media.faults import SessionError
from pod.media.frame import AccessUnit
from pod.media.location import StreamLocation
from pod.media.nal import NalCodec
from pod.media.packets import VideoPacket
from pod.media.rtp.authorization import Login
from pod.media.rtp.rtsp_client import RtspClient, StreamPacket
from pod.media.rtp.sdp import VideoOffer
from pod.media.rtp.video_stream import VideoStream
from pod.media.rtsp_connection import SLICE_S, RtspConnection
from pod.media.session import StreamLosses
from pod.media.stream_facts import SessionPath
from pod.media.timing import RtspTiming

log = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0
FAREWELL_S = 0.2
"""How long the connection may take the last request before it is closed without it."""

OnPackets = Callable[[tuple[VideoPacket, ...], NalCodec, float, int], None]


class NativeRtspSession:
    """An open session with one camera that sends H.264 or H.265."""

    live = True
    path: SessionPath = "native"

    def __init__(
        self, location: StreamLocation, stop: Event, *, timing: RtspTiming, on_packets: OnPackets
    ) -> None:
        """Connect, log in and start the stream.

        Args:
            stop: ends the attempt, and `units`, when set, within 0.1 s.
            on_packets: given packets as they come, their codec, when they came (monotonic), and how many are
                missing right before them. Called within `units`, before the units that they complete.

        Raises:
            SessionError: `unreachable`, `wrong_password`, `not_found`, `redirected` and others.
            NotNativeError: the camera offers what only libav may know.
        """
        self._shown = location.shown
        self._stop = stop
        self._timing = timing
        self._on_packets = on_packets
        self._told_of_markers = False
        login = None
        if location.username:
            login = Login(location.username, location.password, client_nonce=secrets.token_hex(8))
        self._client = RtspClient(location.request_url, location.shown, login=login)
        self._connection = RtspConnection(location, stop, timeout_s=timing.connect_s)
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            self._offer, early = self._open()
            self._stream = VideoStream(self._offer, own_ssrc=secrets.randbits(32))
            self._take(early, time.monotonic())
            undo.pop_all()

    @property
    def losses(self) -> StreamLosses:
        stream = self._stream
        return StreamLosses(
            units_damaged=stream.damaged, packets_lost=stream.lost, packets_refused=stream.refused
        )

    def decoder(self) -> StreamDecoder:
        # Parameter sets come with each keyframe, and every reader starts with one.
        return StreamDecoder(self._offer.codec, None)

    def close(self) -> None:
        self._client.end()
        with contextlib.suppress(OSError, SessionError):
            self._connection.send(self._client.outgoing(), FAREWELL_S)
        self._connection.close()

    def units(self) -> Iterator[AccessUnit]:
        """Units as they arrive; returns only when stopped. Keyframes carry their parameter sets.

        Raises:
            SessionError: `closed` by the camera, `silent` or `corrupt`.
        """
        last_unit_s = now_s = time.monotonic()
        next_report_s = now_s + REPORT_EVERY_S
        while not self._stop.is_set():
            for unit in self._received(now_s):
                last_unit_s = now_s
                yield unit
            self._client.keep_alive(now_s)
            if now_s >= next_report_s:
                next_report_s = now_s + REPORT_EVERY_S
                self._client.report(self._stream.report(now_s))
            data = self._exchange()
            now_s = time.monotonic()
            if data:
                self._take(self._client.receive(data), now_s)
            elif data is not None:
                raise SessionError(
                    "closed", f"{self._shown} broke the connection: check its network and power"
                )
            waited_s = now_s - last_unit_s
            if waited_s > self._timing.silence_s:
                raise SessionError(
                    "silent",
                    f"{self._shown} sent no picture for {waited_s:.0f} s: check its network and power",
                )

    def _open(self) -> tuple[VideoOffer, list[StreamPacket]]:
        """Ask for one thing after the other until the camera plays.

        Returns:
            What it plays, and the packets that came together with its last answer.
        """
        shown, timing = self._shown, self._timing
        heard = False
        started_s = time.monotonic()
        while not self._stop.is_set():
            data = self._exchange()
            waited_s = time.monotonic() - started_s
            if data:
                heard = True
                early = list(self._client.receive(data))
                if self._client.playing and self._client.offer is not None:
                    return self._client.offer, early
            elif data is not None:
                raise _broke_off(shown, heard=heard)
            elif not heard and waited_s > timing.connect_s:
                raise SessionError(
                    "unreachable", f"{shown} takes connections but does not answer them: restart the camera"
                )
            if waited_s > timing.open_s:
                raise SessionError(
                    "unreachable", f"{shown} did not start to play in {waited_s:.0f} s: restart the camera"
                )
        raise SessionError("stopped", "nobody waits for the camera any more")

    def _exchange(self) -> bytes | None:
        """Send what has to be sent; then what came, b"" at the end of the connection, None for nothing."""
        try:
            outgoing = self._client.outgoing()
            if outgoing:
                self._connection.send(outgoing, self._timing.connect_s)
            return self._connection.receive(SLICE_S)
        except OSError:
            return b""

    def _take(self, packets: Iterable[StreamPacket], now_s: float) -> None:
        for packet in packets:
            if packet.control:
                self._stream.take_rtcp(packet.data, now_s)
            else:
                self._stream.take_rtp(packet.data, now_s)

    def _received(self, now_s: float) -> list[AccessUnit]:
        """The units that came, after their packets were passed on."""
        received = self._stream.collect()
        for lost, packets in received.runs:
            self._on_packets(tuple(packets), self._offer.codec, now_s, lost)
        if self._stream.markers_lie and not self._told_of_markers:
            self._told_of_markers = True
            log.warning(
                "%s marks the ends of its pictures wrongly, so that each comes one picture late: "
                "update the camera's firmware",
                self._shown,
            )
        return received.units


def _broke_off(shown: str, *, heard: bool) -> SessionError:
    if heard:
        return SessionError(
            "refused", f"{shown} breaks off the handshake: check rtsp or rtsps, and end its other clients"
        )
    return SessionError(
        "closed", f"{shown} breaks the connection at once: end other clients of the camera, or restart it"
    )

"""A camera written down for tests: real encoded pictures, RTP with anything in its fields, its answers."""

import base64
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np

from pod.media.frame import AccessUnit
from pod.media.nal import NalCodec, nal_units, rules_of
from pod.media.packetize import packetize
from pod.media.packets import VideoPacket

PAYLOAD_TYPE = 96
SSRC = 0x1234
FPS = 25
OK = "200 OK"


@cache
def pictures(
    frames: int = 10,
    *,
    codec: NalCodec = "h264",
    size: tuple[int, int] = (160, 120),
    gop: int = 5,
    intra_refresh: bool = False,
) -> tuple[AccessUnit, ...]:
    """Encoded pictures of growing brightness, parameter sets before each keyframe, no B-frames.

    Args:
        intra_refresh: H.264 without keyframes but the first: each part of a picture is renewed within `gop`.
    """
    context = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.framerate = FPS
    context.time_base = Fraction(1, 90_000)
    context.gop_size = gop
    context.options = (
        {"tune": "zerolatency", "preset": "ultrafast", "intra-refresh": str(int(intra_refresh))}
        if codec == "h264"
        else {"preset": "ultrafast", "x265-params": "bframes=0:log-level=none:repeat-headers=1:annexb=1"}
    )
    units = []

    def keep(packets: Iterable[av.Packet]) -> None:
        for packet in packets:
            at_s = float(packet.pts * packet.time_base)
            units.append(AccessUnit(bytes(packet), codec, packet.is_keyframe, at_s, at_s))

    for number in range(frames):
        shades = np.full((size[1], size[0], 3), 20 + 10 * (number % 20), np.uint8)
        shades[:, : 8 * (number % 10) + 8] = np.random.default_rng(number).integers(0, 255, 3, np.uint8)
        picture = av.VideoFrame.from_ndarray(shades, format="rgb24")
        picture.pts = number * 90000 // FPS
        keep(context.encode(picture))
    keep(context.encode())
    return tuple(units)


def parameter_sets(units: Sequence[AccessUnit], codec: NalCodec = "h264") -> tuple[bytes, ...]:
    """Those of the first unit."""
    rules = rules_of(codec)
    return tuple(nal for nal in nal_units(units[0].data) if rules.kind(nal) in rules.parameter_sets)


def without_parameter_sets(unit: AccessUnit, codec: NalCodec = "h264") -> AccessUnit:
    """The unit as cameras send it that announce their parameter sets and nothing more."""
    rules = rules_of(codec)
    kept = [nal for nal in nal_units(unit.data) if rules.kind(nal) not in rules.parameter_sets]
    data = b"".join(b"\x00\x00\x01" + nal for nal in kept)
    return AccessUnit(data, unit.codec, unit.keyframe, unit.rtp_time_s, unit.arrival_s)


def rtp(packet: VideoPacket, sequence: int, *, ssrc: int = SSRC, payload_type: int = PAYLOAD_TYPE) -> bytes:
    """`packet` with an honest header."""
    second = (0x80 if packet.marker else 0) | payload_type
    header = struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, packet.timestamp, ssrc)
    return header + packet.payload


def rtp_of(units: Iterable[AccessUnit], *, most_bytes: int = 200, first: int = 65530) -> list[bytes]:
    """Honest RTP of whole units; the sequence numbers wrap around soon."""
    packets = [packet for unit in units for packet in packetize(unit, most_bytes=most_bytes)]
    return [rtp(packet, first + at) for at, packet in enumerate(packets)]


def interleaved(data: bytes, channel: int = 0) -> bytes:
    return b"$" + bytes((channel,)) + len(data).to_bytes(2) + data


def sdp(units: Sequence[AccessUnit] = (), *, codec: NalCodec = "h264", extra: str = "") -> str:
    """What a camera of these units announces."""
    fmtp = ""
    if units and codec == "h264":
        sets = ",".join(base64.b64encode(nal).decode() for nal in parameter_sets(units))
        fmtp = f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
    name = "H264" if codec == "h264" else "H265"
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        f"a=rtpmap:96 {name}/90000\r\n{fmtp}{extra}a=control:track1\r\n"
    )


def answer(request: str, status: str = OK, *, headers: str = "", body: str = "") -> bytes:
    """An answer to `request`."""
    sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"RTSP/1.0 {status}\r\n{sequence}\r\n{headers}{length}\r\n{body}".encode()


def honest_answer(request: str, description: str, *, session: str = "1") -> bytes:
    """What a camera that hides nothing answers."""
    match request.partition(" ")[0]:
        case "OPTIONS":
            return answer(request, headers="Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER\r\n")
        case "DESCRIBE":
            return answer(request, headers="Content-Type: application/sdp\r\n", body=description)
        case "SETUP":
            transport = f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: {session}\r\n"
            return answer(request, headers=transport)
        case _:
            return answer(request, headers=f"Session: {session.partition(';')[0]}\r\n")


@dataclass(frozen=True)
class BreakOff:
    """An answer after which the camera hangs up."""

    data: bytes


class WrittenCamera:
    """A camera on a free port that answers as told and then sends whatever is asked of it.

    Attributes:
        requests: what it was asked, with all headers, over all connections.
        received: everything else that came, such as reports.
    """

    def __init__(
        self, description: str, *, answers: Callable[[str], bytes | BreakOff | None] | None = None
    ) -> None:
        """
        Args:
            answers: given a request, what to answer in place of the honest answer; None for that one.
        """
        self.requests: list[str] = []
        self.received: list[bytes] = []
        self.playing = threading.Event()
        self._description = description
        self._answers = answers or (lambda _request: None)
        self._session = "1"
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/gate"
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)

    def send(self, data: bytes) -> None:
        """Send to whoever plays; waits for somebody."""
        assert self.playing.wait(10)
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.sendall(data)

    def play(self, units: Iterable[AccessUnit], *, fps: float = FPS, sequence: int = 0) -> int:
        """Send units at the rate they were made for; returns the next sequence number."""
        for unit in units:
            for packet in packetize(unit, most_bytes=1200):
                self.send(interleaved(rtp(packet, sequence)))
                sequence += 1
            self._closing.wait(1 / fps)
        return sequence

    def methods(self) -> list[str]:
        return [request.partition(" ")[0] for request in self.requests]

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection, contextlib.suppress(OSError):
                self._converse(connection)
            self.playing.clear()

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        buffer = b""
        while not self._closing.is_set():
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            buffer += data
            while buffer:
                if buffer.startswith(b"$") and len(buffer) >= 4:
                    end = 4 + int.from_bytes(buffer[2:4])
                    self.received.append(buffer[4:end])
                    buffer = buffer[end:]
                    continue
                head, found, rest = buffer.partition(b"\r\n\r\n")
                if not found:
                    break
                buffer = rest
                self._answer(connection, head.decode())

    def _answer(self, connection: socket.socket, request: str) -> None:
        self.requests.append(request)
        told = self._answers(request)
        if isinstance(told, BreakOff):
            connection.sendall(told.data)
            raise ConnectionAbortedError
        connection.sendall(honest_answer(request, self._description) if told is None else told)
        if request.startswith("PLAY"):
            self._connection = connection
            self.playing.set()

    def __enter__(self) -> "WrittenCamera":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()


@contextlib.contextmanager
def playing_on(camera: WrittenCamera, units: Sequence[AccessUnit], *, fps: float = FPS) -> Iterator[None]:
    """Play `units` over and over beside the test, with timestamps and numbers that go on."""
    closing = threading.Event()

    def play() -> None:
        sequence, shift_s, step_s = 0, 0.0, 1 / fps
        while not closing.is_set():
            if not camera.playing.wait(0.05):
                continue
            for at, unit in enumerate(units):
                if closing.is_set():
                    return
                at_s = shift_s + at * step_s
                dated = AccessUnit(unit.data, unit.codec, unit.keyframe, at_s, time.monotonic())
                sequence = camera.play([dated], fps=fps, sequence=sequence)
            shift_s += len(units) * step_s

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()

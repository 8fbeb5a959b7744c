"""What the camera tests share: clips of numbered frames, a watched source, a proxy that holds back."""

import contextlib
import json
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
import numpy.typing as npt
import pytest
from pydantic import SecretStr

from models.render.camera_process import available
from pod.config import CameraConfig
from pod.media.fanout import AccessUnitFanout
from pod.media.frame import Frame
from pod.media.slot import LatestFrame
from pod.media.source import CameraSource
from pod.media.state import CameraState
from pod.media.timing import RtspTiming, SourceTiming

QUICK = SourceTiming(
    rtsp=RtspTiming(connect_s=1.0, open_s=3.0, silence_s=1.5),
    late_s=1.0,
    no_picture_s=3.0,
    settled_s=5.0,
    first_retry_s=0.1,
    longest_retry_s=0.4,
    login_retry_s=30.0,
)
FPS = 25
NUMBER_BITS = 8
BLOCK_PX = 32

_absence = available()
needs_gstreamer = pytest.mark.skipif(_absence is not None, reason=f"needs GStreamer: {_absence}")


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; AssertionError when it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)


def numbered_picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A grey RGB picture that says its number in black and white blocks along the top, lowest bit first."""
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[height // 2 :, (number * 8) % width :][:, :40] = 200
    for bit in range(NUMBER_BITS):
        picture[:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = 235 if number >> bit & 1 else 16
    return picture


def number_of(frame: Frame) -> int:
    """The number that `numbered_picture` wrote."""
    row = frame.luma()[BLOCK_PX // 2, BLOCK_PX // 2 :: BLOCK_PX][:NUMBER_BITS]
    return sum(1 << bit for bit, level in enumerate(row) if level > 126)


def write_clip(
    path: Path, frames: int, *, codec: str = "libx264", size: tuple[int, int] = (320, 240), b_frames: int = 0
) -> Path:
    """A clip of numbered pictures, a keyframe every second; the suffix chooses the container."""
    options = {"x265-params": "log-level=error"} if codec == "libx265" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = FPS
        stream.max_b_frames = b_frames
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(numbered_picture(number, *size), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


class Watched:
    """A running source, and all it said and showed."""

    def __init__(
        self,
        url: str | Path,
        *,
        username: str | None = None,
        password: str | None = None,
        loop: bool = False,
        freshness_limit_s: float = 1.0,
        timing: SourceTiming = QUICK,
        transport: Literal["auto", "native", "libav"] = "auto",
    ) -> None:
        self.states: list[CameraState] = []
        self.faults: list[Exception] = []
        self.frames: list[Frame] = []
        self.taken_s: list[float] = []
        self.slot = LatestFrame()
        self.fanout = AccessUnitFanout()
        camera = CameraConfig(
            name="gate",
            url=str(url),
            username=username,
            password=None if password is None else SecretStr(password),
            gate="main",
            loop=loop,
            freshness_limit_s=freshness_limit_s,
            transport=transport,
        )
        self.source = CameraSource(
            camera,
            self.slot,
            self.fanout,
            on_state=self.states.append,
            on_fault=self.faults.append,
            timing=timing,
        )
        self._done = threading.Event()
        self._taker = threading.Thread(target=self._take)

    def _take(self) -> None:
        while not self._done.is_set():
            frame = self.slot.take(0.1)
            if frame is not None:
                self.frames.append(frame)
                self.taken_s.append(time.monotonic())

    @property
    def reasons(self) -> list[str]:
        """The states so far, `kind` or `kind:reason`."""
        return [f"{s.kind}:{s.reason}" if s.reason and s.kind != "ended" else s.kind for s in self.states]

    def until_reason(self, reason: str, timeout_s: float = 60.0) -> CameraState:
        """Wait for a state that is called so in `reasons`; the first of them."""
        until(lambda: reason in self.reasons, timeout_s)
        return self.states[self.reasons.index(reason)]

    def until_frames(self, count: int, timeout_s: float = 60.0) -> None:
        until(lambda: len(self.frames) >= count, timeout_s)

    def __enter__(self) -> Self:
        self._taker.start()
        self.source.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.stop()
        self._done.set()
        self._taker.join()


class Proxy:
    """A TCP relay to one port that can hold back, spoil or cut what the server sends."""

    def __init__(self, target_port: int, *, hold_from_play: bool = False) -> None:
        """
        Attributes:
            delay_s: how much later everything is passed on.

        Args:
            hold_from_play: hold from the answer to PLAY on, until `release`.
        """
        self.delay_s = 0.0
        self._target_port = target_port
        self._hold_from_play = hold_from_play
        self._released = threading.Event()
        self._released.set()
        self._spoil = threading.Event()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]

    def hold(self) -> None:
        """Keep what the server sends, as a stalled network does."""
        self._released.clear()

    def release(self) -> None:
        """Send all that was kept at once, and go on."""
        self._released.set()

    def spoil(self, spoiling: bool) -> None:
        """Overwrite bytes in the middle of what passes."""
        (self._spoil.set if spoiling else self._spoil.clear)()

    def _serve(self) -> None:
        while not self._closing.is_set():
            ready, _, _ = select.select([self._listener], [], [], 0.1)
            if ready:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._relay, args=(client,))
                thread.start()
                self._threads.append(thread)

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target_port))
        kept: deque[tuple[float, bytes]] = deque()
        with client, server, contextlib.suppress(OSError):
            while not self._closing.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.01)
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    server.sendall(data)
                    if data.startswith(b"PLAY") and self._hold_from_play:
                        client.sendall(server.recv(65536))
                        self.hold()
                if server in ready:
                    data = server.recv(65536)
                    if not data:
                        return
                    data = spoiled(data) if self._spoil.is_set() else data
                    kept.append((time.monotonic() + self.delay_s, data))
                while kept and self._released.is_set() and kept[0][0] <= time.monotonic():
                    client.sendall(kept.popleft()[1])

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()


def spoiled(data: bytes) -> bytes:
    """The same length, with its middle overwritten."""
    third = len(data) // 3
    return data[:third] + b"\xa5" * third + data[2 * third :]


@contextlib.contextmanager
def scripted_server(answer: Callable[[str, str], bytes | None]) -> Iterator[int]:
    """A TCP server on a free port, for what no real camera here does.

    Args:
        answer: given the request's method and its text, the whole answer; None sends nothing.
    """
    closing = threading.Event()

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.1)
            while not closing.is_set():
                try:
                    request = connection.recv(65536).decode()
                except TimeoutError:
                    continue
                if not request:
                    return
                reply = answer(request.partition(" ")[0], request)
                if reply is not None:
                    connection.sendall(reply)

    def serve(listener: socket.socket) -> None:
        threads = []
        while not closing.is_set():
            with contextlib.suppress(TimeoutError):
                threads.append(threading.Thread(target=converse, args=(listener.accept()[0],)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            closing.set()
            server.join()


def sent_times_s(log: Path) -> list[tuple[int, float]]:
    """(frame counted from the camera's start, monotonic time it was sent), from the camera's log."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [(line["frame"], line["sent_mono_ns"] / 1e9) for line in lines]

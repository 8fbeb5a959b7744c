"""A viewer's only way to the POD leads over a relay in this process, which loses and delays datagrams.

The answer's candidates are exchanged for the relay's own, so the viewer knows no other way, and the POD
learns of the viewer from what the relay passes on: no namespaces and no rights are needed.
"""

import heapq
import re
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

from benchmarks.lossy_path import LossyPath
from benchmarks.webrtc_peer import Peer

LOSS = 0.02
ONE_WAY_S = 0.02
_SEED = 7
_MOST_ON_THE_WAY = 20_000
_LONGEST_DATAGRAM = 65_536
_BUFFER_BYTES = 1 << 20
_IDLE_S = 0.05

_HOST = re.compile(r"a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*", re.IGNORECASE)

Address = tuple[str, int]


class Detour:
    """The relay, for one viewer; `with` is its lifetime. `for_peer` puts it in a viewer's way."""

    def __init__(self, *, loss: float = LOSS, one_way_s: float = ONE_WAY_S) -> None:
        self.to_viewer = LossyPath(_SEED, loss=loss, delay_s=one_way_s)
        self.to_server = LossyPath(_SEED + 1, loss=loss, delay_s=one_way_s)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="detour")
        self._viewer: Address | None = None
        self._server: Address | None = None
        self._sockets: list[socket.socket] = []

    def for_peer(self, peer: Peer) -> Peer:
        """`peer`, whose media goes this way."""
        return _DetouredPeer(peer, self)

    def rewritten(self, answer: str) -> str:
        """The answer with the relay as its one candidate; the relay runs from now on.

        Raises:
            RuntimeError: the answer has no candidate that the relay could pass datagrams on to.
        """
        lines, found = [], None
        for line in answer.splitlines():
            if not line.startswith("a=candidate:"):
                lines.append(line)
            elif found is None and (found := _HOST.match(line)) is not None:
                self._begin((found[1], int(found[2])))
                host, port = self._sockets[0].getsockname()
                lines.append(f"a=candidate:1 1 udp 2130706431 {host} {port} typ host")
        if found is None:
            raise RuntimeError("the answer has no IPv4 candidate of the POD itself")
        return "".join(f"{line}\r\n" for line in lines)

    def _begin(self, server: Address) -> None:
        self._server = server
        for _ in range(2):  # the first towards the viewer, the second towards the server
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            one.bind((server[0], 0))
            one.setblocking(False)
            self._sockets.append(one)
        self._thread.start()

    def _run(self) -> None:
        outside, inside = self._sockets
        on_the_way: list[tuple[float, int, socket.socket, bytes]] = []
        count = 0
        with selectors.DefaultSelector() as ready:
            for one in self._sockets:
                ready.register(one, selectors.EVENT_READ)
            while not self._done.is_set():
                now_s = time.monotonic()
                while on_the_way and on_the_way[0][0] <= now_s:
                    _, _, way_out, datagram = heapq.heappop(on_the_way)
                    self._pass_on(way_out, datagram)
                wait_s = min(_IDLE_S, on_the_way[0][0] - now_s) if on_the_way else _IDLE_S
                for key, _ in ready.select(max(0.0, wait_s)):
                    came = key.fileobj
                    datagram, sender = came.recvfrom(_LONGEST_DATAGRAM)  # type: ignore[union-attr]  # a socket, as registered
                    if came is outside:
                        self._viewer = sender
                    path, way_out = (self.to_server, inside) if came is outside else (self.to_viewer, outside)
                    due_s = path.arrival_s(time.monotonic())
                    if due_s is not None and len(on_the_way) < _MOST_ON_THE_WAY:
                        count += 1
                        heapq.heappush(on_the_way, (due_s, count, way_out, datagram))

    def _pass_on(self, way_out: socket.socket, datagram: bytes) -> None:
        target = self._viewer if way_out is self._sockets[0] else self._server
        if target is None:
            return
        try:
            way_out.sendto(datagram, target)
        except OSError:
            return  # the other side is gone, or its buffer full: lost, as on any network

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        for one in self._sockets:
            one.close()


class _DetouredPeer:
    def __init__(self, peer: Peer, detour: Detour) -> None:
        self._peer = peer
        self._detour = detour

    def offer(self) -> str:
        return self._peer.offer()

    def accept(self, answer: str) -> None:
        self._peer.accept(self._detour.rewritten(answer))

    def answer(self, offer: str) -> str:
        raise NotImplementedError("only a server that answers can be put behind the relay")

"""aioice's ICE with our gathering in the place of its own, and our way past its TURN transport: with
`aiortc_private`, the only module that touches private parts of aiortc and aioice.

aioice gives every host address one priority, asks one STUN server from IPv4 alone, waits 5 s for the last of
all servers, and makes a task for each packet that a TURN server relays. `PARTS` names what is used: a test
fails when one of it is gone or was rewritten.
"""

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from aioice import stun
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol, relayed_candidate
from aiortc import RTCRtpSender

from pod.media.live.host_addresses import HostAddress
from pod.media.live.server_address import ServerAddress
from pod.media.live.sessions import VideoPath
from pod.media.live.udp_batch import UdpBatch

PARTS: dict[str, tuple[str, ...]] = {
    "RTCIceTransport": ("_connection",),
    "Connection": (
        "_check_list",
        "_nominated",
        "_protocols",
        "_queue",
        "_remote_candidates",
        "check_incoming",
        "data_received",
        "get_component_candidates",
    ),
    "StunProtocol": ("datagram_received",),
    "TurnTransport": ("_TurnTransport__inner_protocol",),
    "TurnClientUdpProtocol": ("channel_refresh_time", "peer_to_channel", "delete", "transport"),
    "TurnClientTcpProtocol": ("channel_refresh_time", "peer_to_channel", "delete", "transport", "_padded"),
}
"""By class: the attributes and methods that this module reads, sets or replaces."""

COMPONENT: Literal[1] = 1
"""ICE's only component: RTP and RTCP share it."""

LAST_PREFERENCE = 0
CHANNEL_REFRESH_S = 240
"""RFC 8656, 12: a channel lasts ten minutes, its permission only five."""

DELETE_WITHIN_S = 1.0
"""A TURN server that has died never answers; it forgets us by itself after ten minutes."""

MOST_DATAGRAM_BYTES = 1_500
"""Of what a peer sends: aiortc ends the session of whoever gets a longer one, or an empty one."""

MOST_WAITING_DATAGRAMS = 256
"""So many wait at most for DTLS, which reads none before ICE has found a way."""

MOST_LEARNT = 24
"""Addresses that a session learns from checks of its peer, beside the candidates that it was told."""

MOST_WAITING_BYTES = 256 << 10
"""What may wait in the connection to a TURN server over TCP before it counts as full."""

_CHANNEL_DATA = struct.Struct("!HH")


class OwnIce:
    """One peer's ICE. Belongs to the loop's thread.

    Whoever knows one of its ports may send to it: what its sockets hear is looked at before aioice sees it.

    Attributes:
        strange: datagrams passed over: of no length that a peer sends, no STUN though they begin as such, one
            too many, or checks from one address too many.
    """

    def __init__(self, sender: RTCRtpSender) -> None:
        """
        Args:
            sender: of a connection that has gathered no candidates yet, and was given no servers.
        """
        self._connection: Any = sender.transport.transport._connection
        self._found: list[Candidate] = []
        self.strange = 0
        self._aioice_on_check = self._connection.check_incoming
        self._aioice_on_data = self._connection.data_received
        vars(self._connection).update(check_incoming=self._on_check, data_received=self._on_data)

    def gather_by(
        self, addresses: Callable[[], Sequence[HostAddress]], more: Callable[["OwnIce"], Awaitable[None]]
    ) -> None:
        """Gather at these host addresses, and then whatever `more` adds, in the place of aioice's way."""
        connection = self._connection
        open_sockets = connection.get_component_candidates

        async def gather(component: int, addresses_of_aioice: object = None, **_: object) -> list[Candidate]:
            preferences = {one.ip: one.preference for one in addresses()}
            self._found = await open_sockets(component=component, addresses=list(preferences))
            for protocol in connection._protocols:
                self._listen_through(protocol)
            for candidate in self._found:
                candidate.priority = candidate_priority(component, "host", preferences[candidate.host])
            await more(self)
            return self._found

        vars(connection).update(get_component_candidates=lambda component, addresses: gather(component))

    def askers(self, server_ip: str) -> list[object]:
        """The host sockets that can ask a server at this address."""
        version = ipaddress.ip_address(server_ip).version
        return [
            protocol
            for protocol in self._connection._protocols
            if protocol.local_candidate.type == "host"
            and ipaddress.ip_address(protocol.local_candidate.host).version == version
        ]

    async def ask(self, asker: Any, server: tuple[str, int]) -> None:
        """Learn from a STUN server where the outside sees one of `askers`, and offer that, too.

        Raises:
            stun.TransactionError: it did not answer.
        """
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        response, _ = await asker.request(request, server)
        host, port = response.attributes["XOR-MAPPED-ADDRESS"]
        base = asker.local_candidate
        if (host, port) != (base.host, base.port):
            self._found.append(
                Candidate(
                    foundation=candidate_foundation("srflx", "udp", base.host),
                    component=COMPONENT,
                    transport="udp",
                    priority=base.priority - _FROM_HOST_TO_SEEN,
                    host=host,
                    port=port,
                    type="srflx",
                    related_address=base.host,
                    related_port=base.port,
                )
            )

    async def allocate(self, server: ServerAddress, ip: str, *, username: str, credential: str) -> None:
        """Have a TURN server relay for us, and offer that as the last of all ways.

        Args:
            ip: of the server; over TLS its name is used, for the certificate tells that one.

        Raises:
            stun.TransactionError, OSError: it does not.
        """
        tls = server.scheme == "turns"
        candidate, protocol = await relayed_candidate(
            component=COMPONENT,
            hide_related_address=False,
            protocol_factory=lambda: StunProtocol(self._connection),
            turn_server=(server.host if tls else ip, server.port),
            turn_username=username,
            turn_password=credential,
            turn_ssl=tls,
            turn_transport=server.transport,
        )
        candidate.priority = candidate_priority(COMPONENT, "relay", LAST_PREFERENCE)
        inner: Any = _inner(protocol.transport)
        inner.channel_refresh_time = CHANNEL_REFRESH_S
        _hasten_delete(inner)
        self._listen_through(protocol)
        self._connection._protocols.append(protocol)
        self._found.append(candidate)

    def route(self) -> tuple[asyncio.DatagramTransport, tuple[str, int]] | None:
        """Where packets go at this moment; None while the peer does not consent (RFC 7675).

        The transport is a plain UDP one, or aioice's for a TURN server.
        """
        pair = self._connection._nominated.get(COMPONENT)
        return None if pair is None else (pair.protocol.transport, pair.remote_addr)

    @property
    def path(self) -> VideoPath | None:
        """Which way packets go at this moment; None while there is none."""
        pair = self._connection._nominated.get(COMPONENT)
        if pair is None:
            return None
        if pair.local_candidate.type == "relay":
            return "relayed_by_pod"
        return "relayed" if pair.remote_candidate.type == "relay" else "direct"

    def _listen_through(self, protocol: Any) -> None:
        """Let aioice hear only what it can bear: STUN with fields cut short is a fault in it."""
        aioice_hears = protocol.datagram_received

        def hear(data: bytes, address: tuple[Any, ...]) -> None:
            if not 0 < len(data) <= MOST_DATAGRAM_BYTES:
                self.strange += 1
                return
            try:
                aioice_hears(data, address)
            except struct.error:
                self.strange += 1

        vars(protocol).update(datagram_received=hear)

    def _on_data(self, data: bytes, component: int) -> None:
        """In the place of aioice's, which lets any number of datagrams wait."""
        if self._connection._queue.qsize() >= MOST_WAITING_DATAGRAMS:
            self.strange += 1
            return
        self._aioice_on_data(data, component)

    def _on_check(self, message: Any, address: tuple[str, int], protocol: Any) -> None:
        """In the place of aioice's: a check that it gave up when another pair was chosen may begin again.

        It would stay "in progress" for ever otherwise, and the POD on a relayed pair when the viewer moves to
        the direct one that was answered later. Each new address costs checks of our own, so few are learnt.
        """
        known = self._connection._remote_candidates
        is_new = address not in {(one.host, one.port) for one in known}
        learnt = sum(one.type == "prflx" for one in known)
        if "PRIORITY" not in message.attributes or (is_new and learnt >= MOST_LEARNT):
            self.strange += 1
            return
        for pair in self._connection._check_list:
            if pair.state is CandidatePair.State.IN_PROGRESS and pair.task is not None and pair.task.done():
                pair.task, pair.state = None, CandidatePair.State.FROZEN
        self._aioice_on_check(message, address, protocol)


_FROM_HOST_TO_SEEN = (126 - 100) << 24
"""RFC 8445, 5.1.2.1: between the priority of an address and that of how the outside sees it."""


def _inner(transport: object) -> Any:
    turn: Any = transport
    return turn._TurnTransport__inner_protocol


def _hasten_delete(inner: Any) -> None:
    """Let go of an allocation without waiting half a minute for a server that has died."""
    delete = inner.delete

    async def hasty() -> None:
        with contextlib.suppress(TimeoutError, ConnectionError, stun.TransactionError):
            async with asyncio.timeout(DELETE_WITHIN_S):
                await delete()

    vars(inner).update(delete=hasty)


class RelayedLink:
    """Sends to one address through aioice's transport of a TURN allocation, past its task for each packet.

    Over UDP the kernel cuts the datagrams here, too: what the TURN server gets is of one length as well.
    """

    def __init__(self, transport: asyncio.DatagramTransport, address: tuple[str, int]) -> None:
        self.address = address
        self.transport = transport
        self._inner = _inner(transport)
        connection = self._inner.transport
        is_udp = not hasattr(self._inner, "_padded")
        self._batch = UdpBatch(connection, connection.get_extra_info("peername")) if is_udp else None

    @property
    def offload(self) -> bool:
        """Whether the kernel cuts runs of datagrams."""
        return self._batch is not None and self._batch.offload

    def send(self, datagrams: Sequence[bytes]) -> int:
        """As `UdpBatch.send`; a channel that aioice has not bound yet counts as full."""
        channel = self._inner.peer_to_channel.get(self.address)
        if channel is None:
            return 0
        framed = [_CHANNEL_DATA.pack(channel, len(each)) + each for each in datagrams]
        if self._batch is not None:
            return self._batch.send(framed)
        connection = self._inner.transport
        if connection.is_closing():
            raise ConnectionError("the TURN server closed its connection")
        if connection.get_write_buffer_size() >= MOST_WAITING_BYTES:
            return 0
        connection.write(b"".join(self._inner._padded(each) for each in framed))
        return len(datagrams)

    def close(self) -> None:
        """Let go of the descriptor; the allocation stays."""
        if self._batch is not None:
            self._batch.close()

"""What is changed of aioice: how candidates are gathered, how relayed packets go out, which pair is used."""

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import CandidatePair
from aioice.turn import TurnClientTcpProtocol, TurnClientUdpProtocol, TurnTransport
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport, RTCRtpSender

from pod.media.live import gathering
from pod.media.live.aioice_private import MOST_WAITING_BYTES, OwnIce, RelayedLink
from pod.media.live.gathering import gather_from
from pod.media.live.host_addresses import HostAddress
from pod.media.live.server_address import server_address
from pod.media.live.server_watch import FoundServer
from pod.media.live.sessions import IceServer

PEER = ("198.51.100.7", 40_000)
CHANNEL = 0x4001


@pytest.fixture
async def ice() -> OwnIce:
    transport = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    dtls = RTCDtlsTransport(transport, [RTCCertificate.generateCertificate()])
    return OwnIce(RTCRtpSender("video", dtls))


def candidate(kind: str, host: str = "10.0.0.1") -> Candidate:
    return Candidate("1", 1, "udp", 1, host, 40_000, kind)


def pair(local: str, remote: str) -> CandidatePair:
    return CandidatePair(
        SimpleNamespace(local_candidate=candidate(local), transport="udp"), candidate(remote)
    )


@pytest.mark.parametrize(
    ("local", "remote", "path"),
    [
        pytest.param("host", "host", "direct", id="the same network"),
        pytest.param("srflx", "prflx", "direct", id="through routers"),
        pytest.param("host", "relay", "relayed", id="the viewer's relay"),
        pytest.param("relay", "srflx", "relayed_by_pod", id="the POD's relay"),
        pytest.param("relay", "relay", "relayed_by_pod", id="both"),
    ],
)
async def test_which_way_packets_go_is_known(ice: OwnIce, local: str, remote: str, path: str) -> None:
    assert ice.path is None
    ice._connection._nominated[1] = pair(local, remote)
    assert ice.path == path


async def test_a_check_that_was_given_up_begins_again_when_the_viewer_asks_for_that_pair(ice: OwnIce) -> None:
    connection = ice._connection
    connection.remote_username, connection.remote_password = "them", "p" * 22
    asked: list[tuple[str, int]] = []

    async def request(message: stun.Message, address: tuple[str, int], **_: object) -> tuple[object, Any]:
        asked.append(address)
        return None, address

    protocol = SimpleNamespace(local_candidate=candidate("host"), request=request)
    remote = candidate("host", PEER[0])
    given_up = CandidatePair(protocol, remote)
    given_up.state = CandidatePair.State.IN_PROGRESS
    given_up.task = asyncio.create_task(asyncio.sleep(60))
    given_up.task.cancel()
    await asyncio.wait([given_up.task])
    connection._remote_candidates.append(remote)
    connection._check_list.append(given_up)
    nominated = SimpleNamespace(attributes={"USE-CANDIDATE": None, "PRIORITY": 1})
    connection.check_incoming(nominated, PEER, protocol)
    await until(lambda: connection._nominated)
    assert asked == [PEER]
    assert connection._nominated[1] is given_up


async def test_addresses_are_tried_in_the_order_of_their_preference(ice: OwnIce) -> None:
    async def nothing_more(_: OwnIce) -> None:
        pass

    addresses = (HostAddress("127.0.0.2", 65_000), HostAddress("127.0.0.1", 64_000))
    ice.gather_by(lambda: addresses, nothing_more)
    await ice._connection.gather_candidates()
    found = sorted(ice._connection.local_candidates, key=lambda one: -one.priority)
    assert [one.host for one in found] == ["127.0.0.2", "127.0.0.1"]
    await ice._connection.close()


# Through a TURN server


def relayed(inner: Any) -> RelayedLink:
    inner.peer_to_channel[PEER] = CHANNEL
    return RelayedLink(TurnTransport(inner), PEER)


class Stream:
    """A connection to a TURN server over TCP."""

    def __init__(self) -> None:
        self.written, self.waiting_bytes, self.closing = b"", 0, False

    def get_extra_info(self, name: str) -> object:
        return PEER

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written += data


def over_tcp(stream: Stream) -> TurnClientTcpProtocol:
    inner = TurnClientTcpProtocol(PEER, "pod", "secret", 600, 500)
    inner.connection_made(stream)
    return inner


def test_over_tcp_packets_go_out_as_channel_data_padded_to_four_bytes() -> None:
    stream = Stream()
    link = relayed(over_tcp(stream))
    assert link.send([b"12345", b"6789"]) == 2
    assert (
        stream.written
        == struct.pack("!HH", CHANNEL, 5) + b"12345\0\0\0" + struct.pack("!HH", CHANNEL, 4) + b"6789"
    )
    assert link.offload is False
    link.close()


def test_what_waits_in_a_turn_server_s_connection_counts_as_full() -> None:
    stream = Stream()
    link = relayed(over_tcp(stream))
    stream.waiting_bytes = MOST_WAITING_BYTES
    assert link.send([b"12345"]) == 0
    assert stream.written == b""


def test_a_turn_server_that_hung_up_is_a_network_that_cannot_be_reached() -> None:
    stream = Stream()
    stream.closing = True
    with pytest.raises(OSError, match="closed its connection"):
        relayed(over_tcp(stream)).send([b"12345"])


def test_a_channel_that_is_not_bound_yet_counts_as_full() -> None:
    stream = Stream()
    link = RelayedLink(TurnTransport(over_tcp(stream)), PEER)
    assert link.send([b"12345"]) == 0
    assert stream.written == b""


async def test_over_udp_the_kernel_cuts_what_a_turn_server_relays_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        transport, inner = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: TurnClientUdpProtocol(server.getsockname(), "pod", "secret", 600, 500),
            remote_addr=server.getsockname(),
        )
        link = relayed(inner)
        packets = [bytes([at]) * 1200 for at in range(20)]
        assert link.send(packets) == len(packets)
        assert link.offload
        head = struct.pack("!HH", CHANNEL, 1200)
        assert [server.recv(2048) for _ in packets] == [head + packet for packet in packets]
        link.close()
        transport.close()


# What servers add


class Watch:
    """Knows one server; notes what is missed."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    async def found(self) -> tuple[FoundServer, ...]:
        server = IceServer(url="stun:192.0.2.1:3478")
        return (FoundServer(server, server_address(server.url), "192.0.2.1"),)

    def missed(self, url: str) -> None:
        self.missing.append(url)


class Asked:
    """In the place of OwnIce: each of its sockets is answered after so many seconds, or never."""

    def __init__(self, *answers_s: float) -> None:
        self.answers_s, self.answered = answers_s, 0

    def askers(self, ip: str) -> list[float]:
        return list(self.answers_s)

    async def ask(self, answer_s: float, where: tuple[str, int]) -> None:
        await asyncio.sleep(answer_s)
        self.answered += 1


async def gathered(ice: Asked) -> tuple[float, Watch]:
    """What it took."""
    watch, started_s = Watch(), time.monotonic()
    gather: Callable[[Any], Any] = gather_from(watch, pod_relays=False)  # type: ignore[arg-type]  # a stand-in
    await gather(ice)
    return time.monotonic() - started_s, watch


async def test_an_address_that_leads_to_no_server_holds_up_nobody_once_another_was_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "WITHIN_S", 60.0)
    monkeypatch.setattr(gathering, "GRACE_S", 0.5)
    ice = Asked(0.0, 0.01, 60.0)
    took_s, watch = await gathered(ice)
    assert took_s < 30
    assert ice.answered == 2
    assert watch.missing == []


async def test_a_server_that_answers_no_address_is_waited_for_once_and_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "WITHIN_S", 0.1)
    took_s, watch = await gathered(Asked(60.0, 60.0))
    assert 0.1 <= took_s < 30
    assert watch.missing == ["stun:192.0.2.1:3478"]


async def until(condition: Callable[[], object]) -> None:
    for _ in itertools.takewhile(lambda at: at < 1000 and not condition(), itertools.count()):
        await asyncio.sleep(0.005)
    assert condition()

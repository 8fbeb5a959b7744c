"""Datagrams to a real socket: cut by the kernel where it can, one by one where not, and always whole."""

import asyncio
import errno
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod.media.live import udp_batch
from pod.media.live.udp_batch import MOST_BATCH_BYTES, MOST_SEGMENTS, UdpBatch, runs
from pod.media.live.viewer import link_to


class Listener:
    """A socket that datagrams go to, and a transport that sends from another one."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.transport = transport

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def received(self, count: int) -> list[bytes]:
        return [self.socket.recv(2048) for _ in range(count)]


@pytest.fixture
async def listener():
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    made = Listener(transport)
    yield made
    transport.close()
    made.socket.close()


def datagrams(*sizes: int) -> list[bytes]:
    return [bytes((at % 256,)) * size for at, size in enumerate(sizes)]


SIZES = [1200] * 5 + [700, 1200, 1200, 40, 40, 900, 1200, 1200, 1]


@pytest.mark.parametrize("offload", [True, False], ids=["cut by the kernel", "one by one"])
async def test_datagrams_arrive_whole_and_in_order(listener, offload):
    batch = UdpBatch(listener.transport, listener.address)
    batch.offload = offload
    sent = datagrams(*SIZES)
    assert batch.send(sent) == len(sent)
    assert listener.received(len(sent)) == sent
    batch.close()


async def test_the_kernel_here_cuts_runs_of_datagrams(listener):
    batch = UdpBatch(listener.transport, listener.address)
    batch.send(datagrams(1200, 1200, 1200))
    assert batch.offload
    assert listener.received(3) == datagrams(1200, 1200, 1200)
    batch.close()


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EIO, errno.EOPNOTSUPP], ids=errno.errorcode.get)
async def test_a_kernel_that_cannot_cut_is_named_once_and_all_datagrams_still_go(
    listener, refusal, monkeypatch, caplog
):
    batch = UdpBatch(listener.transport, listener.address)

    class Refusing:
        def __init__(self, real: socket.socket) -> None:
            self.sendto, self.close = real.sendto, real.close

        def sendmsg(self, *given: object) -> int:
            raise OSError(refusal, "refused")

    monkeypatch.setattr(batch, "_socket", Refusing(batch._socket))
    sent = datagrams(1200, 1200, 500, 1200, 1200)
    assert batch.send(sent) == len(sent)
    assert batch.send(sent) == len(sent)
    assert listener.received(10) == sent + sent
    assert not batch.offload
    assert caplog.text.count("no UDP segmentation offload here") == 1
    batch.close()


@pytest.mark.parametrize("offload", [True, False], ids=["cut by the kernel", "one by one"])
async def test_a_full_socket_says_how_many_went(listener, offload, monkeypatch):
    batch = UdpBatch(listener.transport, listener.address)
    batch.offload = offload

    class Full:
        def __init__(self, real: socket.socket) -> None:
            self._real, self._room, self.close = real, 3, real.close

        def sendmsg(self, buffers: list[bytes], *given: object) -> int:
            self._room -= len(buffers)
            if self._room < 0:
                raise BlockingIOError
            return self._real.sendmsg(buffers, *given)

        def sendto(self, datagram: bytes, address: tuple[str, int]) -> int:
            self._room -= 1
            if self._room < 0:
                raise BlockingIOError
            return self._real.sendto(datagram, address)

    monkeypatch.setattr(batch, "_socket", Full(batch._socket))
    sent = datagrams(1200, 1200, 500, 1200, 1200)
    assert batch.send(sent) == 3
    assert listener.received(3) == sent[:3]
    batch.close()


async def test_a_network_that_is_away_is_no_full_socket(listener):
    batch = UdpBatch(listener.transport, ("240.0.0.1", 9))
    with pytest.raises(OSError, match=r".") as refused:
        batch.send(datagrams(*[70_000]))
    assert not isinstance(refused.value, BlockingIOError)
    batch.close()


async def test_where_a_transport_closes_there_is_no_way_of_sending(listener):
    direct = link_to(listener.transport, listener.address)
    assert isinstance(direct, UdpBatch)
    direct.close()
    listener.transport.close()
    assert link_to(listener.transport, listener.address) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 1400), max_size=200))
def test_runs_are_what_the_kernel_takes_and_leave_nothing_out(sizes):
    sent = datagrams(*sizes)
    found = runs(sent)
    assert [at for start, end in found for at in range(start, end)] == list(range(len(sizes)))
    for start, end in found:
        assert 1 <= end - start <= MOST_SEGMENTS
        assert sum(sizes[start:end]) <= MOST_BATCH_BYTES
        assert len(set(sizes[start : end - 1])) <= 1
        assert sizes[end - 1] <= sizes[start]


def test_numbers_of_the_kernel_s_interface_are_those_of_its_headers():
    assert (udp_batch.SOL_UDP, udp_batch.UDP_SEGMENT) == (socket.IPPROTO_UDP, 103)

"""Whoever knows the port of a viewer's session may send to it; the view goes on, what waits is bounded."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterator

import pytest
from aioice import stun
from live_fixtures import CHROMIUM, Watcher, live_camera, live_video, without_candidates
from relay_fixtures import MadeUpCamera, until_soon

from pod.media.live.aioice_private import MOST_LEARNT, MOST_WAITING_DATAGRAMS
from pod.media.live.limits import LiveLimits
from pod.media.live.service import LiveVideo
from pod.media.live.sessions import LiveAnswer

STUN_HEAD = struct.Struct("!HHI12s")
COOKIE = 0x2112A442
BINDING = 0x0001

OFFERER = re.search(r"a=ice-ufrag:(\S+)", CHROMIUM)


def addresses(answer: LiveAnswer) -> list[tuple[str, int]]:
    """Where this machine hears for the session, IPv4."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ ([0-9.]+) (\d+) typ host", answer.sdp)
    assert found
    return [(ip, int(port)) for ip, port in found]


@contextlib.contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        yield sending


def strange(live: LiveVideo) -> int:
    return sum(totals.strange_packets for totals in live.totals().values())


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x60" + bytes(2000), id="longer-than-any-rtp"),
        pytest.param(b"\x80\xc9" + bytes(2000), id="longer-than-any-rtcp"),
        pytest.param(bytes(60_000), id="as-long-as-can-be"),
        pytest.param(
            STUN_HEAD.pack(BINDING, 8, COOKIE, b"a" * 12) + b"\x80\x2a\x00\x04\x00\x00\x00\x00",
            id="stun-whose-number-is-cut-short",
        ),
    ],
)
async def test_what_a_stranger_sends_to_a_session_ends_no_view(datagram: bytes) -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live, stranger() as sending:
        async with Watcher() as viewer:
            answer = await viewer.watch(live)
            for address in addresses(answer):
                sending.sendto(datagram, address)
            await until_soon(lambda: strange(live) >= 1)
            seen = len(viewer.numbers)
            await until_soon(lambda: len(viewer.numbers) > seen + 10)
        assert live.faults == 0


async def test_a_report_of_the_viewer_that_contradicts_itself_ends_no_view(
    caplog: pytest.LogCaptureFixture,
) -> None:
    estimate_of_255_streams = struct.pack("!BBHII4sI", 0x8F, 206, 4, 1, 0, b"REMB", 0xFF00_0001)
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            await viewer.watch(live)
            await viewer.peer.getTransceivers()[0].receiver.transport._send_rtp(estimate_of_255_streams)
            await until_soon(lambda: strange(live) == 1)
            seen = len(viewer.numbers)
            await until_soon(lambda: len(viewer.numbers) > seen + 5)
            assert [session.state for session in live.sessions()] == ["playing"]
    assert "Traceback" not in caplog.text


async def test_a_flood_that_comes_before_the_viewer_is_dropped_beyond_a_bound() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live, stranger() as sending:
        answer = await live.offer("gate", without_candidates(CHROMIUM), viewer="anna", lease_s=60)
        (address, *_) = addresses(answer)
        sent = 0
        while strange(live) < 100:
            assert sent < 100_000, "nothing of it is ever dropped"
            for _ in range(50):
                sending.sendto(b"\x80" * 1200, address)
            sent += 50
            await until_soon(lambda sent=sent: waiting(live) >= min(sent // 4, MOST_WAITING_DATAGRAMS))
        assert waiting(live) == MOST_WAITING_DATAGRAMS


async def test_checks_from_ever_new_addresses_cost_few_checks_of_our_own() -> None:
    limits = LiveLimits(connect_within_s=30)
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        answer = await live.offer("gate", without_candidates(CHROMIUM), viewer="anna", lease_s=60)
        (address, *_) = addresses(answer)
        for number in range(MOST_LEARNT + 20):
            with stranger() as sending:
                sending.sendto(check(answer, with_priority=number > 0), address)
        await until_soon(lambda: strange(live) >= 20)
        assert len(ice(live)._remote_candidates) <= MOST_LEARNT
        assert live.faults == 0


def ice(live: LiveVideo) -> object:
    """aioice's part of the only session."""
    (viewing,) = live._viewings.values()
    return viewing._peer._own_ice._connection


def waiting(live: LiveVideo) -> int:
    return ice(live)._queue.qsize()


def check(answer: LiveAnswer, *, with_priority: bool) -> bytes:
    """A connectivity check as whoever made the offer sends one (RFC 8445)."""
    ufrag, password = (re.search(rf"a=ice-{name}:(\S+)", answer.sdp)[1] for name in ("ufrag", "pwd"))
    message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:{OFFERER[1]}"
    if with_priority:
        message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    message.add_message_integrity(password.encode())
    return bytes(message)

"""STUN and TURN servers that do not do what they should: told in words, and waited for by nobody."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aioice import stun
from relay_fixtures import until_soon

from pod.media.live import server_watch
from pod.media.live.server_watch import ServerWatch
from pod.media.live.sessions import IceServer


class Server(asyncio.DatagramProtocol):
    """Answers every request with this error, or as a STUN server does where `error` is None."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.mute = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(
            message_method=asked.message_method,
            message_class=stun.Class.ERROR if self.error else stun.Class.RESPONSE,
            transaction_id=asked.transaction_id,
        )
        if self.error:
            answer.attributes["ERROR-CODE"] = (self.error, "no")
        else:
            answer.attributes["XOR-MAPPED-ADDRESS"] = address
        if not self.mute:
            self.transport.sendto(bytes(answer), address)  # type: ignore[attr-defined]  # a datagram one


@asynccontextmanager
async def watching(*urls: str) -> AsyncIterator[ServerWatch]:
    watch = ServerWatch(lambda: [IceServer(url=url, username="pod", credential="secret") for url in urls])
    watch.start()
    try:
        yield watch
    finally:
        await watch.close()


@asynccontextmanager
async def a_server() -> AsyncIterator[tuple[Server, int]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        Server, local_addr=("127.0.0.1", 0)
    )
    yield server, transport.get_extra_info("sockname")[1]
    transport.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(401, "refuses the POD's credentials", id="unauthorised"),
        pytest.param(486, "raise its user-quota", id="quota"),
        pytest.param(508, "has no room", id="no ports left"),
        pytest.param(500, "refuses, with 500", id="another error"),
    ],
)
async def test_what_a_turn_server_answers_is_told_with_its_mend(code: int, words: str) -> None:
    async with a_server() as (server, port), watching(f"turn:127.0.0.1:{port}") as watch:
        server.error = code
        await until_soon(lambda: watch.troubles)
        assert words in next(iter(watch.troubles.values()))
        assert await watch.found() == ()


async def test_servers_that_cannot_be_reached_are_told_apart_and_none_hides_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_watch, "ANSWER_WITHIN_S", 0.3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    async with a_server() as (_, port), a_server() as (mute, silent):
        mute.mute = True
        good, unheard = f"stun:127.0.0.1:{port}", f"stun:127.0.0.1:{silent}"
        refused, nameless = f"turn:127.0.0.1:{closed}?transport=tcp", "stun:no-such-host.invalid"
        async with watching(unheard, refused, nameless, good) as watch:
            assert [one.server.url for one in await watch.found()] == [good]
            await until_soon(lambda: len(watch.troubles) == 3)
            assert watch.troubles[unheard] == "does not answer"
            assert watch.troubles[refused] == "cannot be reached: nothing listens there"
            assert watch.troubles[nameless]


async def test_a_server_that_a_viewer_missed_is_looked_at_again_at_once() -> None:
    async with a_server() as (_, port), watching(f"stun:127.0.0.1:{port}") as watch:
        assert await watch.found()
        watch.missed(f"stun:127.0.0.1:{port}")
        assert watch.troubles
        await until_soon(lambda: not watch.troubles)
        assert await watch.found()


async def test_without_servers_nothing_is_watched_and_nothing_waited_for() -> None:
    async with watching() as watch:
        assert await watch.found() == ()
        assert watch.troubles == {}

"""However many connections the page gets, slow, silent or encrypted, it and the descriptors hold out."""

import asyncio
import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from pod.config import WebConfig
from pod.domain.errors import ConfigError
from pod.web import connections
from pod.web.server import WebServer, bind
from pod.web.tls import Certificate, certificate_of

LARGE_BYTES = 40 << 20
"""More than kernels keep for a connection."""

OPEN = WebConfig(host="0.0.0.0")


@pytest.fixture
def certificate() -> Certificate | None:
    """Plain HTTP, unless a test says otherwise."""
    return None


@pytest.fixture
async def address(certificate: Certificate | None) -> AsyncIterator[tuple[str, int]]:
    app = FastAPI()
    app.get("/")(lambda: "here")
    app.get("/large")(lambda: Response(bytes(LARGE_BYTES)))
    with bind("127.0.0.1", 0) as listener:
        server = WebServer(app, listener, certificate=certificate)
        serving = asyncio.create_task(server.serve(), name="web")
        yield listener.getsockname()
        server.stop()
        await serving


def is_closed(connection: socket.socket, timeout_s: float = 5) -> bool:
    connection.settimeout(timeout_s)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def half_a_request(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    return connection


def answers(address: tuple[str, int]) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/", timeout=5) as answer:
        return bool(answer.read() == b'"here"')


async def test_a_connection_too_many_is_closed_and_the_others_stay(address: tuple[str, int]) -> None:
    held = [await asyncio.to_thread(half_a_request, address) for _ in range(connections.MOST_CONNECTIONS)]
    await asyncio.sleep(0)
    surplus = await asyncio.to_thread(half_a_request, address)
    assert await asyncio.to_thread(is_closed, surplus)
    held[0].sendall(b"\r\n")
    held[0].settimeout(5)
    assert (await asyncio.to_thread(held[0].recv, 15)).startswith(b"HTTP/1.1 200")
    for connection in (*held, surplus):
        connection.close()


async def test_closed_connections_make_room_for_new_ones(address: tuple[str, int]) -> None:
    for _ in range(2):
        held = [await asyncio.to_thread(half_a_request, address) for _ in range(connections.MOST_CONNECTIONS)]
        for connection in held:
            connection.sendall(b"Connection: close\r\n\r\n")
        for connection in held:
            connection.settimeout(5)
            while await asyncio.to_thread(connection.recv, 4096):
                pass
            connection.close()
    assert await asyncio.to_thread(answers, address)


async def test_who_asks_and_takes_nothing_of_the_answer_holds_no_place_for_long(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 1.0)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)

    def ask() -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        return connection

    def there_is_room() -> bool:
        try:
            return answers(address)
        except OSError:
            return False

    unread = [await asyncio.to_thread(ask) for _ in range(connections.MOST_CONNECTIONS)]
    assert not await asyncio.to_thread(there_is_room)
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(there_is_room):
            await asyncio.sleep(0.1)
    for connection in unread:
        connection.close()


async def test_a_connection_that_never_asks_is_closed_and_the_page_goes_on(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_HEAD_S", 0.3)
    silent = await asyncio.to_thread(half_a_request, address)
    assert await asyncio.to_thread(is_closed, silent)
    assert await asyncio.to_thread(answers, address)


@pytest.mark.parametrize("asked_before", [pytest.param(False, id="first"), pytest.param(True, id="second")])
async def test_a_slow_loris_wins_no_time_by_sending_a_byte_now_and_then(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, asked_before: bool
) -> None:
    monkeypatch.setattr(connections, "REQUEST_HEAD_S", 1.0)

    def trickle() -> float:
        with socket.create_connection(address) as connection:
            if asked_before:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                connection.recv(4096)
            began_s = time.monotonic()
            connection.settimeout(0.1)
            for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 300:
                try:
                    connection.sendall(bytes([byte]))
                    if connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            return time.monotonic() - began_s

    assert await asyncio.to_thread(trickle) < 10
    assert await asyncio.to_thread(answers, address)


async def test_who_is_answered_before_its_body_was_sent_reads_the_answer_and_may_go_on(
    address: tuple[str, int],
) -> None:
    def converse() -> list[int]:
        with closing(http.client.HTTPConnection(*address, timeout=5)) as connection:
            connection.putrequest("POST", "/")
            connection.putheader("Content-Length", "5")
            connection.endheaders()
            refused = connection.getresponse()
            refused.read()
            local = connection.sock
            connection.send(b"later")
            connection.request("GET", "/")
            answered = connection.getresponse()
            answered.read()
            assert connection.sock is local, "it went on by another connection"
            return [refused.status, answered.status]

    assert await asyncio.to_thread(converse) == [405, 200]


async def test_a_body_that_nobody_asked_for_does_not_hold_its_connection(address: tuple[str, int]) -> None:
    def send_half_a_body() -> bool:
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx")
            connection.settimeout(4)
            try:
                while connection.recv(4096):
                    pass
            except TimeoutError:
                return False
            return True

    assert await asyncio.to_thread(send_half_a_body)


async def test_one_other_machine_never_takes_all_connections(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        connections, "is_loopback", lambda client: False
    )  # every test comes from this machine
    held = [
        await asyncio.to_thread(half_a_request, address) for _ in range(connections.MOST_OF_ONE_ADDRESS + 1)
    ]
    assert await asyncio.to_thread(is_closed, held[-1])
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(is_closed, held[0], 0.2)
    for connection in held:
        connection.close()


class TestOverTls:
    """The same page where other machines may ask."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Certificate | None:
        return certificate_of(OPEN, tmp_path)

    async def test_the_page_is_served_with_the_certificate_that_was_made(
        self, address: tuple[str, int], certificate: Certificate
    ) -> None:
        trust = ssl.create_default_context(cafile=certificate.path)

        def ask() -> bytes:
            url = f"https://localhost:{address[1]}/"
            with urllib.request.urlopen(url, timeout=5, context=trust) as answer:
                return bytes(answer.read())

        assert await asyncio.to_thread(ask) == b'"here"'

    async def test_unfinished_handshakes_count_as_connections(self, address: tuple[str, int]) -> None:
        held = []
        for _ in range(connections.MOST_CONNECTIONS + 1):
            held.append(await asyncio.to_thread(socket.create_connection, address))
        assert await asyncio.to_thread(is_closed, held[-1])
        for connection in held:
            connection.close()

    async def test_plain_http_gets_no_page(self, address: tuple[str, int]) -> None:
        def ask() -> bytes:
            with half_a_request(address) as connection:
                connection.sendall(b"\r\n")
                connection.settimeout(5)
                try:
                    return connection.recv(100)
                except OSError:
                    return b""

        assert b"here" not in await asyncio.to_thread(ask)


def test_a_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = certificate_of(OPEN, tmp_path)
    again = certificate_of(OPEN, tmp_path)
    assert first is not None
    assert again is not None
    assert first.fingerprint == again.fingerprint
    assert first.key_path.stat().st_mode & 0o077 == 0
    assert certificate_of(WebConfig(), tmp_path) is None


def test_an_own_certificate_that_does_not_fit_is_told_with_the_mend(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    made, other = (certificate_of(OPEN, folder) for folder in folders)
    assert made is not None
    assert other is not None
    with pytest.raises(ConfigError, match="do not belong together"):
        certificate_of(WebConfig(certificate=str(made.path), key=str(other.key_path)), tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        certificate_of(WebConfig(certificate=str(tmp_path / "none"), key=str(made.key_path)), tmp_path)
    (tmp_path / "text").write_text("no PEM")
    with pytest.raises(ConfigError, match="holds no certificate"):
        certificate_of(WebConfig(certificate=str(tmp_path / "text"), key=str(made.key_path)), tmp_path)

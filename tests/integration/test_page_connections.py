"""However many connections the page gets, it and the pod's file descriptors hold out."""

import asyncio
import socket
import urllib.request
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from pod.web import connections
from pod.web.server import WebServer, bind


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    app = FastAPI()
    app.get("/")(lambda: "here")
    with bind("127.0.0.1", 0) as listener:
        server = WebServer(app, listener)
        serving = asyncio.create_task(server.serve(), name="web")
        yield listener.getsockname()
        server.stop()
        await serving


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(5)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def half_a_request(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    return connection


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


async def test_a_connection_that_never_asks_is_closed_and_the_page_goes_on(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_HEAD_S", 0.3)
    silent = await asyncio.to_thread(half_a_request, address)
    assert await asyncio.to_thread(is_closed, silent)
    url = f"http://127.0.0.1:{address[1]}/"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())
    assert answer == b'"here"'

"""A POD's own STUN server: what it says is in the answer, and one that says nothing holds up nobody."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from aioice import stun
from live_fixtures import CHROMIUM, Watcher, live_camera, live_video
from prometheus_client import CollectorRegistry
from relay_fixtures import MadeUpCamera, until_soon

from pod.media.live.figures import LiveFigures
from pod.media.live.sessions import IceServer
from pod.services.health import Status
from pod.services.probes import live_probe

SEEN_FROM = ("203.0.113.7", 40_000)
LEASE_S = 60.0


@pytest.fixture
def stun_server() -> Iterator[IceServer]:
    """Tells everybody that they are seen at `SEEN_FROM`, as from behind a router."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, address = server.recvfrom(2048)
                if not data:
                    return
                asked = stun.parse_message(data)
                answer = stun.Message(
                    message_method=stun.Method.BINDING,
                    message_class=stun.Class.RESPONSE,
                    transaction_id=asked.transaction_id,
                )
                answer.attributes["XOR-MAPPED-ADDRESS"] = SEEN_FROM
                server.sendto(bytes(answer), address)

        thread = threading.Thread(target=serve)
        thread.start()
        yield IceServer(url=f"stun:127.0.0.1:{server.getsockname()[1]}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join()


async def test_where_the_stun_server_sees_the_pod_is_told_in_the_answer(stun_server: IceServer) -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera), ice_servers=(stun_server,)) as live:
        answer = await live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S)
        assert f"{SEEN_FROM[0]} {SEEN_FROM[1]} typ srflx" in answer.sdp
        assert " typ host" in answer.sdp
        assert live.ice_servers() == (stun_server,)
        async with Watcher() as viewer:
            await viewer.watch(live)


async def test_a_stun_server_that_does_not_answer_costs_a_second_and_no_viewer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        servers = (IceServer(url=f"stun:127.0.0.1:{silent.getsockname()[1]}"),)
        with MadeUpCamera() as camera, live_video(live_camera(camera), ice_servers=servers) as live:
            async with Watcher() as viewer:
                started_s = time.monotonic()
                await viewer.take(
                    await live.offer("gate", await viewer.offer(), viewer="anna", lease_s=LEASE_S)
                )
                assert time.monotonic() - started_s < 4.5  # aioice itself would wait for 5 s
                await viewer.first_picture()
            figures = CollectorRegistry()
            figures.register(LiveFigures(live))
            await until_soon(lambda: figures.get_sample_value("platebridge_live_servers_in_trouble") == 1)
            health = live_probe(live)()
            assert health.status is Status.DEGRADED
            assert (
                f"Viewers in other networks may get no video: {servers[0].url} does not answer"
                in health.sentence
            )

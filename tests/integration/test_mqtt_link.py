"""One link to a broker: who may come, what ends it, and that nothing of it grows or stays."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from mqtt_world import Broker, NoBroker, a_broker, free_port, listens

from sync.cloud.identity.ca import CertificateAuthority
from sync.mqtt import BrokerAddress, LinkBusyError, LinkError, Message, MqttLink, TlsFiles, Will, connect
from sync.mqtt import link as link_module


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with a_broker(tmp_path_factory.mktemp("link-broker")) as running:
        yield running


@pytest.fixture(scope="module")
def files(broker: Broker) -> TlsFiles:
    return broker.pod_files("pod-a")


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    give_up_s = time.monotonic() + 5
    while left := threads():
        assert time.monotonic() < give_up_s, left
        time.sleep(0.005)


def threads() -> list[str]:
    """Those of links."""
    return [one.name for one in threading.enumerate() if "mqtt" in one.name]


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def why_none(address: str, **more: object) -> LinkError:
    """Why there is no connection."""
    with pytest.raises(LinkError) as refused:
        async with connect(BrokerAddress.parse(address), client_id="x", **more):  # type: ignore[arg-type]  # as given
            pass
    return refused.value


@contextlib.asynccontextmanager
async def hearing(address: str, *topics: str, **more: object) -> AsyncIterator[MqttLink]:
    """A link that is subscribed."""
    async with connect(BrokerAddress.parse(address), **{"client_id": "hearer", **more}) as link:  # type: ignore[arg-type]  # as given
        await link.subscribe(topics)
        yield link


async def next_of(link: MqttLink) -> Message:
    async with asyncio.timeout(10):
        async for message in link.messages():
            return message
    raise AssertionError("the messages ended")


def flood(link: MqttLink, payload: bytes, *, most: int) -> None:
    """Publish until the link takes no more, which has to be before `most`."""
    with contextlib.suppress(LinkBusyError):
        for _ in range(most):
            link.publish("a", payload)
        raise AssertionError("it takes any number")


async def test_a_message_arrives_over_tls_with_a_certificate(broker: Broker, files: TlsFiles):
    async with hearing(broker.tls, "a/+", tls=files) as link:
        link.publish("a/b", b"\x00whole\xff")
        assert await next_of(link) == Message("a/b", b"\x00whole\xff", retained=False)


async def test_a_broker_that_demands_a_certificate_takes_nobody_without(broker: Broker, files: TlsFiles):
    why = await why_none(broker.tls, tls=TlsFiles(files.ca))
    assert why.reason in ("certificate", "closed", "unreachable")


async def test_a_certificate_of_another_authority_is_not_taken(
    broker: Broker, files: TlsFiles, tmp_path: Path
):
    (tmp_path / "other").mkdir()
    other = Broker(tmp_path / "other").pod_files("pod-a")
    why = await why_none(broker.tls, tls=TlsFiles(files.ca, other.certificate, other.key))
    assert why.reason in ("certificate", "closed", "unreachable")


async def test_a_broker_of_another_authority_is_not_trusted(broker: Broker, tmp_path: Path):
    CertificateAuthority.create(tmp_path / "ca", name="another")
    why = await why_none(broker.tls, tls=TlsFiles(tmp_path / "ca" / "ca.crt"))
    assert why.reason == "certificate"
    assert "certificate that does not hold" in str(why)
    assert "check this machine's clock, the broker's name and its authority" in str(why)


async def test_a_broker_of_another_name_is_not_trusted(tmp_path: Path):
    broker = Broker(tmp_path)
    broker.serve_as(broker.authority.issue_server(["elsewhere.example"]))
    broker.start()
    try:
        why = await why_none(broker.tls, tls=broker.pod_files("pod-a"))
    finally:
        broker.kill()
    assert why.reason == "certificate"
    assert "Hostname mismatch" in str(why)


async def test_a_broker_without_tls_where_tls_is_asked_is_none(broker: Broker, files: TlsFiles):
    plain_port = BrokerAddress.parse(broker.plain).port
    why = await why_none(f"mqtts://localhost:{plain_port}", tls=files)
    assert why.reason in ("certificate", "unreachable")


async def test_a_wrong_password_is_refused_and_never_told(broker: Broker, files: TlsFiles):
    broker.let_in("pod-a", "right")
    why = await why_none(broker.web, tls=TlsFiles(files.ca), username="pod-a", password="terribly wrong")
    assert why.reason == "refused"
    assert "see that it is registered, not revoked" in str(why)
    assert "terribly" not in str(why)


async def test_a_message_arrives_over_websocket_with_a_password(broker: Broker, files: TlsFiles):
    broker.let_in("pod-a", "right")
    async with hearing(broker.web, "a/#", tls=TlsFiles(files.ca), username="pod-a", password="right") as link:
        link.publish("a/b", b"x" * 100_000)
        assert len((await next_of(link)).payload) == 100_000


async def test_nobody_listening_is_unreachable_and_says_what_to_check():
    why = await why_none(f"mqtt://127.0.0.1:{free_port()}")
    assert why.reason == "unreachable"
    assert "check host and port" in str(why)


async def test_a_name_that_leads_nowhere_is_unreachable():
    why = await why_none("mqtts://no-such-host.invalid")
    assert why.reason == "unreachable"
    assert "no such host" in str(why)


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "wss"])
async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    scheme: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 0.2)
    with NoBroker(listens) as server:
        why = await why_none(f"{scheme}://localhost:{server.port}")
        assert why.reason == "silent"
        assert "does not answer" in str(why)
        await until(lambda: server.heard and server.heard[-1] == b"")


@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
async def test_a_link_that_is_left_in_its_handshake_ends_at_once(scheme: str):
    with NoBroker(listens) as server:
        opening = asyncio.ensure_future(why_none(f"{scheme}://localhost:{server.port}"))
        await until(lambda: server.heard)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: not threads(), timeout_s=1)


async def test_a_link_that_is_left_while_it_opens_never_says_who_it_is(monkeypatch: pytest.MonkeyPatch):
    held, goes_on = threading.Event(), threading.Event()
    connects = link_module._Client._create_socket_connection

    def slowly(client: link_module._Client) -> object:
        held.set()
        assert goes_on.wait(10)
        return connects(client)

    monkeypatch.setattr(link_module._Client, "_create_socket_connection", slowly)
    with NoBroker(listens) as server:
        opening = asyncio.ensure_future(why_none(f"mqtt://127.0.0.1:{server.port}"))
        await asyncio.to_thread(held.wait, 10)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        goes_on.set()
        await until(lambda: server.heard)
        assert server.heard == [b""]


async def test_a_broker_that_dies_ends_the_link_and_all_that_came_is_still_read(tmp_path: Path):
    with a_broker(tmp_path) as broker:
        async with hearing(broker.plain, "a") as link:
            link.publish("a", b"1")
            await until(lambda: link._inbox)
            broker.kill()
            assert (await next_of(link)).payload == b"1"
            with pytest.raises(LinkError) as ended:
                await next_of(link)
            assert ended.value.reason == "closed"
            with pytest.raises(LinkError):
                link.publish("a", b"2")
            with pytest.raises(LinkError):
                await link.subscribe(["b"])


async def test_a_broker_that_falls_silent_is_given_up_and_left_at_once(broker: Broker):
    try:
        async with hearing(broker.plain, "a", keepalive_s=1) as link:
            broker.freeze()
            with pytest.raises(LinkError) as ended:
                async with asyncio.timeout(10):
                    await anext(link.messages())
            assert ended.value.reason == "closed"
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 1
    finally:
        broker.thaw()


async def test_a_broker_that_takes_nothing_fills_the_outbox_to_its_bound_and_no_further(broker: Broker):
    try:
        async with connect(BrokerAddress.parse(broker.plain), client_id="x") as link:
            broker.freeze()
            flood(link, b"x" * 2**20, most=100)
            assert 8 * 2**20 < link.outbox_bytes <= link_module.OUTBOX_BYTES
            broker.thaw()
            await until(lambda: link.outbox_bytes == 0)
            link.publish("a", b"there is room again")
    finally:
        broker.thaw()


async def test_small_messages_are_bounded_by_their_number(broker: Broker):
    try:
        async with connect(BrokerAddress.parse(broker.plain), client_id="x") as link:
            broker.freeze()
            for _ in range(20):
                link.publish("a", b"x" * 2**19)
            flood(link, b"x", most=2 * link_module.OUTBOX_MESSAGES)
            assert len(link._unsent) <= link_module.OUTBOX_MESSAGES
            broker.thaw()
    finally:
        broker.thaw()


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        pytest.param({"inbox_messages": 3}, 3, id="by number"),
        pytest.param({"inbox_bytes": 25}, 2, id="by size"),
    ],
)
async def test_what_comes_while_the_inbox_is_full_is_dropped_and_counted(
    broker: Broker, bounds: dict[str, int], kept: int
):
    async with hearing(broker.plain, "flood", **bounds) as link:
        for at in range(8):
            link.publish("flood", b"%010d" % at)
        await until(lambda: len(link._inbox) + link.dropped == 8)
        assert link.dropped == 8 - kept
        assert [(await next_of(link)).payload for _ in range(kept)] == [b"%010d" % at for at in range(kept)]
        link.publish("flood", b"room again")
        assert (await next_of(link)).payload == b"room again"


async def test_a_will_is_published_where_the_link_breaks_and_not_where_it_ends(broker: Broker):
    def comes(name: str) -> contextlib.AbstractAsyncContextManager[MqttLink]:
        address = BrokerAddress.parse(broker.plain)
        return connect(address, client_id=name, will=Will(f"wills/{name}", b"gone"))

    async with hearing(broker.plain, "wills/+", "said") as link:
        async with comes("orderly") as ending:
            ending.publish("said", b"the last word")
        assert (await next_of(link)).payload == b"the last word"
        async with comes("broken") as breaking:
            assert breaking._connection is not None
            breaking._connection.shutdown(2)
            assert (await next_of(link)).topic == "wills/broken"
    async with hearing(broker.plain, "wills/+") as link:
        assert await next_of(link) == Message("wills/broken", b"gone", retained=True)
        link.publish("wills/broken", b"", retain=True)


async def test_of_two_links_of_one_name_the_newer_stays(broker: Broker):
    async with (
        hearing(broker.plain, "a", client_id="twin") as older,
        hearing(broker.plain, "a", client_id="twin") as newer,
    ):
        with pytest.raises(LinkError):
            await next_of(older)
        newer.publish("a", b"here")
        assert (await next_of(newer)).payload == b"here"

"""What a POD that is in may do over HTTPS, and what nobody may: pictures, lists, heartbeats, health."""

import hashlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cloud_database import TWO_COMMUNITIES, CloudServer, a_database
from cloud_portal import LISTS, Portal, running_portal
from small_disk import small_disk_at

from sync.agent.enroll import enroll
from sync.agent.identity_files import Identity
from sync.agent.pod_jwt import mint
from sync.agent.portal_client import PortalClient, PortalError, PortalRefusedError
from sync.agent.renewal import client_of
from sync.cloud.api import connections
from sync.cloud.api.media_store import MAX_COMING
from sync.protocol.down import ListChunk, decode_down
from sync.protocol.framing import PinnedKey
from sync.protocol.portal import Heartbeat, OfferedImage


@pytest.fixture(scope="module")
def portal(cloud_server: CloudServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with (
        a_database(cloud_server, TWO_COMMUNITIES) as database,
        running_portal(database, tmp_path_factory.mktemp("portal")) as portal,
    ):
        yield portal


@pytest.fixture
def identity(portal: Portal, tmp_path: Path) -> Identity:
    return enroll(tmp_path, portal.join(), name="Gate", new_key=False, say=lambda _: None)


@pytest.fixture
def client(portal: Portal, identity: Identity) -> PortalClient:
    return client_of(identity, portal=portal.url)


def offer_of(content: bytes, name: str = "a.jpg", **changes: Any) -> OfferedImage:
    return OfferedImage(
        **{
            "name": name,
            "approach": "a-1",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "media_type": "image/jpeg",
            "taken_s": datetime.now(UTC).timestamp(),
            **changes,
        }
    )


def rows(portal: Portal, pod: str) -> list[tuple]:
    sql = f"SELECT name, size_bytes, at FROM platebridge.media WHERE pod = '{pod}' ORDER BY name"
    return portal.database.run_as("a_api", sql, tenant="elm")


def files(portal: Portal, pod: str) -> list[str]:
    return sorted(p.name for p in (portal.folder / "media" / pod).iterdir() if p.is_file())


def test_a_picture_that_was_offered_is_kept_whole_with_its_row(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    content = os.urandom(30_000)
    assert client.offer_image(offer_of(content)).from_byte == 0
    assert client.put_image("a.jpg", content, from_byte=0).from_byte is None
    assert (portal.folder / "media" / identity.pod / "a.jpg").read_bytes() == content
    assert [row[:2] for row in rows(portal, identity.pod)] == [("a.jpg", 30_000)]
    assert client.offer_image(offer_of(content)).from_byte is None


def test_an_upload_that_broke_off_goes_on_from_the_last_byte(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    content = os.urandom(50_000)
    client.offer_image(offer_of(content))
    tell_half(portal, identity, content)
    deadline_s = time.monotonic() + 10
    while (have := client_offer(client, offer_of(content))) in (0, "busy"):
        assert time.monotonic() < deadline_s
    assert isinstance(have, int)
    assert 0 < have <= 20_000
    assert client.put_image("a.jpg", content[have:40_000], from_byte=have).from_byte == 40_000
    assert client.put_image("a.jpg", content[40_000:], from_byte=40_000).from_byte is None
    assert (portal.folder / "media" / identity.pod / "a.jpg").read_bytes() == content


def client_offer(client: PortalClient, offer: OfferedImage) -> int | str | None:
    try:
        return client.offer_image(offer).from_byte
    except PortalRefusedError as refused:
        return refused.code


def tell_half(portal: Portal, identity: Identity, content: bytes) -> None:
    """Begin to send it all, and break the connection once most of 20,000 bytes have come."""
    coming = portal.folder / "media" / identity.pod / ".coming" / "a.jpg"
    with tls(portal) as connection:
        head = (
            f"PUT /api/pods/media/a.jpg?offset=0 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {identity.api_key}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        connection.sendall(head.encode() + content[:20_000])
        deadline_s = time.monotonic() + 10
        while coming.stat().st_size < 8_000:
            assert time.monotonic() < deadline_s


def tls(portal: Portal) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=portal.authority.certificate_pem.decode())
    raw = socket.create_connection(("127.0.0.1", portal.api.port), timeout=20)
    return context.wrap_socket(raw, server_hostname="localhost")


def test_bytes_that_go_on_from_elsewhere_are_refused_and_harm_nothing(client: PortalClient) -> None:
    content = os.urandom(1000)
    client.offer_image(offer_of(content))
    for from_byte in (1, 999, 10**12):
        with pytest.raises(PortalRefusedError, match="has 0 bytes"):
            client.put_image("a.jpg", content, from_byte=from_byte)
    assert client.put_image("a.jpg", content, from_byte=0).from_byte is None


def test_other_bytes_than_were_offered_are_not_kept(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    content = os.urandom(1000)
    client.offer_image(offer_of(content))
    with pytest.raises(PortalRefusedError, match="other bytes"):
        client.put_image("a.jpg", bytes(1000), from_byte=0)
    assert rows(portal, identity.pod) == []
    assert client.offer_image(offer_of(content)).from_byte == 0


def test_more_bytes_than_were_offered_are_refused(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    client.offer_image(offer_of(b"abc"))
    with pytest.raises(PortalRefusedError, match="More bytes than were offered"):
        client.put_image("a.jpg", b"abcd", from_byte=0)
    assert rows(portal, identity.pod) == []


@pytest.mark.parametrize("name", ["../x", "..", ".coming", "a/b", "%2e%2e%2fx", "a\0b", "x" * 65], ids=repr)
def test_a_name_that_leads_elsewhere_is_refused(
    portal: Portal, client: PortalClient, identity: Identity, name: str
) -> None:
    with pytest.raises(PortalRefusedError):
        client.put_image(name, b"x", from_byte=0)
    body = json.loads(offer_of(b"x").model_dump_json()) | {"name": name}
    assert portal.ask("POST", "/api/pods/media", body, bearer=identity.api_key)[0] == 422
    assert not (portal.folder / "media" / identity.pod).exists()


def test_a_picture_that_was_not_offered_is_refused(client: PortalClient) -> None:
    with pytest.raises(PortalRefusedError, match="offer it first"):
        client.put_image("a.jpg", b"x", from_byte=0)


def test_the_oldest_pictures_make_room_within_a_pods_quota(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    now_s = datetime.now(UTC).timestamp()
    for number in range(5):
        content = os.urandom(30_000)
        client.offer_image(offer_of(content, f"{number}.jpg", taken_s=now_s - 100 + number))
        client.put_image(f"{number}.jpg", content, from_byte=0)
    assert files(portal, identity.pod) == ["2.jpg", "3.jpg", "4.jpg"]
    assert [row[0] for row in rows(portal, identity.pod)] == ["2.jpg", "3.jpg", "4.jpg"]
    assert portal.api.counters.images_dropped >= 2


def test_a_picture_larger_than_the_quota_is_not_wanted(client: PortalClient) -> None:
    assert client.offer_image(offer_of(b"", size_bytes=100_001)).from_byte is None


def test_uploads_that_broke_off_are_few(portal: Portal, identity: Identity, client: PortalClient) -> None:
    for number in range(MAX_COMING + 3):
        client.offer_image(offer_of(b"abc", f"{number}.jpg"))
    assert len(list((portal.folder / "media" / identity.pod / ".coming").iterdir())) == MAX_COMING


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_picture_of_a_clock_that_is_wrong_is_filed_when_it_came(
    portal: Portal, identity: Identity, client: PortalClient, year: int
) -> None:
    taken_s = datetime(year, 1, 2, tzinfo=UTC).timestamp()
    client.offer_image(offer_of(b"abc", taken_s=taken_s))
    client.put_image("a.jpg", b"abc", from_byte=0)
    (row,) = rows(portal, identity.pod)
    assert abs(row[2] - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_full_disk_refuses_pictures_with_a_reason_and_takes_them_again_afterwards(
    portal: Portal, identity: Identity, client: PortalClient, tmp_path: Path
) -> None:
    media = portal.media
    with small_disk_at(tmp_path / "disk", "size=200k") as disk:
        media._folder, before = disk / "media", media._folder
        try:
            filler = disk / "filler"
            client.offer_image(offer_of(bytes(90_000)))
            fill(filler)
            with pytest.raises(PortalRefusedError, match="no room"):
                client.put_image("a.jpg", bytes(90_000), from_byte=0)
            filler.unlink()
            have = client.offer_image(offer_of(bytes(90_000))).from_byte
            assert have is not None
            assert client.put_image("a.jpg", bytes(90_000 - have), from_byte=have).from_byte is None
        finally:
            media._folder = before
    assert portal.api.counters.images_full >= 1


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_list_comes_in_frames_that_only_this_pod_and_only_the_right_key_make_good(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    portal.database.run_as(
        "a_api",
        "INSERT INTO platebridge.entry (community, key, plate, verdict, type) "
        "VALUES ('elm', 'AB123', 'AB 123', 'allow', 'resident')",
        tenant="elm",
    )
    frames = client.list_frames(session="s1", number=3)
    keys = {"dispatch-1": PinnedKey(LISTS.public_key(), frozenset({"list_chunk"}))}
    chunks = [decode_down(f, pod=identity.pod, channel="list", keys=keys) for f in frames]
    (chunk,) = chunks
    assert isinstance(chunk, ListChunk)
    assert (chunk.session, chunk.number) == ("s1", 3)
    assert ["AB123" in document for _, document in chunk.entries] == [True]


def test_a_portal_without_a_key_for_lists_says_where_they_come_from(
    portal: Portal, client: PortalClient
) -> None:
    signer, portal.desk.list_signer = portal.desk.list_signer, None
    try:
        with pytest.raises(PortalRefusedError, match="come by the brokers"):
            client.list_frames(session="s1", number=1)
    finally:
        portal.desk.list_signer = signer


BEARERS = {
    "none": None,
    "empty": " ",
    "made up": "pbk_" + "A" * 43,
    "no token": "xyz",
    "an unsigned token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QtZWxtIn0." + "A" * 86,
    "very long": "pbk_" + "A" * 5000,
    "not ASCII": "pbk_é",
}


@pytest.mark.parametrize("bearer", BEARERS)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/pods/heartbeat", {"tailscale_ip": ""}),
        ("POST", "/api/pods/renew", {"csr": ""}),
        ("GET", "/api/pods/list?session=s&number=1", None),
        ("PUT", "/api/pods/media/a.jpg?offset=0", {}),
    ],
    ids=["heartbeat", "renew", "list", "media"],
)
def test_without_a_good_key_nothing_is_done(
    portal: Portal, method: str, path: str, body: object, bearer: str
) -> None:
    status, told = portal.ask(method, path, body, bearer=BEARERS[bearer])
    assert status in (401, 422)
    assert set(told) == {"code", "detail"}


def test_a_token_of_the_pods_own_key_opens_the_portal_and_one_for_a_broker_does_not(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    now = datetime.now(UTC)
    assert replace(client, bearer=mint(identity, audience="api", now=now)).heartbeat(Heartbeat())
    for bearer in (
        mint(identity, audience="mqtt", now=now),
        mint(identity, audience="api", now=now - timedelta(seconds=61)),
        mint(identity, audience="api", now=now + timedelta(seconds=120)),
        mint(replace(identity, pod="pod-elm"), audience="api", now=now),
    ):
        with pytest.raises(PortalRefusedError):
            replace(client, bearer=bearer).heartbeat(Heartbeat())


def test_a_revoked_pod_can_do_nothing_from_then_on(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    token = mint(identity, audience="api", now=datetime.now(UTC))
    portal.database.run_as(
        "a_api", f"UPDATE platebridge.pod SET revoked_at = now() WHERE id = '{identity.pod}'", tenant="elm"
    )
    for bearer in (identity.api_key, token):
        revoked = replace(client, bearer=bearer)
        with pytest.raises(PortalRefusedError, match="was revoked"):
            revoked.heartbeat(Heartbeat())
        with pytest.raises(PortalRefusedError, match="was revoked"):
            revoked.list_frames(session="s", number=1)
        with pytest.raises(PortalRefusedError, match="was revoked"):
            revoked.put_image("a.jpg", b"x", from_byte=0)
    assert portal.api.counters.refused["pod_revoked"] >= 6


@pytest.mark.parametrize("ip", ["1.2.3", ":::", "999.1.1.1", "100.64.0.1; DROP", "fe80::1%eth0"], ids=str)
def test_an_address_that_is_none_is_refused(portal: Portal, identity: Identity, ip: str) -> None:
    answered = portal.ask("POST", "/api/pods/heartbeat", {"tailscale_ip": ip}, bearer=identity.api_key)
    assert answered[0] == 422


def test_health_tells_what_does_not_work(portal: Portal) -> None:
    assert portal.ask("GET", "/api/health") == (200, {"status": "ok"})
    assert portal.ask("GET", "/api/health/ready") == (200, {"status": "ok"})
    portal.broker_trouble = "nobody listens at mqtts://broker.example:8883"
    try:
        status, told = portal.ask("GET", "/api/health/ready")
    finally:
        portal.broker_trouble = None
    assert (status, told["broker"]) == (503, "nobody listens at mqtts://broker.example:8883")


def test_a_database_that_is_cut_off_is_told_and_used_again_once_it_is_back(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    name = portal.database.name
    assert client.heartbeat(Heartbeat())
    with_superuser(portal, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        with_superuser(
            portal, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        with pytest.raises(PortalRefusedError, match="database does not answer"):
            client.heartbeat(Heartbeat())
        assert portal.ask("GET", "/api/health/ready")[0] == 503
        assert portal.ask("GET", "/api/health")[0] == 200
    finally:
        with_superuser(portal, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert client.heartbeat(Heartbeat())


def with_superuser(portal: Portal, sql: str) -> None:
    with psycopg.connect(portal.database.server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute(sql.encode())


def test_the_document_names_every_path(portal: Portal) -> None:
    status, document = portal.ask("GET", "/api/openapi.json")
    assert status == 200
    assert {
        *("/api/health", "/api/health/ready", "/api/pods/register", "/api/pods/renew", "/api/pods/heartbeat"),
        *("/api/pods/media", "/api/pods/media/{name}", "/api/pods/list", "/api/pods/authority"),
    } == set(document["paths"])


def test_an_unknown_path_is_a_plain_refusal(portal: Portal) -> None:
    assert portal.ask("GET", "/api/pods/secrets")[1]["code"] == "not_found"
    assert portal.ask("DELETE", "/api/pods/list")[1]["code"] == "bad_method"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_S", "BODY_S", "UPLOAD_IDLE_S"):
        monkeypatch.setattr(connections, name, 0.5)


SLOW = {
    "nothing": b"",
    "half a head": b"POST /api/pods/register HTTP/1.1\r\nHost: localh",
    "half a body": b"POST /api/pods/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("what", SLOW)
@pytest.mark.usefixtures("impatient")
def test_whoever_sends_slowly_is_let_go_and_holds_up_nobody(portal: Portal, what: str) -> None:
    with tls(portal) as slow:
        slow.sendall(SLOW[what])
        assert portal.ask("GET", "/api/health")[0] == 200
        answer = b""
        while part := read(slow):
            answer += part
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")


def read(connection: ssl.SSLSocket) -> bytes:
    try:
        return connection.recv(4096)
    except (ConnectionResetError, ssl.SSLError):
        return b""


@pytest.mark.usefixtures("impatient")
def test_an_upload_that_stops_is_let_go_and_its_bytes_stay(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    client.offer_image(offer_of(bytes(50_000)))
    with tls(portal) as slow:
        slow.sendall(
            f"PUT /api/pods/media/a.jpg?offset=0 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {identity.api_key}\r\nContent-Length: 50000\r\n\r\n".encode()
            + bytes(1000)
        )
        assert read(slow).startswith(b"HTTP/1.1 408")
    assert client.offer_image(offer_of(bytes(50_000))).from_byte == 1000


def test_two_uploads_of_one_picture_do_not_mix(
    portal: Portal, identity: Identity, client: PortalClient
) -> None:
    content = os.urandom(50_000)
    client.offer_image(offer_of(content))
    with tls(portal) as first:
        first.sendall(
            f"PUT /api/pods/media/a.jpg?offset=0 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {identity.api_key}\r\nContent-Length: 50000\r\n\r\n".encode()
            + content[:10]
        )
        deadline_s = time.monotonic() + 10
        while client_offer(client, offer_of(content)) != "busy":
            assert time.monotonic() < deadline_s
        with pytest.raises(PortalRefusedError, match="already"):
            client.put_image("a.jpg", content, from_byte=0)
        first.sendall(content[10:])
        assert read(first).startswith(b"HTTP/1.1 200")
    assert (portal.folder / "media" / identity.pod / "a.jpg").read_bytes() == content


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 99999999999\r\n", id="declared"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", id="chunked"),
    ],
)
def test_a_body_without_end_is_refused_before_it_is_read(portal: Portal, head: bytes) -> None:
    with tls(portal) as connection:
        connection.sendall(b"POST /api/pods/register HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
        sender = threading.Thread(target=pour, args=(connection,))
        sender.start()
        answer = read(connection)
        sender.join()
    assert answer.startswith(b"HTTP/1.1 413") or answer == b""


def pour(connection: ssl.SSLSocket) -> None:
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    try:
        for _ in range(100):
            connection.sendall(chunk)
    except OSError:
        return


def test_hundreds_of_connections_at_once_leave_the_portal_answering(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them even shakes hands; beyond the bound they are closed, and room is made by those that go."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 100)
    held = [socket.create_connection(("127.0.0.1", portal.api.port), timeout=5) for _ in range(90)]
    try:
        assert portal.ask("GET", "/api/health")[0] == 200
        held += [socket.create_connection(("127.0.0.1", portal.api.port), timeout=5) for _ in range(100)]
        closed = [connection for connection in held[100:] if is_closed(connection)]
        assert len(closed) >= 85
    finally:
        for connection in held:
            connection.close()
    assert portal.api.counters.refused["too_many"] >= 85
    deadline_s = time.monotonic() + 10
    while not answers(portal):
        assert time.monotonic() < deadline_s


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False  # it found room


def answers(portal: Portal) -> bool:
    try:
        return portal.ask("GET", "/api/health")[0] == 200
    except OSError:
        return False


def test_a_portal_whose_answer_never_ends_is_given_up(
    client: PortalClient,
) -> None:
    with pytest.raises(PortalError, match="has no end"):
        client._send("GET", "/api/openapi.json", b"", "application/json", most_bytes=10)

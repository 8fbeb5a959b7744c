"""What the agent does by HTTPS, against the real API: pictures, and a sign of life where no broker is."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agent_world import QUICK, PodAround, an_identity, syncing
from cloud_database import TWO_COMMUNITIES, CloudServer, a_database
from cloud_portal import Portal, running_portal
from mqtt_world import free_port
from stand_in_cloud import until

from sync.agent import image_uploader
from sync.agent.enroll import enroll
from sync.agent.identity_files import Identity
from sync.agent.image_uploader import ImageUploader
from sync.agent.portal_client import PortalClient, PortalError
from sync.agent.renewal import client_of
from sync.protocol.homes import Home, Homes
from sync.protocol.portal import ImagePlace, OfferedImage


@pytest.fixture(scope="module")
def portal(cloud_server: CloudServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with (
        a_database(cloud_server, TWO_COMMUNITIES) as database,
        running_portal(database, tmp_path_factory.mktemp("agent-portal")) as portal,
    ):
        yield portal


@pytest.fixture(scope="module")
def identity(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Identity:
    folder = tmp_path_factory.mktemp("enrolled")
    enrolled = enroll(folder, portal.join(), name="Gate", new_key=False, say=lambda _: None)
    return replace(enrolled, home=Home(portal.url, (f"mqtt://127.0.0.1:{free_port()}",)))


def offer_of(content: bytes, name: str) -> OfferedImage:
    return OfferedImage(
        name=name,
        approach="a-1",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        media_type="image/jpeg",
        taken_s=time.time(),
    )


class Torn:
    """A client whose connection breaks at every second part; it keeps what was said."""

    def __init__(self, client: PortalClient) -> None:
        self.client = client
        self.begun_at: list[int | None] = []
        self.parts = 0

    def offer_image(self, offer: OfferedImage) -> ImagePlace:
        place = self.client.offer_image(offer)
        self.begun_at.append(place.from_byte)
        return place

    def put_image(self, name: str, part: bytes, *, from_byte: int) -> ImagePlace:
        self.parts += 1
        if self.parts % 2 == 0:
            raise PortalError("the connection broke")
        return self.client.put_image(name, part, from_byte=from_byte)


def test_pictures_that_were_offered_lie_in_the_cloud(portal: Portal, identity: Identity, tmp_path: Path):
    around = PodAround(Homes(identity.home))
    pictures = {f"{at}.jpg": os.urandom(20_000) for at in range(3)}
    around.images = pictures | {}
    with syncing(tmp_path, identity=identity, around=around) as pod:
        assert pod.agent is not None
        for name, content in pictures.items():
            pod.agent.offer_image(offer_of(content, name))
        pod.agent.offer_image(offer_of(b"gone", "gone.jpg"))
        agent = pod.agent
        until(lambda: (agent.figures.sent_images, agent.figures.dropped_images) == (3, 1))
    for name, content in pictures.items():
        assert (portal.folder / "media" / identity.pod / name).read_bytes() == content
    assert pod.faults == []


def test_an_upload_that_breaks_goes_on_from_where_it_broke(
    portal: Portal, identity: Identity, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(image_uploader, "PART_BYTES", 10_000)
    content = os.urandom(35_000)
    around = PodAround(Homes(identity.home), images={"torn.jpg": content})
    torn = Torn(client_of(identity, portal=portal.url))
    uploader = ImageUploader(lambda: torn, around, on_fault=around.faults.append, again_s=0.01)  # type: ignore[arg-type, return-value]  # stands for the client
    uploader.start()
    uploader.offer(offer_of(content, "torn.jpg"))
    until(lambda: uploader.sent == 1)
    uploader.stop()
    assert torn.begun_at == [0, 10_000, 20_000, 30_000]
    assert (portal.folder / "media" / identity.pod / "torn.jpg").read_bytes() == content


def test_pictures_wait_within_a_budget_of_bytes_and_the_oldest_make_room(tmp_path: Path):
    def nowhere() -> PortalClient:
        raise PortalError("no network")

    around = PodAround(Homes(an_identity(tmp_path).home))
    uploader = ImageUploader(nowhere, around, on_fault=around.faults.append, again_s=60, waiting_bytes=2_500)
    uploader.start()
    for at in range(5):
        uploader.offer(offer_of(bytes(1000), f"{at}.jpg"))
    assert (uploader.waiting_bytes, uploader.dropped) == (2000, 3)
    assert [one.name for one in uploader._waiting] == ["3.jpg", "4.jpg"]
    uploader.offer(offer_of(bytes(3000), "too-large.jpg"))
    assert (uploader.waiting_bytes, uploader.dropped) == (2000, 4)
    uploader.stop()
    assert around.faults == []


def test_a_picture_that_the_portal_refuses_holds_up_none_behind_it(portal: Portal, identity: Identity):
    good, spoiled = os.urandom(100), os.urandom(100)
    around = PodAround(Homes(identity.home), images={"spoiled.jpg": bytes(100), "good.jpg": good})
    client = client_of(identity, portal=portal.url)
    uploader = ImageUploader(lambda: client, around, on_fault=around.faults.append, again_s=0.01)
    uploader.start()
    uploader.offer(offer_of(spoiled, "spoiled.jpg"))
    uploader.offer(offer_of(good, "good.jpg"))
    until(lambda: uploader.sent == 1)
    uploader.stop()
    assert uploader.dropped == 1


def test_a_pod_that_reaches_no_broker_is_heard_by_https(portal: Portal, identity: Identity, tmp_path: Path):
    around = PodAround(Homes(identity.home))
    timing = replace(QUICK, heartbeat_s=0.05)
    with syncing(tmp_path, identity=identity, around=around, timing=timing) as pod:
        agent = pod.agent
        assert agent is not None
        until(lambda: agent.figures.heartbeats >= 1)
    sql = f"SELECT health ->> 'session' FROM platebridge.pod_heartbeat WHERE pod = '{identity.pod}'"
    assert portal.database.run_as("a_api", sql, tenant="elm") == [(agent.session,)]

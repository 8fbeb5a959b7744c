"""The local page as a browser gets it, without a network between."""

import io
import tarfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from page_client import Facts, browser_of, page_app, signed_in

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord
from pod.services.health import PartHealth, Status
from pod.web.event_pages import CARS_SHOWN
from pod.web.source import pack_source

Client = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

HOSTILE = '<img src=x onerror="alert(1)">'


def record(**changes: object) -> ApproachRecord:
    facts: dict[str, object] = {
        "approach": "entry-1",
        "at": datetime(2026, 7, 1, 10, 0, tzinfo=UTC),
        "camera": "entry",
        "gate": "main",
        "plate": "AB123",
        "outcome": "not opened",
        "reason": "not_listed",
        "why": "The plate is not on the list.",
        "confidence": 0.97,
        "label": "",
        "revisions": 1,
    }
    return ApproachRecord(**(facts | changes))  # type: ignore[arg-type]  # a table of fields, typed above


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]:
    """A browser that is signed in, before what the test says of the POD."""

    def open_page(
        records: Sequence[ApproachRecord] | StoreError = (), **facts: object
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return signed_in(tmp_path, Facts(records, **facts))  # type: ignore[arg-type]  # as the test gives them

    return open_page


async def test_an_empty_page_says_what_will_appear(client: Client) -> None:
    async with client() as browser:
        assert "No car has come yet" in (await browser.get("/")).text


async def test_times_are_those_of_the_site(client: Client) -> None:
    async with client([record()]) as browser:
        page = (await browser.get("/now")).text
    assert "Wednesday 1 July" in page
    assert '<time datetime="2026-07-01T12:00:00+02:00">12:00:00</time>' in page


@pytest.mark.parametrize("field", ["plate", "label", "why", "camera"])
async def test_markup_in_anything_recorded_is_shown_as_text(client: Client, field: str) -> None:
    async with client([record(**{field: HOSTILE})], site=HOSTILE) as browser:
        page = (await browser.get("/")).text
    assert HOSTILE not in page
    assert "&lt;img src=x" in page


async def test_scripts_from_elsewhere_are_forbidden_and_nothing_is_cached(client: Client) -> None:
    async with client() as browser:
        headers = (await browser.get("/")).headers
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


async def test_records_that_cannot_be_read_are_told_with_the_mend_and_never_as_no_cars(
    client: Client,
) -> None:
    broken = StoreError("pod.db cannot be read: check the disk")
    async with client(broken, parts=[PartHealth("store", Status.OK)]) as browser:
        page = (await browser.get("/")).text
    assert "pod.db cannot be read: check the disk." in page
    assert "Needs attention" in page
    assert "No car has come yet" not in page


async def test_no_car_is_said_to_be_missing_while_no_camera_sees(client: Client) -> None:
    async with client(parts=[PartHealth("camera entry", Status.FAILING, "Check its power.")]) as browser:
        page = (await browser.get("/")).text
    assert "No car can be seen" in page
    assert "No car has come yet" not in page


async def test_a_full_page_says_where_the_older_cars_are(client: Client) -> None:
    records = [record(approach=f"entry-{number}") for number in range(CARS_SHOWN)]
    async with client(records) as browser:
        assert "Older cars" in (await browser.get("/")).text
    async with client(records[:-1]) as browser:
        assert "Older cars" not in (await browser.get("/")).text


async def test_an_unknown_address_leads_people_back_and_gives_programs_json(client: Client) -> None:
    async with client() as browser:
        page = await browser.get("/cars/%3Cb%3E7", headers={"accept": "text/html,*/*;q=0.8"})
        data = await browser.get("/cars/7", headers={"accept": "application/json"})
    assert (page.status_code, data.status_code) == (404, 404)
    assert "no page /cars/&lt;b&gt;7" in page.text
    assert '<a href="/">' in page.text
    assert data.json()["detail"].startswith("This POD has no page /cars/7.")


async def test_a_foreign_host_name_is_refused(client: Client) -> None:
    async with client() as browser:
        answer = await browser.get("/now", headers={"host": "evil.example"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(Status.OK, 200, id="ok"),
        pytest.param(Status.DEGRADED, 200, id="degraded"),
        pytest.param(Status.FAILING, 503, id="failing"),
    ],
)
async def test_healthz_is_as_bad_as_the_worst_part(client: Client, status: Status, code: int) -> None:
    parts = [PartHealth("store", Status.OK), PartHealth("camera entry", status, "Check its power.")]
    async with client(parts=parts) as browser:
        answer = await browser.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (code, status.value)


async def test_a_stranger_on_the_network_learns_whether_all_is_well_and_no_more(tmp_path: Path) -> None:
    parts = [PartHealth("camera entry", Status.FAILING, "rtsp://192.168.1.20/live does not answer.")]
    app = page_app(tmp_path, Facts(parts=parts))
    async with browser_of(app, address="192.168.1.9") as stranger, browser_of(app) as local:
        told = await stranger.get("/healthz")
        assert (told.status_code, told.json()) == (503, {"status": "failing"})
        assert "192.168.1.20" in (await local.get("/healthz")).text


async def test_the_source_offered_is_that_of_the_running_program_and_packed_once(client: Client) -> None:
    pack_source.cache_clear()
    async with client() as browser:
        packed = (await browser.get("/source.tar.gz")).content
        await browser.get("/source.tar.gz")
    assert pack_source.cache_info().misses == 1
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = set(archive.getnames())
    assert {"platebridge/pod/web/page.py", "platebridge/LICENSE"} <= names
    assert not any(name.endswith((".onnx", ".pyc")) for name in names)

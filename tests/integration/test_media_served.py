"""Pictures and clips over HTTP: byte ranges for who is signed in, and signed links for who is not."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path

import gate_clips
import pytest
from clip_files import begin_clip, encoded, keep_clip
from served_page import ServedPage
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message

from pod.domain.errors import StoreError
from pod.store.audit import KINDS
from pod.store.media_index import MediaPlace
from pod.web.media_pages import KeptFile
from pod.web.shared_links import FILE_NAME, SharedLinks

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

UNITS = encoded("h264", 30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    with ServedPage(tmp_path_factory.mktemp("served")) as page:
        page.car("entry-1", {}, known=True)
        keep_clip(page.media, "entry-1", UNITS, at=NOON)
        yield page


class Browser:
    """Asks a page, signed in or not; refusals are answers, too."""

    def __init__(self, served: ServedPage, *, signed_in: bool) -> None:
        self._address = served.address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        if signed_in:
            self._opener.open(f"{served.address}{served.sign_in_path()}", timeout=10).close()

    def ask(
        self, path: str, form: dict[str, str] | None = None, *, method: str | None = None, **headers: str
    ) -> tuple[int, HTTPMessage, bytes]:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(
            f"{self._address}{path}",
            data,
            {k.replace("_", "-"): v for k, v in headers.items()},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read()

    def open(self, path: str) -> HTTPResponse:
        """The answer with its body still to come."""
        answer: HTTPResponse = self._opener.open(f"{self._address}{path}", timeout=10)
        return answer

    def csrf(self) -> str:
        page = self.ask("/list")[2].decode()
        return page.split('name="csrf" value="')[1].split('"')[0]


@pytest.fixture(scope="module")
def guard(served: ServedPage) -> Browser:
    """Somebody who signed in."""
    return Browser(served, signed_in=True)


@pytest.fixture(scope="module")
def stranger(served: ServedPage) -> Browser:
    return Browser(served, signed_in=False)


@pytest.fixture
def clip(served: ServedPage) -> tuple[int, bytes]:
    """The clip's number and bytes."""
    (item,) = served.media.clips("entry-1")
    place = served.media.place(item.id)
    assert place is not None
    return item.id, place.path.read_bytes()


def test_a_clip_is_served_whole_to_who_is_signed_in_and_kept_by_no_browser(
    guard: Browser, clip: tuple[int, bytes]
) -> None:
    number, content = clip
    status, headers, body = guard.ask(f"/media/{number}")
    assert (status, body, headers["content-type"]) == (200, content, "video/mp4")
    assert (headers["accept-ranges"], headers["cache-control"]) == ("bytes", "no-store")
    assert "media-src 'self'" in headers["content-security-policy"]
    assert headers["content-disposition"] == 'inline; filename="entry-2026-07-01T14-00-00-clip.mp4"'
    assert guard.ask(f"/media/{number}", method="HEAD")[1]["content-length"] == str(len(content))
    assert guard.ask(f"/media/{number}?download=1")[1]["content-disposition"].startswith("attachment; ")


def test_a_picture_is_served_as_one(guard: Browser, served: ServedPage) -> None:
    scene = served.media.find("entry-1")[0]
    status, headers, body = guard.ask(f"/media/{scene.id}")
    assert (status, headers["content-type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        pytest.param("bytes=0-1", 0, 2, id="the first two bytes, as Safari begins"),
        pytest.param("bytes=100-", 100, None, id="from somewhere on"),
        pytest.param("bytes=-50", -50, None, id="the last ones"),
        pytest.param("bytes=10-999999999", 10, None, id="beyond the end"),
    ],
)
def test_a_range_of_a_clip_is_that_range(
    guard: Browser, clip: tuple[int, bytes], asked: str, begin: int, end: int | None
) -> None:
    number, content = clip
    status, headers, body = guard.ask(f"/media/{number}", Range=asked)
    assert (status, body) == (206, content[begin:end])
    assert headers["content-range"].endswith(f"/{len(content)}")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        pytest.param("bytes=999999999-", 416, id="begins beyond the end"),
        pytest.param("bytes=9-1", 400, id="ends before it begins"),
        pytest.param("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 4000, 2)), 200, id="thousands"),
        pytest.param("lines=1-2", 400, id="another unit"),
        pytest.param("bytes=a-b", 400, id="no numbers"),
    ],
)
def test_a_range_that_makes_no_sense_is_answered_and_costs_nothing(
    guard: Browser, clip: tuple[int, bytes], asked: str, answered: int
) -> None:
    status, _, body = guard.ask(f"/media/{clip[0]}", Range=asked)
    assert status == answered
    assert len(body) <= len(clip[1])


@pytest.mark.parametrize("path", ["/media/999", "/media/-1", "/media/99999999999999999999", "/media/x"])
def test_a_number_that_names_nothing_is_refused(guard: Browser, path: str) -> None:
    assert guard.ask(path)[0] in (404, 422)


def test_a_clip_that_grows_while_it_is_sent_is_whole_as_it_was_when_it_was_asked_for(
    guard: Browser, served: ServedPage
) -> None:
    served.car("entry-grows", {}, known=True)
    file = begin_clip(served.media, "entry-grows")
    content = bytes(2**24 + 1000)  # more than any socket holds, and no round number of blocks
    assert file.append(content)
    (item,) = served.media.clips("entry-grows")
    with guard.open(f"/media/{item.id}?download=1") as answer:
        assert file.append(bytes(2**17))
        assert answer.headers["content-length"] == str(len(content))
        assert answer.read() == content
    file.drop()


def test_a_clip_that_is_deleted_before_its_file_was_opened_is_gone(
    guard: Browser, served: ServedPage, clip: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = served.media.place(clip[0])
    assert place is not None
    deleted = replace(place, path=place.path.with_name("deleted.mp4"))
    monkeypatch.setattr(served.media, "place", lambda _id: deleted)
    status, _, body = guard.ask(f"/media/{clip[0]}")
    assert (status, b"It was deleted" in body) == (404, True)


@pytest.mark.parametrize("asked", ["", "bytes=10-", "bytes=0-9,20-29"], ids=["whole", "range", "ranges"])
async def test_a_clip_that_is_deleted_while_it_is_sent_arrives_whole(tmp_path: Path, asked: str) -> None:
    content = bytes(range(256)) * 1000
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    told: dict[str, int] = {}
    arrived = b""

    async def send(message: Message) -> None:
        nonlocal arrived
        if message["type"] == "http.response.start":
            path.unlink()
            told["bytes"] = int(Headers(raw=message["headers"])["content-length"])
        else:
            arrived += message["body"]

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    place = MediaPlace(path, "entry-1", "entry", "clip", NOON)
    file = KeptFile(place, filename="clip.mp4", content_disposition_type="inline", gone=Response())
    headers = [(b"range", asked.encode())] if asked else []
    scope = {"type": "http", "method": "GET", "headers": headers, "asgi": {"spec_version": "2.4"}}
    await file(scope, receive, send)
    assert len(arrived) == told["bytes"]
    assert content[20:30] in arrived


def test_who_is_not_signed_in_gets_neither_clips_nor_links(
    stranger: Browser, clip: tuple[int, bytes]
) -> None:
    assert stranger.ask(f"/media/{clip[0]}")[0] == 401
    assert stranger.ask(f"/media/{clip[0]}/link", {"hours": "1"})[0] == 401


def test_a_link_is_asked_for_by_our_own_pages_alone(guard: Browser, clip: tuple[int, bytes]) -> None:
    path = f"/media/{clip[0]}/link"
    assert guard.ask(path, {"hours": "1"})[0] == 403
    assert guard.ask(path, {"hours": "1", "csrf": guard.csrf()}, Origin="http://elsewhere.example")[0] == 403
    assert guard.ask(path, {"hours": "0", "csrf": guard.csrf()})[0] == 422
    assert guard.ask(path, {"hours": "169", "csrf": guard.csrf()})[0] == 422
    assert guard.ask("/media/999/link", {"csrf": guard.csrf()})[0] == 404


def test_the_audit_says_who_gave_a_clip_away_and_until_when(
    guard: Browser, served: ServedPage, clip: tuple[int, bytes]
) -> None:
    body = guard.ask(f"/media/{clip[0]}/link", {"hours": "1", "csrf": guard.csrf()})[2]
    kind, row = served.noted[-1]
    assert kind in KINDS
    assert row == {
        "media": clip[0],
        "kind": "clip",
        "approach": "entry-1",
        "camera": "entry",
        "until": json.loads(body)["until"],
        "by": "local page, from 127.0.0.1",
    }


def test_a_link_opens_its_clip_without_a_sign_in_and_nothing_else(
    guard: Browser, stranger: Browser, clip: tuple[int, bytes]
) -> None:
    number, content = clip
    status, _, body = guard.ask(f"/media/{number}/link", {"hours": "1", "csrf": guard.csrf()})
    link = json.loads(body)
    assert status == 201
    assert timedelta(0) < datetime.fromisoformat(link["until"]) - datetime.now(UTC) <= timedelta(hours=1)
    assert stranger.ask(link["path"])[::2] == (200, content)
    assert stranger.ask(link["path"], Range="bytes=5-9")[::2] == (206, content[5:10])
    assert stranger.ask(f"{link['path']}?download=1")[1]["content-disposition"].startswith("attachment")
    assert stranger.ask("/")[0] == 401
    for place in range(len("/shared/"), len(link["path"]) - 1):
        other = "A" if link["path"][place] != "A" else "B"
        altered = link["path"][:place] + other + link["path"][place + 1 :]
        if place % 5 == 0:
            assert stranger.ask(altered)[0] == 404, altered


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x", id="short"),
        pytest.param("A" * 64, id="made up"),
        pytest.param("A" * 5000, id="endless"),
        pytest.param("%00%ff", id="no text"),
        pytest.param("..%2f..%2fpod.db", id="a path"),
    ],
)
def test_a_token_that_is_none_opens_nothing(stranger: Browser, token: str) -> None:
    assert stranger.ask(f"/shared/{token}")[0] in (404, 422)


class Clock:
    """A clock that a test sets; None is in doubt."""

    def __init__(self) -> None:
        self.now: datetime | None = NOON

    def __call__(self) -> datetime | None:
        return self.now


def test_a_link_ends_at_its_time(tmp_path: Path) -> None:
    clock = Clock()
    links = SharedLinks(tmp_path, now=clock)
    token, until = links.make(7, 2)
    assert until == NOON + timedelta(hours=2)
    clock.now = until - timedelta(seconds=1)
    assert links.opens(token) == 7
    clock.now = until
    assert links.opens(token) is None


def test_while_the_clock_is_in_doubt_no_link_is_made_or_believed(tmp_path: Path) -> None:
    clock = Clock()
    links = SharedLinks(tmp_path, now=clock)
    token, _ = links.make(7, 2)
    clock.now = None
    assert links.opens(token) is None
    with pytest.raises(StoreError, match="set its clock"):
        links.make(7, 2)


def test_links_outlive_a_restart_and_end_with_the_key(tmp_path: Path) -> None:
    token, _ = SharedLinks(tmp_path, now=Clock()).make(7, 2)
    again = SharedLinks(tmp_path, now=Clock())
    assert again.opens(token) == 7
    key = tmp_path / FILE_NAME
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    assert again.opens(token) is None


def test_a_damaged_key_opens_nothing_and_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = SharedLinks(tmp_path, now=Clock())
    token, _ = links.make(7, 2)
    (tmp_path / FILE_NAME).write_bytes(b"short")
    assert links.opens(token) is None
    newer, _ = links.make(7, 2)
    assert (links.opens(newer), links.opens(token)) == (7, None)
    assert "was damaged and is made anew" in caplog.text


def test_a_folder_that_takes_no_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="let this user write there"):
        SharedLinks(tmp_path / "missing", now=Clock()).make(7, 2)


def test_links_of_another_pod_open_nothing(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    token, _ = SharedLinks(there, now=Clock()).make(7, 2)
    links = SharedLinks(here, now=Clock())
    links.make(7, 2)
    assert links.opens(token) is None


def test_the_clip_of_a_car_can_be_made_of_a_rendered_gate(served: ServedPage) -> None:
    served.car("entry-2", {}, pictures=False)
    served.clip("entry-2", gate_clips.visits(), plate_at_s=1.0)
    assert [clip.duration_s for clip in served.media.clips("entry-2")] == [8.0]

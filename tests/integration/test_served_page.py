"""The page over real connections: its stream ends with its session, long work stays off the event loop."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from page_client import csrf_in
from served_page import ServedPage

from pod.web import event_pages, list_pages
from pod.web.admin_password import AdminPassword

REFUSED = {"verdict": "deny", "reason": "not_listed"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    with ServedPage(tmp_path) as page:
        yield page


@pytest.fixture
def visitor(served: ServedPage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.address, headers={"accept": "text/html"}, timeout=20) as client:
        assert client.get(served.sign_in_path()).status_code == 303
        yield client


def sign_out(visitor: httpx.Client, served: ServedPage) -> None:
    assert visitor.post("/logout", data={"csrf": csrf_in(visitor.get("/gate"))}).status_code == 303


def new_password(visitor: httpx.Client, served: ServedPage) -> None:
    AdminPassword(served.folder).reset()


@pytest.mark.parametrize("end", [sign_out, new_password])
def test_a_stream_tells_nothing_of_a_car_once_its_session_has_ended(
    served: ServedPage, visitor: httpx.Client, end: Callable[[httpx.Client, ServedPage], None]
) -> None:
    with visitor.stream("GET", "/stream") as stream:
        lines = stream.iter_lines()
        served.car("entry-1", REFUSED, pictures=False)
        assert any(line.startswith("data:") and "entry-1" in line for line in lines)
        end(visitor, served)
        served.car("entry-2", REFUSED, pictures=False)
        assert not any("entry-2" in line for line in lines)  # read to its end
    assert visitor.get("/stream", headers={"accept": "text/event-stream"}).status_code == 401


@pytest.mark.parametrize(
    ("module", "work", "path"),
    [
        pytest.param(list_pages, "page_of", "/list?q=AB", id="search"),
        pytest.param(list_pages, "write_csv", "/list/export.csv", id="export"),
    ],
)
def test_what_takes_long_with_a_long_list_runs_beside_the_event_loop(
    visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch, module: object, work: str, path: str
) -> None:
    done, ran = getattr(module, work), []

    def noted(*given: object) -> object:
        ran.append(threading.current_thread().name)
        return done(*given)

    monkeypatch.setattr(module, work, noted)
    assert visitor.get(path).status_code == 200
    assert len(ran) == 1
    assert ran[0] != "served page"


def test_a_large_form_that_can_hold_no_file_is_refused_unread(visitor: httpx.Client) -> None:
    token = csrf_in(visitor.get("/list/import"))
    kind = {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": token}
    answer = visitor.post("/list/import", content=b"&" * 100_000, headers=kind)
    assert answer.status_code == 413


def test_a_picture_number_beyond_every_database_is_refused(visitor: httpx.Client) -> None:
    assert visitor.get(f"/media/{event_pages.LARGEST_ID}").status_code == 404
    assert visitor.get(f"/media/{event_pages.LARGEST_ID + 1}").status_code == 422

"""The page over real connections: its stream ends with its session, long work stays off the event loop."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from page_client import csrf_in
from served_page import ServedPage

from pod.domain.errors import ConfigError
from pod.store.entries import make_entry
from pod.web import import_pages, list_pages, media_pages
from pod.web.admin_password import AdminPassword
from pod.web.server import bind

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
    assert visitor.get(f"/media/{media_pages.LARGEST_ID}").status_code == 404
    assert visitor.get(f"/media/{media_pages.LARGEST_ID + 1}").status_code == 422


def test_no_browser_keeps_a_picture_so_that_an_erasure_holds(
    served: ServedPage, visitor: httpx.Client
) -> None:
    served.car("entry-1", REFUSED)
    (first, *_) = served.media.find("entry-1")
    answer = visitor.get(f"/media/{first.id}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


def test_an_undo_sent_twice_says_twice_what_became_of_it(served: ServedPage, visitor: httpx.Client) -> None:
    made = served.store.plates.add(make_entry("AB123CD"), by="test").result(10)
    form = {"csrf": csrf_in(visitor.get("/list")), "change": str(made.id)}
    for _ in range(2):
        visitor.post("/list/undo", data=form)
        assert "Taken back: AB123CD is off the list again." in visitor.get("/list").text
    visitor.post("/list/undo", data=form | {"change": "9999"})
    assert "It was not taken back." in visitor.get("/list").text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_longer_list_than_the_page_takes_is_refused_with_the_command_that_takes_it(
    visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr(import_pages, "MOST_ROWS", 2)

    def upload(rows: int) -> httpx.Response:
        text = "plate\r\n" + "".join(f"\r\nZQ{n}W{n}\r\n" for n in range(rows))
        form = {"csrf": csrf_in(visitor.get("/list/import"))}
        return visitor.post("/list/import", data=form, files={"file": ("a.csv", text.encode(encoding))})

    assert "<b>2</b> new" in upload(2).text
    refused = upload(3)
    assert refused.status_code == 422
    assert "a.csv holds 3 rows, and this page takes 2 at most." in refused.text
    assert "<code>platebridge plates import FILE</code> takes up to 100,000." in refused.text


def test_what_was_typed_stays_whole_and_its_true_length_is_told(visitor: httpx.Client) -> None:
    label = "Flat 3 " * 43  # 300 characters without the last space
    page = visitor.get("/list/new")
    answer = visitor.post("/list/new", data={"csrf": csrf_in(page), "plate": "AB123CD", "label": label})
    assert answer.status_code == 422
    assert "The label has 300 characters: shorten it to 80." in answer.text
    assert f'value="{label.strip()}"' in answer.text


@pytest.mark.parametrize("place", ["/list/new", "/list/visitor"])
def test_a_nul_in_a_plate_is_refused_as_in_a_file(
    served: ServedPage, visitor: httpx.Client, place: str
) -> None:
    form = {"csrf": csrf_in(visitor.get("/list")), "plate": "AB\x00123CD", "until": "tonight", "uses": "1"}
    answer = visitor.post(place, data=form)
    assert answer.status_code == 422
    assert "The plate holds a NUL character: type it anew." in answer.text
    assert served.store.plates.current.entries == ()


def test_the_way_in_through_a_tunnel_names_the_port_of_this_pod(
    served: ServedPage, visitor: httpx.Client
) -> None:
    port = served.address.rpartition(":")[2]
    assert f"ssh -L {port}:127.0.0.1:{port}" in visitor.get("/settings").text


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused_as_the_doctor_says_it(host: str) -> None:
    mend = f"{host} is not an address of this machine; set web.host to 127.0.0.1"
    with pytest.raises(ConfigError, match=f"^the local page: {mend}$"):
        bind(host, 0)

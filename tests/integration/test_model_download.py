"""Downloads from a real server that cuts, stalls, lies and refuses: what comes is whole, or refused."""

import contextlib
import hashlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hub_server import Hub, Request, cut_after, once, say, serving

from models import web
from models.download import Limits, fetch
from models.manifest import ModelError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Limits(stall_s=0.4, deadline_s=20, attempts=3, first_delay_s=0.01)


@dataclass
class Told:
    """What a download reported."""

    done: list[int] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)

    def progress(self, done_bytes: int, total_bytes: int | None) -> None:
        self.done.append(done_bytes)

    def waits(self, reason: str, delay_s: float) -> None:
        self.waited.append(reason)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as server:
        server.files["net.onnx"] = CONTENT
        yield server


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "net.part"


def get(hub: Hub, part: Path, told: Told | None = None, **changes: object) -> str:
    settings = {"sha256": SHA256, "size_bytes": len(CONTENT), "most_bytes": 1_000_000} | changes
    limits = settings.pop("limits", QUICK)
    return fetch(f"{hub.url}/net.onnx", part, report=told or Told(), limits=limits, **settings)


def test_a_file_comes_whole_with_its_progress(hub: Hub, part: Path) -> None:
    told = Told()
    assert get(hub, part, told) == SHA256
    assert part.read_bytes() == CONTENT
    assert told.done == sorted(told.done)
    assert told.done[-1] == len(CONTENT)


def test_a_connection_that_breaks_off_goes_on_where_it_was(hub: Hub, part: Path) -> None:
    hub.behave = once(cut_after(100_000))
    told = Told()
    get(hub, part, told)
    assert part.read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=100000-"]
    assert "broke off after 100,000 of 512,000 bytes" in told.waited[0]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(hub: Hub, part: Path) -> None:
    hub.behave = cut_after(0)
    hub.behave = once(cut_after(200_000))
    with pytest.raises(ModelError, match="200,000 bytes are kept for the next try"):
        get(hub, part, limits=Limits(stall_s=0.4, deadline_s=20, attempts=1, first_delay_s=0.01))
    get(hub, part)
    assert part.read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=200000-"]


def test_a_server_that_knows_no_ranges_begins_anew(hub: Hub, part: Path) -> None:
    hub.knows_ranges = False
    hub.behave = once(cut_after(100_000))
    get(hub, part)
    assert part.read_bytes() == CONTENT
    assert hub.asked == ["", "bytes=100000-"]


def test_a_file_that_was_exchanged_meanwhile_is_fetched_anew_and_never_mixed(hub: Hub, part: Path) -> None:
    old = bytes(len(CONTENT))
    hub.files["net.onnx"] = old

    def cut_and_exchange(request: Request, content: bytes) -> bool:
        request.serve(content, body=content[:100_000])
        hub.files["net.onnx"] = CONTENT
        return True

    hub.behave = once(cut_and_exchange)
    get(hub, part)
    assert part.read_bytes() == CONTENT


def test_a_server_that_gives_its_content_no_name_begins_anew(hub: Hub, part: Path) -> None:
    hub.etag = None
    hub.behave = once(cut_after(100_000))
    get(hub, part)
    assert hub.asked == ["", ""]
    assert part.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_not_fetched_again(hub: Hub, part: Path) -> None:
    get(hub, part)
    assert get(hub, part) == SHA256
    assert get(hub, part, size_bytes=None) == SHA256
    assert hub.asked == ["", "bytes=512000-"]


def test_a_server_that_answers_with_another_part_is_asked_anew(hub: Hub, part: Path) -> None:
    def other_part(request: Request, content: bytes) -> bool:
        if not request.headers.get("Range"):
            request.serve(content, body=content[:100_000])
            return True
        hub.behave = lambda _request, _content: False
        request.head(206, 5, **{"Content-Range": f"bytes 7-11/{len(content)}"})
        request.wfile.write(content[7:12])
        return True

    hub.behave = other_part
    get(hub, part)
    assert part.read_bytes() == CONTENT


def test_a_truncated_download_is_told_and_never_taken_for_the_whole(hub: Hub, part: Path) -> None:
    hub.behave = cut_after(9)
    with pytest.raises(ModelError, match="broke off after 9 of 512,000 bytes"):
        get(hub, part, limits=Limits(stall_s=0.4, deadline_s=20, attempts=1))


def test_a_wrong_checksum_is_told_and_the_file_removed(hub: Hub, part: Path, tmp_path: Path) -> None:
    hub.files["net.onnx"] = CONTENT[:-1] + b"!"
    with pytest.raises(ModelError, match=rf"and {SHA256[:12]}… is pinned; it was removed"):
        get(hub, part)
    assert list(tmp_path.iterdir()) == []


def test_without_a_pin_the_checksum_of_what_came_is_told(hub: Hub, part: Path) -> None:
    assert get(hub, part, sha256=None, size_bytes=None) == SHA256


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        pytest.param(
            say(200, "text/html; charset=utf-8", b"<html>Sign in"), "a web page came", id="a sign-in page"
        ),
        pytest.param(
            say(200, "application/octet-stream", b" \n<!DOCTYPE html>".ljust(len(CONTENT))),
            "a web page",
            id="mislabelled",
        ),
        pytest.param(say(404), "has no such file", id="not there"),
        pytest.param(say(403), "refuses", id="forbidden"),
        pytest.param(say(407), "a proxy that wants a sign-in", id="proxy sign-in"),
        pytest.param(say(418), "answers 418", id="another refusal"),
        pytest.param(
            say(200, body=b"12345"), "is 5 bytes long, and 512,000 are expected", id="another length"
        ),
        pytest.param(
            say(200, body=b"x", **{"Content-Encoding": "gzip"}),
            "came packed",
            id="packed without being asked",
        ),
    ],
)
def test_what_cannot_be_the_file_is_refused_at_once(hub: Hub, part: Path, behave: object, says: str) -> None:
    hub.behave = behave
    with pytest.raises(ModelError, match=says):
        get(hub, part)
    assert len(hub.asked) == 1
    assert not part.exists() or part.stat().st_size == 0


def test_an_answer_that_is_announced_too_long_is_refused_before_a_byte_is_written(
    hub: Hub, part: Path
) -> None:
    with pytest.raises(ModelError, match="is 512,000 bytes long; more than 1,000 are not taken"):
        get(hub, part, most_bytes=1000, size_bytes=None)
    assert not part.exists() or part.stat().st_size == 0


def test_an_answer_without_an_end_is_cut_at_the_bound(hub: Hub, part: Path, tmp_path: Path) -> None:
    def endless(request: Request, content: bytes) -> bool:
        request.head(200, None)
        while not hub.stop.is_set():
            request.wfile.write(content)
        return True

    hub.behave = endless
    with pytest.raises(ModelError, match="more than 1,000,000 bytes came"):
        get(hub, part, size_bytes=None)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stumbles_is_asked_again(hub: Hub, part: Path) -> None:
    hub.behave = once(say(503))
    told = Told()
    get(hub, part, told)
    assert part.read_bytes() == CONTENT
    assert "answers 503" in told.waited[0]


def test_a_server_that_keeps_stumbling_is_given_up_with_the_mend(hub: Hub, part: Path) -> None:
    hub.behave = say(500)
    with pytest.raises(
        ModelError, match=r"answers 500.*bring the file in a folder and name that with --from"
    ):
        get(hub, part)
    assert len(hub.asked) == QUICK.attempts


def test_a_server_that_falls_silent_is_given_up_and_asked_again(hub: Hub, part: Path) -> None:
    def silence(request: Request, content: bytes) -> bool:
        request.serve(content, body=content[:50_000])
        request.wfile.flush()
        hub.stop.wait(5)
        return True

    hub.behave = once(silence)
    told = Told()
    get(hub, part, told)
    assert hub.asked == ["", "bytes=50000-"]
    assert told.waited == ["127.0.0.1 says nothing for 0 s"]


def test_a_server_that_drips_ends_at_the_deadline_and_keeps_what_came(hub: Hub, part: Path) -> None:
    def drip(request: Request, content: bytes) -> bool:
        request.serve(content, body=b"")
        for byte in content:
            if hub.stop.wait(0.02):
                break
            request.wfile.write(bytes([byte]))
        return True

    hub.behave = drip
    with pytest.raises(ModelError, match=r"not done within 0 s; [0-9,]+ bytes are kept"):
        get(hub, part, limits=Limits(stall_s=0.4, deadline_s=0.3, attempts=2, first_delay_s=0.01))
    assert part.stat().st_size > 0


def test_a_redirect_is_followed_with_its_range(hub: Hub, part: Path) -> None:
    hub.files["moved.onnx"] = CONTENT
    moved = say(302, Location=f"{hub.url}/moved.onnx")
    hub.behave = lambda request, content: moved(request, content) if "net" in request.path else False
    get(hub, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("http://192.0.2.1/net.onnx", id="plain http elsewhere"),
        pytest.param("file:///etc/passwd", id="a file of this machine"),
        pytest.param("ftp://127.0.0.1/net.onnx", id="ftp"),
    ],
)
def test_a_redirect_to_anything_but_https_is_refused(hub: Hub, part: Path, target: str) -> None:
    hub.behave = say(302, Location=target)
    with pytest.raises(ModelError, match=r"only https is fetched from|is not allowed"):
        get(hub, part)
    assert not part.exists()


@pytest.mark.parametrize("target", ["https://[::1/x", "https://\x1b[2Jhost/x"], ids=["half", "escapes"])
def test_a_redirect_to_no_address_is_a_sentence(hub: Hub, part: Path, target: str) -> None:
    hub.behave = say(302, Location=target)
    with pytest.raises(ModelError, match="leads to what is no address"):
        get(hub, part)


def test_redirects_in_a_circle_end_and_the_circle_is_named(hub: Hub, part: Path) -> None:
    there, back = f"{hub.url}/there.onnx", f"{hub.url}/net.onnx"
    hub.files["there.onnx"] = CONTENT

    def lead(request: Request, content: bytes) -> bool:
        return bool(say(302, Location=there if "net" in request.path else back)(request, content))

    hub.behave = lead
    with pytest.raises(ModelError, match=rf"net\.onnx: leads in a circle \({back} → {there} → {back}\): ask"):
        get(hub, part)
    assert len(hub.asked) == 2


def test_redirects_without_an_end_are_given_up(hub: Hub, part: Path) -> None:
    def lead(request: Request, content: bytes) -> bool:
        return bool(say(302, Location=f"{hub.url}/{len(hub.asked)}/net.onnx")(request, content))

    hub.behave = lead
    with pytest.raises(ModelError, match=r"net\.onnx: leads on and on \(.* → http.*/9/net\.onnx → "):
        get(hub, part)
    assert len(hub.asked) == 10


@pytest.mark.timeout(20)
def test_what_a_redirect_says_beside_its_address_is_not_waited_for(hub: Hub, part: Path) -> None:
    hub.files["moved.onnx"] = CONTENT

    def lead(request: Request, content: bytes) -> bool:
        if "moved" in request.path:
            return False
        request.head(302, None, Location=f"{hub.url}/moved.onnx")
        while not hub.stop.is_set():
            request.wfile.write(content)
        return True

    hub.behave = lead
    get(hub, part)
    assert part.read_bytes() == CONTENT


def drip(hub: Hub, request: Request, *, words: bytes) -> bool:
    """Say this again and again, faster than silence is given up."""
    while not hub.stop.wait(0.05):
        request.wfile.write(words)
        request.wfile.flush()
    return True


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("start", "words"),
    [
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="wait-and-wait"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", id="a-head-byte-by-byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", id="a-chunk-size"),
    ],
)
def test_a_server_that_talks_without_giving_the_file_is_given_up(
    hub: Hub, part: Path, start: bytes, words: bytes
) -> None:
    def talk(request: Request, _content: bytes) -> bool:
        request.wfile.write(start)
        return drip(hub, request, words=words)

    hub.behave = talk
    told = Told()
    limits = Limits(stall_s=5, progress_s=0.5, deadline_s=20, attempts=2, first_delay_s=0.01)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 gives nothing of the file for 0 s.*--from"):
        get(hub, part, told, limits=limits)
    assert len(told.waited) == 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize("is_proxied", [False, True], ids=["the-server", "a-proxy"])
def test_a_handshake_or_a_proxy_that_drips_is_given_up(
    part: Path, monkeypatch: pytest.MonkeyPatch, is_proxied: bool
) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        if is_proxied:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{place}")
            monkeypatch.setenv("no_proxy", "")

        def serve() -> None:
            talk, _ = listener.accept()
            with talk, contextlib.suppress(OSError):
                # A record of TLS that says it is long, or the head of an answer to CONNECT.
                talk.sendall(
                    b"HTTP/1.1 200 OK\r\nX-A: " if is_proxied else b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xf0"
                )
                while not stop.wait(0.05):
                    talk.sendall(b"a")

        thread = threading.Thread(target=serve, name="dripping")
        thread.start()
        limits = Limits(stall_s=5, progress_s=0.5, deadline_s=20, attempts=1, first_delay_s=0.01)
        url = "https://hub.invalid/net.onnx" if is_proxied else f"https://{place}/net.onnx"
        try:
            with pytest.raises(ModelError, match="gives nothing of the file for 0 s"):
                fetch(url, part, sha256=None, size_bytes=None, most_bytes=9, report=Told(), limits=limits)
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/net.onnx",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "net.onnx",
        "http://[",
        "https://",
    ],
)
def test_an_address_that_is_not_https_is_refused_before_anything_is_sent(url: str, part: Path) -> None:
    with pytest.raises(ModelError, match="https://"):
        fetch(url, part, sha256=None, size_bytes=None, most_bytes=1, report=Told(), limits=QUICK)


def test_a_port_where_nobody_listens_is_told_as_such(part: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = Told()
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 refuses the connection: connect this machine"):
        fetch(
            f"http://127.0.0.1:{port}/net.onnx",
            part,
            sha256=None,
            size_bytes=None,
            most_bytes=9,
            report=told,
            limits=QUICK,
        )
    assert len(told.waited) == QUICK.attempts - 1


def test_a_name_without_an_address_is_told_as_no_network(part: Path) -> None:
    with pytest.raises(ModelError, match=r"hub\.invalid has no address here: no network, or no DNS"):
        fetch(
            "https://hub.invalid/net.onnx",
            part,
            sha256=None,
            size_bytes=None,
            most_bytes=9,
            report=Told(),
            limits=QUICK,
        )


def test_a_proxy_that_is_not_there_is_named(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(
        ModelError, match=r"refuses the connection \(through the proxy that HTTPS_PROXY names\)"
    ):
        fetch(
            "https://hub.invalid/net.onnx",
            part,
            sha256=None,
            size_bytes=None,
            most_bytes=9,
            report=Told(),
            limits=QUICK,
        )


def test_a_certificate_that_is_not_trusted_is_told_and_not_tried_again(tmp_path: Path, part: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "crt.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=hub -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    told = Told()
    with serving(context) as hub:
        hub.files["net.onnx"] = CONTENT
        with pytest.raises(ModelError, match=r"the certificate of 127\.0\.0\.1 is not trusted"):
            get(hub, part, told)
        assert hub.asked == []
    assert told.waited == []


def test_what_may_be_secret_in_an_address_is_not_shown() -> None:
    shown = web.without_secrets("https://user:hunter2@mirror.example/net.onnx?token=swordfish")
    assert shown == "https://mirror.example/net.onnx"

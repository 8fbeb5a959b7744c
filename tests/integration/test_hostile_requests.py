"""Promise 21 at the local page: whatever is sent to a running POD, it refuses or closes, and goes on."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import gate_clips
import pytest
from mutations import mutated
from page_client import Facts, page_app
from page_routes import routes_of
from promises import Prove
from raw_browser import Browser, sign_in
from running_pod import RunningPod, until

LEFT_OUT = {
    ("/logout", "POST"),  # ends the session that the other requests need
    ("/source.tar.gz", "GET"),  # takes no input, and packs the whole source every time
}

_WORDS = (
    "0 -1 1e9 nan on %00 %ff%fe %2e%2e%2f%2e%2e%2fetc%2fpasswd .. main entry lockdown %ed%a0%80 "
    "%f0%9f%9a%97 %3Cscript%3E %0d%0aSet-Cookie:x '%20OR%201=1-- 2026-13-45 9999-12-31 0001-01-01 "
    "%D9%A3 %C2%B2 x%00y {} []"
)
VALUES = ("", "9" * 40, "a" * 3000, *_WORDS.split())
"""For paths and queries; percent-encoded where a request line needs that."""

_FIELDS = (
    "q page limit offset before plate from to until day outcome camera next token command confirmed "
    "verdict type state name csrf old new again label gates uses schedule hours password change id "
    "starts expires days"
)
NAMES = _FIELDS.split()
"""Of the fields that forms and addresses of the page know."""

HEADERS = (
    b"Origin: null",
    b"Origin: http://[",
    b"Referer: http://[::1",
    b"HX-Current-URL: http://[",
    b"Origin: http://[::1]:x",
    b"Referer: \xff\xfe",
    b"HX-Request: true",
    b"Sec-Purpose: prefetch",
    b"Accept: \xff;q=nan",
    b"Host: [",
    b"Host: \xc3\xa9",
    b"Host:",
    b"Host: a\r\nHost: b",
    b"Host: 127.0.0.1:99999999999999999999",
    b"Cookie: =;;;=; a",
    b"Cookie: " + b"x=y; " * 500,
    b"Cookie: platebridge=\xff\xfe\x80",
    b"Range: bytes=9-1",
    b"Range: bytes=" + b"0-1," * 200,
    b"If-None-Match: \xff",
    b"If-Modified-Since: never",
    b"X-CSRF-Token: \xff\xfe",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: upgrade\r\nUpgrade: h2c",
    b"TE: trailers, \x80",
    b"X-Forwarded-For: ::1",
    b"Forwarded: for=[",
    b"Authorization: Bearer e30.e30." + b"A" * 86,
    b"Authorization: Bearer \xff",
    b'If-Match: W/"',
)

BODIES: tuple[tuple[bytes, bytes], ...] = (
    (b"application/json", b""),
    (b"application/json", b"[" * 60_000),
    (b"application/json", b'{"command":' * 5_000),
    (b"application/json", b'{"command": ' + b"9" * 6_000 + b"}"),
    (b"application/json", b'{"command": NaN, "confirmed": "maybe"}'),
    (b"application/json", b'{"password": "\\ud800"}'),
    (b"application/json", b'{"command": "\\ud800", "confirmed": false}'),
    (b"application/json", b'{"command": "x\\u0000", "confirmed": false}'),
    (b"application/json", b'\xff\xfe{"password": "x"}'),
    (b"application/json", b'{"password": ' + b'"' + b"x" * 60_000 + b'"}'),
    (b"application/json; charset=utf-7", b'{"password": "x"}'),
    (b"text/plain", b"\x00\xff" * 100),
    (b"application/sdp", b"v=0\r\n" + b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 900),
    (b"application/trickle-ice-sdpfrag", b"a=candidate:\xff"),
    (b"", b"csrf=1"),
    (b"application/x-www-form-urlencoded", b"csrf=%ff%fe&command=%00&to=%ed%a0%80"),
    (b"application/x-www-form-urlencoded", b"a=1&" * 5_000),
    (b"application/x-www-form-urlencoded", b"&".join(b"f%d=x" % n for n in range(4_000))),
    (b"application/x-www-form-urlencoded", b"%%%&=&=&==&%zz=%zz"),
    (b"application/x-www-form-urlencoded; charset=zlib", b"csrf=x"),
    (b"multipart/form-data", b"no boundary"),
    (b"multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--"),
    (b"multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nx'),
    (
        b"multipart/form-data; boundary=b; charset=utf-7",
        b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n+2AA-\r\n--b--\r\n',
    ),
    (
        b"multipart/form-data; boundary=b; charset=unicode_escape",
        b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--b--\r\n',
    ),
    (
        b"multipart/form-data; boundary=b; charset=zlib",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff\x00"\r\n\r\nplate\r\n--b--\r\n',
    ),
    (b"multipart/form-data; boundary=" + b"b" * 5_000, b"--b"),
    (
        b"multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n' * 1_500 + b"--b--\r\n",
    ),
)
"""Type and body: none is what any form of the page sends."""

BROKEN = (
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x80" * 200,  # TLS where there is none
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET //localhost:1//x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"BREW /gate HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 12_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\nx",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
)


def everything_to_every_route(browser: Browser, folder: Path, chance: random.Random) -> Iterator[bytes]:
    """For each route each body once, and hostile paths, queries and headers, signed in and not."""
    for path, method in sorted(routes_of(page_app(folder, Facts())) - LEFT_OUT):
        rounds = BODIES if method == "POST" else ((b"", b""),) * 8
        for kind, body in rounds:
            target = re.sub(r"\{[^}]+\}", lambda _: chance.choice(VALUES), path)
            for before in "?&&"[: chance.randrange(4)]:
                target += f"{before}{chance.choice(NAMES)}={chance.choice(VALUES)}"
            headers = chance.sample(HEADERS, chance.randrange(3)) + [b"Content-Type: " + kind] * bool(kind)
            yield browser.request(method, target, *headers, body=body, signed_in=chance.random() < 0.8)


def half_requests(browser: Browser, chance: random.Random, *, count: int) -> Iterator[bytes]:
    """Good requests with a few bytes changed, lost or doubled."""
    good = (
        browser.request("GET", "/list?q=AB&page=1", signed_in=True),
        browser.request("GET", f"/events?plate={quote('Ä 1')}&from=2026-01-01", signed_in=True),
        browser.request(
            "POST",
            "/api/gates/main/open",
            b"Content-Type: application/json",
            body=b'{"command": "x", "confirmed": true}',
            signed_in=True,
        ),
        browser.request(
            "POST",
            "/list/new",
            b"Content-Type: application/x-www-form-urlencoded",
            body=b"plate=AB+123&type=visitor&label=x&window-0-from=08%3A00&uses=3&until=2030-01-01",
            signed_in=True,
        ),
    )
    for _ in range(count):
        yield mutated(chance.choice(good), chance)


@pytest.mark.proof(21)
def test_whatever_is_sent_to_the_page_gets_a_refusal_and_the_pod_goes_on(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    chance = random.Random(21)
    statuses: Counter[int] = Counter()
    failed: list[bytes] = []
    with RunningPod(tmp_path / "pod", str(gate_clips.standing()), loop=True, detect_fps=0.5) as pod:
        until(lambda: pod.address, what="the start")
        until(lambda: json.loads(pod.get("healthz"))["status"] == "ok", what="health")
        browser = sign_in(pod)

        def send(raw: bytes, wait_s: float) -> None:
            status = browser.ask(raw, wait_s)
            statuses[status] += 1
            if status >= 500:
                failed.append(raw[:300] + raw[-200:])

        for raw in BROKEN:
            send(raw, 1.0)
        for _ in range(often(1, 6)):
            for raw in everything_to_every_route(browser, tmp_path, chance):
                send(raw, 10.0)
        for raw in half_requests(browser, chance, count=often(60, 1000)):
            send(raw, 0.15)
        health = json.loads(pod.get("healthz"))
        log = pod.log.read_text()
        pulses = len(pod.pulses())
        assert pod.stop() == 0
    assert failed == []  # pytest -v shows them whole
    assert "Traceback" not in log
    assert health["status"] == "ok"
    assert pulses == 0
    assert min(statuses[200], statuses[400], statuses[401], statuses[403], statuses[404], statuses[422]) > 0
    prove(
        attempts=statuses.total(),
        faults=statuses.total() - statuses[200],
        losses=len(failed),
        refused=sum(n for status, n in statuses.items() if 400 <= status < 500),
        closed=statuses[0],
    )

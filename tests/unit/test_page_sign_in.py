"""Who gets in to the local page: passwords, sessions, forged forms, names of the POD."""

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from page_client import ORIGIN, Facts, browser_of, csrf_in, page_app, signed_in

from pod.domain.errors import ConfigError
from pod.web import admin_password, admission, sessions, throttle
from pod.web.addresses import neighbourhood
from pod.web.admin_password import AdminPassword
from pod.web.sessions import Sessions
from pod.web.sign_in_link import SignInLink
from pod.web.throttle import Throttle

CHOSEN = "four words to remember"
PRIVATE = [
    "/",
    "/list",
    "/gate",
    "/cameras",
    "/health",
    "/settings",
    "/api/list",
    "/api/openapi.json",
    "/events",
]


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def app(tmp_path: Path, facts: Facts) -> FastAPI:
    return page_app(tmp_path, facts)


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(app) as browser:
        yield browser


async def try_password(browser: httpx.AsyncClient, password: str, next: str = "/") -> httpx.Response:
    csrf = csrf_in(await browser.get("/login"))
    return await browser.post("/login", data={"password": password, "csrf": csrf, "next": next})


async def enter(browser: httpx.AsyncClient, folder: Path) -> None:
    """Sign in with the password that was made, and choose another."""
    made = AdminPassword(folder).as_made()
    assert made is not None
    await try_password(browser, made)
    csrf = csrf_in(await browser.get("/password"))
    form = {"old": made, "new": CHOSEN, "again": CHOSEN, "csrf": csrf}
    assert (await browser.post("/password", data=form)).status_code == 303


@pytest.mark.parametrize("path", PRIVATE)
async def test_nothing_is_shown_to_somebody_who_is_not_signed_in(
    stranger: httpx.AsyncClient, path: str
) -> None:
    page = await stranger.get(path)
    data = await stranger.get(path, headers={"accept": "application/json"})
    assert page.status_code in (303, 401)
    assert page.headers.get("location", "/login").startswith("/login")
    assert data.status_code == 401
    assert "sign in" in data.json()["detail"]


async def test_a_route_nobody_thought_of_is_shut(app: FastAPI, stranger: httpx.AsyncClient) -> None:
    app.get("/forgotten")(lambda: "secret")
    assert (await stranger.get("/forgotten")).status_code == 303


async def test_the_made_password_must_be_changed_before_anything_is_shown(
    stranger: httpx.AsyncClient, tmp_path: Path
) -> None:
    made = AdminPassword(tmp_path).as_made()
    assert made is not None
    assert (await try_password(stranger, made)).headers["location"] == "/password"
    assert (await stranger.get("/gate")).headers["location"] == "/password"
    assert (await stranger.get("/api/list", headers={"accept": "*/*"})).status_code == 403
    csrf = csrf_in(await stranger.get("/password"))
    form = {"old": made, "new": CHOSEN, "again": CHOSEN, "csrf": csrf}
    assert (await stranger.post("/password", data=form)).headers["location"] == "/"
    assert (await stranger.get("/gate")).status_code == 200


async def test_the_file_is_private_and_holds_no_password_once_it_was_used(
    stranger: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / admin_password.FILE_NAME
    made = AdminPassword(tmp_path).as_made()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await try_password(stranger, str(made))
    assert AdminPassword(tmp_path).as_made() is None
    assert str(made) not in file.read_text()
    assert json.loads(file.read_text())["hash"].startswith("$argon2id$")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("new", "again", "why"),
    [
        pytest.param("short", "short", "at least 10", id="short"),
        pytest.param("x" * 12, "x" * 12, "more different", id="one letter"),
        pytest.param(CHOSEN, CHOSEN + "!", "must be the same", id="mistyped"),
        pytest.param("y" * 300 + "abcdef", "y" * 300 + "abcdef", "at most 200", id="endless"),
    ],
)
async def test_a_poor_new_password_is_refused_with_the_reason(
    stranger: httpx.AsyncClient, tmp_path: Path, new: str, again: str, why: str
) -> None:
    await enter(stranger, tmp_path)
    csrf = csrf_in(await stranger.get("/password"))
    answer = await stranger.post("/password", data={"old": CHOSEN, "new": new, "again": again, "csrf": csrf})
    assert answer.status_code == 422
    assert why in answer.text
    assert AdminPassword(tmp_path).is_right(CHOSEN)


async def test_a_wrong_password_a_thousand_times_is_slowed_down_and_never_locks_the_owner_out(
    app: FastAPI, facts: Facts, tmp_path: Path
) -> None:
    judged = 0
    async with browser_of(app, address="192.0.2.66") as guesser:
        csrf = csrf_in(await guesser.get("/login"))
        for number in range(1000):
            answer = await guesser.post("/login", data={"password": f"guess {number}", "csrf": csrf})
            assert answer.status_code in (401, 429)
            judged += answer.status_code == 401
    assert throttle.FREE_TRIES < judged < throttle.FREE_TRIES + 10, "time passes between a thousand"
    assert len(facts.audit) == judged
    made = AdminPassword(tmp_path).reset()
    async with browser_of(app, address="192.0.2.66") as owner:
        assert (await try_password(owner, made)).headers["location"] == "/password"


async def test_the_right_password_is_not_told_from_a_wrong_one_while_an_address_waits(
    app: FastAPI, tmp_path: Path
) -> None:
    made = AdminPassword(tmp_path).as_made()
    async with browser_of(app, address="192.0.2.66") as guesser:
        while (await try_password(guesser, "guess")).status_code == 401:
            pass
        answer = await try_password(guesser, str(made))
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.text


async def test_guesses_from_many_addresses_do_not_shut_out_who_signed_in_before(
    app: FastAPI, tmp_path: Path
) -> None:
    async with browser_of(app, address="192.0.2.1") as owner:
        await enter(owner, tmp_path)
    statuses = []
    for number in range(150):
        address = f"198.51.100.{number}"
        async with browser_of(app, address=address) as guesser:
            if not statuses:
                login = await guesser.get("/login")
                csrf, cookies = csrf_in(login), guesser.cookies
            guesser.cookies = cookies
            statuses.append((await guesser.post("/login", data={"password": "x", "csrf": csrf})).status_code)
    assert statuses.count(401) <= throttle.TRIES_A_MINUTE + 10
    async with browser_of(app, address="192.0.2.1") as owner:
        assert (await try_password(owner, CHOSEN)).headers["location"] == "/"


def test_an_address_waits_longer_with_each_wrong_password_and_starts_anew_after_a_while() -> None:
    now_s = 0.0
    tries = Throttle(clock_s=lambda: now_s)
    waits = []
    for _ in range(throttle.FREE_TRIES + 8):
        now_s += tries.wait_s("a")
        tries.begin("a")
        waits.append(round(tries.wait_s("a")))
    assert waits[throttle.FREE_TRIES - 1] == 0
    assert waits[throttle.FREE_TRIES :] == [2, 4, 8, 16, 32, 60, 60, 60]
    now_s += throttle.FORGET_S + 61
    tries.begin("a")
    assert tries.wait_s("a") == 0


def test_what_is_kept_of_addresses_is_bounded() -> None:
    tries = Throttle(clock_s=lambda: 0.0)
    for number in range(5000):
        tries.begin(str(number))
        tries.succeed(str(number))
    assert len(tries._tries) <= throttle.MOST_ADDRESSES
    assert len(tries._known) <= throttle.MOST_KNOWN


def test_one_ipv6_network_counts_as_one_address() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1")
    assert neighbourhood("2001:db8:0:1::1") != neighbourhood("2001:db8::1")
    assert neighbourhood("::ffff:192.0.2.1") == "192.0.2.1"


async def test_a_session_never_takes_the_name_that_a_browser_brings(app: FastAPI, tmp_path: Path) -> None:
    async with browser_of(app) as victim:
        await victim.get("/login")
        (planted,) = victim.cookies.jar
        before = planted.value
        await enter(victim, tmp_path)
        (given,) = victim.cookies.jar
        assert given.value != before
    async with browser_of(app) as attacker:
        attacker.cookies.set(planted.name, str(before))
        assert (await attacker.get("/")).status_code == 303


async def test_two_cookies_of_our_name_count_as_none(tmp_path: Path, facts: Facts) -> None:
    async with signed_in(tmp_path, facts) as browser:
        (cookie,) = browser.cookies.jar
        browser.cookies.clear()
        both = f"{cookie.name}=planted; {cookie.name}={cookie.value}"
        assert (await browser.get("/", headers={"cookie": both})).status_code == 303


def test_sessions_end_when_idle_when_old_and_when_there_are_too_many() -> None:
    now_s = 0.0
    open_ones = Sessions(clock_s=lambda: now_s)
    first = open_ones.begin("a")
    for _ in range(sessions.MOST_SESSIONS):
        last = open_ones.begin("a")
    assert open_ones.find(first.token) is None
    now_s = sessions.IDLE_S + 1
    assert open_ones.find(last.token) is None
    kept = open_ones.begin("a")
    while now_s < sessions.LIFE_S + sessions.IDLE_S + 2:
        assert open_ones.find(kept.token) is kept
        now_s += sessions.IDLE_S / 2
        if now_s - kept.began_s > sessions.LIFE_S:
            break
    assert open_ones.find(kept.token) is None


async def test_a_new_password_signs_everybody_else_out(app: FastAPI, tmp_path: Path) -> None:
    async with browser_of(app) as first, browser_of(app) as second:
        await enter(first, tmp_path)
        await try_password(second, CHOSEN)
        assert (await second.get("/gate")).status_code == 200
        csrf = csrf_in(await first.get("/password"))
        new = CHOSEN + " anew"
        await first.post("/password", data={"old": CHOSEN, "new": new, "again": new, "csrf": csrf})
        assert (await first.get("/gate")).status_code == 200
        assert (await second.get("/gate")).status_code == 303
        AdminPassword(tmp_path).reset()
        assert (await first.get("/gate")).status_code == 303


async def test_signing_out_ends_the_session_on_the_pod_too(tmp_path: Path, facts: Facts) -> None:
    async with signed_in(tmp_path, facts) as browser:
        (cookie,) = browser.cookies.jar
        csrf = csrf_in(await browser.get("/gate"))
        assert (await browser.post("/logout", data={"csrf": csrf})).headers["location"] == "/login"
        again = {"cookie": f"{cookie.name}={cookie.value}"}
        assert (await browser.get("/gate", headers=again)).status_code == 303


UNSAFE = [
    "/login",
    "/logout",
    "/password",
    "/gate/main/open",
    "/gate/switch/lockdown",
    "/api/gates/main/open",
]


@pytest.mark.parametrize("path", UNSAFE)
@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({}, id="missing"),
        pytest.param({"x-csrf-token": "0" * 64}, id="forged"),
        pytest.param({"x-csrf-token": "é".encode()}, id="not ASCII"),
    ],
)
async def test_a_form_without_its_token_or_with_a_forged_one_does_nothing(
    tmp_path: Path, facts: Facts, path: str, extra: dict[str, str | bytes]
) -> None:
    async with signed_in(tmp_path, facts) as browser:
        form = {"command": facts.opener.issue("main"), "to": "on"}
        answer = await browser.post(path, data=form, headers=extra)  # type: ignore[arg-type]  # bytes on purpose
        assert answer.status_code == 403
        assert "This form is out of date" in answer.text
        assert (await browser.get("/gate")).status_code == 200
    assert facts.opener.pulses == []


async def test_a_token_of_another_session_does_nothing(app: FastAPI, facts: Facts, tmp_path: Path) -> None:
    async with browser_of(app) as mine, browser_of(app) as other:
        for browser in (mine, other):
            await browser.get(f"/signin?token={SignInLink(tmp_path).make()}")
        csrf = csrf_in(await other.get("/gate"))
        form = {"command": facts.opener.issue("main"), "csrf": csrf}
        assert (await mine.post("/gate/main/open", data=form)).status_code == 403
    assert facts.opener.pulses == []


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:81"])
async def test_a_form_on_a_page_elsewhere_does_nothing_whatever_it_knows(
    tmp_path: Path, facts: Facts, origin: str
) -> None:
    async with signed_in(tmp_path, facts) as browser:
        csrf = csrf_in(await browser.get("/gate"))
        form = {"command": facts.opener.issue("main"), "csrf": csrf}
        answer = await browser.post("/gate/main/open", data=form, headers={"origin": origin})
        assert answer.status_code == 403
        data = {"password": "x"}
        answer = await browser.post("/api/session", json=data, headers={"origin": origin})
        assert answer.status_code == 403
        good = await browser.post("/gate/main/open", data=form, headers={"origin": ORIGIN})
        assert good.status_code == 303


async def test_a_form_elsewhere_cannot_sign_a_browser_in_through_the_api(app: FastAPI) -> None:
    async with browser_of(app) as browser:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = await browser.post(
                "/api/session", content=b'{"password": "x"}', headers={"content-type": kind}
            )
            assert answer.status_code in (400, 403)


async def test_a_part_of_a_page_whose_session_ended_leads_to_the_sign_in_and_back(
    stranger: httpx.AsyncClient,
) -> None:
    asked = {"hx-request": "true", "hx-current-url": f"{ORIGIN}/health"}
    answer = await stranger.get("/health/now", headers=asked)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=/health"
    assert answer.text == ""


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
async def test_the_sign_in_leads_nowhere_else(stranger: httpx.AsyncClient, tmp_path: Path, next: str) -> None:
    await enter(stranger, tmp_path)
    stranger.cookies.clear()
    assert (await try_password(stranger, CHOSEN, next=next)).headers["location"] == "/"
    assert (await stranger.get("/login", params={"next": next})).headers["location"] == "/"


async def test_a_link_signs_in_once_from_the_pod_alone_and_not_for_a_browser_that_looks_ahead(
    app: FastAPI, tmp_path: Path
) -> None:
    link = f"/signin?token={SignInLink(tmp_path).make()}"
    async with browser_of(app, address="192.0.2.9") as elsewhere:
        assert (await elsewhere.get(link)).status_code == 403
    async with browser_of(app) as ahead:
        assert (await ahead.get(link, headers={"sec-purpose": "prefetch"})).status_code == 403
    async with browser_of(app) as first:
        assert (await first.get(link)).headers["location"] == "/"
        assert (await first.get("/gate")).status_code == 200
    async with browser_of(app) as second:
        refused = await second.get(link)
        assert refused.status_code == 403
        assert "platebridge pod password --link" in refused.text


@pytest.mark.parametrize(
    ("age_s", "valid"),
    [
        pytest.param(599, True, id="in time"),
        pytest.param(601, False, id="late"),
        pytest.param(-3600, False, id="from the future"),
    ],
)
def test_a_link_is_valid_for_ten_minutes(tmp_path: Path, age_s: float, valid: bool) -> None:
    token = SignInLink(tmp_path, now_s=lambda: 1e9).make()
    assert SignInLink(tmp_path, now_s=lambda: 1e9 + age_s).use(token) is valid


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b'{"made": "", "hash": ""}', b'{"hash": 1}']
)
def test_a_spoilt_password_file_lets_nobody_in_and_names_the_mend(tmp_path: Path, content: bytes) -> None:
    (tmp_path / admin_password.FILE_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match="platebridge pod password --reset"):
        AdminPassword(tmp_path).is_right("")


async def test_a_spoilt_password_file_is_told_on_the_page(
    stranger: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / admin_password.FILE_NAME).write_text("{")
    answer = await try_password(stranger, "x")
    assert answer.status_code == 503
    assert "platebridge pod password --reset" in answer.text


async def test_where_the_password_lies_is_told_on_the_pod_alone(app: FastAPI, tmp_path: Path) -> None:
    (tmp_path / admin_password.FILE_NAME).write_text("{")
    async with browser_of(app, address="192.0.2.7") as browser:
        refusals = [
            await try_password(browser, "x"),
            await browser.post("/api/session", json={"password": "x"}),
        ]
    for refusal in refusals:
        assert refusal.status_code == 503
        assert "platebridge pod password" in refusal.text
        assert str(tmp_path) not in refusal.text


def test_a_wrong_password_takes_as_long_while_the_made_one_stands_as_later(tmp_path: Path) -> None:
    def least_s() -> float:
        """The processor's time, at best of some tries: others use this machine, too."""
        taken = []
        for _ in range(5):
            began_s = time.thread_time()
            assert not passwords.is_right("a wrong one")
            taken.append(time.thread_time() - began_s)
        return min(taken)

    passwords = AdminPassword(tmp_path)
    passwords.ensure()
    made_s = least_s()
    passwords.change(CHOSEN)
    assert 0.6 < made_s / least_s() < 1.6


HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:80",
    "",
    "10.0.0.1",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_foreign_host_name_is_refused_and_shown_as_text(app: FastAPI, host: str) -> None:
    async with browser_of(app) as browser:
        answer = await browser.get("/login", headers={"host": host})
        hostile = await browser.get("/login", headers={"host": "<b>x</b>"})
    assert (answer.status_code, hostile.status_code) == (400, 400)
    assert "web.names" in answer.text
    assert "<b>x" not in hostile.text


@pytest.mark.parametrize(
    "host", ["localhost:8480", "127.0.0.1", "[::1]:8480", "Gate.Example.org", "LOCALHOST."]
)
async def test_the_names_of_this_pod_are_answered(tmp_path: Path, facts: Facts, host: str) -> None:
    async with browser_of(page_app(tmp_path, facts, names=["gate.example.org"])) as browser:
        assert (await browser.get("/login", headers={"host": host})).status_code == 200


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, facts: Facts) -> None:
    async with signed_in(tmp_path, facts) as browser:
        csrf = csrf_in(await browser.get("/gate"))
        large = b"x" * (admission.BODY_BYTES + 1)
        answer = await browser.post("/logout", content=large, headers={"x-csrf-token": csrf})
        assert answer.status_code == 413
        assert "at most 64 KiB" in answer.text

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 4096

        answer = await browser.post("/logout", content=endless(), headers={"x-csrf-token": csrf})
        assert answer.status_code == 413
        assert (await browser.get("/gate")).status_code == 200


async def test_a_file_has_longer_to_arrive_than_a_form(
    tmp_path: Path, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BODY_S", 0.1)

    async def slow() -> AsyncIterator[bytes]:
        yield b"--x"
        await asyncio.sleep(0.3)  # is what is tested: a line that is slow
        yield b"--\r\n"

    async with signed_in(tmp_path, facts) as browser:
        headers = {"x-csrf-token": csrf_in(await browser.get("/gate")), "content-length": "7"}
        form = await browser.post("/gate/main/open", content=slow(), headers=headers)
        assert form.status_code == 408
        headers |= {"content-type": "multipart/form-data; boundary=x"}
        file = await browser.post("/list/import", content=slow(), headers=headers)
        assert (file.status_code, "Choose a file first." in file.text) == (422, True)


@pytest.mark.parametrize("length", ["-1", "1e9", "x"])
async def test_a_length_that_is_none_is_refused(stranger: httpx.AsyncClient, length: str) -> None:
    answer = await stranger.post("/login", content=b"", headers={"content-length": length})
    assert answer.status_code == 413


@pytest.mark.parametrize("secure", [pytest.param(False, id="http"), pytest.param(True, id="tls")])
async def test_cookies_are_kept_from_scripts_and_other_sites_and_with_tls_from_plain_connections(
    tmp_path: Path, facts: Facts, secure: bool
) -> None:
    async with browser_of(page_app(tmp_path, facts, secure=secure), base="https://127.0.0.1") as browser:
        answer = await browser.get("/login")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert ("secure" in cookie) is secure
    assert cookie.startswith("__host-") is secure
    assert ("strict-transport-security" in answer.headers) is secure


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/login", "127.0.0.1"),
        ("/nowhere", "127.0.0.1"),
        ("/static/page.css", "127.0.0.1"),
        ("/gate", "192.0.2.1"),
    ],
)
async def test_every_answer_brings_the_headers_that_browsers_heed(
    app: FastAPI, path: str, address: str
) -> None:
    async with browser_of(app, address=address) as browser:
        headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


async def test_metrics_are_for_programs_on_the_pod_or_for_people_who_signed_in(
    app: FastAPI, tmp_path: Path
) -> None:
    async with browser_of(app) as here, browser_of(app, address="192.0.2.1") as elsewhere:
        assert (await here.get("/metrics")).status_code == 200
        assert (await elsewhere.get("/metrics")).status_code == 303

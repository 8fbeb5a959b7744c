"""The WHEP endpoint over HTTP: what it answers to whom, and that no offer is read without a token."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import httpx
import pytest
from fastapi import FastAPI
from page_client import ORIGIN, Facts, browser_of, csrf_in, page_app
from stand_in_live import OFFER, Guarded

from pod.domain.errors import LiveError, LiveErrorKind
from pod.media.live.sessions import IceServer
from pod.web import watch_api, whep
from pod.web.admission import WHEP_BYTES
from pod.web.sign_in_link import SignInLink

PORTAL = "https://portal.example.org"
SDP_TYPE = {"content-type": "application/sdp"}
FRAGMENT_TYPE = {"content-type": "application/trickle-ice-sdpfrag"}
NOT_MINE = "x.y.z"


@pytest.fixture
def guarded() -> Guarded:
    guarded = Guarded()
    guarded.clocks.wall += timedelta(seconds=30)
    return guarded


@pytest.fixture
def app(tmp_path: Path, guarded: Guarded) -> FastAPI:
    return page_app(tmp_path, Facts(watching=guarded.watching, origins=[PORTAL]))


@pytest.fixture
async def player(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A WHEP player without cookies."""
    async with browser_of(app, accept="*/*") as client:
        yield client


@pytest.fixture
async def browser(app: FastAPI, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is signed in to the page."""
    async with browser_of(app, accept="*/*") as client:
        assert (await client.get(f"/signin?token={SignInLink(tmp_path).make()}")).status_code == 303
        client.headers["x-csrf-token"] = csrf_in(
            await client.get("/settings", headers={"accept": "text/html"})
        )
        yield client


@pytest.fixture
def numbers() -> Iterator[int]:
    return iter(range(10_000))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def problem_in(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, of an answer that says in words what is wrong."""
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert len(said["detail"]) > 10
    return answer.status_code, said["code"]


async def offer(
    player: httpx.AsyncClient, token: str, *, camera: str = "entry", **headers: str
) -> httpx.Response:
    return await player.post(f"/whep/{camera}", content=OFFER, headers=bearer(token) | SDP_TYPE | headers)


async def test_a_player_without_cookie_opens_trickles_renews_and_ends(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    guarded.live.servers = [
        IceServer(url="stun:192.0.2.1:3478"),
        IceServer(url="turn:192.0.2.1:3478?transport=udp", username="17:pod", credential='a"b\\c'),
    ]
    token = guarded.portal_token()
    opened = await offer(player, token)
    assert (opened.status_code, opened.text) == (201, "v=0\r\nanswer")
    assert opened.headers["content-type"] == "application/sdp"
    assert opened.headers["location"] == "/whep/entry/session-1"
    assert opened.headers["cache-control"] == "no-store"
    assert opened.headers.get_list("link") == [
        '<stun:192.0.2.1:3478>; rel="ice-server"',
        '<turn:192.0.2.1:3478?transport=udp>; rel="ice-server"; username="17:pod"; credential="a\\"b\\\\c"; '
        'credential-type="password"',
    ]
    assert guarded.live.offers == [("entry", OFFER)]
    place, etag = opened.headers["location"], {"if-match": opened.headers["etag"]}
    trickled = await player.patch(place, content="a=mid:0", headers=bearer(token) | FRAGMENT_TYPE | etag)
    assert (trickled.status_code, trickled.content) == (204, b"")
    assert "etag" not in trickled.headers
    assert guarded.live.fragments == [("session-1", "a=mid:0")]
    renewed = await player.post(place, headers=bearer(guarded.portal_token("t-2")))
    assert (renewed.status_code, renewed.json()) == (200, {"lease_s": 300.0})
    ended = await player.delete(place, headers=bearer(token))
    assert (ended.status_code, ended.content) == (200, b"")
    assert problem_in(await player.delete(place, headers=bearer(token))) == (404, "gone")


async def test_whoever_is_signed_in_gets_what_it_takes_to_watch(
    browser: httpx.AsyncClient, player: httpx.AsyncClient, guarded: Guarded
) -> None:
    guarded.live.servers = [
        IceServer(url="stun:192.0.2.1:3478"),
        IceServer(url="turn:192.0.2.1:3478", username="17:pod", credential="secret"),
    ]
    answer = await browser.post("/api/cameras/entry/watch")
    assert answer.status_code == 201
    given = answer.json()
    assert given["whep"] == "/whep/entry"
    assert given["ice_servers"] == [
        {"urls": ["stun:192.0.2.1:3478"]},
        {"urls": ["turn:192.0.2.1:3478"], "username": "17:pod", "credential": "secret"},
    ]
    assert given["lease_s"] == 300
    assert (await offer(player, given["token"])).status_code == 201
    assert guarded.rows("watch_started") == [
        {"camera": "entry", "viewer": "local page, from 127.0.0.1", "address": "127.0.0.1"}
    ]


async def test_a_token_is_given_to_nobody_who_is_not_signed_in_or_whose_form_is_forged(
    browser: httpx.AsyncClient, player: httpx.AsyncClient
) -> None:
    assert (await player.post("/api/cameras/entry/watch")).status_code == 401
    assert (await browser.post("/api/cameras/entry/watch", headers={"x-csrf-token": "x"})).status_code == 403
    foreign = await browser.post("/api/cameras/entry/watch", headers={"origin": PORTAL})
    assert foreign.status_code == 403
    assert (await browser.post("/api/cameras/attic/watch")).status_code == 404


async def test_ice_servers_are_told_before_an_offer_to_whoever_brings_a_token_which_stays_good(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    guarded.live.servers = [IceServer(url="turn:192.0.2.1:3478", username="17:pod", credential="secret")]
    token = guarded.portal_token()
    for _ in range(2):
        told = await player.options("/whep/entry", headers=bearer(token))
        assert told.status_code == 200
        assert told.headers["accept-post"] == "application/sdp"
        assert told.headers.get_list("link") == [
            '<turn:192.0.2.1:3478>; rel="ice-server"; username="17:pod"; credential="secret"; '
            'credential-type="password"'
        ]
    assert (await offer(player, token)).status_code == 201


async def test_ice_servers_are_told_to_nobody_without_a_good_token(
    browser: httpx.AsyncClient, player: httpx.AsyncClient, guarded: Guarded
) -> None:
    guarded.live.servers = [IceServer(url="turn:192.0.2.1:3478", username="17:pod", credential="secret")]
    preflight = {"origin": PORTAL, "access-control-request-method": "POST"}
    for headers in ({}, preflight):
        assert "link" not in (await player.options("/whep/entry", headers=headers)).headers
    own = (await browser.post("/api/cameras/exit/watch")).json()["token"]
    refusals = {
        "bad_token": "nonsense",
        "wrong_camera": own,
        "expired": guarded.portal_token(issued_s=0.0, expires_s=60.0),
    }
    for code, token in refusals.items():
        refused = await player.options("/whep/entry", headers=bearer(token))
        assert problem_in(refused)[1] == code
        assert "link" not in refused.headers
    guarded.clocks.mono_s += 61
    assert problem_in(await player.options("/whep/exit", headers=bearer(own)))[1] == "expired"
    guarded.clocks.doubt = "set back"
    unsure = await player.options("/whep/entry", headers=bearer(guarded.portal_token("t-2")))
    assert problem_in(unsure)[1] == "clock_unsure"


async def test_without_a_token_nothing_of_an_offer_is_read(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    for headers in (
        {},
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer a b"},
        {"authorization": "Bearer " + "x" * 5000},
    ):
        for method, path in (
            ("POST", "/whep/entry"),
            ("PATCH", "/whep/entry/session-1"),
            ("POST", "/whep/entry/session-1"),
            ("DELETE", "/whep/entry/session-1"),
        ):
            answer = await player.request(method, path, content=never(), headers=headers | SDP_TYPE)
            assert problem_in(answer) == (401, "no_token")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.live.offers == []


async def test_two_tokens_in_one_request_count_as_none(player: httpx.AsyncClient, guarded: Guarded) -> None:
    tokens = [("authorization", f"Bearer {guarded.portal_token(str(n))}") for n in range(2)]
    answer = await player.post("/whep/entry", content=OFFER, headers=[*tokens, *SDP_TYPE.items()])
    assert problem_in(answer) == (401, "no_token")


async def test_a_session_of_the_page_is_no_token(browser: httpx.AsyncClient, guarded: Guarded) -> None:
    answer = await browser.post("/whep/entry", content=OFFER, headers=SDP_TYPE)
    assert problem_in(answer) == (401, "no_token")
    assert guarded.live.offers == []


@pytest.mark.parametrize(
    ("change", "camera", "expected"),
    [
        pytest.param({"camera": "exit"}, "entry", (403, "wrong_camera"), id="another camera"),
        pytest.param({"audience": "elsewhere"}, "entry", (403, "wrong_pod"), id="another POD"),
        pytest.param({"kid": "nobody"}, "entry", (401, "bad_token"), id="unknown key"),
        pytest.param({"camera": "attic"}, "attic", (404, "no_camera"), id="no such camera"),
        pytest.param({"issued_s": 0.0, "expires_s": 60.0}, "entry", (401, "expired"), id="expired"),
    ],
)
async def test_a_token_that_opens_nothing_says_why(
    player: httpx.AsyncClient,
    guarded: Guarded,
    change: dict[str, object],
    camera: str,
    expected: tuple[int, str],
) -> None:
    answer = await offer(player, guarded.portal_token(**change), camera=camera)  # type: ignore[arg-type]  # fields by name
    assert problem_in(answer) == expected
    assert guarded.live.offers == []


async def test_a_replayed_token_is_refused(player: httpx.AsyncClient, guarded: Guarded) -> None:
    token = guarded.portal_token()
    assert (await offer(player, token)).status_code == 201
    answer = await offer(player, token)
    assert problem_in(answer) == (401, "used")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert len(guarded.live.offers) == 1


async def test_while_the_clock_is_in_doubt_a_portals_token_is_refused(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    guarded.clocks.doubt = "the clock was set while the POD ran"
    assert problem_in(await offer(player, guarded.portal_token())) == (401, "clock_unsure")


@pytest.mark.parametrize("kind", get_args(LiveErrorKind))
async def test_every_fault_of_live_video_is_answered_with_its_own_code(
    player: httpx.AsyncClient, guarded: Guarded, kind: LiveErrorKind
) -> None:
    guarded.live.fault = LiveError(kind, "this is what is wrong: and this the mend")
    answer = await offer(player, guarded.portal_token())
    assert problem_in(answer) == (whep.STATUS[kind], kind)
    waits = answer.status_code in (409, 429, 503)
    assert ("retry-after" in answer.headers) == waits


async def test_how_long_to_wait_is_said_in_whole_seconds(player: httpx.AsyncClient, guarded: Guarded) -> None:
    guarded.live.fault = LiveError("too_fast", "too many at once", retry_after_s=2.2)
    answer = await offer(player, guarded.portal_token())
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        pytest.param(b"x" * (WHEP_BYTES + 1), "application/sdp", (413, "too_large"), id="giant"),
        pytest.param(b"\xff\xfe\x00", "application/sdp", (400, "bad_offer"), id="no text"),
        pytest.param(OFFER.encode(), "", (415, "wrong_type"), id="no type"),
        pytest.param(OFFER.encode(), "application/json", (415, "wrong_type"), id="JSON"),
        pytest.param(OFFER.encode(), "application/x-www-form-urlencoded", (415, "wrong_type"), id="a form"),
    ],
)
async def test_a_giant_or_unreadable_offer_spends_no_token_and_reaches_no_video(
    player: httpx.AsyncClient, guarded: Guarded, body: bytes, kind: str, expected: tuple[int, str]
) -> None:
    token = guarded.portal_token()
    headers = bearer(token) | ({"content-type": kind} if kind else {})
    assert problem_in(await player.post("/whep/entry", content=body, headers=headers)) == expected
    assert guarded.live.offers == []
    assert (await offer(player, token)).status_code == 201


async def test_an_offer_that_claims_to_be_giant_is_refused_before_it_is_read(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    headers = bearer(guarded.portal_token()) | SDP_TYPE | {"content-length": "99999999"}
    assert problem_in(await player.post("/whep/entry", content=b"v=0", headers=headers)) == (413, "too_large")


async def test_a_media_type_may_have_parameters(player: httpx.AsyncClient, guarded: Guarded) -> None:
    headers = bearer(guarded.portal_token()) | {"content-type": "Application/SDP; charset=utf-8"}
    assert (await player.post("/whep/entry", content=OFFER, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        pytest.param(None, (428, "no_etag"), id="none"),
        pytest.param('"ice-2"', (412, "bad_etag"), id="another"),
        pytest.param("ice-1", (412, "bad_etag"), id="without quotes"),
        pytest.param('W/"ice-1"', (412, "bad_etag"), id="weak"),
        pytest.param("*", (422, "no_restart"), id="a restart"),
    ],
)
async def test_candidates_for_another_ice_session_are_refused(
    player: httpx.AsyncClient, guarded: Guarded, if_match: str | None, expected: tuple[int, str]
) -> None:
    token = guarded.portal_token()
    place = (await offer(player, token)).headers["location"]
    headers = bearer(token) | FRAGMENT_TYPE | ({"if-match": if_match} if if_match else {})
    assert problem_in(await player.patch(place, content="a=", headers=headers)) == expected
    assert guarded.live.fragments == []
    assert "session-1" in guarded.live.live


async def test_candidates_of_another_type_are_refused(player: httpx.AsyncClient, guarded: Guarded) -> None:
    token = guarded.portal_token()
    place = (await offer(player, token)).headers["location"]
    headers = bearer(token) | SDP_TYPE | {"if-match": '"ice-1"'}
    assert problem_in(await player.patch(place, content="a=", headers=headers)) == (415, "wrong_type")


async def test_a_session_is_nobodys_but_that_of_whoever_opened_it(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    place = (await offer(player, guarded.portal_token())).headers["location"]
    stranger = bearer(guarded.portal_token("t-2", viewer="resident 99"))
    patch = await player.patch(
        place, content="a=", headers=stranger | FRAGMENT_TYPE | {"if-match": '"ice-1"'}
    )
    assert problem_in(patch) == (403, "wrong_session")
    assert problem_in(await player.delete(place, headers=stranger)) == (403, "wrong_session")
    assert problem_in(await player.post(place, headers=stranger)) == (403, "wrong_session")
    assert problem_in(await player.delete("/whep/entry/guessed", headers=stranger)) == (404, "gone")
    assert problem_in(await player.delete(place.replace("entry", "exit"), headers=stranger)) == (404, "gone")
    assert "session-1" in guarded.live.live


@pytest.mark.parametrize("path", ["/whep/entry", "/whep/entry/session-1"])
async def test_what_may_be_asked_is_told_without_a_token_and_the_same_whatever_exists(
    player: httpx.AsyncClient, path: str
) -> None:
    accepts = ("accept-patch", whep.FRAGMENT) if path.count("/") == 3 else ("accept-post", whep.SDP)
    for there in (path, path.replace("entry", "attic")):
        options, get = await player.options(there), await player.get(there)
        assert (options.status_code, get.status_code, get.content) == (200, 204, b"")
        assert options.headers[accepts[0]] == accepts[1]
        assert (await player.head(there)).status_code == 204


async def test_other_methods_and_places_are_refused_as_problems(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    token = bearer(guarded.portal_token())
    put = await player.put("/whep/entry", headers=token)
    assert problem_in(put) == (405, "method")
    assert {"POST", "OPTIONS"} <= set(put.headers["allow"].split(", "))
    assert problem_in(await player.delete("/whep/entry", headers=token)) == (405, "method")
    assert problem_in(await player.post("/whep/a/b/c", headers=token))[0] == 404


async def test_a_page_of_a_listed_origin_may_ask_and_read(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    preflight = await player.options(
        "/whep/entry",
        headers={
            "origin": PORTAL,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 200
    allowed = preflight.headers
    assert allowed["access-control-allow-origin"] == PORTAL
    assert {"OPTIONS", "POST", "PATCH", "DELETE"} == set(allowed["access-control-allow-methods"].split(", "))
    assert {"authorization", "content-type", "if-match"} == {
        name.lower() for name in allowed["access-control-allow-headers"].split(", ")
    }
    assert "access-control-allow-credentials" not in allowed
    opened = await offer(player, guarded.portal_token(), origin=PORTAL)
    assert opened.status_code == 201
    assert opened.headers["access-control-allow-origin"] == PORTAL
    assert "Location" in opened.headers["access-control-expose-headers"]
    assert "Origin" in opened.headers["vary"]
    refused = await offer(player, NOT_MINE, origin=PORTAL)  # a player has to read why
    assert refused.headers["access-control-allow-origin"] == PORTAL
    headless = await player.post("/whep/entry", headers={"origin": PORTAL})
    assert headless.headers["access-control-allow-origin"] == PORTAL


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://evil.example.org", id="another site"),
        pytest.param("http://portal.example.org", id="the same without TLS"),
        pytest.param(PORTAL + ".evil.org", id="one that begins like it"),
        pytest.param("null", id="none"),
        pytest.param("http://[", id="no origin"),
    ],
)
async def test_a_page_of_another_origin_may_neither_ask_nor_read(
    player: httpx.AsyncClient, guarded: Guarded, origin: str
) -> None:
    token = guarded.portal_token()
    answer = await offer(player, token, origin=origin)
    assert problem_in(answer) == (403, "origin")
    preflight = await player.options("/whep/entry", headers={"origin": origin})
    for headers in (answer.headers, preflight.headers):
        assert not any(name.startswith("access-control") for name in headers)
    assert guarded.live.offers == []
    assert (await offer(player, token)).status_code == 201


@pytest.mark.parametrize(
    "origins",
    [
        pytest.param((PORTAL, "https://evil.example"), id="the listed one first"),
        pytest.param(("https://evil.example", PORTAL), id="the listed one last"),
        pytest.param((PORTAL, PORTAL), id="the listed one twice"),
    ],
)
async def test_who_names_two_origins_may_neither_ask_nor_read(
    player: httpx.AsyncClient, guarded: Guarded, origins: tuple[str, str]
) -> None:
    head = [("authorization", f"Bearer {guarded.portal_token()}"), ("content-type", "application/sdp")]
    head += [("origin", origin) for origin in origins]
    answer = await player.post("/whep/entry", content="v=0", headers=head)
    assert problem_in(answer) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


async def test_the_page_itself_may_ask_and_no_other_path_is_opened_to_origins(
    browser: httpx.AsyncClient, player: httpx.AsyncClient, guarded: Guarded
) -> None:
    assert (await offer(player, guarded.portal_token(), origin=ORIGIN)).status_code == 201
    for path in ("/api/health", "/healthz", "/static/page.css", "/login"):
        answer = await browser.get(path, headers={"origin": PORTAL})
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_foreign_host_name_is_refused_at_the_endpoint_too(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    answer = await offer(player, guarded.portal_token(), host="evil.example.org")
    assert answer.status_code == 400
    assert guarded.live.offers == []


async def test_signing_out_or_a_new_password_ends_what_one_watches(
    app: FastAPI, browser: httpx.AsyncClient, tmp_path: Path, guarded: Guarded
) -> None:
    async with app.router.lifespan_context(app):
        for way in ("/logout", "reset"):
            await browser.get(f"/signin?token={SignInLink(tmp_path).make()}")
            page = await browser.get("/settings", headers={"accept": "text/html"})
            browser.headers["x-csrf-token"] = csrf_in(page)
            token = (await browser.post("/api/cameras/entry/watch")).json()["token"]
            assert (await offer(browser, token)).status_code == 201
            (session,) = guarded.live.live
            if way == "reset":
                (tmp_path / "admin-password").write_text('{"made": "another-one"}')
                assert (await browser.get("/api/session")).status_code == 401
            else:
                await browser.post(way)
            async with asyncio.timeout(3):
                while session in guarded.live.live:
                    await asyncio.sleep(0)
            assert guarded.live.ended[session] == "revoked"


async def test_a_new_password_made_on_the_pod_ends_what_one_watches_though_nobody_asks_the_page(
    app: FastAPI,
    browser: httpx.AsyncClient,
    tmp_path: Path,
    guarded: Guarded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_api, "LOOK_S", 0.05)
    async with app.router.lifespan_context(app):
        token = (await browser.post("/api/cameras/entry/watch")).json()["token"]
        assert (await offer(browser, token)).status_code == 201
        (tmp_path / "admin-password").write_text('{"made": "another-one"}')
        async with asyncio.timeout(3):
            while guarded.live.live:
                await asyncio.sleep(0.01)
    assert list(guarded.live.ended.values()) == ["revoked"]


async def test_where_live_video_is_off_the_reason_is_told(tmp_path: Path) -> None:
    async with browser_of(page_app(tmp_path, Facts()), accept="*/*") as client:
        assert problem_in(await offer(client, NOT_MINE)) == (503, "off")
        await client.get(f"/signin?token={SignInLink(tmp_path).make()}")
        page = await client.get("/settings", headers={"accept": "text/html"})
        answer = await client.post("/api/cameras/entry/watch", headers={"x-csrf-token": csrf_in(page)})
        assert answer.status_code == 503
        assert "off" in answer.json()["detail"]


async def test_ten_thousand_offers_with_bad_tokens_reach_no_video_and_leave_nothing_behind(
    player: httpx.AsyncClient, guarded: Guarded
) -> None:
    spent = guarded.portal_token()
    await offer(player, spent)
    answers = {problem_in(await offer(player, token)) for token in [spent, NOT_MINE] * 500}
    assert answers == {(401, "used"), (401, "bad_token")}
    assert len(guarded.live.offers) == 1
    assert len(guarded.tokens._spent) == 1

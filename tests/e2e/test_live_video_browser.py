"""Live video in Debian's Chromium: from a camera through the shipped POD to pixels, and in words."""

import io
import itertools
import json
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import page_visits
import pytest
from clip_files import FPS, STRIPES, encoded, keep_clip, write_clip
from page_visits import CHROMIUM, NO_CHROMIUM, PHONE, findings, launched, objections
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from running_pod import RunningPod, until
from served_page import ServedPage

from models.render.camera_process import CameraProcess, available
from pod.domain.errors import LiveErrorKind
from pod.domain.stream_token import RefusalCode

PATIENCE_MS = 40_000
LENGTH = 200
"""Pictures of the camera's clip, numbered from 0, played without end."""

DOCUMENT = Path(__file__).parents[2] / "docs" / "live-video.md"
CLIENT = Path(__file__).parents[1] / "whep_client" / "node_modules" / "whip-whep" / "whep.js"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(180),
]
needs_gstreamer = pytest.mark.skipif(bool(available()), reason=f"needs GStreamer: {available()}")

READ_NUMBERS = """async ([selector, count, stripes]) => {
  const video = document.querySelector(selector), numbers = [];
  const canvas = document.createElement("canvas");
  canvas.width = stripes; canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  while (numbers.length < count) {
    await new Promise((drawn) => video.requestVideoFrameCallback(drawn));
    paint.drawImage(video, 0, video.videoHeight / 2, video.videoWidth, 1, 0, 0, stripes, 1);
    const pixels = paint.getImageData(0, 0, stripes, 1).data;
    numbers.push([...Array(stripes).keys()].reduce((sum, at) => sum * 2 + (pixels[at * 4] > 127 ? 1 : 0), 0));
  }
  return numbers;
}"""

KEEP_PEER = """
const real = RTCPeerConnection;
window.RTCPeerConnection = class extends real {
  constructor(...given) { super(...given); window.peer = this; }
};
"""
"""Keeps the newest connection in reach of the test."""

COUNT = """
const real = RTCPeerConnection;
window.peers = [];
window.waiting = new Set();
window.RTCPeerConnection = class extends real {
  constructor(...given) { super(...given); peers.push(this); }
};
for (const [set, clear] of [["setInterval", "clearInterval"], ["setTimeout", "clearTimeout"]]) {
  const start = window[set], end = window[clear];
  window[set] = (work, ...rest) => {
    const once = set === "setTimeout";
    const number = start((...given) => { if (once) waiting.delete(number); work(...given); }, ...rest);
    if (/whep|stills/.test(new Error().stack)) waiting.add(number);
    return number;
  };
  window[clear] = (number) => { waiting.delete(number); end(number); };
}
"""
"""Counts connections, and timers of the player that still wait."""

NO_WAY = """
const real = RTCPeerConnection;
window.RTCPeerConnection = class extends real {
  setConfiguration(settings) {
    super.setConfiguration({ ...settings, iceServers: [], iceTransportPolicy: "relay" });
  }
};
"""
"""A network that lets nothing through but web pages."""

WHAT_COMES_WHEN = """
window.order = [];
const real = RTCPeerConnection, ask = fetch;
window.RTCPeerConnection = class extends real {
  async createOffer(...given) {
    const made = await super.createOffer(...given);
    order.push("offer");
    return made;
  }
};
window.fetch = async (...given) => {
  const answer = await ask(...given);
  if (`${given[0]}`.endsWith("/watch")) order.push("token");
  return answer;
};
"""

LATE_PICTURE = """
const real = HTMLVideoElement.prototype.requestVideoFrameCallback;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (tell) {
  window.tell = tell;
  return real.call(this, tell);
};
"""
"""Keeps what a busy browser may call late."""

HURRY = """
const after = window.setTimeout;
window.setTimeout = (work, ms, ...rest) => after(work, ms > 5_000 ? ms / 20 : ms, ...rest);
"""
"""What the page waits long for comes at a twentieth of the time."""

LATER_NO_WAY = """
const real = RTCPeerConnection;
window.RTCPeerConnection = class extends real {
  setConfiguration(settings) {
    super.setConfiguration(window.noWay ? { iceServers: [], iceTransportPolicy: "relay" } : settings);
  }
};
"""

CLOCK = """
const now = performance.now.bind(performance), every = window.setInterval, later = window.setTimeout;
let pace = 1, from = 0, at = 0;
performance.now = () => at + (now() - from) * pace;
window.setInterval = (work, ms) => every(work, ms / pace);
window.setTimeout = (work, ms, ...rest) => later(work, ms / pace, ...rest);
window.goFaster = (times) => { [at, from, pace] = [performance.now(), now(), times]; };
"""
"""The page's own time passes `goFaster` times as fast."""

PHONE_FULL_SCREEN = """
delete Element.prototype.requestFullscreen;
let shown = false;
Object.defineProperties(HTMLVideoElement.prototype, {
  webkitDisplayingFullscreen: { get: () => shown },
  webkitEnterFullscreen: { value: () => (shown = true) },
  webkitExitFullscreen: { value: () => (shown = false) },
});
"""
"""Only videos can be shown in full, in the system's own player."""

FAR_DOWN = """
const style = new CSSStyleSheet();
style.replaceSync("main { padding-top: 5000px !important; }");
document.adoptedStyleSheets.push(style);
"""

IN_THE_BACKGROUND = """
let hidden = true;
Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
window.show = () => { hidden = false; document.dispatchEvent(new Event("visibilitychange")); };
"""

SEEN = """
const real = IntersectionObserver;
window.IntersectionObserver = class extends real {
  constructor(tell) {
    super((entries, me) => { tell(entries, me); for (const { target } of entries) target.looked = true; });
  }
};
"""
"""Marks what the browser has told about whether it is in sight."""

PRESS_ONLY = """
const real = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  this.pressed ||= window.event?.type === "click";
  if (this.pressed) return real.call(this);
  return Promise.reject(new DOMException("", "NotAllowedError"));
};
"""
"""As a phone that saves power: an element plays once it was asked to in the midst of a press."""

TELLS_NOTHING = "delete HTMLVideoElement.prototype.requestVideoFrameCallback;"

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = tmp_path_factory.mktemp("clips") / "numbered.mp4"
    write_clip(clip, encoded("h264", LENGTH, numbered=True, width=640))
    return clip


@pytest.fixture(scope="module")
def pod(numbered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    """A camera that plays the numbered clip; nothing moves a gate."""
    with running(tmp_path_factory.mktemp("live"), str(numbered)) as pod:
        yield pod


def free_port() -> int:
    """For a camera that comes back where it was."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(folder: Path, url: str) -> Iterator[RunningPod]:
    loop = {} if url.startswith("rtsp") else {"loop": True}
    with RunningPod(folder, url, detect_fps=0.5, **loop) as pod:
        until(lambda: pod.address, what="the pod's start")
        until(
            lambda: any(row["state"] == "playing" for row in pod.payloads("camera_state")), what="the camera"
        )
        yield pod


@contextmanager
def visit(
    browser: Browser,
    pod: RunningPod,
    place: str = "gate",
    *,
    motion: bool = True,
    scripts: tuple[str, ...] = (),
    answers: Callable[[Route], None] | None = None,
    path: str = "**/whep/**",
) -> Iterator[Page]:
    """A page with a player, signed in; `answers` stand in for the POD's at `path`."""
    address = str(pod.address)
    with page_visits.window(
        browser, address, motion=motion, scripts=scripts, patience_ms=PATIENCE_MS
    ) as page:
        page.goto(pod.sign_in_link())
        if answers is not None:
            page.route(path, answers)
        page.goto(f"{address}{place}")
        yield page


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("pb-live")).to_have_attribute("data-state", state, timeout=PATIENCE_MS)


def refuses(status: int, code: str, **headers: str) -> Callable[[Route], None]:
    problem = json.dumps({"status": status, "code": code, "detail": f"the POD's words for {code}"})
    return lambda route: route.fulfill(
        status=status, body=problem, content_type="application/problem+json", headers=headers
    )


@needs_gstreamer
def test_every_picture_of_the_camera_reaches_the_screen_in_order_without_a_freeze(
    browser: Browser, numbered: Path, tmp_path: Path
) -> None:
    with (
        CameraProcess({"gate": [numbered]}, port=free_port()) as camera,
        running(tmp_path, camera.url("gate")) as pod,
        visit(browser, pod, scripts=(KEEP_PEER, CLOCK)) as page,
    ):
        expect_state(page, "live")
        numbers = page.evaluate(READ_NUMBERS, ["pb-live video", 2 * FPS, STRIPES])
        report = page.evaluate(
            "async () => [...(await peer.getStats()).values()].find((each) => each.type === 'inbound-rtp')"
        )
        expect(page.locator(".live-late")).to_have_text(re.compile(r"^\d+ ms from the POD$"))
        page.evaluate("goFaster(4)")
        camera.stop()
        expect(page.locator(".live-word")).to_have_text("The picture stands still", timeout=PATIENCE_MS)
        expect(page.locator(".live-word")).to_have_text("The camera gives no picture", timeout=PATIENCE_MS)
        expect(page.locator(".live-why")).to_contain_text("Trying again")
        expect(page.locator(".view")).to_have_class(re.compile("blind"), timeout=PATIENCE_MS)
        camera.start()
        expect_state(page, "live")
    steps = [(later - number) % LENGTH for number, later in itertools.pairwise(numbers)]
    assert max(steps) <= FPS // 2, f"pictures out of order or missing: {numbers}"
    assert sum(steps) >= FPS
    assert report["framesDecoded"] >= FPS
    assert report["freezeCount"] == 0


def test_a_pause_keeps_the_picture_says_so_and_ends_the_session_at_the_pod(
    browser: Browser, pod: RunningPod
) -> None:
    ended = len(pod.payloads("watch_ended"))
    with visit(browser, pod) as page:
        expect_state(page, "live")
        page.get_by_role("button", name="Pause").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".live-word")).to_have_text(re.compile(r"^Paused at \d\d:\d\d:\d\d$"))
        expect(page.locator(".live-why")).to_contain_text("not of now")
        until(lambda: len(pod.payloads("watch_ended")) > ended, what="the end of the session")
        assert pod.payloads("watch_ended")[-1]["why"] in ("ended", "left")  # whichever the POD hears first
        assert page.evaluate("document.querySelector('pb-live video').videoWidth") > 0
        assert findings(page) == []
        page.get_by_role("button", name="Watch camera entry live").focus()
        page.keyboard.press("Enter")
        expect_state(page, "live")
        assert page.evaluate("document.activeElement.title") == "Pause"


def test_sessions_that_come_and_go_leave_no_connection_and_no_timer_in_the_browser(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(COUNT,)) as page:
        for _ in range(3):
            expect_state(page, "live")
            page.get_by_role("button", name="Pause").click()
            expect_state(page, "paused")
            page.evaluate("document.querySelector('pb-live .live-button[title=Play]').click()")
        expect_state(page, "live")
        assert page.evaluate("peers.filter((peer) => peer.connectionState !== 'closed').length") == 1
        page.evaluate("document.querySelector('pb-live').remove()")
        assert page.evaluate("peers.map((peer) => peer.connectionState)") == ["closed"] * 4
        page.wait_for_function("() => waiting.size === 0")


def test_nobody_is_watched_who_only_looks_at_cars_or_wants_less_motion(
    browser: Browser, pod: RunningPod
) -> None:
    started = len(pod.payloads("watch_started"))
    with visit(browser, pod, motion=False) as page:
        expect_state(page, "idle")
        page.wait_for_function("() => document.querySelector('[data-still]').src.includes('?at=')")
    with visit(browser, pod, "") as page:
        expect_state(page, "idle")
        assert len(pod.payloads("watch_started")) == started
        page.get_by_role("button", name="Watch camera entry live").click()
        expect_state(page, "live")
        page.evaluate("document.querySelector('pb-live').first = true; void look()")
        page.wait_for_function("() => document.documentElement.dataset.connection === 'live'")
        assert page.evaluate("document.querySelector('pb-live').first"), "the player was drawn anew"


@pytest.mark.parametrize(
    ("status", "code", "state", "words"),
    [
        pytest.param(409, "not_playing", "retrying", "The camera gives no picture", id="camera-down"),
        pytest.param(500, "fault", "retrying", "Live video met a fault", id="fault"),
        pytest.param(406, "no_h264", "refused", "This browser cannot decode H.264", id="codec"),
        pytest.param(400, "bad_offer", "refused", "Live video failed", id="unknown"),
    ],
)
def test_a_refusal_is_told_with_its_mend_and_stills_go_on(
    browser: Browser, pod: RunningPod, status: int, code: str, state: str, words: str
) -> None:
    headers = {"Retry-After": "7"} if state == "retrying" else {}
    with visit(browser, pod, answers=refuses(status, code, **headers)) as page:
        expect_state(page, state)
        expect(page.locator(".live-word")).to_have_text(words)
        # What somebody has to do is said to those who listen; what passes by itself is not, each time anew.
        is_said = "polite" if state == "refused" else "off"
        expect(page.locator(".live-why")).to_have_attribute("aria-live", is_said)
        expect(page.locator(".live-late")).to_have_text("Stills, one every 2 s")
        expect(page.locator(".live-why")).to_contain_text(
            "Trying again in 7 s" if state == "retrying" else re.compile("Use one|Load|The POD's words")
        )
        page.wait_for_function("() => document.querySelector('[data-still]').src.includes('?at=')")
        assert findings(page) == []


def test_the_player_does_for_each_code_what_its_documentation_says(browser: Browser, pod: RunningPod) -> None:
    told: dict[str, str] = {}
    for line in DOCUMENT.read_text().splitlines():
        if (row := re.fullmatch(r"\| \d{3} \| (`.+`) \| .+ \| (.*) \|", line)) is not None:
            told |= dict.fromkeys(re.findall(r"`(\w+)`", row[1]), row[2])
    assert told.keys() >= {*get_args(LiveErrorKind), *get_args(RefusalCode)}
    waits = {code for code, what in told.items() if re.search(r"wait|try again|open a new", what)}
    with visit(browser, pod, motion=False) as page:
        words = page.evaluate(
            """async (codes) => {
                const { trouble } = await import("/static/whep_words.js");
                return codes.map((code) => [code, trouble({ code, detail: "what the POD says" })]);
            }""",
            sorted(told),
        )
    assert {code for code, said in words if said["retry"]} == waits
    assert all(said["title"] and said["sentence"] for code, said in words if not said["retry"])


def test_on_a_full_screen_too_it_is_said_that_the_picture_is_not_live(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, answers=refuses(409, "not_playing", **{"Retry-After": "60"})) as page:
        expect_state(page, "retrying")
        page.get_by_role("button", name="Full screen").click()
        leave = page.locator(":fullscreen").get_by_role("button", name="Leave full screen")
        expect(leave).to_be_in_viewport()
        expect(page.locator(":fullscreen .live-word")).to_be_in_viewport()
        expect(page.locator(":fullscreen .live-why")).to_be_in_viewport()
        assert findings(page) == []
        leave.click()
        expect(page.get_by_role("button", name="Full screen", exact=True)).to_be_visible()


def test_the_full_screen_of_a_phone_which_has_no_words_is_left_when_live_video_ends(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(PHONE_FULL_SCREEN,)) as page:
        expect_state(page, "live")
        page.get_by_role("button", name="Full screen").click()
        assert page.evaluate("document.querySelector('pb-live video').webkitDisplayingFullscreen")
        page.evaluate("document.querySelector('pb-live .live-button[title=Pause]').click()")
        assert not page.evaluate("document.querySelector('pb-live video').webkitDisplayingFullscreen")


def test_areas_are_drawn_on_a_frame_of_the_pictures_own_form(browser: Browser, pod: RunningPod) -> None:
    square = io.BytesIO()
    Image.new("RGB", (480, 480)).save(square, "JPEG")
    still = square.getvalue()
    with visit(
        browser,
        pod,
        "cameras",
        motion=False,
        answers=lambda route: route.fulfill(body=still, content_type="image/jpeg"),
        path="**/still.jpg*",
    ) as page:
        page.wait_for_function("""() => {
            const { width, height } = document.querySelector("pb-live .areas").getBoundingClientRect();
            return Math.abs(width / height - 1) < 0.01;
        }""")
        page.get_by_role("button", name="Watch camera entry live").click()
        expect_state(page, "live")
        page.wait_for_function("""() => {
            const { width, height } = document.querySelector("pb-live .areas").getBoundingClientRect();
            return Math.abs(width / height - 16 / 9) < 0.01;
        }""")


@pytest.mark.parametrize(
    ("script", "then"),
    [
        pytest.param(FAR_DOWN, "() => document.querySelector('pb-live').scrollIntoView()", id="far-down"),
        pytest.param(IN_THE_BACKGROUND, "() => show()", id="tab-in-the-background"),
    ],
)
def test_what_nobody_has_in_sight_asks_for_no_video(
    browser: Browser, pod: RunningPod, script: str, then: str
) -> None:
    asked: list[str] = []
    with visit(browser, pod, scripts=(script, SEEN)) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.wait_for_function("() => document.querySelector('pb-live').looked")
        expect_state(page, "away")
        assert [url for url in asked if url.endswith("/watch")] == []
        page.evaluate(then)
        expect_state(page, "live")


def test_a_browser_that_plays_nothing_by_itself_says_so_and_plays_when_pressed(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(PRESS_ONLY,)) as page:
        expect_state(page, "idle")
        expect(page.locator(".live-why")).to_contain_text("press play")
        page.get_by_role("button", name="Watch camera entry live").click()
        expect_state(page, "live")


def test_the_offer_is_made_while_the_token_is_on_its_way(browser: Browser, pod: RunningPod) -> None:
    def hold_up(route: Route) -> None:
        time.sleep(0.3)
        route.continue_()

    with visit(browser, pod, scripts=(WHAT_COMES_WHEN,), answers=hold_up, path="**/watch") as page:
        expect_state(page, "live")
        assert page.evaluate("order") == ["offer", "token"]


def test_a_browser_that_tells_of_no_single_picture_shows_live_video_and_notices_when_it_stands(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(KEEP_PEER, TELLS_NOTHING)) as page:
        expect_state(page, "live")
        expect(page.locator(".live-late")).to_contain_text("from the POD")
        page.evaluate("async () => { const now = await peer.getStats(); peer.getStats = async () => now; }")
        expect(page.locator(".live-word")).to_have_text("The picture stands still")


def test_a_second_session_that_finds_no_way_is_not_taken_for_a_picture_that_stands(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(LATER_NO_WAY, CLOCK)) as page:
        expect_state(page, "live")
        page.evaluate("goFaster(4)")
        page.evaluate("document.querySelector('pb-live .live-button[title=Pause]').click()")
        page.evaluate("""() => {
            window.noWay = true;
            window.states = [];
            document.addEventListener("live-state", ({ detail }) => states.push(detail.state));
            document.querySelector("pb-live .live-button[title=Play]").click();
        }""")
        expect_state(page, "retrying")
        assert "slow" not in page.evaluate("states")


def test_a_picture_of_the_session_before_that_is_told_late_is_not_taken_for_a_new_one(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(LATE_PICTURE,)) as page:
        expect_state(page, "live")
        page.evaluate("document.querySelector('pb-live .live-button[title=Pause]').click()")
        state = page.evaluate("""() => {
            document.querySelector("pb-live .live-button[title=Play]").click();
            tell(0, {});
            return document.querySelector("pb-live").dataset.state;
        }""")
        assert state == "connecting"
        expect_state(page, "live")


def test_a_spent_token_is_replaced_once_and_not_again_and_again(browser: Browser, pod: RunningPod) -> None:
    offers = []

    def expired(route: Route) -> None:
        offers.append(route.request.headers["authorization"])
        refuses(401, "expired")(route)

    with visit(browser, pod, answers=expired) as page:
        expect_state(page, "refused")
        expect(page.locator(".live-word")).to_have_text("The POD does not let this page watch")
    assert len(offers) == len(set(offers)) == 2


def test_without_a_way_for_video_the_network_is_named_and_stills_go_on(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(NO_WAY, HURRY)) as page:
        expect(page.locator(".live-word")).to_have_text("No way to the POD for video", timeout=PATIENCE_MS)
        expect(page.locator(".live-why")).to_contain_text("TURN server")
        page.wait_for_function("() => document.querySelector('[data-still]').src.includes('?at=')")


def test_a_browser_without_webrtc_is_told_and_shows_stills(browser: Browser, pod: RunningPod) -> None:
    with visit(browser, pod, scripts=("delete window.RTCPeerConnection;",)) as page:
        expect(page.locator(".live-word")).to_have_text("This browser plays no live video")
        page.wait_for_function("() => document.querySelector('[data-still]').src.includes('?at=')")


def test_a_lease_is_renewed_with_new_tokens_until_the_person_is_signed_out(
    browser: Browser, pod: RunningPod
) -> None:
    tokens, renewals = [], []
    is_signed_in = True

    def short(route: Route) -> None:
        if not is_signed_in:
            route.fulfill(status=401, json={"detail": "sign in first"})
            return
        answer = route.fetch()
        ticket = answer.json()
        tokens.append(ticket["token"])
        route.fulfill(response=answer, json=ticket | {"lease_s": 1.0})

    def renewed(route: Route) -> None:
        answer = route.fetch()
        if route.request.method != "POST":
            route.fulfill(response=answer)
            return
        renewals.append(answer.status)
        route.fulfill(response=answer, json=answer.json() | {"lease_s": 1.0})

    with visit(browser, pod, answers=short, path="**/watch") as page:
        page.route(re.compile(r"/whep/entry/[^/]+$"), renewed)
        expect_state(page, "live")
        until(lambda: page.wait_for_timeout(100) or len(renewals) > 1, what="two renewals")
        expect_state(page, "live")
        is_signed_in = False
        expect(page.locator(".live-word")).to_have_text("You are signed out", timeout=PATIENCE_MS)
    assert set(renewals) == {200}
    assert len(set(tokens)) == len(tokens)


def test_a_session_that_is_left_while_it_is_being_renewed_is_ended_with_the_token_that_opened_it(
    browser: Browser, pod: RunningPod
) -> None:
    renewing: list[Route] = []
    brought: dict[str, str] = {}

    def short(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"lease_s": 1.0})

    def of_session(route: Route) -> None:
        if route.request.method == "POST":
            renewing.append(route)  # the POD never hears of it, and knows no token but the first
            return
        brought[route.request.method] = route.request.headers["authorization"]
        route.continue_()

    def offered(route: Route) -> None:
        brought["offer"] = route.request.headers["authorization"]
        route.continue_()

    with visit(browser, pod, answers=short, path="**/watch") as page:
        page.route(re.compile(r"/whep/entry$"), offered)
        page.route(re.compile(r"/whep/entry/[^/]+$"), of_session)
        expect_state(page, "live")
        until(lambda: page.wait_for_timeout(100) or renewing, what="a renewal")
        page.evaluate("document.querySelector('pb-live .live-button[title=Pause]').click()")
        until(lambda: page.wait_for_timeout(100) or "DELETE" in brought, what="the end")
    assert brought["DELETE"] == brought["offer"]


def test_a_page_out_of_sight_stops_after_a_while_and_plays_again_when_seen(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, scripts=(HURRY,)) as page:
        expect_state(page, "live")
        page.evaluate(HIDE, True)
        expect_state(page, "away")
        page.evaluate(HIDE, False)
        expect_state(page, "live")


def test_stills_are_asked_for_as_long_as_somebody_sees_them(browser: Browser, pod: RunningPod) -> None:
    asked: list[str] = []
    newest = "document.querySelector('[data-still]').src"
    with visit(browser, pod, scripts=(CLOCK, "goFaster(3);"), answers=refuses(406, "no_h264")) as page:
        expect_state(page, "refused")
        page.wait_for_function(f"() => {newest}.includes('?at=')")
        page.evaluate(HIDE, True)
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("new Promise((done) => setTimeout(done, 6_000))")  # of the page's: time for three
        assert [url for url in asked if "still.jpg" in url] == []
        shown = page.evaluate(newest)
        page.evaluate(HIDE, False)
        page.wait_for_function(f"(shown) => {newest} !== shown", arg=shown)


def test_a_pod_that_is_gone_and_comes_back_plays_again_for_who_is_still_signed_in(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod) as page:
        expect_state(page, "live")
        page.route("**/watch", lambda route: route.abort())
        page.evaluate("document.querySelector('pb-live .live-button[title=Pause]').click()")
        page.evaluate("document.querySelector('pb-live .live-button[title=Play]').click()")
        expect(page.locator(".live-word")).to_have_text("The POD does not answer")
        page.unroute("**/watch")
        expect_state(page, "live")


def test_a_camera_that_is_encoded_anew_plays_and_the_page_says_why(browser: Browser, tmp_path: Path) -> None:
    clip = tmp_path / "b-frames.mp4"
    write_clip(clip, encoded("h264", LENGTH, b_frames=2, numbered=True, width=640))
    with running(tmp_path / "pod", str(clip)) as pod, visit(browser, pod) as page:
        expect_state(page, "live")
        expect(page.locator(".live-why")).to_contain_text(
            "encodes this camera anew because it sends B-frames"
        )
        assert len(set(page.evaluate(READ_NUMBERS, ["pb-live video", FPS, STRIPES]))) > FPS // 4


@pytest.mark.parametrize("place", ["", "gate", "cameras"])
def test_axe_finds_nothing_around_a_live_picture_and_nothing_is_too_wide(
    browser: Browser, pod: RunningPod, place: str
) -> None:
    with visit(browser, pod, place, motion=False) as page:
        page.get_by_role("button", name="Watch camera entry live").click()
        expect_state(page, "live")
        assert objections(page) == []


def test_on_a_phone_the_live_view_of_the_first_page_takes_one_line_until_it_is_wanted(
    browser: Browser, pod: RunningPod
) -> None:
    with visit(browser, pod, "") as page:
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        expect(page.locator("pb-live figure")).to_be_hidden()
        page.get_by_role("button", name="Play").click()
        expect_state(page, "live")
        expect(page.locator("pb-live video")).to_be_visible()


@pytest.mark.skipif(not CLIENT.exists(), reason="needs the WHEP client: npm ci --prefix tests/whep_client")
def test_a_whep_client_that_nobody_here_wrote_plays_the_camera(browser: Browser, pod: RunningPod) -> None:
    with visit(browser, pod, motion=False) as page:
        page.route(
            "**/static/other_whep.js",
            lambda route: route.fulfill(path=CLIENT, content_type="text/javascript"),
        )
        page.evaluate("""async () => {
            const { WHEPClient } = await import("/static/other_whep.js");
            const csrf = document.querySelector("pb-live").getAttribute("csrf");
            const headers = { "X-CSRF-Token": csrf };
            const asked = await fetch("/api/cameras/entry/watch", { method: "POST", headers });
            const ticket = await asked.json();
            const peer = new RTCPeerConnection();
            peer.addTransceiver("video", { direction: "recvonly" });
            const video = document.createElement("video");
            Object.assign(video, { id: "other", muted: true, autoplay: true });
            document.querySelector("main").prepend(video); // out of view it would be black
            peer.ontrack = ({ track }) => (video.srcObject = new MediaStream([track]));
            window.other = new WHEPClient();
            // It trickles without the If-Match that the draft demands: 428. Pictures come all the same.
            const trickle = other.patch.bind(other);
            other.patch = () => trickle().catch((error) => { if (!/428/.test(error.message)) throw error; });
            await other.view(peer, new URL(ticket.whep, location).href, ticket.token);
        }""")
        numbers = page.evaluate(READ_NUMBERS, ["#other", FPS, STRIPES])
        page.evaluate("other.stop()")
    assert len(set(numbers)) > FPS // 2


def test_a_car_plays_its_clip_and_the_moment_of_the_plate_is_marked(browser: Browser, tmp_path: Path) -> None:
    with ServedPage(tmp_path) as served:
        served.car("entry-1", {"plate": "KLM5S8"})
        keep_clip(served.media, "entry-1", encoded("h264", 100, numbered=True, width=640), plate_at_s=1.5)
        with page_visits.visit(browser, served, "/approaches/entry-1") as page:
            video = page.locator(".clip video")
            page.wait_for_function("() => document.querySelector('.clip video').readyState >= 1")
            page.get_by_role("link", name="Go to the plate").click()
            at_s = float(page.locator("[data-clip]").get_attribute("data-plate-at") or "nan")
            page.wait_for_function("() => !document.querySelector('.clip video').seeking")
            assert abs(video.evaluate("(one) => one.currentTime") - at_s) < 0.05
            mark, length_s = page.locator(".clip .mark"), video.evaluate("(one) => one.duration")
            assert abs(float(mark.get_attribute("x") or "nan") + 0.4 - 100 * at_s / length_s) < 0.5
            expect(page.locator(".clip-trouble")).to_be_hidden()
            assert objections(page) == []


def test_a_link_to_a_clip_is_made_on_its_page_and_opens_it_for_who_is_not_signed_in(
    browser: Browser, tmp_path: Path
) -> None:
    with ServedPage(tmp_path) as served:
        served.car("entry-1", {"plate": "KLM5S8"})
        keep_clip(served.media, "entry-1", encoded("h264", 30))
        with page_visits.visit(browser, served, "/approaches/entry-1") as page:
            page.get_by_role("button", name="Link for others").click()
            link = page.get_by_role("textbox", name="Link to this clip")
            expect(link).to_have_value(re.compile("^http.+/shared/"))
            expect(page.locator(".shared")).to_contain_text("until")
            assert objections(page) == []
            with urllib.request.urlopen(link.input_value(), timeout=10) as answer:
                assert answer.headers["content-type"] == "video/mp4"
            assert [kind for kind, _ in served.noted].count("media_shared") == 1
            page.route(
                "**/link", lambda route: route.fulfill(status=503, json={"detail": "the POD's reason"})
            )
            page.get_by_role("button", name="Link for others").click()
            expect(page.locator(".shared")).to_have_text("the POD's reason")

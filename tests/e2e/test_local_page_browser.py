"""The local page in a real browser: what it shows, and what becomes of it when the POD does not answer."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_visits import CHROMIUM, NO_CHROMIUM, PHONE, findings, launched, objections, window
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from running_pod import RunningPod, until
from served_page import ServedPage

from pod.web.car_words import ago

PATIENCE_MS = 45_000

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(180),
]

WITHOUT_POLLING = """
const inTime = window.setTimeout;
window.setTimeout = (work, ms, ...rest) => ms > 10000 ? 0 : inTime(work, ms, ...rest);
"""
"""Takes the page's fallback away, so that only a pushed event can bring news."""

IMPATIENT = """
const after = AbortSignal.timeout;
AbortSignal.timeout = (ms) => after.call(AbortSignal, ms / 8);
"""
"""Gives up on an answer after one second instead of eight."""

HEARD = """
window.heard = [];
document.addEventListener("DOMContentLoaded", () => {
  const said = document.getElementById("said");
  new MutationObserver(() => heard.push(said.textContent)).observe(said, { childList: true });
});
"""
"""Notes every announcement that a screen reader would get."""

READ_THE_NEWEST_CAR = """() => {
  document.body.style.paddingBottom = "100vh";
  const car = window.reading = document.querySelector(".car");
  scrollTo(0, scrollY + car.getBoundingClientRect().top - 200);
  getSelection().selectAllChildren(car.querySelector(".story p + p"));
}"""
"""A reader in the middle of things: scrolled down, a sentence selected."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    """A car that nobody listed came."""
    with ServedPage(tmp_path_factory.mktemp("street")) as served:
        served.car("entry-1", {"plate": "KLM5S8"})
        yield served


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    """A camera that works, and no car; the page stays at one port over restarts."""
    folder = tmp_path_factory.mktemp("quiet")
    (folder / "pictures").mkdir()
    Image.new("RGB", (640, 360), "gray").save(folder / "pictures" / "empty.png")
    with RunningPod(folder, str(folder / "pictures"), port=free_port(), loop=True) as pod:
        until(lambda: pod.address, what="the pod's start")
        yield pod


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    """The camera's address answers to nobody."""
    url = f"rtsp://127.0.0.1:{free_port()}/gate"
    with RunningPod(tmp_path_factory.mktemp("blind"), url) as pod:
        until(lambda: pod.address, what="the pod's start")
        yield pod


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def visit(
    browser: Browser,
    pod: RunningPod | ServedPage,
    *,
    scripts: tuple[str, ...] = (),
    javascript: bool = True,
    motion: bool = True,
) -> Iterator[Page]:
    """The page, signed in, in a `window`."""
    served = isinstance(pod, ServedPage)
    address = str(pod.address)
    with window(
        browser, address, javascript=javascript, motion=motion, scripts=scripts, patience_ms=PATIENCE_MS
    ) as page:
        page.goto(f"{address}{pod.sign_in_path()}" if served else pod.sign_in_link())
        yield page


def assert_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("Live", timeout=PATIENCE_MS)


def car_ids(page: Page) -> list[str]:
    ids: list[str] = page.locator(".car").evaluate_all("cars => cars.map(car => car.id)")
    return ids


def test_a_first_visit_finds_all_well_and_is_told_what_will_appear(
    browser: Browser, quiet: RunningPod
) -> None:
    with visit(browser, quiet) as page:
        expect(page.locator("#health-title")).to_have_text("All is well", timeout=PATIENCE_MS)
        assert_live(page)
        expect(page.locator("#empty")).to_contain_text("No car has come yet.")
        expect(page.locator("#parts")).to_contain_text("Camera entry")
        expect(page.locator("footer")).to_contain_text("It is not a safety device.")


def test_a_car_appears_without_a_reload_is_announced_once_and_moves_nothing_that_is_being_read(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        ServedPage(tmp_path) as road,
        visit(browser, road, scripts=(WITHOUT_POLLING, HEARD)) as page,
    ):
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert_live(page)
        road.car("entry-1", {"plate": "KLM5S8"})
        page.locator(".car img").first.wait_for()  # a car is drawn anew once, when its pictures come
        page.evaluate(READ_THE_NEWEST_CAR)
        heard = len(page.evaluate("heard"))
        road.car("entry-2", {"plate": "XY999"})
        page.locator("#car-entry-2").wait_for(state="attached")
        assert car_ids(page) == ["car-entry-2", "car-entry-1"]
        assert page.evaluate("getSelection().toString()") == "The plate is not on the list."
        assert page.evaluate("document.contains(reading)"), "the car being read was drawn anew"
        assert page.evaluate("Math.abs(reading.getBoundingClientRect().top - 200)") <= 1
        of_cars = [words for words in page.evaluate("heard")[heard:] if "Health" not in words]
        assert of_cars == ["XY999: Not opened. The plate is not on the list."]
        intent = {"kind": "intent", "verdict": "allow", "reason": "listed", "entry": "AB123CD"}
        road.car("entry-3", intent, {"kind": "outcome", "result": "pulsed", "on_ms": 500.0}, known=True)
        expect(page.locator("#car-entry-3.opened")).to_contain_text("Open commanded")


def test_a_refusal_says_why_in_plain_words(browser: Browser, street: ServedPage) -> None:
    with visit(browser, street) as page:
        refused = page.locator(".car.kept").last
        expect(refused.locator(".plate")).to_have_text("KLM5S8")
        expect(refused).to_contain_text("Not opened")
        expect(refused).to_contain_text("The plate is not on the list.")


def test_a_camera_that_cannot_be_reached_is_told_with_its_mend(browser: Browser, blind: RunningPod) -> None:
    with visit(browser, blind) as page:
        failing = page.locator("#parts li.failing")
        expect(failing).to_contain_text("takes no connection: check", timeout=PATIENCE_MS)
        expect(failing).to_contain_text("Does not work")
        expect(page.locator("#health-title")).to_have_text("Needs attention")
        expect(page).to_have_title("(!) PlateBridge · PlateBridge")
        expect(page.locator("#empty")).to_contain_text("No car can be seen.")


def test_a_lost_pod_is_told_at_once_and_asks_to_sign_in_when_it_is_back(
    browser: Browser, quiet: RunningPod
) -> None:
    with visit(browser, quiet) as page:
        assert_live(page)
        quiet.kill()
        expect(page.locator("#connection")).to_have_text("No connection", timeout=5_000)
        expect(page.locator("#lost")).to_contain_text("No answer from the POD since")
        assert findings(page) == []
        quiet.start()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)


def test_a_pod_that_hung_is_found_again_without_a_reload(browser: Browser, quiet: RunningPod) -> None:
    with visit(browser, quiet, scripts=(HEARD, IMPATIENT)) as page:
        assert_live(page)
        page.evaluate("window.first = true")
        assert quiet.process is not None
        quiet.process.send_signal(signal.SIGSTOP)
        try:
            page.evaluate("void look()")
            expect(page.locator("#connection")).to_have_text("No connection", timeout=PATIENCE_MS)
        finally:
            quiet.process.send_signal(signal.SIGCONT)
        assert_live(page)
        expect(page.locator("#lost")).to_be_hidden()
        assert page.evaluate("first"), "the page was loaded anew"
        heard = page.evaluate("heard")
    assert sum("No answer from the POD" in words for words in heard) == 1
    assert sum("The POD answers again." in words for words in heard) == 1


def test_a_slow_answer_is_told_and_forgotten_when_it_comes(browser: Browser, quiet: RunningPod) -> None:
    with visit(browser, quiet) as page:
        assert_live(page)
        assert quiet.process is not None
        quiet.process.send_signal(signal.SIGSTOP)
        try:
            page.evaluate("void look()")
            expect(page.locator("#connection")).to_have_text("Slow answer", timeout=PATIENCE_MS)
        finally:
            quiet.process.send_signal(signal.SIGCONT)
        assert_live(page)


def test_without_javascript_the_page_shows_the_same_and_how_to_look_again(
    browser: Browser, street: ServedPage
) -> None:
    with visit(browser, street, javascript=False) as page:
        assert page.locator("#connection").inner_text().startswith("As of ")
        assert page.locator(".car").count() == 1
        page.locator("noscript a").click()
        assert page.locator(".car").count() == 1


def test_the_browser_tells_ages_as_the_pod_does(browser: Browser, street: ServedPage) -> None:
    ages_s = [-3, 0, 9.9, 10, 59.9, 60, 119, 3599, 3600, 86399, 86400, 1e6]
    with visit(browser, street) as page:
        assert page.evaluate("ages => ages.map(ago)", ages_s) == [ago(age_s) for age_s in ages_s]


def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(
    browser: Browser, street: ServedPage, blind: RunningPod
) -> None:
    for pod in (street, blind):
        # A car that arrives fades in, and axe would take that moment for the page's colours.
        with visit(browser, pod, motion=False) as page:
            assert_live(page)
            assert objections(page) == []

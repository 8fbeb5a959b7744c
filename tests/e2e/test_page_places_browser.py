"""Gate, cameras, health and settings in a real browser, before `platebridge pod run`."""

from collections.abc import Iterator
from contextlib import contextmanager

import gate_clips
import page_visits
import pytest
from page_visits import CHROMIUM, DESKTOP, NO_CHROMIUM, PHONE, findings, launched, objections
from playwright.sync_api import Browser, Page, expect
from running_pod import RunningPod, until

PATIENCE_MS = 45_000
PLACES = ["/gate", "/gate/main/open", "/cameras", "/health", "/settings", "/password", "/api/docs"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    folder = tmp_path_factory.mktemp("places")
    region = [[0.1, 0.3], [0.9, 0.3], [0.9, 1.0], [0.1, 1.0]]
    mask = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 0.2]]
    clip = str(gate_clips.drive_up())
    with RunningPod(folder, clip, loop=True, regions=[region], masks=[mask]) as pod:
        until(lambda: pod.address, what="the pod's start")
        yield pod


@contextmanager
def window(
    browser: Browser,
    pod: RunningPod,
    size: tuple[int, int] = DESKTOP,
    *,
    js: bool = True,
) -> Iterator[Page]:
    """A window before the pod, not signed in."""
    address = str(pod.address)
    with page_visits.window(browser, address, size=size, javascript=js, patience_ms=PATIENCE_MS) as page:
        yield page


def test_a_gate_is_opened_by_hand_once_however_often_that_is_clicked_or_sent(
    browser: Browser, pod: RunningPod
) -> None:
    before = len(pod.pulses())
    with window(browser, pod, PHONE) as page:
        page.goto(pod.sign_in_link())
        page.get_by_role("link", name="Gate", exact=True).click()
        page.get_by_role("link", name="Open gate main").click()
        page.get_by_role("button", name="Open gate main now").dblclick()
        expect(page.get_by_role("heading", name="Gate main:")).to_contain_text("Open")
        expect(page.locator("main")).to_contain_text("nobody here knows whether it moved")
        page.reload()
        page.go_back()
        until(lambda: len(pod.pulses()) > before, what="the pulse")
        page.goto(f"{pod.address}gate")
        expect(page.locator("#gates-now")).to_contain_text("Told to open")
    by_hand = [row for row in pod.payloads("intent") if row.get("source") == "by hand"]
    assert len(by_hand) == 1
    assert len(pod.pulses()) - before == 1


def test_without_javascript_a_gate_can_be_opened_all_the_same(browser: Browser, pod: RunningPod) -> None:
    with window(browser, pod, js=False) as page:
        page.goto(pod.sign_in_link())
        page.goto(f"{pod.address}gate")
        page.get_by_role("link", name="Open gate main").click()
        page.get_by_role("button", name="Open gate main now").click()
        expect(page.get_by_role("heading", name="Gate main:")).to_be_visible()


def test_lockdown_is_asked_before_it_begins_shown_and_ended(browser: Browser, pod: RunningPod) -> None:
    with window(browser, pod, PHONE) as page:
        page.goto(pod.sign_in_link())
        page.goto(f"{pod.address}gate")
        page.get_by_role("link", name="Lock down").click()
        page.get_by_role("button", name="Lock down").click()
        expect(page.get_by_role("alert").first).to_contain_text("The site is locked down")
        assert findings(page) == []
        page.get_by_role("link", name="Open gate main").click()
        page.get_by_label("Open although the site is locked down").check()
        assert findings(page) == []
        page.get_by_role("link", name="Leave it shut").click()
        page.get_by_role("link", name="End the lockdown").click()
        page.get_by_role("button", name="End the lockdown").click()
        expect(page.locator("main")).to_contain_text("Lockdown is off.")


def test_a_camera_shows_a_picture_that_renews_itself_under_its_regions(
    browser: Browser, pod: RunningPod
) -> None:
    with window(browser, pod) as page:
        page.goto(pod.sign_in_link())
        page.goto(f"{pod.address}cameras")
        page.wait_for_function("() => document.querySelector('[data-still]').src.includes('?at=')")
        page.wait_for_function("() => document.querySelector('[data-still]').naturalWidth > 100")
        assert page.locator("polygon.region").count() == page.locator("polygon.mask").count() == 1


def test_a_part_of_a_page_whose_session_ended_leads_to_the_sign_in(browser: Browser, pod: RunningPod) -> None:
    with window(browser, pod) as page:
        page.goto(pod.sign_in_link())
        page.goto(f"{pod.address}gate")
        page.context.clear_cookies()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=PATIENCE_MS)
        assert page.url == f"{pod.address}login?next=/gate"


def test_a_pod_that_does_not_answer_is_told_on_every_page(browser: Browser, pod: RunningPod) -> None:
    with window(browser, pod, PHONE) as page:
        page.goto(pod.sign_in_link())
        page.goto(f"{pod.address}gate")
        page.context.set_offline(True)
        expect(page.locator("#trouble")).to_contain_text(
            "No answer from the POD: this page is out of date.", timeout=PATIENCE_MS
        )
        assert findings(page) == []
        page.context.set_offline(False)
        expect(page.locator("#trouble")).to_be_hidden(timeout=PATIENCE_MS)


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(browser: Browser, pod: RunningPod) -> None:
    with window(browser, pod) as page:
        page.goto(pod.sign_in_link())
        for place in PLACES:
            page.goto(f"{pod.address}{place.removeprefix('/')}")
            assert objections(page) == [], place

"""The first day of whoever looks after a gate, in a real browser before `platebridge pod run`."""

from collections.abc import Iterator

import gate_clips
import pytest
from page_visits import CHROMIUM, NO_CHROMIUM, PHONE, findings, launched, window
from playwright.sync_api import Page, expect
from running_pod import RunningPod, until

from pod.web.admin_password import AdminPassword

CHOSEN = "four words to remember"
PATIENCE_MS = 45_000

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(180),
]


@pytest.fixture
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    """Started for the first time, with an empty list, before a gate to which two cars come in turn."""
    clip = str(gate_clips.two_cars())
    with RunningPod(tmp_path_factory.mktemp("first-day"), clip, loop=True) as pod:
        until(lambda: pod.address, what="the pod's start")
        yield pod


def test_the_first_day_from_the_first_sign_in_over_an_opening_and_a_refusal_to_a_list_with_errors(
    pod: RunningPod,
) -> None:
    with (
        launched() as browser,
        window(browser, str(pod.address), size=PHONE, patience_ms=PATIENCE_MS) as page,
    ):
        sign_in_for_the_first_time(page, pod)
        add_a_plate(page)
        see_it_open(page, pod)
        ask_why_another_was_refused(page)
        import_a_list_with_errors(page)
    refused = {row["plate"] for row in pod.payloads("decision") if row["verdict"] == "deny"}
    assert gate_clips.OTHER_PLATE in refused
    assert {row["entry"] for row in pod.payloads("intent")} == {gate_clips.PLATE}


def sign_in_for_the_first_time(page: Page, pod: RunningPod) -> None:
    """A wrong password first; then nothing is shown before the made one is changed."""
    made = AdminPassword(pod.data_dir).as_made()
    assert made is not None
    page.goto(f"{pod.address}list")
    assert findings(page) == []
    page.get_by_label("Password of this POD").fill("guess")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the password.")
    page.get_by_label("Password of this POD").fill(made)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()
    assert findings(page) == []
    page.goto(f"{pod.address}list")
    expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()
    page.get_by_label("The password you just used").fill(made)
    page.get_by_label("New password", exact=True).fill(CHOSEN)
    page.get_by_label("New password once more").fill(CHOSEN)
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#connection")).to_have_text("Live")


def add_a_plate(page: Page) -> None:
    page.get_by_role("link", name="List", exact=True).click()
    page.get_by_role("link", name="Add a plate").click()
    page.get_by_label("Plate", exact=True).fill(gate_clips.PLATE)
    page.get_by_label("Who, or for whom").fill("Flat 3")
    page.get_by_role("button", name="Add to the list").click()
    expect(page.locator(".news")).to_contain_text(f"{gate_clips.PLATE} was added to the list.")


def see_it_open(page: Page, pod: RunningPod) -> None:
    page.get_by_role("link", name="Now", exact=True).click()
    opened = page.locator(".car.opened").first
    expect(opened).to_contain_text("Open commanded", timeout=PATIENCE_MS)
    expect(opened.locator(".plate")).to_have_text(gate_clips.PLATE)
    assert pod.pulses()


def ask_why_another_was_refused(page: Page) -> None:
    other = page.locator(".car.kept").filter(has_text=gate_clips.OTHER_PLATE).first
    other.get_by_role("link", name="Why didn’t it open?").click(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Why didn't it open?")
    expect(page.locator(".answer")).to_contain_text("The plate is not on the list.")
    expect(page.locator("main")).to_contain_text(gate_clips.OTHER_PLATE)


def import_a_list_with_errors(page: Page) -> None:
    """Each line that needs mending is told; the list stays as it was."""
    page.get_by_role("link", name="List", exact=True).click()
    page.get_by_role("link", name="Import").click()
    text = "plate,label,until\nXY-777,Flat 1,\n!!,Flat 2,\nKL555,Flat 3,soon\n"
    file = {"name": "flats.csv", "mimeType": "text/csv", "buffer": text.encode()}
    page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]  # a payload
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("flats.csv: not imported")
    rows = page.locator("tbody tr")
    assert [row.locator("th, td").first.inner_text() for row in rows.all()] == ["3", "4"]
    expect(rows.nth(1)).to_contain_text("'soon' is not a date")
    page.get_by_role("link", name="List", exact=True).click()
    expect(page.locator("#entries-title")).to_have_text("1 entry")

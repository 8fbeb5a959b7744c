"""Cars on the page in a real browser: live, one by one with their pictures, and searched for."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from page_visits import CHROMIUM, NO_CHROMIUM, launched, objections, visit
from playwright.sync_api import Browser, Page, expect
from served_page import ZONE, ServedPage

from pod.domain.errors import StoreError
from pod.store.entries import make_entry

MARKUP = "<img src=x onerror=alert(1)> & Co"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(120),
]

GRANTED = (
    {"reason": "low_confidence", "plate": "AB1", "confidence": 0.4},
    {
        "kind": "intent",
        "verdict": "allow",
        "reason": "listed",
        "read": "AB1Z3CD",
        "entry": "AB123CD",
        "label": MARKUP,
        "type": "resident",
        "confidence": 0.98,
        "flags": ["near_match"],
    },
    {"kind": "outcome", "result": "pulsed", "on_ms": 500.3},
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    """Cars of yesterday and today: one refused, one let in, one without a legible plate."""
    with ServedPage(tmp_path_factory.mktemp("street")) as served:
        served.store.plates.add(make_entry("AB123CD", label=MARKUP), by="test").result(10)
        served.now -= timedelta(days=1)
        served.car("entry-old", {"plate": "OLD777"})
        served.now += timedelta(days=1, minutes=-9)
        served.car("entry-granted", *GRANTED, known=True)
        served.car("entry-blind", {"plate": "", "reason": "low_confidence", "evidence": []}, pictures=False)
        served.car("entry-refused", {"plate": "KLM5S8"})
        yield served


@pytest.fixture
def road(tmp_path: Path) -> Iterator[ServedPage]:
    """No car yet."""
    with ServedPage(tmp_path) as served:
        yield served


def is_drawn(page: Page, selector: str) -> bool:
    image = page.locator(selector).first
    image.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete", arg=image.element_handle())
    return bool(image.evaluate("image => image.naturalWidth > 0"))


def test_a_new_car_comes_with_its_pictures_and_leaves_the_keyboard_where_it_is(
    browser: Browser, road: ServedPage
) -> None:
    road.car("entry-1", {"plate": "KLM5S8"})
    with visit(browser, road) as page:
        expect(page.locator("#connection")).to_have_text("Live")
        page.locator("#car-entry-1 .why a").focus()
        road.car("entry-2", {"plate": "XY999"})
        newest = page.locator(".car").first
        expect(newest).to_have_id("car-entry-2")
        expect(newest).to_contain_text("The plate is not on the list.")
        assert is_drawn(page, "#car-entry-2 .scene")
        assert is_drawn(page, "#car-entry-2 .crop")
        assert page.evaluate("document.activeElement.closest('li').id") == "car-entry-1"
        # The car that is being read changes, which moves it up and draws it anew.
        road.car("entry-1", {"plate": "KLM5S8", "reason": "deny_listed"}, pictures=False)
        expect(page.locator(".car").first).to_have_id("car-entry-1")
        expect(page.locator("#car-entry-1")).to_contain_text("The plate is on the deny list.")
        assert page.evaluate("document.activeElement.closest('li')?.id") == "car-entry-1"


def test_somebody_asks_why_a_car_was_refused_and_puts_it_on_the_list(
    browser: Browser, road: ServedPage
) -> None:
    road.car("entry-1", {"plate": "KLM5S8"})
    with visit(browser, road) as page:
        page.get_by_role("link", name="Why didn’t it open?").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Why didn't it open?")
        expect(page.locator(".answer")).to_contain_text("The plate is not on the list.")
        expect(page.locator("main")).to_contain_text("Add the plate to the list, if this car may come in.")
        assert is_drawn(page, ".scene-large")
        page.get_by_role("link", name="Add this plate to the list").click()
        expect(page.get_by_label("Plate", exact=True)).to_have_value("KLM5S8")
        page.get_by_label("Who, or for whom").fill("Flat 9")
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".news")).to_contain_text("KLM5S8 was added to the list.")
        page.goto(f"{road.address}/approaches/entry-1")
        expect(page.locator(".listed")).to_contain_text("Flat 9")
        expect(page.locator("main")).to_contain_text("It is on the list now")
        page.get_by_role("link", name="Edit the entry").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Edit KLM5S8")
    assert [entry.label for entry in road.store.plates.current.entries] == ["Flat 9"]


def test_a_grant_is_told_with_every_step_what_was_read_and_how_surely(
    browser: Browser, street: ServedPage
) -> None:
    with visit(browser, street, "/approaches/entry-granted") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Why did it open?")
        expect(page.locator(".answer")).to_contain_text("The camera read AB1Z3CD.")
        assert page.locator(".steps li").count() == 3
        expect(page.locator(".steps")).to_contain_text("the signal lasted 500 ms")
        doubtful = page.locator(".slots .doubtful")
        expect(doubtful).to_have_count(1)
        expect(doubtful).to_contain_text("62 %")
        expect(doubtful).to_contain_text("or Z 36 %")
        expect(page.locator(".facts")).to_contain_text("plates-v0, ocr-v0")


def test_markup_in_a_label_is_text_wherever_it_is_shown(browser: Browser, street: ServedPage) -> None:
    for path in ("/", "/approaches/entry-granted", "/list", "/events?plate=AB123CD"):
        with visit(browser, street, path) as page:
            expect(page.get_by_text(MARKUP).first).to_be_visible()


def test_cars_are_searched_by_plate_outcome_and_day_without_a_script_too(
    browser: Browser, street: ServedPage
) -> None:
    with visit(browser, street, "/events", javascript=False) as page:
        assert page.locator(".car").count() == 4
        page.get_by_label("Plate, or a part of it").fill("klm-558")  # was read as KLM5S8
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".car")).to_have_count(1)
        expect(page.locator(".car")).to_have_id("car-entry-refused")
        page.get_by_role("link", name="Show all").click()
        expect(page.locator(".car")).to_have_count(4)
        page.get_by_label("What happened").select_option("Opened")
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".car")).to_have_count(1)
        expect(page.locator(".car")).to_have_id("car-entry-granted")
        yesterday = (street.now - timedelta(days=1)).astimezone(ZONE).date().isoformat()
        page.goto(f"{street.address}/events?day={yesterday}")
        expect(page.locator(".car")).to_have_count(1)
        expect(page.locator(".car")).to_have_id("car-entry-old")
        page.goto(f"{street.address}/events?plate=NOBODY1")
        expect(page.locator(".empty")).to_contain_text("No such car")


def test_more_cars_than_fit_on_a_page_go_on_at_a_link(browser: Browser, road: ServedPage) -> None:
    rows = [
        road.store.record(
            "decision",
            {
                "approach": f"entry-{n}",
                "camera": "entry",
                "gate": "main",
                "plate": "KLM5S8",
                "verdict": "deny",
                "reason": "not_listed",
                "confidence": 0.9,
            },
        )
        for n in range(60)
    ]
    rows[-1].result(20)
    with visit(browser, road, "/events") as page:
        assert page.locator(".car").count() == 50
        page.get_by_role("link", name="Older cars").click()
        expect(page.locator(".car")).to_have_count(10)
        page.get_by_role("link", name="Newest").click()
        expect(page.locator(".car")).to_have_count(50)


def test_what_is_kept_no_more_says_so(browser: Browser, road: ServedPage) -> None:
    road.car("entry-1", {"plate": "KLM5S8"})
    (first, *_) = road.media.find("entry-1")
    road.media.erase(["entry-1"])
    with visit(browser, road, f"/media/{first.id}") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("This is kept no more")
        page.goto(f"{road.address}/approaches/entry-1")
        expect(page.locator(".pictures")).to_contain_text("No picture of this car is kept.")
        page.goto(f"{road.address}/approaches/entry-9")
        expect(page.get_by_role("heading", level=1)).to_have_text("No such car")


def test_records_that_cannot_be_read_are_told_with_the_mend(browser: Browser, road: ServedPage) -> None:
    road.car("entry-1", {"plate": "KLM5S8"})
    road.broken = StoreError("the disk does not read: check the card")
    with visit(browser, road) as page:
        expect(page.locator("#unread")).to_contain_text("the records cannot be read")
        expect(page.locator("#health")).to_contain_text("The disk does not read: check the card.")
        page.goto(f"{road.address}/approaches/entry-1")
        expect(page.locator("main")).to_contain_text("the disk does not read: check the card")


def test_pictures_go_to_nobody_who_is_not_signed_in(browser: Browser, street: ServedPage) -> None:
    (first, *_) = street.media.find("entry-refused")
    context = browser.new_context()
    answer = context.request.get(f"{street.address}/media/{first.id}")
    assert answer.headers["content-type"].startswith(("application/json", "text/html"))
    assert answer.status in (200, 401)
    assert b"JFIF" not in answer.body()
    context.close()
    with visit(browser, street) as page:
        signed = page.context.request.get(f"{street.address}/media/{first.id}")
        assert (signed.status, signed.headers["content-type"]) == (200, "image/jpeg")
        assert signed.headers["x-content-type-options"] == "nosniff"
        assert signed.headers["cache-control"] == "no-store"


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(browser: Browser, street: ServedPage) -> None:
    paths = (
        "/",
        "/events?plate=AB123CD",
        "/events?day=soon",
        "/approaches/entry-granted",
        "/approaches/entry-blind",
    )
    with visit(browser, street) as page:
        for path in paths:
            page.goto(street.address + path)
            assert objections(page) == [], path

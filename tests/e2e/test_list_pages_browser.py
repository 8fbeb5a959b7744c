"""The list in a real browser: add, edit, let in, keep out, remove, take back, import."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from page_visits import CHROMIUM, NO_CHROMIUM, PHONE, launched, objections, visit
from playwright.sync_api import Browser, Page, expect
from served_page import ServedPage

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.plates import match_key
from pod.domain.schedule import format_schedule
from pod.store.entries import make_entry

MARKUP = "<script>alert(1)</script>"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServedPage]:
    """Two gates, an empty list."""
    with ServedPage(tmp_path, gates=("main", "north")) as served:
        yield served


def listed(site: ServedPage, plate: str) -> Entry:
    """The one entry of this plate."""
    (found,) = site.store.plates.current.index.by_key(match_key(plate))
    return found


def put(site: ServedPage, *entries: Entry) -> None:
    for entry in entries:
        site.store.plates.add(entry, by="test").result(10)


def schedule_of(entry: Entry) -> str:
    return "" if entry.schedule is None else format_schedule(entry.schedule)


def choose(page: Page, text: str, name: str = "plates.csv") -> None:
    file = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    page.get_by_label("file", exact=False).last.set_input_files(file)  # type: ignore[arg-type]  # a payload


def upload(page: Page, text: str) -> None:
    choose(page, text)
    page.get_by_role("button", name="Look at it").click()


def test_a_plate_is_added_and_its_schedule_edited_while_the_week_is_drawn(
    browser: Browser, site: ServedPage
) -> None:
    with visit(browser, site, "/list") as page:
        expect(page.locator("#entries")).to_contain_text("Nobody is let in yet.")
        page.get_by_role("link", name="Add a plate").click()
        page.get_by_label("Plate", exact=True).fill("hh-pb 777")
        page.get_by_label("Who, or for whom").fill(MARKUP)
        page.get_by_label("Type").select_option("Service")
        first = page.locator(".window").first
        for day in ("Monday", "Tuesday"):
            first.get_by_label(day).check()
        first.get_by_label("From").fill("07:00")
        first.get_by_label("To").fill("18:00")
        assert page.get_by_label("Only at these times:").is_checked()
        assert page.locator(".week-day rect").count() == 2
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".news")).to_contain_text("HHPB777 was added to the list.")
        expect(page.locator(".entries")).to_contain_text(MARKUP)
        expect(page.locator(".entries")).to_contain_text("Monday and Tuesday 07:00 to 18:00")

        page.get_by_role("link", name="Edit HHPB777").click()
        page.get_by_role("button", name="More times").click()
        last = page.locator(".window").last
        last.get_by_label("Sunday").check()
        last.get_by_label("From").fill("22:00")
        last.get_by_label("To").fill("06:00")
        expect(last).to_contain_text("ends the next day")
        assert (
            page.locator(".week-day").nth(0).locator("rect").count() == 2
        )  # Monday, and the end of Sunday's
        page.locator('input[name="gate_scope"][value="some"]').check()
        page.get_by_label("north").check()
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.locator(".news")).to_contain_text("HHPB777 was changed.")
    entry = listed(site, "HHPB777")
    assert schedule_of(entry) == "mon,tue 07:00-18:00; sun 22:00-06:00"
    assert (entry.type, entry.gates, entry.label) == (EntryType.SERVICE, ("north",), MARKUP)


def test_the_schedule_editor_works_without_a_script(browser: Browser, site: ServedPage) -> None:
    with visit(browser, site, "/list/new", javascript=False) as page:
        page.get_by_label("Plate", exact=True).fill("AB123CD")
        page.get_by_label("Only at these times:").check()
        page.locator(".window").nth(0).get_by_label("Monday").check()
        page.locator(".window").nth(0).get_by_label("From").fill("08:00")
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".window").nth(0)).to_contain_text("Write both times")
        page.locator(".window").nth(0).get_by_label("To").fill("09:00")
        page.get_by_role("button", name="More times").click()
        page.locator(".window").nth(1).get_by_label("Friday").check()
        page.locator(".window").nth(1).get_by_label("From").fill("22:00")
        page.locator(".window").nth(1).get_by_label("To").fill("02:00")
        page.get_by_label("Plate", exact=True).press("Enter")
        expect(page.locator(".news")).to_contain_text("AB123CD was added")
    assert schedule_of(listed(site, "AB123CD")) == "mon 08:00-09:00; fri 22:00-02:00"


def test_a_removal_is_taken_back_with_one_click(browser: Browser, site: ServedPage) -> None:
    put(site, make_entry("AB123CD", label="Flat 3", uses_left=4))
    before = listed(site, "AB123CD")
    with visit(browser, site, "/list") as page:
        page.get_by_role("button", name="Remove AB123CD").click()
        expect(page.locator(".news")).to_contain_text("AB123CD was removed from the list.")
        assert site.store.plates.current.entries == ()
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".news")).to_contain_text("AB123CD is on the list again")
    assert listed(site, "AB123CD") == before


def test_two_people_who_change_one_entry_are_told_of_each_other(browser: Browser, site: ServedPage) -> None:
    put(site, make_entry("AB123CD", label="Flat 3"))
    entry = listed(site, "AB123CD")
    with visit(browser, site, f"/list/{entry.id}") as page:
        site.store.plates.replace(entry.id, replace(entry, label="Flat 4"), by="another").result(10)
        page.get_by_label("Who, or for whom").fill("Flat 5")
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.get_by_role("alert").first).to_contain_text("Somebody changed this entry while you did.")
        expect(page.get_by_role("alert").first).to_contain_text("Flat 4")
        assert listed(site, "AB123CD").label == "Flat 4"
        expect(page.get_by_label("Who, or for whom")).to_have_value("Flat 5")
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.locator(".news")).to_contain_text("AB123CD was changed.")
        assert listed(site, "AB123CD").label == "Flat 5"
        page.goto(f"{site.address}/list/{entry.id}")
        site.store.plates.remove([entry.id], by="another").result(10)
        page.get_by_role("button", name="Save", exact=True).last.click()
        expect(page.get_by_role("alert").first).to_contain_text("Somebody removed this entry")
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".news")).to_contain_text("AB123CD was added")


def test_keeping_out_what_others_let_in_takes_a_second_yes(browser: Browser, site: ServedPage) -> None:
    put(site, make_entry("AB123CD", label="Flat 3"))
    with visit(browser, site, "/list/new?plate=AB123CD") as page:
        page.get_by_label("Keep out").check()
        page.get_by_role("button", name="Add to the list").click()
        expect(page.get_by_role("alert").first).to_contain_text("A denial wins over every other entry.")
        expect(page.get_by_role("alert").first).to_contain_text("Flat 3")
        assert len(site.store.plates.current.entries) == 1
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".news")).to_contain_text("AB123CD was added to the list.")
    assert {entry.verdict for entry in site.store.plates.current.entries} == set(Verdict)


def test_a_plate_that_cameras_take_for_another_is_refused_beside_its_field(
    browser: Browser, site: ServedPage
) -> None:
    put(site, make_entry("AB8123", label="Flat 8"))
    with visit(browser, site, "/list/new") as page:
        page.get_by_label("Plate", exact=True).fill("ABB123")
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator("#plate-problem")).to_contain_text("ABB123")
        field = page.get_by_label("Plate", exact=True)
        assert field.get_attribute("aria-describedby") == "plate-problem"
        expect(page.locator("ul.problem")).to_contain_text("Flat 8")
        page.get_by_label("Only this very plate").check()
        page.get_by_role("button", name="Add to the list").click()
        expect(page.locator(".news")).to_contain_text("ABB123 was added to the list.")


def test_a_visitor_is_let_in_with_one_field_filled(browser: Browser, site: ServedPage) -> None:
    with visit(browser, site, "/list", size=PHONE) as page:
        page.get_by_label("Plate", exact=True).fill("VIS-1")
        page.get_by_role("button", name="Let in").click()
        expect(page.locator(".news")).to_contain_text("VIS1 is let in until tonight.")
        entry = listed(site, "VIS1")
        assert (entry.type, entry.uses_left) == (EntryType.VISITOR, 1)
        page.get_by_text("Let a visitor in").click()
        page.get_by_label("Plate", exact=True).fill("!")
        page.get_by_role("button", name="Let in").click()
        expect(page.locator("#visitor-plate-problem")).to_contain_text("use letters A-Z")


def test_the_list_is_searched_while_one_types_and_has_pages(browser: Browser, site: ServedPage) -> None:
    put(site, *(make_entry(f"ZQ{n:03}W", label=f"Flat {n}", exact_only=True) for n in range(60)))
    with visit(browser, site, "/list") as page:
        assert page.locator(".entry").count() == 50
        page.get_by_role("link", name="Next").click()
        expect(page.locator(".paging")).to_contain_text("51 to 60 of 60")
        page.get_by_label("Plate or name").press_sequentially("flat 42")
        expect(page.locator("#entries-title")).to_have_text("1 of 60 entries")
        assert page.evaluate("document.activeElement.id") == "q"
        assert "q=flat%2042" in page.url
        page.get_by_label("What happens").select_option("Keep out")
        expect(page.locator("#entries-title")).to_have_text("No entry fits")


def test_a_list_with_errors_is_told_line_by_line_and_a_good_one_is_previewed_then_imported(
    browser: Browser, site: ServedPage
) -> None:
    put(site, make_entry("AB123CD", label="Flat 3"))
    with visit(browser, site, "/list/import") as page:
        upload(page, "plate,label,until\nXY-777,Flat 1,\n!!,Flat 2,\nKL555,Flat 3,soon\n")
        rows = page.locator("tbody tr")
        assert [row.locator("th, td").first.inner_text() for row in rows.all()] == ["3", "4"]
        expect(rows.nth(1)).to_contain_text("until")
        expect(rows.nth(1)).to_contain_text("'soon' is not a date")
        assert len(site.store.plates.current.entries) == 1
        upload(page, f"plate,label\nXY-777,{MARKUP}\nAB123CD,Flat 33\n")
        expect(page.locator(".counts")).to_contain_text("1 new")
        expect(page.locator(".counts")).to_contain_text("1 changed")
        expect(page.locator("main")).to_contain_text("label: Flat 3 → Flat 33")
        assert len(site.store.plates.current.entries) == 1
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator(".news")).to_contain_text("Import done: 1 entry added, 1 changed.")
    assert {entry.label for entry in site.store.plates.current.entries} == {MARKUP, "Flat 33"}


def test_a_list_that_changed_after_the_preview_is_shown_anew_before_anything_is_imported(
    browser: Browser, site: ServedPage
) -> None:
    with visit(browser, site, "/list/import") as page:
        upload(page, "plate,label\nXY777,Flat 1\nKL555,Flat 2\n")
        expect(page.locator(".counts")).to_contain_text("2 new")
        put(site, make_entry("XY777", label="Flat 9"))
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator(".note.care")).to_contain_text("The list changed after you looked")
        expect(page.locator(".counts")).to_contain_text("1 changed")
        assert listed(site, "XY777").label == "Flat 9"
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.locator(".news")).to_contain_text("1 entry added, 1 changed")
        assert listed(site, "XY777").label == "Flat 1"


def test_what_is_no_list_is_refused_and_the_exported_list_reads_back_the_same(
    browser: Browser, site: ServedPage
) -> None:
    put(site, make_entry("AB123CD", label="=1+1; Flat 3"))
    with visit(browser, site, "/list/import") as page:
        upload(page, "\x00\x01 no text at all")
        expect(page.locator("main")).to_contain_text("holds a NUL character")
        upload(page, "plate\n" + "A" * 5_000_000)
        expect(page.locator("main")).to_contain_text("Too much at once")
        page.goto(f"{site.address}/list/import")
        exported = page.context.request.get(f"{site.address}/list/export.csv")
        assert 'filename="plates-' in exported.headers["content-disposition"]
        page.goto(f"{site.address}/list/import")
        upload(page, exported.body().decode())
        expect(page.locator("main")).to_contain_text("there is nothing to import")


def test_what_takes_a_while_says_so_on_its_button(browser: Browser, site: ServedPage) -> None:
    with visit(browser, site, "/list/import") as page:
        choose(page, "plate\nKL555\n")
        # At once, in the page: from here on the browser waits for the answer.
        pressed = "button => { button.click(); return button.textContent; }"
        assert page.get_by_role("button", name="Look at it").evaluate(pressed) == "Reading …"
        expect(page.locator(".counts")).to_contain_text("1 new")
        expect(page.get_by_role("button", name="Look at it")).to_be_visible()


def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(browser: Browser, site: ServedPage) -> None:
    with visit(browser, site, "/list") as page:
        assert objections(page) == []
        put(
            site,
            make_entry("AB123CD", label="a" * 80, gates=["gone", "main"]),
            make_entry("XY777", uses_left=0),
        )
        entry = listed(site, "AB123CD")
        for path in ("/list", f"/list/{entry.id}", "/list/import"):
            page.goto(site.address + path)
            assert objections(page) == [], path
        upload(page, "plate,until\nKL555,soon\n")
        expect(page.locator("tbody tr")).to_have_count(1)
        assert objections(page) == []
        upload(page, "plate\nKL555\n")
        expect(page.locator(".counts")).to_be_visible()
        assert objections(page) == []

"""The report of `models eval` in a real browser: read by everybody, on a phone and at a desk, offline."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from page_visits import CHROMIUM, DESKTOP, NO_CHROMIUM, PHONE, launched, objections, window
from playwright.sync_api import Browser

from models.evaluation.boxes import PictureBoxes
from models.evaluation.figures import all_figures
from models.evaluation.outcomes import CropOutcome, Outcomes, Read, SceneOutcome, SideFacts
from models.evaluation.report import report_html
from pod.services.model_trial.pictures import small_jpeg

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

_LONG = "a_very_long_name_of_a_picture_that_somebody_gave_it_without_any_space_" * 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    jpeg = small_jpeg(np.full((40, 120, 3), 200, np.uint8))
    crops = tuple(
        CropOutcome(
            f"{_LONG}{i}.jpg", "source", f"AB{i}CDEFGH", f"set_{i % 4}", f"Country {i % 7}", f"kind {i % 3}",
            {"ours": Read(f"AB{i}CDEFGH" if i % 3 else "", i / 60), "upstream": Read("WRONG", 0.5)}, jpeg,
        )
        for i in range(60)
    )  # fmt: skip
    boxes = np.array([[10, 10, 60, 25]], np.float32)
    found = PictureBoxes(boxes, np.array([0.9], np.float32), boxes)
    scenes = tuple(
        SceneOutcome(
            f"{_LONG}{i}", f"set_{i % 3}", (300, 100 + 40 * i), {"ours": found, "upstream": found},
            {"ours": ("AB1",), "upstream": ()}, {"ours": 5.0, "upstream": 15.0}, ("AB1",), "teacher",
        )
        for i in range(20)
    )  # fmt: skip
    sides = {
        "ours": SideFacts(
            "plate-detector-pico-v1 and plate-reader-slots-v1", "this installation", 0.25, (320, 416)
        ),
        "upstream": SideFacts(f"fast-alpr 0.4.0 with {_LONG}", _LONG, 0.4, (416, 416)),
    }
    outcomes = Outcomes(_LONG, "validation", sides, "", crops, scenes, (f"{_LONG}:3: wrong",), 1, 2, 8, 60.0)
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(report_html(outcomes, all_figures(outcomes)))
    return file


def test_axe_finds_nothing_nothing_is_too_wide_and_nothing_is_loaded(browser: Browser, report: Path) -> None:
    with window(browser, report.as_uri()) as page:
        page.goto(report.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((more) => { more.open = true })")
        assert objections(page) == []


@pytest.mark.parametrize("size", [pytest.param(PHONE, id="phone"), pytest.param(DESKTOP, id="desk")])
def test_plots_are_large_enough_to_be_read_and_failures_show_their_crops(
    browser: Browser, report: Path, size: tuple[int, int]
) -> None:
    with window(browser, report.as_uri(), size=size, javascript=False) as page:
        page.goto(report.as_uri())
        plots = [box for plot in page.locator("svg").all() if (box := plot.bounding_box())]
        assert len(plots) >= 6
        assert all(box["width"] >= min(300, size[0] - 80) for box in plots)
        page.get_by_text("Failures:").first.click()
        assert page.locator(".sheet img").first.is_visible()
        table = page.get_by_role("region", name="All figures").bounding_box()
        assert table is not None
        assert page.locator("tbody tr td:last-child").first.bounding_box()["x"] < size[0] - 40  # type: ignore[index]  # it shows

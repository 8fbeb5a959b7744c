"""Figures made from what came of each picture, and the report that shows them."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from models.evaluation.boxes import PictureBoxes
from models.evaluation.figures import all_figures, plates_read
from models.evaluation.outcomes import CropOutcome, Outcomes, Read, SceneOutcome, SideFacts
from models.evaluation.report import report_html
from models.evaluation.words import table_rows, verdicts
from pod.services.model_trial.pictures import MOST_BYTES, small_jpeg

_OURS = SideFacts("detector and reader", "this installation", 0.25, (320, 416))
_UPSTREAM = SideFacts("fast-alpr 0.4.0 with a and b", "a folder", 0.4, (416, 416))
_HOSTILE = "<script>alert('&')</script>"


def _crop(i: int, group: str, *, ours: str, theirs: str | None, truth: str | None = None) -> CropOutcome:
    truth = truth or f"AB{i}"
    reads = {"ours": Read(ours, 0.95)} | ({"upstream": Read(theirs, 0.6)} if theirs is not None else {})
    jpeg = small_jpeg(np.full((20, 60, 3), i % 255, np.uint8)) if ours != truth else None
    return CropOutcome(f"{_HOSTILE}{i}", group, truth, _HOSTILE, "Brazil", "blur", reads, jpeg)  # type: ignore[arg-type]  # a group by name


def _scene(i: int, *, both: bool, texts: tuple[str, ...] | None = ("AB1",)) -> SceneOutcome:
    plate = np.array([[10, 10, 50, 20]], np.float32)
    found = PictureBoxes(plate, np.array([0.9], np.float32), plate)
    missed = PictureBoxes(plate[:0], np.empty(0, np.float32), plate)
    sides = ("ours", "upstream") if both else ("ours",)
    return SceneOutcome(
        f"{_HOSTILE}{i}.jpg", "gate", (100, 200),
        {side: found if side == "ours" or i % 2 else missed for side in sides},
        dict.fromkeys(sides, ("ABI",)), {side: 5.0 if side == "ours" else 20.0 for side in sides},
        texts, "given",
    )  # fmt: skip


def _outcomes(*, both: bool = True, excluded: int = 0) -> Outcomes:
    crops = [
        _crop(
            i,
            group,
            ours=f"AB{i}" if i % 10 else "WRONG",
            theirs=(f"AB{i}" if i % 2 else "NO") if both else None,
        )
        for group in ("source", "teacher", "augmented")
        for i in range(80)
    ]
    return Outcomes(
        "plates", "validation", {"ours": _OURS} | ({"upstream": _UPSTREAM} if both else {}),
        "" if both else "upstream: not found, pull it", tuple(crops),
        tuple(_scene(i, both=both) for i in range(20)),
        tuple(f"{_HOSTILE}.csv:{i}: wrong" for i in range(excluded)), excluded, 3, 1, 12.0,
    )  # fmt: skip


def test_groups_are_told_apart_and_each_has_its_figures_with_intervals() -> None:
    figures = all_figures(_outcomes())
    reading = figures["reading"]
    assert isinstance(reading, dict)
    assert list(reading) == ["source", "teacher", "augmented"]
    source = reading["source"]
    assert source["crops"] == 80
    assert source["ours"]["folded_percent"]["value"] == 90
    low, high = source["ours"]["folded_percent"]["interval_95_percent"]
    assert 80 < low < 90 < high < 97
    pairing = source["paired"]
    assert (pairing["n"], pairing["only_ours"], pairing["only_upstream"]) == (80, 32, 0)
    assert pairing["verdict"] == "better"
    assert pairing["difference_percent"]["value"] == 40


def test_figures_are_json_without_nan() -> None:
    empty = Outcomes("p", "table", {"ours": _OURS}, "upstream: not found", (), (), (), 0, 0, 1)
    for outcomes in (_outcomes(), _outcomes(both=False), empty):
        told = json.loads(json.dumps(all_figures(outcomes), allow_nan=False))
        assert told["upstream_absence"] == (outcomes.absence or None)


def test_a_plate_is_read_once_for_each_that_there_is() -> None:
    scene = _scene(1, both=False, texts=("AB1", "AB1", "XY9"))
    assert plates_read(scene, "ours") == [True, False, False]


def test_time_is_a_ratio_with_an_interval() -> None:
    whole = all_figures(_outcomes())["end_to_end"]
    assert isinstance(whole, dict)
    assert whole["cpu_ratio_to_upstream"]["value"] == 0.25
    assert whole["ours"]["folded_percent"]["value"] == 100


def test_people_get_a_sentence_a_set_and_the_teachers_own_texts_give_no_verdict() -> None:
    told = verdicts(all_figures(_outcomes()))
    assert [sentence.split(":")[0] for sentence in told] == [
        "finding plates", "source", "teacher", "augmented", "whole pictures", "processor time"
    ]  # fmt: skip
    assert "ours reads better" in told[1]
    assert "no verdict" in told[2]
    assert "better" not in told[2]
    assert "do not tell the two apart" in told[4]
    assert verdicts(all_figures(_outcomes(both=False))) == []


def _gate(i: int, *, ours: int, theirs: int) -> SceneOutcome:
    """A picture with one plate, and so many boxes of each side that are none; upstream misses every third."""
    plate = np.array([[10, 10, 50, 20]], np.float32)

    def boxes(strays: int, *, found: bool) -> PictureBoxes:
        wrong = np.array([[100 + 20 * k, 60, 110 + 20 * k, 70] for k in range(strays)], np.float32)
        all_boxes = np.concatenate([plate[: int(found)], wrong.reshape(-1, 4)])
        return PictureBoxes(all_boxes, np.full(len(all_boxes), 0.9, np.float32), plate)

    return SceneOutcome(
        f"{i}.jpg", "gate", (100, 400),
        {"ours": boxes(ours, found=True), "upstream": boxes(theirs, found=i % 3 > 0)},
        {}, {"ours": 5.0, "upstream": 20.0}, None, "given",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong_boxes", "said"),
    [
        pytest.param(2, "ours finds more, and more that is no plate", id="at-the-cost-of-precision"),
        pytest.param(0, "ours finds more:", id="at-no-cost"),
    ],
)
def test_more_plates_found_are_not_praised_without_what_they_cost(wrong_boxes: int, said: str) -> None:
    scenes = tuple(_gate(i, ours=wrong_boxes, theirs=0) for i in range(60))
    for scene in scenes:
        scene.whole.update({"ours": (), "upstream": ()})
    sides = {"ours": _OURS, "upstream": _UPSTREAM}
    figures = all_figures(Outcomes("p", "yolo", sides, "", (), scenes, (), 0, 0, 1))
    assert said in verdicts(figures)[0]
    detection = figures["detection"]
    assert isinstance(detection, dict)
    cost = detection["precision_difference_percent"]
    assert cost["value"] == pytest.approx(100 / (1 + wrong_boxes) - 100, abs=0.01)
    assert f"precision {cost['value']:+.1f} points" in verdicts(figures)[0]


def test_what_is_read_where_no_plate_bears_it_is_counted_also_in_a_picture_without_any() -> None:
    pictures = [(("AB1", "GHOST"), ("ABI",)), (("SIGN",), ()), ((), ("XY9",))]
    scenes = tuple(
        SceneOutcome(f"{i}", "", (9, 9), {}, {"ours": read}, {"ours": 5.0}, texts, "given")
        for i, (read, texts) in enumerate(pictures)
    )
    outcomes = Outcomes("p", "table", {"ours": _OURS}, "", (), scenes, (), 0, 0, 1)
    whole = all_figures(outcomes)["end_to_end"]
    assert isinstance(whole, dict)
    assert whole["ours"]["folded_percent"]["value"] == 50
    wrong = whole["ours"]["wrong_of_reads_percent"]
    assert (wrong["value"], wrong["n"]) == (66.667, 3)
    assert any(
        row[0] == "whole pictures: reads that no plate bears" for row in table_rows(all_figures(outcomes))
    )
    by_teacher = tuple(replace(scene, text_by="teacher") for scene in scenes)
    unsure = all_figures(replace(outcomes, scenes=by_teacher))["end_to_end"]
    assert isinstance(unsure, dict)
    assert "wrong_of_reads_percent" not in unsure["ours"]


def test_every_figure_has_its_row() -> None:
    rows = table_rows(all_figures(_outcomes()))
    assert all(len(row) == 4 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert all(len(row) == 3 for row in table_rows(all_figures(_outcomes(both=False))))


class _Page(HTMLParser):
    """Counts what a page holds, and sees that it closes what it opens."""

    _VOID = ("meta", "img", "path", "circle", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("both", [pytest.param(True, id="both-sides"), pytest.param(False, id="ours-alone")])
def test_the_report_is_one_whole_file_that_loads_nothing(both: bool) -> None:
    outcomes = _outcomes(both=both, excluded=5)
    text = report_html(outcomes, all_figures(outcomes))
    page = _Page(text)
    assert page.open == []
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert page.tags.count("svg") == 6
    assert page.tags.count("img") >= 8
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|nan", text)
    assert ("not found, pull it" in text) is not both


def test_what_a_data_set_calls_its_files_is_shown_as_text() -> None:
    outcomes = _outcomes(excluded=2)
    text = report_html(outcomes, all_figures(outcomes))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_report_with_nothing_measured_is_a_page_still() -> None:
    outcomes = Outcomes("p", "table", {"ours": _OURS}, "upstream: not found", (), (), (), 0, 0, 1)
    assert _Page(report_html(outcomes, all_figures(outcomes))).open == []


@pytest.mark.parametrize(
    "size",
    [
        pytest.param((3000, 5000), id="huge"),
        pytest.param((128, 192), id="all-noise"),
        pytest.param((1, 1), id="one-pixel"),
    ],
)
def test_a_picture_of_the_report_is_bounded(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    jpeg = small_jpeg(noise)
    assert jpeg[:2] == b"\xff\xd8"
    assert len(jpeg) <= MOST_BYTES


def test_nothing_measured_shows_as_a_dash() -> None:
    outcomes = Outcomes("p", "t", {"ours": _OURS}, "", (), (_scene(1, both=False, texts=()),), (), 0, 0, 1)
    figures = all_figures(outcomes)
    whole = figures["end_to_end"]
    assert isinstance(whole, dict)
    assert whole["ours"]["folded_percent"] == {"value": None, "interval_95_percent": [None, None], "n": 0}
    assert not any("whole pictures: plates" in row[0] for row in table_rows(figures))
    assert math.isfinite(whole["ours"]["cpu_ms_per_picture"])


def test_sides_are_told_apart_by_name_and_shape_and_not_by_colour_alone() -> None:
    outcomes = _outcomes()
    plots = re.findall(r"<svg.*?</svg>", report_html(outcomes, all_figures(outcomes)))
    assert len(plots) >= 6
    for plot in plots:
        for side, shape in (("ours", "circle"), ("upstream", "rect")):
            assert re.search(rf">{side}(: recall)?</text>", plot)
            assert f'<{shape} class="dot s{int(side == "upstream")}"' in plot


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([(5, 99), (80, 90)], id="a-good-detector"),
        pytest.param([(5, 20), (30, 10)], id="a-bad-detector"),
    ],
)
def test_no_point_of_a_curve_is_pressed_against_the_edge_of_its_plot(points: list[tuple[int, int]]) -> None:
    figures = all_figures(_outcomes())
    detection = figures["detection"]
    assert isinstance(detection, dict)
    for side in ("ours", "upstream"):
        detection[side]["curve"] = [
            {"confidence": 0.5, "recall_percent": recall, "precision_percent": precision}
            for recall, precision in points
        ]
    page = report_html(_outcomes(), figures)
    plot = page[page.index('aria-label="Precision against recall"') :].split("</svg>")[0]
    line = re.search(r'<path class="line s0" d="M([0-9. L]+)"', plot)
    assert line is not None
    assert all(float(point.split()[0]) > 50 for point in line[1].split("L"))  # the axis is at 48

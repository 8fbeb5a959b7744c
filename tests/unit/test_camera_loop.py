"""One camera's loop over real tracks and approaches; camera, reader and gate are stand-ins on a clock of
their own, so that minutes of street pass in no time."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import av
import numpy as np
import numpy.typing as npt
import pytest

from models.registry import ModelError
from pod.domain.access import Decision
from pod.domain.approach import Action, Approaches, Step
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Consensus
from pod.domain.reads import ALPHABET, SLOTS, Box, PlateRead
from pod.domain.tracking import Tracker
from pod.media.frame import Frame
from pod.runtime.metrics import PodMetrics
from pod.services.access_control import Sighting
from pod.services.camera_loop import CameraLoop
from pod.vision.detector import Detections

HERE: Box = (20.0, 20.0, 60.0, 30.0)
PLATE = "AB123CD"
STILL_SCENE = av.VideoFrame.from_ndarray(np.full((64, 96), 90, np.uint8), format="gray")
OTHER_SCENE = av.VideoFrame.from_ndarray(
    np.pad(np.full((16, 16), 220, np.uint8), ((8, 40), (8, 72)), constant_values=90), format="gray"
)


@dataclass
class Shot:
    """One frame on its way: when it was taken, how late it comes, and the plates in it."""

    captured_s: float
    plates: Sequence[Box] = (HERE,)
    late_s: float = 0.05
    session: int = 1
    scene: av.VideoFrame = STILL_SCENE
    text: str = PLATE
    fails: str = ""

    def frame(self) -> Frame:
        arrival_s = self.captured_s + self.late_s
        return Frame("entry", self.session, 0, self.captured_s, arrival_s, self.scene)


@dataclass
class Camera:
    """The slot that the loop takes from: hands out the shots at their times, then nothing for a while."""

    shots: list[Shot]
    silence_after_s: float
    now_s: float = 0.0
    plates: Sequence[Box] = ()
    text: str = PLATE
    fails: str = ""
    played: threading.Event = field(default_factory=threading.Event)

    def take(self, timeout_s: float) -> Frame | None:
        due_s = self.shots[0].captured_s + self.shots[0].late_s if self.shots else float("inf")
        if due_s <= self.now_s + timeout_s:
            self.now_s = max(self.now_s, due_s)
            shot = self.shots.pop(0)
            self.plates, self.text, self.fails = shot.plates, shot.text, shot.fails
            return shot.frame()
        if self.shots or self.silence_after_s > 0:
            self.now_s += timeout_s
            self.silence_after_s -= 0 if self.shots else timeout_s
        else:
            self.played.set()
        return None


class Reader:
    """Finds what the camera's shot holds, and reads the same plate everywhere."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.detector = self

    def fit_px(self, *, height: int, width: int) -> tuple[int, int]:
        return height, width

    def detect(self, rgb: npt.NDArray[np.uint8], *, frame_size_px: tuple[int, int]) -> Detections:
        if self._camera.fails == "detector":
            raise ModelError("finds.onnx: answers with what is no number")
        boxes = np.array(self._camera.plates, np.float32).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32))

    def read_boxes(self, rgb: npt.NDArray[np.uint8], found: Detections) -> list[PlateRead]:
        if self._camera.fails == "recognizer":
            raise ModelError("reads.onnx: answers a plate with what is no probability")
        slots = np.full((SLOTS, len(ALPHABET)), 0.001, np.float32)
        for row, character in zip(slots, self._camera.text.ljust(SLOTS, ALPHABET[-1]), strict=True):
            row[ALPHABET.index(character)] = 0.964
        text = self._camera.text
        return [PlateRead(tuple(box.tolist()), 0.9, text, 0.964, slots) for box in found.boxes]


@dataclass
class Pictures:
    """Notes what it is handed: the approach's revision, when the frame was taken, and whether the plate is
    known."""

    kept: list[tuple[int, float, bool]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def keep(self, approach_id, revision, *, camera, frame, box, plate_known, at) -> None:
        assert camera == frame.camera
        assert at.tzinfo is not None
        self.kept.append((revision, frame.captured_s, plate_known))
        self.boxes.append(box)


class Access:
    """Says of every plate what the test says, and keeps the steps."""

    def __init__(self, approaches: Approaches, decision: Callable[[str], Decision]) -> None:
        self._approaches = approaches
        self._decision = decision
        self.steps: list[Step] = []
        self.readings: list[str] = []

    def decide(self, consensus: Consensus) -> Decision:
        return self._decision(consensus.text)

    def act(self, steps: Sequence[Step], sighting: Sighting) -> None:
        self.steps += steps
        for step in steps:
            self.readings.append(sighting.consensus.text)
            if step.action is Action.OPEN:
                self._approaches.gate_opened(step.approach_id, sighting.captured_s)


def allowed(plate: str) -> Decision:
    return Decision(Verdict.ALLOW, "listed", plate, 0.97, None)


def listed(plate: str) -> Decision:
    return replace(allowed(plate), entry=Entry(plate, plate, Verdict.ALLOW, EntryType.RESIDENT))


def denied(plate: str) -> Decision:
    return Decision(Verdict.DENY, "not_listed", plate, 0.97, None, read=plate)


@dataclass
class Played:
    """What came of a run: tracks begun, tracks ended and when, steps and what was read for each, faults,
    frames by fate, and reads of no plate."""

    steps: list[Step]
    readings: list[str]
    begun: set[int]
    ended: dict[int, float]
    faults: list[Exception]
    fates: dict[str, float]
    no_plate: float = 0.0

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(step.action.value, step.decision.reason) for step in self.steps]


class Watching(Approaches):
    """Approaches that also note the tracks they were shown."""

    def __init__(self) -> None:
        super().__init__("entry", "both", deny_after_s=1.5, reapproach_s=60, last_grants={})
        self.begun: set[int] = set()
        self.ends: dict[int, float] = {}

    def observe(self, now_s, track, decision=None):
        self.begun.add(track.id)
        return super().observe(now_s, track, decision)

    def ended(self, now_s, track):
        self.ends[track.id] = now_s
        return super().ended(now_s, track)


def play(
    shots: Sequence[Shot],
    decision: Callable[[str], Decision] = allowed,
    *,
    silence_after_s: float = 0.0,
    pictures: Pictures | None = None,
) -> Played:
    """Run a loop over the shots, and some time without any after them."""
    camera, approaches, metrics = Camera(list(shots), silence_after_s), Watching(), PodMetrics()
    access, faults = Access(approaches, decision), list[Exception]()

    def fault(error: Exception) -> None:
        faults.append(error)
        camera.played.set()

    loop = CameraLoop(
        "entry",
        camera,
        reader=Reader(camera),
        tracker=Tracker(still_after_start_s=-1),
        approaches=approaches,
        access=access,
        detect_fps=10,
        freshness_limit_s=2.0,
        metrics=metrics,
        beat=lambda: None,
        on_fault=fault,
        pictures=pictures,
        clock_s=lambda: camera.now_s,
    )
    loop.start()
    assert camera.played.wait(10)
    loop.stop()
    fates = {
        fate: metrics.registry.get_sample_value("platebridge_frames_total", {"camera": "entry", "fate": fate})
        or 0.0
        for fate in ("read", "still", "paced", "stale", "failed")
    }
    no_plate = metrics.registry.get_sample_value("platebridge_no_plate_total", {"camera": "entry"}) or 0.0
    return Played(access.steps, access.readings, approaches.begun, approaches.ends, faults, fates, no_plate)


@pytest.mark.parametrize("every_s", [0.52, 1.02, 2.02], ids=["2 fps", "1 fps", "a frame in two seconds"])
@pytest.mark.parametrize("late_s", [0.05, 1.5], ids=["prompt", "late"])
def test_a_slow_camera_keeps_the_track_of_a_car(every_s, late_s):
    played = play([Shot(1 + every_s * i, late_s=late_s) for i in range(10)])
    assert (played.begun, played.ended, played.fates["read"]) == ({1}, {}, 10)
    assert played.told == [("open", "listed")]


def test_the_gaps_between_rare_frames_are_no_misses_of_the_car():
    shots = [Shot(1.0), Shot(1.6, plates=()), Shot(3.4), Shot(4.0)]
    assert play(shots).begun == {1}


def test_a_car_that_left_is_written_down_though_no_frame_comes_any_more():
    shots = [Shot(1.0), *(Shot(1.6 + 0.6 * i, plates=()) for i in range(2))]
    played = play(shots, denied, silence_after_s=2)
    assert (list(played.ended), played.told) == ([1], [("record", "not_listed")])


def test_a_car_in_view_when_the_frames_stop_is_given_up_after_five_seconds():
    assert play([Shot(1.0)], denied, silence_after_s=4.5).ended == {}
    played = play([Shot(1.0)], denied, silence_after_s=5.5)
    assert (list(played.ended), played.told) == ([1], [("record", "not_listed")])


def test_the_age_of_the_frames_does_not_count_as_time_unseen():
    assert play([Shot(1.0, late_s=1.9)], denied, silence_after_s=4.5).ended == {}


def test_a_stale_frame_is_counted_and_shows_no_car():
    played = play([Shot(1.0, late_s=2.1), Shot(3.2, late_s=2.5)])
    assert (played.begun, played.steps) == (set(), [])
    assert (played.fates["stale"], played.fates["read"]) == (2, 0)


def test_a_car_is_given_up_while_nothing_but_stale_frames_come():
    shots = [Shot(1.0), *(Shot(1.2 + 0.2 * i, late_s=3.0) for i in range(30))]
    played = play(shots, denied)
    assert played.ended[1] == pytest.approx(6, abs=0.3)
    assert played.told == [("record", "not_listed")]


def test_a_new_session_ends_every_track_and_records_what_was_open():
    played = play([Shot(1.0), Shot(1.6, session=2)], denied)
    assert (played.begun, list(played.ended)) == ({1, 2}, [1])
    assert played.told == [("record", "not_listed")]


def test_the_first_frame_of_a_session_is_searched_however_still_the_scene_is():
    played = play([Shot(1.0, plates=()), Shot(1.2, plates=()), Shot(1.4, plates=(), session=2)])
    assert (played.fates["still"], played.fates["read"]) == (1, 2)


def test_a_new_session_does_not_open_again_for_the_same_car():
    assert play([Shot(1.0), Shot(1.6, session=2), Shot(2.2, session=3)]).told == [("open", "listed")]


def test_a_bug_ends_the_loop_and_is_handed_on():
    def broken(plate: str) -> Decision:
        raise ZeroDivisionError(plate)

    played = play([Shot(1.0), Shot(1.6)], broken)
    assert [type(error) for error in played.faults] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("decision", "read"),
    [pytest.param(denied, 19, id="not let in"), pytest.param(allowed, 11, id="let in at the first look")],
)
def test_a_near_car_is_looked_at_in_every_frame_until_it_is_let_in_or_that_was_in_vain(decision, read):
    shots = [Shot(1 + 0.04 * i, scene=(STILL_SCENE, OTHER_SCENE)[i % 2]) for i in range(31)]
    assert play(shots, decision).fates["read"] == read


def test_a_car_that_is_let_in_is_pictured_in_the_frame_that_opened() -> None:
    pictures = Pictures()
    play([Shot(1.0), Shot(1.6), Shot(2.2)], listed, pictures=pictures)
    assert (pictures.kept, pictures.boxes) == ([(1, 1.0, True)], [HERE])


def test_a_refused_car_is_pictured_where_its_plate_was_read_best_though_it_is_gone() -> None:
    pictures = Pictures()
    shots = [Shot(1.0), Shot(1.6), *(Shot(2.2 + 0.6 * i, plates=()) for i in range(2))]
    play(shots, denied, silence_after_s=2, pictures=pictures)
    assert pictures.kept == [(1, 1.6, False)]


def test_a_car_refused_while_it_stands_is_pictured_once() -> None:
    pictures = Pictures()
    played = play([Shot(1 + 0.6 * i) for i in range(6)], denied, pictures=pictures)
    assert [reason for _, reason in played.told] == ["not_listed"]
    assert [(revision, known) for revision, _, known in pictures.kept] == [(1, False)]


def test_where_a_track_passes_to_the_next_car_each_is_pictured_in_a_frame_of_its_own() -> None:
    pictures = Pictures()
    first = [Shot(1.0 + 0.6 * i) for i in range(2)]
    second = [Shot(2.2 + 0.6 * i, text="XY987ZW") for i in range(8)]
    played = play([*first, *second], denied, pictures=pictures)
    assert [step.decision.plate for step in played.steps] == [PLATE, "XY987ZW"]
    (_, of_first_s, _), (_, of_second_s, _) = pictures.kept
    assert of_first_s < 2.2 <= of_second_s


def test_where_a_track_passes_to_the_next_car_each_is_told_with_its_own_evidence() -> None:
    first = [Shot(1.0 + 0.6 * i) for i in range(2)]
    second = [Shot(2.2 + 0.6 * i, text="XY987ZW") for i in range(8)]
    played = play([*first, *second], denied)
    assert [step.decision.plate for step in played.steps] == [PLATE, "XY987ZW"]
    assert played.readings == [PLATE, "XY987ZW"]


def driving(*texts: str) -> list[Shot]:
    """A plate that crosses the view, and what it is read as on its way."""
    return [
        Shot(1 + 0.6 * i, plates=[(20.0 + 12 * i, 20.0, 60.0 + 12 * i, 30.0)], text=text)
        for i, text in enumerate(texts)
    ]


def unsure(plate: str) -> Decision:
    return Decision(Verdict.DENY, "low_confidence", plate, 0.0, None) if len(plate) < 2 else denied(plate)


def test_a_frame_in_which_no_plate_is_seen_is_counted_and_says_nothing_against_the_plate_of_its_car() -> None:
    played = play(driving(PLATE, "", "", "", PLATE), denied, silence_after_s=6)
    assert (played.no_plate, played.fates["read"], played.begun) == (3, 5, {1})
    assert (played.told, played.readings) == ([("record", "not_listed")], [PLATE])


def test_a_car_is_let_in_by_its_first_legible_frame_however_many_showed_no_plate_before() -> None:
    played = play(driving("", "7", "", PLATE), lambda plate: allowed(plate) if plate else unsure(plate))
    assert (played.no_plate, played.told, played.readings) == (3, [("open", "listed")], [PLATE])


def test_a_car_that_never_showed_a_legible_plate_is_written_down_as_that() -> None:
    pictures = Pictures()
    played = play(driving("", "", "", "", "", "", ""), unsure, silence_after_s=6, pictures=pictures)
    assert played.no_plate == 7
    assert (played.told, played.readings) == ([("record", "low_confidence")], [""])
    assert len(pictures.kept) == 1


def test_what_stands_still_and_shows_no_plate_is_no_car() -> None:
    assert play([Shot(1 + 0.6 * i, text="") for i in range(6)], unsure, silence_after_s=6).told == []


@pytest.mark.parametrize("part", ["detector", "recognizer"])
def test_a_frame_that_a_model_fails_at_opens_nothing_ends_nothing_and_the_next_good_one_decides(part) -> None:
    scenes = (STILL_SCENE, OTHER_SCENE)
    shots = [replace(shot, fails=part, scene=scenes[i % 2]) for i, shot in enumerate(driving(*[PLATE] * 7))]
    opens = play(shots, lambda plate: allowed(plate) if plate else unsure(plate), silence_after_s=6)
    assert (opens.faults, opens.fates["failed"], opens.no_plate) == ([], 7, 0)
    # A car that the detector did not miss is one that could not be read.
    assert opens.told == ([] if part == "detector" else [("record", "low_confidence")])
    mended = play(
        [*shots[:6], replace(shots[6], fails="")], lambda plate: allowed(plate) if plate else unsure(plate)
    )
    assert (mended.faults, mended.told) == ([], [("open", "listed")])

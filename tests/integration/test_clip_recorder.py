"""From a step of an approach to its clip on disk: what the recorder takes, merges, ends, and loses."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clip_files import encoded, slices, slices_of_clip

from pod.media.clips.ring import UnitRing
from pod.media.clips.seal import seal
from pod.media.clips.stream import ClipStream
from pod.media.fanout import AccessUnitFanout
from pod.media.frame import AccessUnit
from pod.runtime.metrics import PodMetrics
from pod.services.clips import MOST_AT_ONCE, QUEUE_STEPS, Clips
from pod.services.health import Status
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.media_index import ClipItem
from pod.store.store import Store

UNITS = encoded("h264", 250, gop=10, width=160)
"""10 s, a keyframe every 0.4."""

LARGER = encoded("h264", 50, gop=10, width=320)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)


class Recorder:
    """A recorder of one camera whose units come as fast as they are given, dated as if in real time."""

    def __init__(self, store: Store, *, before_s: float = 2.0, after_s: float = 1.0) -> None:
        self.metrics = PodMetrics()
        folder = store.path.parent / FOLDER_NAME
        self.media = MediaStore(folder, store, quota_bytes=10**8, min_free_bytes=0, seal=seal)
        self.clips = Clips(self.media, before_s=before_s, after_s=after_s, wait_s=0.0, metrics=self.metrics)
        self.fanout = AccessUnitFanout()
        self.clips.watch("entry", self.fanout)
        self.start_s = time.monotonic()

    def play(self, units: Sequence[AccessUnit], *, ends_s: float = 0.0) -> list[AccessUnit]:
        """Publish units that end so long from now, seconds; returns them as they were dated."""
        shift_s = time.monotonic() + ends_s - units[-1].arrival_s
        dated = [replace(unit, arrival_s=unit.arrival_s + shift_s) for unit in units]
        for unit in dated:
            self.fanout.publish(unit)
        return dated

    def ask(self, approach: str = "entry-1", revision: int = 1, *, seen_ago_s: float = 0.5) -> None:
        self.clips.keep(
            approach,
            revision,
            camera="entry",
            plate_known=True,
            seen_s=time.monotonic() - seen_ago_s,
            at=datetime.now(UTC),
        )

    def recording(self, approach: str = "entry-1") -> None:
        until(lambda: self.media.clips(approach))

    def finished(self, approach: str = "entry-1") -> ClipItem:
        until(lambda: self.media.clips(approach) and self.media.clips(approach)[0].duration_s)
        return self.media.clips(approach)[0]

    def slices(self, clip: ClipItem) -> list[bytes]:
        place = self.media.place(clip.id)
        assert place is not None
        return slices_of_clip(place.path)

    def lost(self, reason: str) -> float:
        labels = {"camera": "entry", "reason": reason}
        return self.metrics.registry.get_sample_value("platebridge_clips_lost_total", labels) or 0

    def kept(self) -> float:
        name = "platebridge_clips_kept_total"
        return self.metrics.registry.get_sample_value(name, {"camera": "entry"}) or 0

    def figure(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


def test_a_clip_reaches_from_before_the_plate_to_after_the_decision(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:125])  # 5 s until now
    recorder.ask(seen_ago_s=0.5)
    recorder.recording()
    recorder.play(UNITS[125:200], ends_s=3.0)  # the next 3 s
    clip = recorder.finished()
    # From the keyframe 2.5 s before now, or at most a GOP earlier, until 1 s after the decision.
    assert clip.duration_s == pytest.approx(3.5, abs=0.45)
    assert clip.plate_at_s == pytest.approx(2.0, abs=0.45)
    held = recorder.slices(clip)
    first = slices(UNITS).index(held[0])
    assert 45 <= first <= 63
    assert held == slices(UNITS)[first : first + len(held)]
    until(lambda: recorder.kept() == 1)
    assert recorder.clips.probe().status is Status.OK
    recorder.clips.close()


def test_further_steps_of_an_approach_make_its_clip_longer_and_no_second_one(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:75])
    recorder.ask(revision=1)
    recorder.recording()
    time.sleep(0.6)  # the second decision comes later than the first
    recorder.ask(revision=2)
    recorder.play(UNITS[75:150], ends_s=2.0)
    clip = recorder.finished()
    assert len(recorder.media.clips("entry-1")) == 1
    assert clip.duration_s is not None
    assert clip.duration_s >= 4.0
    assert clip.revision == 1
    recorder.clips.close()


def test_a_camera_that_falls_silent_ends_its_clip_with_what_there_is(store: Store) -> None:
    recorder = Recorder(store, after_s=0.1)
    recorder.play(UNITS[:50])
    recorder.ask()
    clip = recorder.finished()
    assert len(recorder.slices(clip)) == 50
    recorder.clips.close()


def test_the_end_of_the_pod_finishes_what_is_being_recorded(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:50])
    recorder.ask()
    recorder.recording()
    recorder.clips.close()
    (clip,) = recorder.media.clips("entry-1")
    assert clip.duration_s is not None
    recorder.ask("entry-2")
    assert recorder.lost("queue_full") == 1


def test_pictures_of_another_size_end_a_clip_and_begin_the_next(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:50])
    recorder.ask("entry-1")
    recorder.recording("entry-1")
    recorder.play(LARGER[:25], ends_s=0.2)
    clip = recorder.finished("entry-1")
    assert recorder.slices(clip) == slices(UNITS[:50])[-len(recorder.slices(clip)) :]
    recorder.ask("entry-2", seen_ago_s=0.1)
    recorder.recording("entry-2")
    recorder.clips.close()
    (clip,) = recorder.media.clips("entry-2")
    assert set(recorder.slices(clip)) <= set(slices(LARGER))


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        pytest.param([], "no_keyframe", id="nothing came yet"),
        pytest.param([AccessUnit(b"\xff\xd8", "mjpeg", True, 0.0, 0.0)], "no_clip_of_this", id="mjpeg"),
        pytest.param(
            [AccessUnit(b"\0\0\1\x65\x88", "h264", True, 0.0, 0.0)], "no_clip_of_this", id="no parameter sets"
        ),
    ],
)
def test_where_no_clip_can_be_made_that_is_counted(
    store: Store, units: list[AccessUnit], reason: str
) -> None:
    recorder = Recorder(store)
    if units:
        recorder.play(units)
    recorder.ask()
    until(lambda: recorder.lost(reason) == 1)
    assert recorder.media.clips("entry-1") == ()
    assert not recorder.media.folder.exists()
    recorder.clips.close()


def test_a_camera_that_is_not_watched_has_no_clips_and_no_memory_of_its_pictures(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:50])
    recorder.clips.keep(
        "gate-1", 1, camera="masked", plate_known=True, seen_s=time.monotonic(), at=datetime.now(UTC)
    )
    until(lambda: recorder.figure("platebridge_clip_ring_bytes"))
    recorder.clips.close()
    assert recorder.media.clips("gate-1") == ()
    assert not recorder.media.folder.exists()


def test_more_clips_at_once_than_there_may_be_are_counted(store: Store) -> None:
    recorder = Recorder(store)
    recorder.play(UNITS[:50])
    for number in range(MOST_AT_ONCE + 2):
        recorder.ask(f"entry-{number}")
    until(lambda: recorder.lost("too_many") == 2)
    recorder.clips.close()
    assert recorder.kept() == MOST_AT_ONCE


@contextmanager
def writer_held(store: Store) -> Iterator[None]:
    """The store's writer waits, as on a stalled disk."""
    held, go = threading.Event(), threading.Event()

    def job(conn: object) -> None:
        held.set()
        go.wait(20)

    store.submit(job)
    held.wait(5)
    try:
        yield
    finally:
        go.set()


def test_no_decision_waits_for_a_disk_that_stalls_and_too_many_are_counted(store: Store) -> None:
    recorder = Recorder(store, after_s=0.1)
    recorder.play(UNITS[:50])
    with writer_held(store):
        recorder.ask("entry-0")
        recorder.play(UNITS[50:75], ends_s=1.0)  # the clip ends, and waits for its row
        until(lambda: any(recorder.media.folder.rglob("*.mp4")))
        time.sleep(0.6)
        took_s = []
        for number in range(1, QUEUE_STEPS + 4):
            began_s = time.perf_counter()
            recorder.ask(f"entry-{number}")
            took_s.append(time.perf_counter() - began_s)
        assert sorted(took_s)[len(took_s) // 2] < 0.001
        assert recorder.lost("queue_full") == 3
    recorder.finished("entry-0")
    recorder.clips.close()


def test_a_folder_that_takes_no_clips_shows_in_health_until_it_does(store: Store) -> None:
    recorder = Recorder(store, after_s=0.1)
    recorder.media.folder.write_text("a file in its place")
    recorder.play(UNITS[:50])
    recorder.ask("entry-1")
    until(lambda: recorder.lost("not_stored") == 1)
    health = recorder.clips.probe()
    assert (health.part, health.status) == ("clips", Status.DEGRADED)
    assert "give this user write access" in health.sentence
    recorder.media.folder.unlink()
    recorder.ask("entry-2")
    recorder.finished("entry-2")
    until(lambda: recorder.clips.probe().status is Status.OK)
    recorder.clips.close()


@pytest.mark.parametrize("where", ["add", "flush"])
def test_a_bug_ends_its_clip_alone_and_shows_in_health_until_one_is_kept(
    store: Store, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(store, after_s=0.3)
    recorder.play(UNITS[:50])
    recorder.ask("entry-1")
    recorder.recording("entry-1")

    def broken(*_: object) -> None:
        raise ValueError("a number that no box takes")

    with monkeypatch.context() as patched:
        patched.setattr(ClipStream, where, broken)
        recorder.play(UNITS[50:75], ends_s=1.0)
        until(lambda: recorder.lost("fault") == 1)
    health = recorder.clips.probe()
    assert (health.status, "a number that no box takes" in health.sentence) == (Status.DEGRADED, True)
    recorder.play(UNITS[75:125])
    recorder.ask("entry-2")
    recorder.finished("entry-2")
    until(lambda: recorder.clips.probe().status is Status.OK)
    recorder.clips.close()


def test_a_recorder_that_ended_by_a_bug_is_told_by_health(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(store)

    def broken(*_: object) -> None:
        raise ValueError("nobody knows")

    monkeypatch.setattr(UnitRing, "add", broken)
    recorder.play(UNITS[:10])
    until(lambda: recorder.clips.probe().status is Status.DEGRADED)
    assert "Restart the POD" in recorder.clips.probe().sentence
    recorder.clips.close()
    assert recorder.clips.probe().status is Status.OK, "a POD that stops needs no recorder"


def test_a_clip_that_is_erased_while_it_is_recorded_ends_and_is_counted(store: Store) -> None:
    recorder = Recorder(store, after_s=5.0)
    recorder.play(UNITS[:50])
    recorder.ask()
    recorder.recording()
    assert recorder.media.erase(["entry-1"]) == 1
    recorder.play(UNITS[50:125], ends_s=2.5)
    until(lambda: recorder.lost("deleted") == 1)
    recorder.clips.close()
    assert list(recorder.media.folder.rglob("*.mp4")) == []


def test_what_is_held_in_memory_is_published_in_bytes(store: Store) -> None:
    recorder = Recorder(store, before_s=1.0)
    recorder.play(UNITS)
    # One second, 2 s of slack and a GOP, of the ten that came.
    most = sum(len(unit.data) for unit in UNITS[-90:])
    until(lambda: 0 < (recorder.figure("platebridge_clip_ring_bytes") or 0) <= most)
    assert recorder.figure("platebridge_clip_units_dropped_total") == 0
    recorder.clips.close()

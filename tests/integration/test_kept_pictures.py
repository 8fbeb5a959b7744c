"""From a step of an approach to its pictures on disk, on a thread of their own."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pod.media.frame import Frame
from pod.runtime.metrics import PodMetrics
from pod.services.health import Status
from pod.services.pictures import QUEUE_FRAMES, Pictures
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.store import Store

BOX = (100.0, 100.0, 200.0, 140.0)
RIGHT_HALF = [((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


class Kept:
    """Pictures over a real store, with what they count."""

    def __init__(self, store: Store, masks: Mapping[str, Sequence[object]] | None = None) -> None:
        self.metrics = PodMetrics()
        folder = store.path.parent / FOLDER_NAME
        self.media = MediaStore(folder, store, quota_bytes=10**7, min_free_bytes=0)
        self.pictures = Pictures(self.media, masks or {}, metrics=self.metrics)

    def keep(self, approach: str, *, frame: Frame | None = None, known: bool = True) -> None:
        self.pictures.keep(
            approach,
            1,
            camera="entry",
            frame=frame or frame_of(),
            box=BOX,
            plate_known=known,
            at=datetime.now(UTC),
        )

    def dropped(self, reason: str) -> float:
        labels = {"camera": "entry", "reason": reason}
        return self.metrics.registry.get_sample_value("platebridge_pictures_dropped_total", labels) or 0

    def kept(self) -> float:
        name = "platebridge_pictures_kept_total"
        return self.metrics.registry.get_sample_value(name, {"camera": "entry"}) or 0


def frame_of(level: int = 200) -> Frame:
    picture = av.VideoFrame.from_ndarray(np.full((1080, 1920, 3), level, np.uint8), format="rgb24")
    return Frame("entry", 1, 0, 0.0, 0.0, picture.reformat(format="yuv420p"))


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)


@contextmanager
def writer_held(store: Store) -> Iterator[None]:
    """The store's writer waits, as on a stalled disk."""
    held, go = threading.Event(), threading.Event()

    def job(conn: object) -> None:
        held.set()
        go.wait(20)

    store.submit(job)
    assert held.wait(5)
    try:
        yield
    finally:
        go.set()


def test_a_step_leaves_its_scene_and_its_plate_with_the_masks_blacked_out(store: Store) -> None:
    kept = Kept(store, {"entry": RIGHT_HALF})
    kept.keep("entry-1", known=False)
    until(lambda: len(kept.media.find("entry-1")) == 2)
    scene, plate = kept.media.find("entry-1")
    assert not scene.known
    picture = cv2.imread(str(kept.media.path(scene.id)))
    assert picture.shape[:2] == (720, 1280)
    assert picture[:, 650:].max() < 20
    assert picture[:, :630].min() > 180
    assert cv2.imread(str(kept.media.path(plate.id))).shape[:2] == (60, 150)
    kept.pictures.close()
    assert kept.kept() == 2


def test_where_too_many_wait_the_rest_is_dropped_and_counted_and_nobody_waits(store: Store) -> None:
    kept = Kept(store)
    frame = frame_of()
    with writer_held(store):
        kept.keep("entry-first", frame=frame)
        until(lambda: list(kept.media.folder.rglob("*.jpg")))  # it waits for its row now
        for i in range(QUEUE_FRAMES + 5):
            kept.keep(f"entry-{i}", frame=frame)
        assert kept.dropped("queue_full") == 5
    kept.pictures.close(10)
    assert kept.kept() == 2 * (QUEUE_FRAMES + 1)
    assert kept.media.find(f"entry-{QUEUE_FRAMES - 1}")
    assert not kept.media.find(f"entry-{QUEUE_FRAMES}")


def test_handing_a_frame_over_costs_the_cameras_thread_less_than_a_millisecond(store: Store) -> None:
    kept = Kept(store)
    frame = frame_of()
    took_s = []
    for i in range(60):
        began_s = time.perf_counter()
        kept.keep(f"entry-{i}", frame=frame)
        took_s.append(time.perf_counter() - began_s)
        if i % 6 == 5:
            until(lambda n=i + 1: kept.kept() / 2 + kept.dropped("queue_full") == n)
    kept.pictures.close(10)
    assert kept.kept() >= 60
    assert sorted(took_s)[len(took_s) // 2] < 0.001


def test_a_picture_that_cannot_be_stored_shows_in_health_until_one_can_be(store: Store) -> None:
    kept = Kept(store)
    kept.media.folder.write_text("a file in its place")
    kept.keep("entry-1")
    until(lambda: kept.dropped("not_stored") == 1)
    health = kept.pictures.probe()
    assert (health.part, health.status) == ("pictures", Status.DEGRADED)
    assert "give this user write access" in health.sentence
    assert store.record("decision", {}).result(5) == 1
    kept.media.folder.unlink()
    kept.keep("entry-2")
    until(lambda: kept.pictures.probe().status is Status.OK)
    assert len(kept.media.find("entry-2")) == 2
    kept.pictures.close()


def test_a_frame_that_cannot_be_encoded_is_counted_and_the_next_one_is_kept(store: Store) -> None:
    kept = Kept(store)
    broken = Frame("entry", 1, 0, 0.0, 0.0, picture=None)  # what a decoder should never give
    kept.keep("entry-1", frame=broken)
    until(lambda: kept.dropped("not_encoded") == 1)
    assert "could not be encoded" in kept.pictures.probe().sentence
    kept.keep("entry-2")
    until(lambda: kept.media.find("entry-2"))
    kept.pictures.close()


def test_a_stop_keeps_what_waits_and_counts_what_it_had_no_time_for(store: Store) -> None:
    kept = Kept(store)
    with writer_held(store):
        for i in range(3):
            kept.keep(f"entry-{i}")
        kept.pictures.close(0.2)
        assert kept.dropped("stopped") >= 2
        kept.keep("entry-late")
        assert kept.dropped("queue_full") == 1
    other = Kept(store)
    for i in range(3, 6):
        other.keep(f"entry-{i}")
    other.pictures.close(10)
    assert all(len(other.media.find(f"entry-{i}")) == 2 for i in range(3, 6))


def test_the_figures_of_the_pictures_are_published_with_their_units(store: Store) -> None:
    kept = Kept(store)
    kept.metrics.watch_media(lambda: kept.media.kept_bytes, lambda: kept.media.evicted)
    kept.keep("entry-1")
    kept.pictures.close(10)
    on_disk = sum(path.stat().st_size for path in kept.media.folder.rglob("*.jpg"))
    assert kept.metrics.registry.get_sample_value("platebridge_media_bytes") == on_disk > 0
    assert kept.metrics.registry.get_sample_value("platebridge_pictures_evicted_total") == 0

"""What is too old goes by itself: pictures and what rows say about people; never because a clock jumped."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from pod.config import AuditConfig, MediaConfig
from pod.runtime.metrics import PodMetrics
from pod.services.clock_watch import Moment
from pod.services.health import Status
from pod.services.retention import Retention
from pod.store import audit
from pod.store.cloud_confirmed import note_confirmed
from pod.store.connection import connect_reader
from pod.store.erasure import _NOTES_SQL, erase_rows, unfinished
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.moments import to_us
from pod.store.retention import EXPIRED_SQL
from pod.store.store import Store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
OF_AUDIT = AuditConfig(keep_days=365, keep_unknown_days=30)
OF_MEDIA = MediaConfig(keep_days=30, keep_unknown_days=7)


class Clock:
    """A clock that the test sets, and doubts."""

    def __init__(self) -> None:
        self.now, self.doubt = NOW, ""

    def look(self) -> Moment:
        return Moment(self.now, self.doubt)


@pytest.fixture
def wall() -> list[datetime]:
    """When rows are written; the test changes its one element."""
    return [NOW]


@pytest.fixture
def store(tmp_path: Path, wall: list[datetime]) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db", now_us=lambda: to_us(wall[0])) as store:
        yield store


@pytest.fixture
def media(store: Store) -> MediaStore:
    folder = store.path.parent / FOLDER_NAME
    return MediaStore(folder, store, quota_bytes=10**7, min_free_bytes=0)


def retention_of(
    store: Store,
    media: MediaStore | None,
    clock: Clock,
    *,
    on_fault: Callable[[Exception], None] = lambda error: None,
    has_cloud: bool = False,
) -> Retention:
    return Retention(
        store,
        media,
        of_audit=OF_AUDIT,
        of_media=OF_MEDIA,
        clock=clock,
        has_cloud=has_cloud,
        metrics=PodMetrics(),
        on_fault=on_fault,
    )


def write_days_ago(store: Store, wall: list[datetime], days: float, kind: str, **payload: object) -> int:
    wall[0] = NOW - timedelta(days=days)
    try:
        return store.record(kind, payload).result(5)
    finally:
        wall[0] = NOW


def emptied(store: Store) -> set[int]:
    with closing(connect_reader(store.path)) as conn:
        return {seq for (seq,) in conn.execute("SELECT seq FROM audit WHERE payload IS NULL")}


def kept(media: MediaStore, approaches: list[str]) -> list[str]:
    return [approach for approach in approaches if media.find(approach)]


def test_rows_about_unlisted_plates_go_after_a_month_and_all_others_about_people_after_a_year(
    store: Store, wall: list[datetime]
) -> None:
    listed = {"plate": "AB123CD", "entry": "AB123CD", "reason": "wrong_gate"}
    unlisted = {"plate": "XY987ZW", "entry": None, "reason": "not_listed"}
    gone, stay = set(), set()
    for days, over in ((366, gone), (364, stay)):
        over.add(write_days_ago(store, wall, days, "decision", **listed))
        for kind in (
            "intent",
            "outcome",
            "list_change",
            "command",
            "login",
            "site_state",
            "watch_started",
            "watch_ended",
        ):
            over.add(write_days_ago(store, wall, days, kind, plate="AB123CD"))
    for days, over in ((364, gone), (31, gone), (29, stay)):
        over.add(write_days_ago(store, wall, days, "decision", **unlisted))
    for kind in ("pod_started", "camera_state", "gate_fact", "alarm", "clock", "recovery", "erasure"):
        stay.add(write_days_ago(store, wall, 3000, kind, text="of a machine"))
    retention_of(store, None, Clock()).run_once()
    assert emptied(store) == gone
    with closing(connect_reader(store.path)) as conn:
        result = audit.verify(conn)
    assert (result.ok, result.erased) == (True, len(gone))


def test_a_round_that_finds_nothing_too_old_writes_nothing(store: Store, wall: list[datetime]) -> None:
    write_days_ago(store, wall, 1, "decision", plate="AB123CD", entry=None)
    retention = retention_of(store, None, Clock())
    retention.run_once()
    assert store.record("pod_stopped", {}).result(5) == 2


def test_pictures_of_unlisted_cars_go_after_a_week_and_of_listed_ones_after_a_month(
    store: Store, media: MediaStore
) -> None:
    ages = {"new": 0.5, "week": 8, "month": 31}
    for name, days in ages.items():
        for known in (True, False):
            media.keep(
                f"{name}-{known}",
                1,
                camera="entry",
                at=NOW - timedelta(days=days),
                known=known,
                pictures={"scene": b"s", "plate": b"p"},
            )
    retention = retention_of(store, media, Clock())
    retention.run_once()
    assert kept(media, [f"{n}-{k}" for n in ages for k in (True, False)]) == [
        "new-True",
        "new-False",
        "week-True",
    ]


@pytest.mark.parametrize("jump_days", [400, 36_500], ids=["a year", "a century"])
def test_a_clock_that_jumps_ahead_empties_nothing(
    store: Store, media: MediaStore, wall: list[datetime], jump_days: int
) -> None:
    clock = Clock()
    retention = retention_of(store, media, clock)
    retention.run_once()  # while the clock was right
    write_days_ago(store, wall, 1, "decision", plate="AB123CD", entry=None)
    old = write_days_ago(store, wall, 31, "decision", plate="XY987ZW", entry=None)
    media.keep("entry-1", 1, camera="entry", at=NOW, known=False, pictures={"scene": b"s", "plate": b"p"})
    clock.now, clock.doubt = NOW + timedelta(days=jump_days), "the clock was set while the POD ran"
    retention.run_once()
    assert emptied(store) == {old}  # what was too old already goes all the same
    assert media.find("entry-1")
    clock.doubt = ""  # a person has accepted it
    retention.run_once()
    assert emptied(store) == {1, 2}
    assert not media.find("entry-1")


def test_after_a_start_in_doubt_the_newest_believable_row_tells_how_old_things_are(
    store: Store, media: MediaStore, wall: list[datetime]
) -> None:
    old = write_days_ago(store, wall, 40, "decision", plate="XY987ZW", entry=None)
    write_days_ago(store, wall, 9, "decision", plate="XY987ZW", entry=None)
    write_days_ago(store, wall, 8, "pod_stopped")
    wall[0] = NOW + timedelta(days=5000)
    store.record("clock", {"state": "unsure"}).result(5)
    clock = Clock()
    clock.now, clock.doubt = wall[0], "no time service keeps this clock right"
    retention_of(store, media, clock).run_once()
    assert emptied(store) == {old}


def test_a_clock_set_back_keeps_everything(store: Store, media: MediaStore, wall: list[datetime]) -> None:
    write_days_ago(store, wall, 40, "decision", plate="XY987ZW", entry=None)
    clock = Clock()
    clock.now, clock.doubt = datetime(1970, 1, 2, tzinfo=UTC), "the clock is behind"
    retention_of(store, media, clock).run_once()
    assert emptied(store) == set()


def test_without_any_row_and_in_doubt_nothing_goes_by_age(store: Store, media: MediaStore) -> None:
    clock = Clock()
    clock.doubt = "no time service keeps this clock right"
    media.keep(
        "entry-1",
        1,
        camera="entry",
        at=NOW - timedelta(days=90),
        known=True,
        pictures={"scene": b"s", "plate": b"p"},
    )
    retention_of(store, media, clock).run_once()
    assert media.find("entry-1")


def test_a_fault_shows_in_health_and_ends_with_the_next_good_round(store: Store, media: MediaStore) -> None:
    faults: list[Exception] = []
    retention = retention_of(store, media, Clock(), on_fault=faults.append)
    media.folder.write_text("a file in its place")
    retention.start()
    until(lambda: retention.probe().status is Status.DEGRADED)
    assert "Old rows and pictures could not be erased." in retention.probe().sentence
    retention.stop()
    media.folder.unlink()
    again = retention_of(store, media, Clock(), on_fault=faults.append)
    again.start()
    until(lambda: media.folder.is_dir())
    again.stop()
    assert (again.probe().status, faults) == (Status.OK, [])


def test_a_start_empties_again_what_was_erased_before_an_older_copy_was_put_back(
    store: Store, wall: list[datetime]
) -> None:
    for i in range(40):
        store.record("decision", {"plate": f"AB{i}", "entry": None}).result(5)
    erase_rows(store, [2, 3, 4, 30], note={"why": "on request"}, between=lambda: False)
    store.record("decision", {"plate": "AB41", "entry": None}).result(5)

    def put_back(conn: sqlite3.Connection) -> None:
        conn.execute("DROP TRIGGER audit_keeps_content")
        conn.execute("UPDATE audit SET payload = '{\"plate\": \"AB3\"}', salt = x'00' WHERE seq = 4")

    store.submit(put_back).result(5)
    with closing(connect_reader(store.path)) as conn:
        assert unfinished(conn) == [4]
    retention = retention_of(store, None, Clock())
    retention.start()
    until(lambda: emptied(store) == {2, 3, 4, 30})
    retention.stop()
    with closing(connect_reader(store.path)) as conn:
        assert unfinished(conn) == []
        assert audit.verify(conn).ok


def test_a_stop_ends_a_long_round_between_two_transactions(store: Store, wall: list[datetime]) -> None:
    wall[0] = NOW - timedelta(days=366)
    for i in range(300):
        store.record("decision", {"plate": f"AB{i}", "entry": None})
    store.record("decision", {}).result(20)
    wall[0] = NOW
    retention = retention_of(store, None, Clock())
    retention.start()
    until(lambda: emptied(store))
    retention.stop()
    assert 0 < len(emptied(store)) < 301
    assert not any(thread.name == "retention" for thread in threading.enumerate())
    with closing(connect_reader(store.path)) as conn:
        assert audit.verify(conn).ok


def test_retention_finds_its_rows_by_an_index(store: Store) -> None:
    with closing(connect_reader(store.path)) as conn:
        values = {"unknown_before": 0, "known_before": 0, "last": 0, "limit": 1}
        plan = conn.execute(f"EXPLAIN QUERY PLAN {EXPIRED_SQL}", values).fetchall()
    assert "INDEX audit_of_people" in str(plan)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(_NOTES_SQL, id="all of them"),
        pytest.param("SELECT max(seq) FROM audit WHERE kind = 'erasure' AND seq > 0", id="the newest"),
    ],
)
def test_notes_of_erasures_are_found_without_reading_the_whole_audit(store: Store, sql: str) -> None:
    with closing(connect_reader(store.path)) as conn:
        plan = conn.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    assert "INDEX audit_of_erasures" in str(plan)


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.005)


def test_with_a_cloud_no_row_goes_before_the_cloud_had_it_for_a_month(
    store: Store, wall: list[datetime]
) -> None:
    old = [write_days_ago(store, wall, 400, "decision", plate="AB123CD", entry=None) for _ in range(3)]
    retention = retention_of(store, None, Clock(), has_cloud=True)
    retention.run_once()
    assert emptied(store) == set()
    for days, seq in ((31, old[1]), (29, old[2])):
        at_us = to_us(NOW - timedelta(days=days))
        store.submit(partial(note_confirmed, seq=seq, now_us=at_us)).result(5)
    retention.run_once()
    assert emptied(store) == set(old[:2])

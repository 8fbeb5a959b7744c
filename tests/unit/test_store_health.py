"""The health of the store is that of its last write: a full disk, modelled by SQLite's own limit on pages."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Event

import pytest

from pod.domain.errors import StoreError
from pod.services.health import Status
from pod.services.probes import store_probe
from pod.store.store import Store
from pod.store.writer import QUEUE_JOBS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db", full_wait_s=0.0) as store:
        yield store


def fill_the_disk(store: Store) -> None:
    """Let the file take no page more than it has, and meet that limit once."""
    store.submit(lambda conn: conn.execute("PRAGMA max_page_count = 1")).result(5)
    with pytest.raises(StoreError, match="disk is full"):
        store.record("pod_started", {"text": "x" * 20_000}).result(5)


def free_the_disk(store: Store) -> None:
    store.submit(lambda conn: conn.execute("PRAGMA max_page_count = 1000000")).result(5)


def test_a_store_that_wrote_everything_is_well(store: Store) -> None:
    store.record("pod_started", {}).result(5)
    health = store_probe(store)()
    assert (health.status, health.sentence) == (Status.OK, "")


def test_a_full_disk_is_failing_and_told_with_its_mend(store: Store) -> None:
    fill_the_disk(store)
    health = store_probe(store)()
    assert health.status is Status.FAILING
    assert "The gate stays closed" in health.sentence
    assert "the disk is full: free space on it" in health.sentence


def test_the_first_write_after_space_was_freed_makes_the_store_well_again(store: Store) -> None:
    fill_the_disk(store)
    free_the_disk(store)
    store.record("pod_started", {}).result(5)
    health = store_probe(store)()
    assert (health.status, health.sentence) == (Status.OK, "Failed writes since the start: 1.")
    assert store.stats.failed == 1


def test_a_job_that_only_reads_does_not_speak_for_the_disk(store: Store) -> None:
    fill_the_disk(store)
    assert store.last_grants("north") == {}
    assert store_probe(store)().status is Status.FAILING


def test_a_bug_of_a_caller_is_no_fault_of_the_store(store: Store) -> None:
    def bug(conn: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.submit(bug).result(5)
    assert store_probe(store)().status is Status.OK


def test_a_refused_write_is_failing_until_one_is_taken_and_kept(store: Store) -> None:
    running, release = Event(), Event()

    def hold(conn: sqlite3.Connection) -> None:
        running.set()
        release.wait(10)

    held: Future[None] = store.submit(hold)
    assert running.wait(5)
    rows = [store.record("pod_started", {}) for _ in range(QUEUE_JOBS)]
    with pytest.raises(StoreError, match="already wait"):
        store.record("pod_started", {})
    assert store_probe(store)().status is Status.FAILING
    release.set()
    held.result(5)
    rows[-1].result(10)
    assert store_probe(store)().status is Status.OK

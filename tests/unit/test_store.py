"""The store writes audit and list durably, and says what is wrong when it can't."""

from pathlib import Path

import pytest

from pod.domain.access import Verdict
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.store import Grant, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pod.db"


def test_recorded_rows_count_from_one_and_verify(path: Path) -> None:
    with Store.open(path) as store:
        assert [store.record("decision", {"n": n}).result(5) for n in range(3)] == [1, 2, 3]
    conn = connect_reader(path)
    result = audit.verify(conn)
    assert (result.ok, result.rows) == (True, 3)


def test_an_added_plate_is_in_the_snapshot_when_the_future_resolves(path: Path) -> None:
    with Store.open(path) as store:
        store.plates.add(make_entry("ab 123-cd"), by="test").result(5)
        (entry,) = store.plates.current.candidates("AB123CD")
        assert (entry.plate, entry.verdict) == ("AB123CD", Verdict.ALLOW)


def test_a_grant_outlives_the_process(path: Path) -> None:
    with Store.open(path, now_us=lambda: 1_700_000_000_000_000) as store:
        store.record("decision", {}, grant=Grant("north", "AB123CD")).result(5)
    with Store.open(path) as store:
        assert {k: v.isoformat() for k, v in store.last_grants("north").items()} == {
            "AB123CD": "2023-11-14T22:13:20+00:00"
        }
        assert store.last_grants("south") == {}

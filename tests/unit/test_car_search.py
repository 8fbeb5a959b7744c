"""Cars are found in the audit by plate, day, camera and outcome, page by page."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pod.domain.errors import StoreError
from pod.store import car_search
from pod.store.car_search import CarPage, CarQuery, rows_of, search
from pod.store.moments import to_us
from pod.store.store import FILE_NAME, Store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Street:
    """An audit that cars are written into, one minute apart."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.at = NOON
        self.store = Store.open(self.path, now_us=lambda: to_us(self.at))

    def row(self, kind: str, approach: str, **facts: object) -> None:
        row = {
            "approach": approach,
            "camera": "entry",
            "gate": "main",
            "plate": "AB123CD",
            "verdict": "deny",
            "reason": "not_listed",
            "confidence": 0.97,
        }
        self.at += timedelta(minutes=1)
        self.store.record(kind, row | facts).result(10)

    def found(self, query: CarQuery, *, page: int = 50) -> list[str]:
        return [record.approach for record in search(self.path, query, page=page).records]


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.store.close()


@pytest.mark.parametrize(
    ("plate", "found"),
    [
        pytest.param("ab-123 cd", True, id="another-writing"),
        pytest.param("ABI23CD", True, id="an-I-for-a-1"),
        pytest.param("AB128CD", True, id="one-character-apart"),
        pytest.param("AB12CD", True, id="one-left-out"),
        pytest.param("23C", True, id="a-part"),
        pytest.param("AB188CD", False, id="two-characters-apart"),
        pytest.param("ZZ", False, id="too-short-to-be-near"),
    ],
)
def test_a_plate_is_found_in_any_writing_and_one_character_off(
    street: Street, plate: str, found: bool
) -> None:
    street.row("decision", "entry-1")
    street.row("decision", "entry-2", plate="XY999")
    assert ("entry-1" in street.found(CarQuery(plate=plate))) is found


def test_a_short_text_is_found_only_as_part_of_a_plate(street: Street) -> None:
    street.row("decision", "entry-1", plate="XY9")
    assert street.found(CarQuery(plate="Y9")) == ["entry-1"]
    assert street.found(CarQuery(plate="XZ9")) == []


def test_what_was_read_and_the_entry_that_won_both_find_the_car(street: Street) -> None:
    street.row("intent", "entry-1", plate="KLM777", read="QRS888", entry="TUV555", verdict="allow")
    for plate in ("KLM777", "QRS888", "TUV555"):
        assert street.found(CarQuery(plate=plate)) == ["entry-1"]


def test_day_camera_and_outcome_narrow_the_search(street: Street) -> None:
    street.row("decision", "early")
    street.at += timedelta(days=1)
    street.row("decision", "other-camera", camera="exit")
    street.row("intent", "opened", verdict="allow", reason="listed")
    street.row("outcome", "opened", result="pulsed", on_ms=500)
    street.row("decision", "refused")
    next_day = CarQuery(since=NOON + timedelta(hours=12), until=NOON + timedelta(hours=36))
    assert street.found(next_day) == ["refused", "opened", "other-camera"]
    assert street.found(CarQuery(camera="exit")) == ["other-camera"]
    assert street.found(CarQuery(outcomes=("open commanded",))) == ["opened"]


def test_pages_hold_every_car_once_though_their_rows_interleave(street: Street) -> None:
    for round_ in range(3):
        for car in range(7):
            # Only some rows of a car match, and not its last: the plate was read anew each time.
            plate = "XY999" if round_ == car % 3 else "AB123CD"
            street.row("decision", f"entry-{car}", plate=plate)
    seen: list[str] = []
    before = None
    while True:
        found: CarPage = search(street.path, CarQuery(plate="AB123CD", before=before), page=2)
        seen += [record.approach for record in found.records]
        before = found.next_before
        if before is None:
            break
    assert sorted(seen) == [f"entry-{car}" for car in range(7)]


def test_a_search_that_examined_enough_goes_on_from_there(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(car_search, "MOST_EXAMINED", 2)
    street.row("intent", "opened", verdict="allow", reason="listed")
    for car in range(3):
        street.row("decision", f"refused-{car}")
    first = search(street.path, CarQuery(outcomes=("opening",)))
    assert first.records == ()
    assert first.next_before is not None
    second = search(street.path, CarQuery(outcomes=("opening",), before=first.next_before))
    assert [record.approach for record in second.records] == ["opened"]


def test_a_search_that_takes_too_long_ends_with_its_mend(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(car_search, "SEARCH_TIMEOUT_S", -1.0)
    for car in range(100):
        street.row("decision", f"entry-{car}")
    with pytest.raises(StoreError, match="ask for one day"):
        search(street.path, CarQuery(plate="nobody"))


def test_the_rows_of_one_car_come_oldest_first_through_the_index(street: Street) -> None:
    street.row("decision", "entry-1")
    street.row("decision", "entry-2")
    street.row("intent", "entry-1", verdict="allow", reason="listed")
    assert [row.seq for row in rows_of(street.path, "entry-1")] == [1, 3]
    assert rows_of(street.path, "entry-9") == ()
    with closing(sqlite3.connect(street.path)) as conn:
        plan = str(conn.execute(f"EXPLAIN QUERY PLAN {car_search._OF_APPROACH_SQL}", ("x",)).fetchall())
    assert "audit_of_approach" in plan


def test_what_a_gate_did_is_found_without_reading_the_whole_audit(street: Street) -> None:
    with closing(sqlite3.connect(street.path)) as conn:
        plan = str(conn.execute(f"EXPLAIN QUERY PLAN {car_search._GATE_FACTS_SQL}", (0, 1)).fetchall())
    assert "audit_of_gate_facts (ts_us>? AND ts_us<?)" in plan


def test_what_the_gate_did_comes_with_the_car_that_it_opened_for(street: Street) -> None:
    street.row("intent", "entry-1", verdict="allow", reason="listed")
    street.store.record("gate_fact", {"gate": "main", "fact": "moved"}).result(10)
    street.row("decision", "entry-2")
    street.at += timedelta(minutes=5)
    street.store.record("gate_fact", {"gate": "main", "fact": "closed"}).result(10)
    assert [row.kind for row in rows_of(street.path, "entry-1")] == ["intent", "gate_fact"]
    assert [row.kind for row in rows_of(street.path, "entry-2")] == ["decision"]


def test_an_erased_car_is_found_no_more(street: Street) -> None:
    street.row("decision", "entry-1")
    with closing(sqlite3.connect(street.path)) as conn, conn:
        conn.execute("UPDATE audit SET payload = NULL, salt = NULL")
    assert rows_of(street.path, "entry-1") == ()
    assert street.found(CarQuery()) == []


def test_a_spoiled_row_hides_no_other(street: Street) -> None:
    street.row("decision", "entry-1")
    street.row("decision", "entry-2")
    with closing(sqlite3.connect(street.path)) as conn, conn:
        conn.execute("DROP TRIGGER audit_keeps_content")
        conn.execute("UPDATE audit SET payload = '{\"approach' WHERE seq = 1")
    assert street.found(CarQuery()) == ["entry-2"]
    assert [row.seq for row in rows_of(street.path, "entry-2")] == [2]

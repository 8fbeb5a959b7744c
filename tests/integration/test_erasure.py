"""Erasing a plate takes every trace of it from rows, pictures and the file's own bytes; the chain holds."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pod.commands.audit import app
from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.erasure import ROWS_A_JOB, erase_plate, erase_rows
from pod.store.journal import FOLDER as JOURNALS
from pod.store.journal import Journal
from pod.store.late_rows import late_row
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.store import Grant, Store

PLATE, OTHER = "AB123CD", "XY987ZW"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


def media_of(store: Store) -> MediaStore:
    folder = store.path.parent / FOLDER_NAME
    return MediaStore(folder, store, quota_bytes=10**7, min_free_bytes=0)


def car(approach: str, plate: str, **more: object) -> dict[str, object]:
    return {"approach": approach, "camera": "entry", "gate": "main", "plate": plate, "verdict": "deny"} | more


def let_in(store: Store, approach: str, plate: str) -> None:
    """The rows, the grant and the pictures that one car leaves."""
    row = car(approach, plate, entry=plate, verdict="allow", reason="listed", evidence=[[["A", 0.99]]] * 10)
    store.record("intent", row, grant=Grant("entry", plate)).result(5)
    store.record("outcome", {"approach": approach, "plate": plate, "result": "pulsed"}).result(5)
    pictures = {"scene": b"scene of " + approach.encode(), "plate": b"plate"}
    media_of(store).keep(approach, 1, camera="entry", at=datetime.now(UTC), known=True, pictures=pictures)


def rows_left(path: Path) -> list[tuple[int, str, dict[str, object] | None]]:
    with closing(connect_reader(path)) as conn:
        found = conn.execute(audit.SINCE_SQL, (0, -1)).fetchall()
    return [(row.seq, row.kind, row.payload) for row in map(audit.row_from, found)]


def verified(path: Path) -> audit.VerifyResult:
    with closing(connect_reader(path)) as conn:
        return audit.verify(conn)


def test_every_row_that_names_the_plate_is_emptied_and_the_chain_holds(store: Store) -> None:
    store.plates.add(make_entry(PLATE), by="test").result(5)
    store.plates.add(make_entry(OTHER), by="test").result(5)
    let_in(store, "entry-1", PLATE)
    let_in(store, "entry-2", OTHER)
    store.record("decision", car("entry-3", "A8123CD", reason="not_listed", entry=None)).result(5)
    store.record("decision", car("entry-3", "ab 123-cd", reason="wrong_gate", entry=PLATE)).result(5)
    store.record("command", {"gate": "main", "by": "cloud", "why": {"plates": [OTHER, PLATE]}}).result(5)
    rows, pictures = erase_plate(store, media_of(store), "ab-123 cd", by="a test")
    left = rows_left(store.path)
    assert PLATE not in json.dumps(left)
    assert {kind for _, kind, payload in left if payload is None} == {
        "list_change",
        "intent",
        "outcome",
        "decision",
        "command",
    }
    assert (rows, pictures) == (6, 2)
    *_, (_, kind, note) = left
    assert kind == "erasure"
    assert note == {"by": "a test", "pictures": 2, "rows": 6, "seqs": "1,3-4,7-9", "why": "on request"}
    assert [payload["plate"] for _, _, payload in left if payload and "plate" in payload] == [OTHER] * 3
    assert (verified(store.path).ok, verified(store.path).erased) == (True, 6)


def test_a_revision_that_misread_the_plate_goes_with_its_car(store: Store) -> None:
    store.record("decision", car("entry-1", "A8123CD")).result(5)
    store.record("decision", car("entry-1", PLATE)).result(5)
    store.record("decision", car("entry-2", "A8123CD")).result(5)
    erase_plate(store, media_of(store), PLATE, by="a test")
    assert [payload is None for _, _, payload in rows_left(store.path)] == [True, True, False, False]


def test_pictures_and_grants_of_the_plate_go_and_those_of_others_stay(store: Store) -> None:
    let_in(store, "entry-1", PLATE)
    let_in(store, "entry-2", OTHER)
    media = media_of(store)
    erase_plate(store, media, PLATE, by="a test")
    assert media.find("entry-1") == ()
    assert len(media.find("entry-2")) == 2
    assert set(store.last_grants("entry")) == {OTHER}
    assert len(list(media.folder.rglob("*.jpg"))) == 2


def test_a_camera_or_a_label_that_spells_the_plate_is_no_trace_of_it(store: Store) -> None:
    store.record("camera_state", {"camera": "n0rth1", "state": "playing"}).result(5)
    store.record("decision", car("entry-1", OTHER, label="NORTH1")).result(5)
    assert erase_plate(store, media_of(store), "NORTH1", by="a test") == (0, 0)


def test_erasing_goes_in_small_transactions_between_which_others_write(store: Store) -> None:
    for i in range(3 * ROWS_A_JOB):
        store.record("decision", car(f"entry-{i}", PLATE))
    seqs = list(range(1, 3 * ROWS_A_JOB + 1))
    full: list[int] = []

    def between() -> bool:
        intent = store.record("intent", car("entry-x", OTHER)).result(5)
        full.append(sum(payload is not None for seq, _, payload in rows_left(store.path) if seq <= seqs[-1]))
        return intent > 0

    assert erase_rows(store, seqs, note={"why": "age"}, between=between) == len(seqs)
    assert full == [2 * ROWS_A_JOB, ROWS_A_JOB, 0]


def test_an_erasure_that_was_cut_off_was_noted_and_is_finished_by_the_next(store: Store) -> None:
    for i in range(2 * ROWS_A_JOB):
        store.record("decision", car(f"entry-{i}", PLATE)).result(5)
    seqs = list(range(1, 2 * ROWS_A_JOB + 1))
    assert erase_rows(store, seqs, note={"why": "age"}, between=lambda: False) == ROWS_A_JOB
    assert (verified(store.path).ok, verified(store.path).erased) == (True, ROWS_A_JOB)
    erase_plate(store, media_of(store), PLATE, by="a test")
    assert (verified(store.path).ok, verified(store.path).erased) == (True, 2 * ROWS_A_JOB)


def test_a_row_that_is_no_json_stops_no_erasure(store: Store) -> None:
    store.record("decision", car("entry-1", PLATE)).result(5)
    store.record("decision", car("entry-2", PLATE)).result(5)

    def spoil(conn: sqlite3.Connection) -> None:
        conn.execute("DROP TRIGGER audit_keeps_content")
        conn.execute('UPDATE audit SET payload = \'{"plate": "AB123\' WHERE seq = 1')

    store.submit(spoil).result(5)
    assert erase_plate(store, media_of(store), PLATE, by="a test") == (2, 0)


@pytest.mark.parametrize("times", [1, 100], ids=["once", "without end"])
def test_a_row_that_comes_in_while_a_plate_is_erased_is_erased_or_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    store.record("decision", car("entry-1", PLATE)).result(5)
    media, left = media_of(store), [times]
    erase = media.erase

    def meanwhile(approaches: Iterable[str]) -> int:
        if left[0]:
            left[0] -= 1
            store.record("decision", car("entry-1", "A8123CD")).result(5)
            store.record("outcome", {"approach": "entry-9", "plate": PLATE, "late": True}).result(5)
        return erase(approaches)

    monkeypatch.setattr(media, "erase", meanwhile)
    if times == 1:
        assert erase_plate(store, media, PLATE, by="a test") == (3, 0)
        assert [kind for _, kind, payload in rows_left(store.path) if payload] == ["erasure", "erasure"]
    else:
        with pytest.raises(StoreError, match="new ones keep coming"):
            erase_plate(store, media, PLATE, by="a test")
    assert verified(store.path).ok


def run(*words: object, answer: str | None = None) -> Result:
    """`platebridge audit` in this process; a fault is raised, as `platebridge` itself meets it."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose POD let two cars in."""
    with Store.open(tmp_path / "pod.db") as store:
        store.plates.add(make_entry(PLATE), by="test").result(5)
        let_in(store, "entry-1", PLATE)
        let_in(store, "entry-2", OTHER)
    return tmp_path


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_not_one_byte_of_an_erased_plate_is_left_in_any_file(data: Path) -> None:
    with Store.open(data / "pod.db") as store:  # the running POD, whose list it is taken off
        store.plates.remove(PLATE, by="test").result(5)
        assert PLATE.encode() in bytes_below(data)
        said = run("erase", PLATE, "--yes", "--data-dir", data)
        assert said.exit_code == 0, said.output
        assert "erased 4 rows and 2 pictures" in said.output
        assert OTHER.encode() in bytes_below(data)
        assert PLATE.encode() not in bytes_below(data)
        assert b"scene of entry-1" not in bytes_below(data)
    assert run("verify", "--data-dir", data).stdout.startswith("OK: 7 rows verified, 4 of them erased")


def test_rows_of_the_plate_that_wait_in_the_journal_are_told(data: Path) -> None:
    journal = Journal.open(data / JOURNALS, size_bytes=64 * 1024)
    for approach, plate in (("entry-8", "ab 123-cd"), ("entry-9", OTHER)):
        payload = car(approach, plate)
        row = late_row(audit.seal("decision", payload, 1), payload, after_seq=0, grant=None, revoke=None)
        journal.append(row, awaited=True).result(5)
    said = run("erase", PLATE, "--yes", "--data-dir", data)
    assert "1 row of it still in the journal: run this again" in said.output
    journal.forget(2).result(5)
    journal.close()
    assert "journal" not in run("erase", PLATE, "--yes", "--data-dir", data).output


def test_a_log_that_somebody_still_reads_is_told_and_emptied_by_the_next_erasure(data: Path) -> None:
    with closing(connect_reader(data / "pod.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit").fetchone()
        with pytest.raises(StoreError, match="another process still reads: run this again"):
            run("erase", PLATE, "--yes", "--data-dir", data)
    assert run("erase", PLATE, "--yes", "--data-dir", data).stdout.startswith("erased 0 rows")
    log = data / "pod.db-wal"
    assert not log.exists() or log.stat().st_size == 0


def test_erasing_asks_first_and_a_no_erases_nothing(data: Path) -> None:
    said = run("erase", "ab 123 cd", "--data-dir", data, answer="n\n")
    assert said.exit_code == 1
    assert f"Erase everything about {PLATE}" in said.output
    assert verified(data / "pod.db").erased == 0
    said = run("erase", PLATE, "--data-dir", data, answer="y\n")
    assert (said.exit_code, verified(data / "pod.db").erased) == (0, 3)


def test_erasing_a_plate_that_is_still_listed_says_so(data: Path) -> None:
    said = run("--data-dir", data, "erase", PLATE, "--yes")
    assert f"{PLATE} is still on the list" in said.output
    with Store.open(data / "pod.db") as store:
        assert [entry.plate for entry in store.plates.current.entries] == [PLATE]


def test_erasing_names_the_older_copies_that_lie_beside_the_database(data: Path) -> None:
    (data / "backups").mkdir()
    assert "older copies" not in run("erase", OTHER, "--yes", "--data-dir", data).output
    for folder in ("backups", "quarantine"):
        (data / folder).mkdir(exist_ok=True)
        (data / folder / "copy").touch()
    said = run("erase", PLATE, "--yes", "--data-dir", data).output
    assert f"older copies in {data / 'backups'} may still hold it: a running POD replaces them" in said
    assert f"older copies in {data / 'quarantine'} may still hold it: delete those" in said


def test_one_car_is_shown_with_its_rows_and_the_files_of_its_pictures(data: Path) -> None:
    shown = run("show", "entry-1", "--data-dir", data)
    assert shown.exit_code == 0
    assert PLATE in shown.stdout
    assert "The plate is on the list." in shown.stdout
    told = [
        json.loads(line) for line in run("show", "entry-1", "--json", "--data-dir", data).stdout.splitlines()
    ]
    assert [fact.get("kind") for fact in told] == ["intent", "outcome", "scene", "plate"]
    assert Path(told[2]["picture"]).read_bytes() == b"scene of entry-1"
    run("erase", PLATE, "--yes", "--data-dir", data)
    gone = run("show", "entry-1", "--data-dir", data)
    assert (gone.exit_code, "nothing is kept of 'entry-1'" in gone.stdout) == (1, True)


def test_erased_rows_are_shown_as_such_and_those_about_cars_are_passed_over(data: Path) -> None:
    run("erase", PLATE, "--yes", "--data-dir", data)
    assert run("--data-dir", data).stdout.count("(erased)") == 3
    with closing(connect_reader(data / "pod.db")) as conn:
        cars = [audit.row_from(row) for row in conn.execute(audit.LATEST_OF_CARS_SQL, (100,))]
    assert {row.payload["plate"] for row in cars if row.payload is not None} == {OTHER}
    assert len(cars) == 2

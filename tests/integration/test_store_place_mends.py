"""A keeping store whose file, log or directory is taken away, cut, emptied or spoiled under it."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_pod import until
from test_store_under_fire import Noted, rows

from pod.domain.errors import StoreError
from pod.services.health import Status
from pod.services.probes import store_probe
from pod.store import list_copy
from pod.store.entries import make_entry
from pod.store.keeping import Keeping
from pod.store.late_rows import Durability, NotDurableError
from pod.store.store import CLOSE_S, REST_CLOSE_S, Store

KEEPING = Keeping(reserve_bytes=64 * 1024, journal_bytes=64 * 1024)

FLIP = """
import random, sys
noise = random.Random(3)
with open(sys.argv[1], "r+b") as file:
    size = file.seek(0, 2)
    for _ in range(60):
        at = noise.randrange(100, size)
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 4]))
"""


def outside(*command: str | Path) -> None:
    """As another program does it: opening the file in this process would take SQLite's locks away."""
    subprocess.run([str(word) for word in command], check=True)


def remove_log(folder: Path) -> None:
    (folder / "pod.db-wal").unlink()


def remove_log_and_index(folder: Path) -> None:
    (folder / "pod.db-wal").unlink()
    (folder / "pod.db-shm").unlink()


def flip_bits(folder: Path) -> None:
    outside(sys.executable, "-c", FLIP, folder / "pod.db")


def empty(folder: Path) -> None:
    outside("truncate", "-s", "0", folder / "pod.db")


def cut(folder: Path) -> None:
    outside("truncate", "-s", "8192", folder / "pod.db")


def remove_all(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


FAULTS = [
    pytest.param(remove_log, id="log removed"),
    pytest.param(remove_log_and_index, id="log and index removed"),
    pytest.param(flip_bits, id="bits flipped"),
    pytest.param(empty, id="emptied"),
    pytest.param(cut, id="cut"),
    pytest.param(remove_all, id="all removed"),
]


@contextlib.contextmanager
def held_lock(folder: Path) -> Iterator[None]:
    """Another process holds the database's lock."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
            "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()",
            str(folder / "pod.db"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.kill()
        holder.communicate()


def opened(folder: Path, alarms: Noted | None = None, keeping: Keeping = KEEPING) -> Store:
    store = Store.open(folder / "pod.db", keeping=keeping)
    store.attend(alarms or Noted(), lambda need_bytes: 0)
    return store


def plates(store: Store) -> list[str]:
    return [entry.plate for entry in store.plates.current.index.entries]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    return place


@pytest.fixture
def filled(folder: Path) -> Iterator[Store]:
    with opened(folder) as store:
        for plate in ("STAYS11", "LEAVES2"):
            store.plates.add(make_entry(plate), by="test").result(5)
        for n in range(30):
            store.record("decision", {"n": n, "pad": "x" * 400}).result(5)
        # Some of it in the file, the rest in the log.
        store.submit(lambda conn: conn.execute("SELECT 1").fetchall()).result(5)
        until(lambda: store.facts is not None and store.facts.copy_at is not None)
        outside("sqlite3" if shutil.which("sqlite3") else "true", folder / "pod.db", "PRAGMA wal_checkpoint")
        yield store


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plate_removed_after_the_file_was_damaged_stays_removed_through_a_power_cut(
    filled: Store, folder: Path, tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    fault(folder)
    filled.plates.remove("LEAVES2", by="test").result(10)
    outside("cp", "-a", folder, tmp_path / "after")  # what a power cut leaves
    with opened(tmp_path / "after") as after:
        assert plates(after) == ["STAYS11"]
    assert plates(filled) == ["STAYS11"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_goes_on_after_its_file_was_damaged_and_health_says_what_happened(
    filled: Store, folder: Path, fault: Callable[[Path], None]
) -> None:
    fault(folder)
    filled.plates.add(make_entry("NEW44"), by="test").result(10)
    assert filled.make_durable("intent", {"pulse": "a"}, timeout_s=5) is Durability.COMMITTED
    until(lambda: filled.facts is not None and filled.facts.recovered is not None)
    health = store_probe(filled)()
    assert health.status is Status.DEGRADED
    assert "was damaged" in health.sentence
    kinds = [row.kind for row in rows(folder)]
    assert "recovery" in kinds
    assert "intent" in kinds
    assert set(plates(filled)) == {"STAYS11", "LEAVES2", "NEW44"}


@pytest.mark.parametrize("fault", [empty, remove_log], ids=["emptied", "log removed"])
def test_rows_that_wait_in_the_journal_are_not_drained_into_a_damaged_file(
    filled: Store, folder: Path, fault: Callable[[Path], None]
) -> None:
    with held_lock(folder):
        assert filled.make_durable("intent", {"pulse": "kept"}, timeout_s=0.1) is Durability.JOURNALED
        fault(folder)
    until(lambda: filled.facts is not None and not filled.facts.journaled)
    assert "kept" in [row.payload["pulse"] for row in rows(folder) if row.kind == "intent" and row.payload]


def test_a_change_of_the_list_is_told_only_once_its_copy_has_it(filled: Store, folder: Path) -> None:
    for _ in range(10):
        filled.plates.remove("LEAVES2", by="test").result(5)
        copy = list_copy.find(folder / "backups")
        assert copy is not None
        assert copy.version == filled.plates.current.version
        filled.plates.add(make_entry("LEAVES2"), by="test").result(5)


def test_a_change_of_the_list_is_told_where_no_copy_can_be_made_and_health_says_so(
    filled: Store, folder: Path
) -> None:
    shutil.rmtree(folder / "backups")
    (folder / "backups").write_text("in the way")
    filled.plates.remove("LEAVES2", by="test").result(5)
    health = store_probe(filled)()
    assert health.status is Status.DEGRADED
    assert "cannot be written" in health.sentence
    assert "make room" in health.sentence


def test_what_was_spoiled_on_disk_is_found_although_nobody_meets_it(folder: Path) -> None:
    keeping = Keeping(reserve_bytes=64 * 1024, journal_bytes=64 * 1024, look_every_s=0.1)
    alarms = Noted()
    with opened(folder, alarms, keeping) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        for n in range(300):
            store.record("decision", {"n": n, "pad": "x" * 4000}).result(5)
        flip_bits(folder)
        until(lambda: "store_corrupt" in alarms.standing)
        assert plates(store) == ["AB123CD"]
    assert "recovery" in {row.kind for row in rows(folder)}


def test_a_list_that_another_program_changed_is_not_what_is_written_anew(folder: Path) -> None:
    keeping = Keeping(reserve_bytes=64 * 1024, journal_bytes=64 * 1024, look_every_s=0.1)
    alarms = Noted()
    with opened(folder, alarms, keeping) as store:
        store.plates.add(make_entry("QX777QX"), by="test").result(5)
        change = "UPDATE entry SET plate = 'QX777QZ', key = replace(key, 'QX777QX', 'QX777QZ')"
        script = f"import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: c.execute({change!r})"
        outside(sys.executable, "-c", script, folder / "pod.db")
        until(lambda: "store_corrupt" in alarms.standing)
        assert plates(store) == ["QX777QX"]
        assert store.facts is not None
        assert store.facts.recovered is not None
        assert not store.facts.recovered.is_from_memory


def test_rows_that_only_the_open_connection_still_knows_are_saved_when_the_file_is_emptied(
    filled: Store, folder: Path
) -> None:
    for n in range(5):
        filled.record("decision", {"newer": n}).result(5)
    empty(folder)
    filled.record("decision", {"newer": 5}).result(10)
    newer = [row.payload["newer"] for row in rows(folder) if row.payload and "newer" in row.payload]
    assert newer == [0, 1, 2, 3, 4, 5]
    assert filled.facts is not None
    assert filled.facts.recovered is not None
    assert filled.facts.recovered.rows_lost == 0


def test_an_emptied_database_is_not_called_one_of_an_older_schema(folder: Path) -> None:
    with opened(folder) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
    empty(folder)
    with pytest.raises(StoreError, match="is empty"):
        rows(folder)
    with opened(folder) as store:
        assert plates(store) == ["AB123CD"]
        assert store.facts is not None
        assert store.facts.recovered is not None


def test_copies_journal_and_reserve_that_were_removed_are_made_anew(filled: Store, folder: Path) -> None:
    remove_all(folder)
    filled.plates.add(make_entry("NEW44"), by="test").result(10)
    until((folder / "reserve").exists)
    with held_lock(folder):
        assert filled.make_durable("intent", {"pulse": "a"}, timeout_s=0.1) is Durability.JOURNALED
    assert (folder / "journal").is_dir()
    until(lambda: list_copy.find(folder / "backups") is not None)
    assert filled.facts is not None
    assert filled.facts.recovered is not None
    assert filled.facts.recovered.gone == ("the copies", "the journal")
    # While the journaled row waits to be imported the probe tells of that first.
    told = "Gone from the data directory, too: the copies, the journal."
    until(lambda: told in store_probe(filled)().sentence)


def test_nothing_is_written_into_another_directory_of_the_same_name(filled: Store, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(NotDurableError, match="another is in its place"):
        filled.make_durable("intent", {"pulse": "a"}, timeout_s=5)
    with pytest.raises(StoreError, match="another is in its place"):
        filled.plates.remove("LEAVES2", by="test").result(10)
    until(lambda: store_probe(filled)().status is Status.FAILING)
    with opened(folder) as second:
        second.plates.add(make_entry("SECOND2"), by="test").result(5)
        with pytest.raises(StoreError, match="another is in its place"):
            filled.record("decision", {}).result(5)
        assert plates(second) == ["SECOND2"]
    assert [row.kind for row in rows(folder)] == ["list_change"]


def test_nothing_is_written_to_a_bare_mount_point_and_all_goes_on_once_the_disk_is_back(
    tmp_path: Path,
) -> None:
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    outside("truncate", "-s", "16M", image)
    for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["losetup", "--find", "--show", str(image)]):
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip("needs a file system to be mountable")
    device = made.stdout.strip()
    try:
        if subprocess.run(["mount", device, str(place)], capture_output=True).returncode != 0:
            pytest.skip("needs a file system to be mountable")
        alarms = Noted()
        with opened(place, alarms) as store:
            store.plates.add(make_entry("AB123CD"), by="test").result(5)
            outside("umount", "-l", place)
            with pytest.raises(NotDurableError, match="is gone"):
                store.make_durable("intent", {"pulse": "a"}, timeout_s=5)
            until(lambda: "store_gone" in alarms.standing)
            assert list(place.iterdir()) == []
            late = store.record("intent", {"pulse": "a", "late": True}, wait=False)
            ended = store.record("outcome", {"pulse": "a"}, wait=False)
            outside("mount", device, place)
            assert late.result(10) == ended.result(10) == 0
            until(lambda: "store_gone" not in alarms.standing)
            until(lambda: store_probe(store)().status is not Status.FAILING)
        kinds = [row.kind for row in rows(place)]
        assert kinds[0] == "list_change"
        assert [kind for kind in kinds if kind in ("intent", "outcome")] == ["intent", "outcome"]
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True)
        subprocess.run(["losetup", "--detach", device], capture_output=True)


def test_rows_that_find_no_room_in_memory_are_counted_and_those_of_pulses_are_kept(
    filled: Store, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "away")
    others = [filled.record("decision", {"n": n}, wait=False) for n in range(140)]
    until(lambda: filled.facts is not None and filled.facts.dropped == 140 - 128)
    pulses = [filled.record("intent", {"pulse": str(n)}, wait=False) for n in range(10)]
    until(lambda: filled.facts is not None and filled.facts.unwritten == 138)
    assert "138 rows wait in memory. Rows lost since the start: 12." in store_probe(filled)().sentence
    (tmp_path / "away").rename(folder)
    assert [row.result(10) for row in pulses] == [0] * 10
    assert sum(row.exception(10) is None for row in others) == 128
    assert sum(row.kind == "intent" for row in rows(folder)) == 10


def test_a_store_whose_writer_hangs_is_closed_in_time_for_its_service(filled: Store, folder: Path) -> None:
    release = threading.Event()
    running = threading.Event()

    def hang(conn: sqlite3.Connection) -> None:
        running.set()
        release.wait(60)

    filled.submit(hang)
    assert running.wait(5)
    began_s = time.monotonic()
    with pytest.raises(StoreError, match="did not end within 5 s"):
        filled.close()
    assert time.monotonic() - began_s < CLOSE_S + 3 * REST_CLOSE_S + 0.5
    release.set()

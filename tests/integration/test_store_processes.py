"""Several processes on one database, and a disk that is full."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod.domain.errors import StoreError
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.list_plan import ImportRow
from pod.store.reader import AuditReader
from pod.store.store import Store

REPOSITORY = Path(__file__).parents[2]
PROCESSES, ROWS = 4, 40

WRITER = """
import sys
from pathlib import Path
from pod.store.store import Store

sys.stdin.readline()
with Store.open(Path(sys.argv[1])) as store:
    for n in range(int(sys.argv[3])):
        print(store.record("decision", {"writer": sys.argv[2], "n": n}).result(30))
"""

LISTER = """
import sys
from pathlib import Path
from pod.store.entries import make_entry
from pod.store.store import Store

with Store.open(Path(sys.argv[1])) as store:
    store.plates.add(make_entry(sys.argv[2]), by="another process").result(30)
"""


def test_processes_that_open_and_write_at_once_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(n), str(ROWS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for n in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    acknowledged = [int(seq) for writer in writers for seq in writer.communicate(timeout=60)[0].split()]
    assert [writer.returncode for writer in writers] == [0] * PROCESSES
    assert sorted(acknowledged) == list(range(1, PROCESSES * ROWS + 1))
    conn = connect_reader(path)
    result = audit.verify(conn)
    conn.close()
    assert (result.ok, result.rows) == (True, PROCESSES * ROWS)


def test_the_snapshot_follows_what_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    with Store.open(path) as store:
        before = store.plates.current
        subprocess.run(
            [sys.executable, "-c", LISTER, str(path), "AB123CD"], check=True, cwd=REPOSITORY, timeout=30
        )
        until(lambda: bool(store.plates.current.index.by_key("AB123CD")))
        assert before.entries == ()
        assert store.record("decision", {}).result(5) == 2


async def test_the_reader_sees_each_row_once_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    with Store.open(path, now_us=lambda: 1_700_000_000_000_000) as store:
        async with await AuditReader.open(path) as reader:
            assert await reader.latest_of_cars(10) == []
            for n in range(5):
                store.record("decision", {"n": n}).result(5)
            assert [row.payload for row in await reader.latest_of_cars(2)] == [{"n": 4}, {"n": 3}]
            (row,) = await reader.latest_of_cars(1)
            assert row.at.isoformat() == "2023-11-14T22:13:20+00:00"
        with pytest.raises(StoreError, match="no database at"):
            await AuditReader.open(tmp_path / "other.db")


async def test_changes_of_the_list_push_no_car_out_of_what_the_page_reads(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    with Store.open(path) as store:
        for kind in ("decision", "intent", "outcome"):
            store.record(kind, {"plate": "AB123CD"}).result(5)
        rows = [ImportRow(make_entry(f"XY{n}", exact_only=True), n) for n in range(300)]
        store.plates.import_rows(rows, by="test").result(10)
        async with await AuditReader.open(path) as reader:
            assert [row.kind for row in await reader.latest_of_cars(200)] == ["outcome", "intent", "decision"]


def test_the_rows_about_cars_are_found_by_their_index_however_many_others_there_are(tmp_path: Path) -> None:
    Store.open(tmp_path / "pod.db").close()
    conn = connect_reader(tmp_path / "pod.db")
    plan = conn.execute(f"EXPLAIN QUERY PLAN {audit.LATEST_OF_CARS_SQL}", (1,)).fetchall()
    conn.close()
    assert "INDEX audit_of_cars" in str(plan)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs a file system to be mountable here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError:
            return filler


def test_a_full_disk_refuses_the_row_and_writing_resumes_once_there_is_room(small_disk: Path) -> None:
    path = small_disk / "pod.db"
    with Store.open(path) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        filler = fill(small_disk)
        # The log keeps some room of its own; this is more than that.
        writes = [store.record("decision", {"pad": "x" * 20_000}) for _ in range(100)]
        # All of them, so that none is left to fill the disk again once there is room.
        faults = [error for error in [write.exception(10) for write in writes] if error]
        assert faults
        assert all("the disk is full: free space on it" in str(error) for error in faults)
        assert store.alive
        assert store.plates.current.index.by_key("AB123CD")
        filler.unlink()
        last = store.record("decision", {}).result(5)
    conn = connect_reader(path)
    result = audit.verify(conn)
    conn.close()
    assert (result.ok, result.rows) == (True, last)


def test_a_database_that_finds_no_room_to_begin_says_so(small_disk: Path) -> None:
    filler = fill(small_disk)
    with pytest.raises(StoreError, match=r"disk is full: free space on it|make room"):
        Store.open(small_disk / "pod.db")
    filler.unlink()
    Store.open(small_disk / "pod.db").close()


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for a condition; fails where it does not come true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true in time"
        time.sleep(0.01)

"""An import whose process is killed at any moment counts whole or not at all."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.list_plan import ImportRow
from pod.store.list_staging import ABANDONED_S
from pod.store.store import Store

REPOSITORY = Path(__file__).parents[2]
ROWS = 600

IMPORTER = f"""
import sys
from pathlib import Path
from pod.store.entries import make_entry
from pod.store.list_plan import ImportRow
from pod.store.store import Store

with Store.open(Path(sys.argv[1])) as store:
    rows = [ImportRow(make_entry(f"AB{{n:05}}", label="new", exact_only=True), n) for n in range({ROWS})]
    submit = store.plates._import._staging._submit
    count = 0
    def told(job):
        global count
        count += 1
        print(count, flush=True)
        sys.stdin.readline()
        return submit(job)
    store.plates._import._staging._submit = told
    store.plates.import_rows(rows, by="test").result(60)
"""


@pytest.mark.parametrize("jobs", [3, 6, 9, 10, 11, 13])
def test_an_import_killed_midway_counts_whole_or_not_at_all(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "pod.db"
    with Store.open(path) as store:
        store.plates.add(make_entry("AB00000", label="old", exact_only=True), by="test").result(5)
    importer = subprocess.Popen(
        [sys.executable, "-c", IMPORTER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert importer.stdin is not None
    assert importer.stdout is not None
    for _ in range(jobs):
        importer.stdout.readline()
        importer.stdin.write("go on\n")
        importer.stdin.flush()
    importer.kill()
    importer.wait()
    with Store.open(path, now_us=later_us) as store:
        labels = [entry.label for entry in store.plates.current.entries]
        assert labels in (["old"], ["new"] * ROWS)
        assert jobs in (9, 10) or (labels == ["old"]) == (jobs < 9)
        rows = [ImportRow(make_entry(f"CD{n:05}", exact_only=True), n) for n in range(150)]
        store.plates.import_rows(rows, by="test").result(30)
        assert len(store.plates.current.entries) == len(labels) + 150
        assert store.submit(
            lambda c: c.execute(
                "SELECT count(*), (SELECT count(*) FROM list_import) FROM entry WHERE brought_by OR ended_by"
            ).fetchone()
        ).result(5) == (0, 0)
    conn = connect_reader(path)
    assert audit.verify(conn).ok
    conn.close()


def later_us() -> int:
    """A clock by which an import that was killed just now was cut off long ago."""
    return time.time_ns() // 1000 + (ABANDONED_S + 1) * 1_000_000

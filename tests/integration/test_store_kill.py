"""A process that writes and is killed at any moment loses nothing it acknowledged."""

import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.store import Store

KILLS_WHILE_WRITING = 20
KILLS_WHILE_OPENING = 6

CHILD = """
import sys
from collections import deque
from pathlib import Path
from pod.store.entries import make_entry
from pod.store.store import Grant, Store

print("starting", flush=True)
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
waiting = deque()
n = 0
while True:
    n += 1
    plate = f"{sys.argv[2]}{n:05d}"
    if n % 5:
        row = store.record("decision", {"plate": plate, "pad": "x" * (n % 700)}, grant=Grant("north", plate))
        waiting.append(("row", plate, row))
    else:
        entry = make_entry(plate, exact_only=True)
        waiting.append(("listed", plate, store.plates.add(entry, by="kill test")))
    # Several writes in flight, so that a kill finds the queue filled.
    while len(waiting) > 8:
        kind, plate, future = waiting.popleft()
        result = future.result()  # only what is committed counts as acknowledged
        print(kind, plate, result if kind == "row" else "-", flush=True)
"""


@dataclass
class Killed:
    """What a child acknowledged before it was killed."""

    rows: dict[int, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)


def killed(path: Path, prefix: str, *, after_line: str, delay_s: float) -> Killed:
    """Start a writer, wait for its first line `after_line`, then kill it `delay_s` later."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), prefix],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(after_line):
            break
    lines = [line]
    rest = threading.Thread(target=lambda: lines.extend(child.stdout or ()))
    rest.start()
    time.sleep(delay_s)
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    rest.join(10)
    child.stdout.close()
    acknowledged = Killed()
    for line in lines:
        # The last line may be cut short.
        if line.endswith("\n") and line.startswith("row "):
            _, plate, seq = line.split()
            acknowledged.rows[int(seq)] = plate
        elif line.endswith("\n") and line.startswith("listed "):
            acknowledged.listed.add(line.split()[1])
    return acknowledged


def test_every_acknowledged_write_survives_kill_9_while_writing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pod.db"
    moments = random.Random(20)
    rows: dict[int, str] = {}
    listed: set[str] = set()
    lost: set[str] = set()
    for kill in range(KILLS_WHILE_WRITING):
        seen = killed(path, chr(ord("A") + kill) + "K", after_line="row ", delay_s=moments.uniform(0, 0.25))
        assert seen.rows, "the child acknowledged nothing, so this kill proves nothing"
        rows |= seen.rows
        listed |= seen.listed
        conn = connect_reader(path)  # reads past the dead writer's log before any writer mends it
        result = audit.verify(conn)
        assert result.ok, result.reason
        held = {row.seq: row.payload for row in map(audit.row_from, conn.execute(audit.SINCE_SQL, (0, -1)))}
        conn.close()
        lost |= {f"row {seq}" for seq, plate in rows.items() if (held.get(seq) or {}).get("plate") != plate}
    with Store.open(path) as store:
        lost |= {f"entry {p}" for p in listed - {entry.plate for entry in store.plates.current.entries}}
        lost |= {f"grant {p}" for p in set(rows.values()) - set(store.last_grants("north"))}
        assert store.record("decision", {}).result(5) == result.rows + 1
    with capsys.disabled():
        print(
            f"\nkill -9 while writing: {len(rows) + len(listed)} acknowledged writes, "
            f"{KILLS_WHILE_WRITING} kills, {len(lost)} lost"
        )
    assert len(rows) + len(listed) > KILLS_WHILE_WRITING
    assert lost == set()


def test_kill_9_while_the_database_is_made_leaves_one_that_opens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moments = random.Random(6)
    half_made = 0
    for kill in range(KILLS_WHILE_OPENING):
        path = tmp_path / f"{kill}.db"
        killed(path, "AK", after_line="starting", delay_s=moments.uniform(0, 0.04))
        half_made += path.exists()
        with Store.open(path) as store:
            store.record("pod_started", {}).result(5)
        conn = connect_reader(path)
        assert audit.verify(conn).ok
        conn.close()
    with capsys.disabled():
        print(f"\nkill -9 while opening: {KILLS_WHILE_OPENING} kills, {half_made} found it begun, 0 lost")
    assert half_made > 0

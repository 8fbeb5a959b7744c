"""Put the store under fire and count: kill -9 while it writes and while it recovers, and flipped bits.

Prints one JSON object: attempts, faults met and losses, each by kind. Exits with 1 on any loss, and where
nothing was tried or a fault was not met: such a drill proves nothing.
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from pod.domain.entry import Entry, Verdict
from pod.domain.errors import StoreError
from pod.domain.situation import SiteState
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.keeping import Keeping
from pod.store.store import Store

KEEPING = Keeping(reserve_bytes=64 * 1024, journal_bytes=256 * 1024)

WRITER = """
import sys, uuid
from pathlib import Path
from pod.store.entries import make_entry
from pod.store.grants import Grant
from pod.store.keeping import Keeping
from pod.store.late_rows import NotDurableError
from pod.store.store import Store

print("starting", flush=True)
store = Store.open(Path(sys.argv[1]), keeping=Keeping(reserve_bytes=65536, journal_bytes=262144))
print("open", flush=True)
n = 0
while True:
    n += 1
    pulse = uuid.uuid4().hex
    if n % 7 == 0:
        plate = f"{sys.argv[2]}{n:05d}"
        try:
            store.plates.add(make_entry(plate, exact_only=True), by="drill").result(0.5)
            print("listed", plate, flush=True)
        except Exception:
            pass
        continue
    try:
        where = store.make_durable("intent", {"pulse": pulse, "pad": "x" * (n % 500)}, timeout_s=0.02)
    except NotDurableError:
        continue
    print(where.value, pulse, flush=True)
    store.record("outcome", {"pulse": pulse}, wait=False)
"""

OPENER = """
import sys
from pathlib import Path
from pod.store.keeping import Keeping
from pod.store.store import Store

print("starting", flush=True)
Store.open(Path(sys.argv[1]), keeping=Keeping(reserve_bytes=65536, journal_bytes=262144)).close()
"""


class Drill:
    """Counts what was tried, what it met, and what was lost."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.attempts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.losses: list[str] = []

    def kill_writers(self, cycles: int) -> None:
        """Kill a writer while another process now and then holds the lock: no promise may be lost."""
        place = self.folder / "writer"
        place.mkdir()
        Store.open(place / "pod.db").close()
        promised: dict[str, str] = {}
        listed: set[str] = set()
        for cycle in range(cycles):
            letters = chr(ord("A") + cycle // 26 % 26) + chr(ord("A") + cycle % 26)
            lines = self._killed(WRITER, place, letters, after="committed", holds_lock=cycle % 2 == 0)
            for kind, value in (line.split() for line in lines if len(line.split()) == 2):
                if kind in ("committed", "journaled"):
                    promised[value] = kind
                    self.faults[f"intent {kind}"] += 1
                elif kind == "listed":
                    listed.add(value)
            self.attempts["kill while writing"] += 1
        with Store.open(place / "pod.db", keeping=KEEPING) as store:
            store.record("decision", {}).result(10)
            plates = {entry.plate for entry in store.plates.current.index.entries}
            self.losses += [f"entry {plate}" for plate in listed - plates]
        intents = (row.payload for row in self._rows(place) if row.kind == "intent")
        found = Counter(payload["pulse"] for payload in intents if payload)
        self.losses += [f"{kind} intent {pulse}" for pulse, kind in promised.items() if found[pulse] != 1]
        self.losses += [f"intent {pulse} is there {n} times" for pulse, n in found.items() if n > 1]

    def kill_recoveries(self, cycles: int) -> None:
        """Kill a process that recovers a database; whoever opens it next must find the same list."""
        truth = self._model("recovery")
        for cycle in range(cycles):
            place = self.folder / f"recovery-{cycle}"
            shutil.copytree(truth.place, place)
            content = bytearray((place / "pod.db").read_bytes())
            for page in range(1, len(content) // 4096):
                content[page * 4096 : page * 4096 + 64] = self.random.randbytes(64)
            (place / "pod.db").write_bytes(content)
            self._killed(OPENER, place, "", after="starting", holds_lock=False, longest_s=0.15)
            self.attempts["kill while recovering"] += 1
            cut = (place / "pod.db.restoring").exists() or (place / "pod.db.restored").exists()
            self.faults["recovery cut off"] += cut
            self._judge(place, truth, "a recovery that was killed")
            shutil.rmtree(place)

    def flip_bits(self, flips: int) -> None:
        """Flip one bit of one file; the store must be right, recover, or refuse with a mend."""
        truth = self._model("flip")
        names = ["pod.db"] * 6 + ["pod.db-wal"] * 3 + ["journal/rows.journal", "backups/list.copy"]
        for flip in range(flips):
            place = self.folder / f"flip-{flip}"
            shutil.copytree(truth.place, place)
            path = place / self.random.choice(names)
            content = bytearray(path.read_bytes())
            # The head and the first pages lead to all others.
            end = len(content) if self.random.random() < 0.7 else min(len(content), 8192)
            at = self.random.randrange(end)
            content[at] ^= 1 << self.random.randrange(8)
            path.write_bytes(content)
            self.attempts[f"flip in {path.name}"] += 1
            self._judge(place, truth, f"bit flipped in {path.name} at {at}")
            shutil.rmtree(place)

    def _judge(self, place: Path, truth: "Model", what: str) -> None:
        try:
            store = Store.open(place / "pod.db", keeping=KEEPING)
        except StoreError as error:
            self.faults["refused"] += 1
            print(f"{what}: refused: {error}", file=sys.stderr)
            if ":" not in str(error):
                self.losses.append(f"{what}: refused without a mend: {error}")
            return
        with store:
            facts, current = store.facts, store.plates.current
            self.faults["recovered" if facts is not None and facts.recovered is not None else "harmless"] += 1
            listed = {entry.id: entry for entry in current.index.entries}
            if not listed or not set(listed.items()) <= set(truth.entries.items()):
                strange = [e.plate for id_, e in listed.items() if truth.entries.get(id_) != e]
                recovered = None if facts is None else facts.recovered
                self.losses.append(
                    f"{what}: the list is not the one that was written: {len(listed)} entries, "
                    f"strange {strange}, recovered {recovered}"
                )
            missing = {id_: e for id_, e in truth.entries.items() if id_ not in listed}
            if missing and (facts is None or facts.recovered is None):
                self.losses.append(f"{what}: {len(missing)} entries went without a word")
            if any(entry.verdict is Verdict.DENY for entry in missing.values()):
                self.losses.append(f"{what}: a denial is gone")
            if current.state != truth.state:
                self.losses.append(f"{what}: the site's switches are not as they were")
            store.record("decision", {}).result(10)
        try:
            self._rows(place)
        except StoreError as error:
            self.losses.append(f"{what}: {error}")

    def _model(self, name: str) -> "Model":
        """A store of many rows and entries, killed with rows in its log, the list copied."""
        place = self.folder / name
        place.mkdir()
        with Store.open(place / "pod.db", keeping=KEEPING) as store:
            for n in range(40):
                verdict = Verdict.DENY if n % 10 == 0 else Verdict.ALLOW
                uses = 3 if n % 7 == 1 else None
                entry = make_entry(f"DR{n:03d}", verdict, uses_left=uses, exact_only=True)
                store.plates.add(entry, by="drill").result(10)
            store.plates.switch(lambda _: SiteState(lockdown=True), by="drill").result(10)
            for n in range(150):
                row = store.record("decision", {"n": n, "pad": "x" * 200})
            row.result(10)
        with Store.open(place / "pod.db", keeping=KEEPING) as store:
            until_copied(store, place)
            for n in range(100):
                row = store.record("decision", {"n": n, "pad": "y" * 200})
            row.result(10)
            entries = {entry.id: entry for entry in store.plates.current.index.entries}
            state = store.plates.current.state
            # As kill -9 leaves it: with what is only in the log.
            copied = place.with_name(name + "-model")
            shutil.copytree(place, copied)
        return Model(copied, entries, state)

    def _killed(
        self, script: str, place: Path, word: str, *, after: str, holds_lock: bool, longest_s: float = 0.25
    ) -> list[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(place / "pod.db"), word], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        lines: list[str] = []
        for line in child.stdout:
            lines.append(line)
            if line.startswith(after):
                break
        rest = threading.Thread(target=lambda: lines.extend(child.stdout or ()))
        rest.start()
        with closing(sqlite3.connect(place / "pod.db", isolation_level=None, timeout=2)) as holder:
            if holds_lock:
                holder.execute("BEGIN IMMEDIATE")
            time.sleep(self.random.uniform(0, longest_s))
            child.kill()
            status = child.wait(10)
        rest.join(10)
        child.stdout.close()
        self.faults["killed"] += status == -signal.SIGKILL
        return [line for line in lines if line.endswith("\n")]

    def _rows(self, place: Path) -> list[audit.AuditRow]:
        with closing(connect_reader(place / "pod.db")) as conn:
            result = audit.verify(conn)
            if not result.ok:
                raise StoreError(f"the audit does not hold: {result.reason}")
            return [audit.row_from(row) for row in conn.execute(audit.SINCE_SQL, (0, -1))]


class Model:
    """What must be found again."""

    def __init__(self, place: Path, entries: dict[int, Entry], state: SiteState) -> None:
        self.place = place
        self.entries = entries
        self.state = state


def until_copied(store: Store, place: Path) -> None:
    """Wait for the copies of list and database."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        facts = store.facts
        if facts is not None and facts.copy_at is not None and (place / "backups/list.copy").exists():
            return
        time.sleep(0.05)
    raise SystemExit("no copy was made")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills while writing")
    parser.add_argument("--recoveries", type=int, default=50, help="kills while recovering")
    parser.add_argument("--flips", type=int, default=600, help="bits to flip, one at a time")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="platebridge-drill-") as name:
        drill = Drill(Path(name), given.seed)
        drill.kill_writers(given.kills)
        drill.kill_recoveries(given.recoveries)
        drill.flip_bits(given.flips)
    print(json.dumps({"attempts": drill.attempts, "faults": drill.faults, "losses": drill.losses}, indent=2))
    wanted = ("killed", "intent journaled", "recovered")
    proves_nothing = not drill.attempts or any(not drill.faults[kind] for kind in wanted)
    if proves_nothing:
        print("nothing was proved: a fault that belongs to the drill was not met", file=sys.stderr)
    return 1 if drill.losses or proves_nothing else 0


if __name__ == "__main__":
    raise SystemExit(main())

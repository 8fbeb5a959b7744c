"""A keeping store on real faults: a lock held, a full disk, a file exchanged or spoiled, a directory gone."""

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running_pod import until

from pod.domain.entry import Verdict
from pod.domain.errors import StoreError, UsesSpentError
from pod.domain.situation import SiteState
from pod.services.health import Status
from pod.services.probes import store_probe
from pod.store import audit
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.grants import Grant
from pod.store.keeping import Keeping
from pod.store.late_rows import Durability, NotDurableError
from pod.store.reader import AuditReader
from pod.store.store import JOURNAL_WAIT_S, Store

KEEPING = Keeping(reserve_bytes=1536 * 1024, journal_bytes=64 * 1024)

HOLDER = """
import sqlite3, sys
sys.stdin.readline()
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@dataclass
class Noted:
    """Alarms as they stand."""

    standing: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def begin(self, code: str, subject: str, text: str) -> None:
        self.standing[code] = text

    def end(self, code: str, subject: str) -> None:
        if self.standing.pop(code, None) is not None:
            self.ended.append(code)


def opened(folder: Path, alarms: Noted | None = None) -> Store:
    store = Store.open(folder / "pod.db", keeping=KEEPING)
    store.attend(alarms or Noted(), lambda need_bytes: 0)
    return store


def rows(folder: Path) -> list[audit.AuditRow]:
    with closing(connect_reader(folder / "pod.db")) as conn:
        result = audit.verify(conn)
        assert result.ok, result.reason
        return [audit.row_from(row) for row in conn.execute(audit.SINCE_SQL, (0, -1))]


def settled(store: Store, folder: Path) -> None:
    """Wait until the list as it is now has its copy."""
    from pod.store import list_copy

    def is_copied() -> bool:
        copy = list_copy.find(folder / "backups")
        return copy is not None and copy.version == store.plates.current.version

    until(is_copied)


def to_disk(folder: Path) -> None:
    """Bring everything out of the log into the file itself."""
    with closing(sqlite3.connect(folder / "pod.db")) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def lock_holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, to hold the database's lock from its first line of input to its second."""
    Store.open(tmp_path / "pod.db").close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "pod.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield holder
    holder.kill()
    holder.communicate()


def let_hold(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("hold\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "held\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real ext4 of 8 MB."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    made = [["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(place)]]
    for command in made:
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("needs a file system to be mountable")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_an_intent_is_journaled_in_time_while_another_process_holds_the_lock(
    tmp_path: Path, lock_holder: subprocess.Popen[str]
) -> None:
    alarms = Noted()
    with opened(tmp_path, alarms) as store:
        let_hold(lock_holder)
        began_s = time.monotonic()
        grant = Grant("north", "AB123CD")
        assert (
            store.make_durable("intent", {"pulse": "a"}, grant=grant, timeout_s=0.1) is Durability.JOURNALED
        )
        assert time.monotonic() - began_s < 0.1 + JOURNAL_WAIT_S + 0.5
        assert store.record("outcome", {"pulse": "a"}, wait=False).result(5) == 0
        assert "store_journaling" in alarms.standing
        assert store_probe(store)().status is not Status.OK
        lock_holder.communicate("go\n")
        assert store.record("decision", {"n": 1}).result(20) == 3
        assert store.last_grants("north").keys() == {"AB123CD"}
        assert alarms.ended == ["store_journaling"]
    told = [(row.kind, row.payload) for row in rows(tmp_path)]
    assert told == [
        ("intent", {"late": True, "pulse": "a"}),
        ("outcome", {"late": True, "pulse": "a"}),
        ("decision", {"n": 1}),
    ]


def test_a_counted_use_is_never_journaled(tmp_path: Path, lock_holder: subprocess.Popen[str]) -> None:
    with opened(tmp_path) as store:
        store.plates.add(make_entry("AB123CD", uses_left=2), by="test").result(5)
        (entry,) = store.plates.current.index.entries
        let_hold(lock_holder)
        grant = Grant("north", entry.key, entry.id)
        with pytest.raises(NotDurableError) as refused:
            store.make_durable("intent", {"pulse": "a"}, grant=grant, timeout_s=0.05)
        assert not refused.value.may_appear
        lock_holder.communicate("go\n")
        store.record("outcome", {"pulse": "a"}, revoke=grant).result(20)
        assert store.plates.current.index.entries[0].uses_left == 2


def test_uses_run_out_and_only_one_that_was_taken_comes_back(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.plates.add(make_entry("AB123CD", uses_left=1), by="test").result(5)
        (entry,) = store.plates.current.index.entries
        grant = Grant("north", entry.key, entry.id)
        assert store.make_durable("intent", {"pulse": "a"}, grant=grant, timeout_s=5) is Durability.COMMITTED
        with pytest.raises(UsesSpentError):
            store.make_durable("intent", {"pulse": "b"}, grant=grant, timeout_s=5)
        store.record("outcome", {"pulse": "b"}, revoke=grant).result(5)
        assert store.plates.current.index.entries[0].uses_left == 0
        store.record("outcome", {"pulse": "a"}, revoke=grant).result(5)
        assert store.plates.current.index.entries[0].uses_left == 1


def test_a_row_whose_commit_comes_after_all_is_not_imported_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.record("decision", {}).result(5)
        # The intent's own transaction hangs between its row and its commit.
        store.submit(lambda conn: conn.create_function("hang", 0, lambda: time.sleep(0.4))).result(5)
        store.submit(
            lambda conn: conn.execute(
                "CREATE TEMP TRIGGER hang AFTER INSERT ON main.audit WHEN NEW.kind = 'intent' "
                "BEGIN SELECT hang(); END"
            )
        ).result(5)
        assert store.make_durable("intent", {"pulse": "a"}, timeout_s=0.05) is Durability.JOURNALED
        store.record("decision", {}).result(5)
    kinds = [row.kind for row in rows(tmp_path)]
    assert kinds == ["decision", "intent", "decision"]


def test_the_journal_outlives_kill_9(tmp_path: Path, lock_holder: subprocess.Popen[str]) -> None:
    let_hold(lock_holder)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pathlib import Path; from pod.store.store import Store;"
            "from pod.store.keeping import Keeping;"
            "from pod.store import connection; store = Store.open(Path(sys.argv[1]), keeping=Keeping());"
            "print(store.make_durable('intent', {'pulse': 'a'}, timeout_s=0.05).value, flush=True);"
            "os.kill(os.getpid(), 9)",
            str(tmp_path / "pod.db"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.stdout == "journaled\n", child.stderr
    lock_holder.communicate("go\n")
    with opened(tmp_path) as store:
        until(lambda: store.facts is not None and store.facts.journaled == 0)
    assert [row.payload for row in rows(tmp_path)] == [{"late": True, "pulse": "a"}]


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            pass


def test_a_full_disk_still_audits_from_the_reserve_and_heals_when_there_is_room(small_disk: Path) -> None:
    alarms = Noted()
    asked: list[int] = []
    with Store.open(small_disk / "pod.db", keeping=KEEPING) as store:
        store.attend(alarms, lambda need_bytes: asked.append(need_bytes) or 0)
        assert store.facts is not None
        assert store.facts.is_reserve_held
        fill(small_disk)
        for n in range(30):
            store.record("decision", {"n": n, "pad": "x" * 2000}).result(20)
        assert asked != []
        assert "disk_full" in alarms.standing
        assert store_probe(store)().status is Status.DEGRADED
        (small_disk / "filler").unlink()
        until(lambda: "disk_full" in alarms.ended)
        assert "held back" not in store_probe(store)().sentence
    assert [row.payload and row.payload["n"] for row in rows(small_disk)] == list(range(30))


def test_a_store_opens_on_a_disk_without_a_byte_to_spare_from_the_reserve(small_disk: Path) -> None:
    with opened(small_disk) as store:
        assert store.facts is not None
        assert store.facts.is_reserve_held
    for name in ("pod.db-wal", "pod.db-shm"):  # as after a restart of the box
        (small_disk / name).unlink(missing_ok=True)
    fill(small_disk)
    with (small_disk / "filler").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    alarms = Noted()
    with opened(small_disk, alarms) as store:
        store.record("decision", {"n": 1}).result(20)
        assert "disk_full" in alarms.standing
    assert [row.kind for row in rows(small_disk)] == ["decision"]


def test_with_the_reserve_used_up_intents_go_to_the_journal_and_come_back(small_disk: Path) -> None:
    with opened(small_disk) as store:
        fill(small_disk)
        refused = 0
        while not refused:
            try:
                store.record("decision", {"pad": "x" * 20_000}).result(20)
            except StoreError:
                refused += 1
        outcomes = {
            store.make_durable("intent", {"pulse": str(n), "pad": "x" * 4000}, timeout_s=1) for n in range(5)
        }
        assert Durability.JOURNALED in outcomes
        (small_disk / "filler").unlink()
        until(lambda: store.facts is not None and store.facts.journaled == 0)
    pulses = [row.payload["pulse"] for row in rows(small_disk) if row.kind == "intent" and row.payload]
    assert sorted(pulses) == [str(n) for n in range(5)]


def test_a_disk_that_the_kernel_made_read_only_takes_no_promise(small_disk: Path) -> None:
    with opened(small_disk) as store:
        store.record("decision", {}).result(5)
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(small_disk)], capture_output=True, text=True, check=True
        )
        name = Path(device.stdout.strip()).name
        subprocess.run(["mount", "-o", "remount,errors=remount-ro", str(small_disk)], check=True)
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("worn out")
        with pytest.raises(NotDurableError):
            store.make_durable("intent", {"pulse": "a"}, timeout_s=0.2)
        until(lambda: store_probe(store)().status is Status.FAILING)


def test_a_data_directory_that_is_gone_takes_no_promise_until_it_is_back(
    tmp_path: Path,
) -> None:
    place = tmp_path / "data"
    place.mkdir()
    with opened(place) as store:
        store.record("decision", {}).result(5)
        place.rename(tmp_path / "elsewhere")
        with pytest.raises(NotDurableError, match="is gone"):
            store.make_durable("intent", {"pulse": "a"}, timeout_s=0.5)
        (tmp_path / "elsewhere").rename(place)
        assert store.make_durable("intent", {"pulse": "b"}, timeout_s=5) is Durability.COMMITTED
    assert [row.kind for row in rows(place)] == ["decision", "intent"]


@pytest.mark.parametrize("stranger", [None, b"not a database at all"], ids=["removed", "exchanged"])
def test_a_database_removed_while_the_pod_runs_is_put_back_whole(
    tmp_path: Path, stranger: bytes | None
) -> None:
    alarms = Noted()
    with opened(tmp_path, alarms) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        for name in ("pod.db", "pod.db-wal", "pod.db-shm"):
            (tmp_path / name).unlink()
        if stranger is not None:
            (tmp_path / "pod.db").write_bytes(stranger)
        assert store.make_durable("intent", {"pulse": "a"}, timeout_s=10) is Durability.COMMITTED
        assert "store_corrupt" in alarms.standing
    assert [row.kind for row in rows(tmp_path)] == ["list_change", "recovery", "intent"]
    with Store.open(tmp_path / "pod.db") as store:
        assert [entry.plate for entry in store.plates.current.index.entries] == ["AB123CD"]


def spoil(path: Path) -> None:
    """Write noise over the head of every page but the first."""
    noise = random.Random(4)
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(noise.randbytes(64))


async def test_a_database_spoiled_while_the_pod_runs_is_recovered_without_a_restart(tmp_path: Path) -> None:
    alarms = Noted()
    with opened(tmp_path, alarms) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        store.plates.add(make_entry("GONE99"), by="test").result(5)
        for n in range(50):
            store.record("decision", {"n": n, "pad": "x" * 400}).result(5)
        settled(store, tmp_path)
        store.plates.remove("GONE99", by="test").result(5)
        settled(store, tmp_path)
        async with await AuditReader.open(tmp_path / "pod.db") as reader:
            assert len(await reader.latest_of_cars(5)) == 5
            to_disk(tmp_path)
            spoil(tmp_path / "pod.db")
            intent = {"pulse": "a", "pad": "x" * 9000}
            until(lambda: store.make_durable("intent", intent, timeout_s=5) is Durability.COMMITTED)
            assert "store_corrupt" in alarms.standing
            assert [entry.plate for entry in store.plates.current.index.entries] == ["AB123CD"]
            assert (await reader.latest_of_cars(1))[0].kind == "intent"
        (kept,) = (tmp_path / "quarantine").iterdir()
        assert (kept / "pod.db").stat().st_size > 0
        health = store_probe(store)()
        assert health.status is Status.DEGRADED
        assert "was damaged" in health.sentence
    assert "recovery" in {row.kind for row in rows(tmp_path)}


def test_a_changed_bit_in_a_plate_is_found_at_the_start_and_the_written_list_put_back(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.plates.add(make_entry("QX777QX"), by="test").result(5)
        settled(store, tmp_path)
    with closing(sqlite3.connect(tmp_path / "pod.db")) as conn:
        conn.execute("UPDATE entry SET plate = 'QX777QZ', key = replace(key, 'QX777QX', 'QX777QZ')")
        conn.commit()
    alarms = Noted()
    with opened(tmp_path, alarms) as store:
        assert [entry.plate for entry in store.plates.current.index.entries] == ["QX777QX"]
    assert "not as it was written" in alarms.standing["store_corrupt"]


def test_a_schema_that_is_no_text_any_more_is_damage_like_any_other(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        settled(store, tmp_path)
    to_disk(tmp_path)
    content = (tmp_path / "pod.db").read_bytes()
    (tmp_path / "pod.db").write_bytes(content.replace(b"CREATE TABLE", b"CREATE\xd4TABLE"))
    with opened(tmp_path) as store:
        assert [entry.plate for entry in store.plates.current.index.entries] == ["AB123CD"]
        assert store.facts is not None
        assert store.facts.recovered is not None


def test_an_older_copy_of_the_list_brings_back_nobody_and_no_use(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for plate in ("STAYS11", "LEAVES2", "LATER33"):
            store.plates.add(make_entry(plate), by="test").result(5)
        store.plates.add(make_entry("COUNT44", uses_left=2), by="test").result(5)
        settled(store, tmp_path)
        until(lambda: store.facts is not None and store.facts.copy_at is not None)
        kept = (tmp_path / "backups/list.copy").read_bytes()
        store.plates.remove("LEAVES2", by="test").result(5)
        store.plates.add(make_entry("DENIED5", Verdict.DENY), by="test").result(5)
        store.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5)
        counted = next(e for e in store.plates.current.index.entries if e.plate == "COUNT44")
        grant = Grant("north", counted.key, counted.id)
        intent = {"pulse": "a", "plate": "COUNT44", "entry": "COUNT44"}
        store.make_durable("intent", intent, grant=grant, timeout_s=5)
    for name in ("list.copy", "list.copy.before"):
        (tmp_path / "backups" / name).write_bytes(kept)
    with closing(sqlite3.connect(tmp_path / "pod.db")) as conn:
        conn.execute("UPDATE list_state SET version = 1")  # as if its page had been lost
        conn.commit()
    with opened(tmp_path) as store:
        listed = {entry.plate: entry for entry in store.plates.current.index.entries}
        assert set(listed) == {"STAYS11", "LATER33", "COUNT44", "DENIED5"}
        assert listed["COUNT44"].uses_left == 1
        assert store.plates.current.state.lockdown
        assert listed["DENIED5"].verdict is Verdict.DENY
        assert store.facts is not None
        assert store.facts.recovered is not None
        assert not store.facts.recovered.is_list_unsure


def test_another_process_that_had_the_damaged_file_open_writes_into_the_new_one(tmp_path: Path) -> None:
    with opened(tmp_path) as store, Store.open(tmp_path / "pod.db") as other:
        for n in range(40):
            other.record("decision", {"n": n, "pad": "x" * 400}).result(5)
        settled(store, tmp_path)
        to_disk(tmp_path)
        spoil(tmp_path / "pod.db")
        until(lambda: store.make_durable("intent", {"pad": "x" * 9000}, timeout_s=5) is Durability.COMMITTED)
        other.plates.add(make_entry("AB123CD"), by="test").result(10)
        until(lambda: [entry.plate for entry in store.plates.current.index.entries] == ["AB123CD"])
    assert rows(tmp_path)[-1].kind == "list_change"


def test_what_was_erased_does_not_come_back_with_an_older_copy(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.record("decision", {"plate": "SECRET1"}).result(5)
        until(lambda: store.facts is not None and store.facts.copy_at is not None)
        store.submit(lambda conn: conn.execute("UPDATE audit SET payload = NULL, salt = NULL")).result(5)
        settled(store, tmp_path)
    with closing(sqlite3.connect(tmp_path / "pod.db")) as conn:
        conn.execute("UPDATE list_state SET lockdown = 1")
        conn.commit()
    with opened(tmp_path) as store:
        assert store.facts is not None
        assert store.facts.recovered is not None
    assert rows(tmp_path)[0].payload is None


def test_the_drill_meets_its_faults_and_loses_nothing() -> None:
    script = Path(__file__).parents[2] / "scripts/lib/store_drill.py"
    drill = subprocess.run(
        [sys.executable, str(script), "--kills", "4", "--recoveries", "3", "--flips", "30"],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert '"losses": []' in drill.stdout

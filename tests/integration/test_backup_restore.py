"""`platebridge pod backup` beside a writer, and `pod restore` where nothing runs."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mutations import meet, spoilt
from promises import Prove
from running_pod import until

from pod.domain.errors import StoreError
from pod.domain.situation import SiteState
from pod.runtime.instance_lock import InstanceLock
from pod.store import audit, backup, list_copy
from pod.store.connection import connect_reader
from pod.store.entries import make_entry
from pod.store.grants import Grant
from pod.store.keeping import Keeping
from pod.store.store import Store

NOW = datetime(2026, 7, 1, tzinfo=UTC)
KEEPING = Keeping(reserve_bytes=64 * 1024, journal_bytes=64 * 1024)

CONFIG = """
data_dir: {data}
cameras:
  - name: north
    url: rtsp://192.0.2.1/stream
    gate: main
gates:
  - name: main
    driver: simulated
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def config(tmp_path: Path, data: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(data=data))
    return path


def platebridge(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("platebridge")), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )


def plates(data: Path) -> set[str]:
    with Store.open(data / "pod.db") as store:
        return {entry.plate for entry in store.plates.current.index.entries}


def test_a_backup_made_while_the_store_is_open_comes_back_with_its_list_and_audit(
    data: Path, config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "gate.backup"
    with Store.open(data / "pod.db", keeping=KEEPING) as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        made = platebridge("pod", "backup", str(file), "--config", str(config))
        assert made.returncode == 0, made.stderr
        assert "1 entries, 1 audit rows" in made.stdout
        store.plates.add(make_entry("LATER99"), by="test").result(5)
    assert file.stat().st_mode & 0o077 == 0
    back = platebridge("pod", "restore", str(file), "--config", str(config), "--yes")
    assert back.returncode == 0, back.stderr
    assert plates(data) == {"AB123CD"}
    (former,) = (data / "quarantine").iterdir()
    assert (former / "pod.db").exists()
    with Store.open(data / "pod.db", keeping=KEEPING) as store:
        assert store.facts is not None
        assert store.facts.recovered is None
        assert {entry.plate for entry in store.plates.current.index.entries} == {"AB123CD"}
    with closing(connect_reader(data / "pod.db")) as conn:
        assert audit.verify(conn).ok
        kinds = [kind for (kind,) in conn.execute("SELECT kind FROM audit ORDER BY seq")]
    assert kinds == ["list_change", "recovery"]


def test_a_restore_refuses_while_a_pod_runs(data: Path, config: Path, tmp_path: Path) -> None:
    Store.open(data / "pod.db").close()
    file = tmp_path / "gate.backup"
    backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    with InstanceLock(data):
        refused = platebridge("pod", "restore", str(file), "--config", str(config), "--yes")
    assert refused.returncode != 0
    assert "already runs" in refused.stderr
    assert not (data / "quarantine").exists()


@pytest.mark.parametrize("bad", ["spoiled", "cut", "other", "missing", "empty"])
def test_a_file_that_is_no_whole_backup_is_refused_and_nothing_changes(
    data: Path, tmp_path: Path, bad: str
) -> None:
    with Store.open(data / "pod.db") as store:
        for n in range(30):
            store.record("decision", {"n": n, "pad": "x" * 300}).result(5)
    file = tmp_path / "gate.backup"
    backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    content = bytearray(file.read_bytes())
    if bad == "spoiled":
        content[content.index(b"xxxx")] ^= 1
    elif bad == "cut":
        del content[len(content) // 2 :]
    elif bad == "empty":
        content.clear()
    file.write_bytes(content)
    if bad == "other":
        shutil.copyfile(data / "pod.db", file)
    if bad == "missing":
        file.unlink()
    before = (data / "pod.db").read_bytes()
    with pytest.raises(StoreError, match=r"gate\.backup"):
        backup.restore(data / "pod.db", file, by="test", now_us=1)
    assert (data / "pod.db").read_bytes() == before


def test_a_backup_never_overwrites_a_file(data: Path, tmp_path: Path) -> None:
    Store.open(data / "pod.db").close()
    file = tmp_path / "gate.backup"
    file.write_text("mine")
    with pytest.raises(StoreError, match="name a file that does not"):
        backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    assert file.read_text() == "mine"


def test_a_restore_cut_off_before_the_exchange_is_finished_at_the_next_open(
    data: Path, tmp_path: Path
) -> None:
    with Store.open(data / "pod.db") as store:
        store.record("decision", {"n": 1}).result(5)
    shutil.copyfile(data / "pod.db", data / "pod.db.restored")
    with Store.open(data / "pod.db") as store:
        assert store.record("decision", {"n": 2}).result(5) == 2
    assert (data / "quarantine").exists()
    assert not (data / "pod.db.restored").exists()


@pytest.mark.proof(21)
def test_a_spoilt_backup_is_refused_or_holds_the_very_rows_that_were_written(
    data: Path, tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    with Store.open(data / "pod.db") as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
        for n in range(30):
            store.record("decision", {"n": n, "pad": "x" * 300}).result(5)
    file = tmp_path / "gate.backup"
    true = backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    losses = 0

    def examine(content: bytes) -> None:
        nonlocal losses
        file.write_bytes(content)
        losses += backup.examine(file).head != true.head

    met = meet(examine, spoilt([file.read_bytes()], often(5000, 20_000)), refusal=StoreError)
    prove(attempts=met.all, faults=met.refused, losses=losses)


def test_a_restore_names_what_it_changes_and_asks_first(data: Path, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.backup"
    with Store.open(data / "pod.db") as store:
        for plate in ("STAYS11", "RETURN2", "COUNT33"):
            store.plates.add(
                make_entry(plate, uses_left=2 if plate == "COUNT33" else None), by="test"
            ).result(5)
        backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
        store.plates.remove("RETURN2", by="test").result(5)
        store.plates.add(make_entry("LATER44"), by="test").result(5)
        counted = next(e for e in store.plates.current.index.entries if e.plate == "COUNT33")
        store.plates.replace(counted.id, make_entry("COUNT33", uses_left=1), by="test").result(5)
    asked = platebridge("pod", "restore", str(file), "--config", str(config))
    assert asked.returncode != 0
    assert "comes back onto the list: RETURN2\n" in asked.stdout
    assert "goes from the list: LATER44\n" in asked.stdout
    assert "holds again as it did, but for uses that were taken: COUNT33\n" in asked.stdout
    assert "newer audit rows that are only in the former database then: 3\n" in asked.stdout
    assert "another POD" not in asked.stdout
    assert plates(data) == {"STAYS11", "LATER44", "COUNT33"}


def test_a_restore_warns_of_another_pods_backup(data: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    file = tmp_path / "gate.backup"
    for folder, plate in ((tmp_path / "other", "THEIRS1"), (data, "OURS22")):
        with Store.open(folder / "pod.db") as store:
            store.plates.add(make_entry(plate), by="test").result(5)
    backup.back_up(tmp_path / "other/pod.db", file, now=NOW, config_sha256="", made_by="test")
    asked = platebridge("pod", "restore", str(file), "--config", str(config))
    assert "WARNING: it is of another POD" in asked.stdout
    assert plates(data) == {"OURS22"}


def test_a_restore_over_a_database_that_cannot_be_read_says_so(
    data: Path, config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "gate.backup"
    with Store.open(data / "pod.db") as store:
        store.plates.add(make_entry("AB123CD"), by="test").result(5)
    backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    (data / "pod.db").write_bytes(b"garbage")
    back = platebridge("pod", "restore", str(file), "--config", str(config), "--yes")
    assert back.returncode == 0, back.stderr
    assert "cannot be compared with the database that is there" in back.stdout
    assert plates(data) == {"AB123CD"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda path: None, "there is no file", id="missing"),
        pytest.param(lambda path: path.mkdir(), "is a directory", id="directory"),
        pytest.param(lambda path: path.write_bytes(b""), "is empty", id="empty"),
        pytest.param(lambda path: path.write_text("a list of plates"), "is no backup", id="text"),
        pytest.param(
            lambda path: sqlite3.connect(path).executescript("CREATE TABLE theirs (a)").connection.close(),
            "is no backup",
            id="database of another program",
        ),
    ],
)
def test_what_is_no_backup_is_told_as_such_with_the_mend(
    data: Path, config: Path, tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    Store.open(data / "pod.db").close()
    make(tmp_path / "gate.backup")
    refused = platebridge("pod", "restore", str(tmp_path / "gate.backup"), "--config", str(config), "--yes")
    assert refused.returncode != 0
    words = " ".join(refused.stderr.split())
    assert said in words
    assert "name a file made by `platebridge pod backup`" in words


def test_a_backup_onto_a_full_stick_names_the_stick(data: Path, tmp_path: Path) -> None:
    with Store.open(data / "pod.db") as store:
        for n in range(100):
            store.record("decision", {"n": n, "pad": "x" * 4000}).result(5)
    stick = tmp_path / "stick"
    stick.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(stick)]).returncode != 0:
        pytest.skip("needs a file system to be mountable")
    try:
        with pytest.raises(
            StoreError, match=r"stick/gate\.backup cannot be written .* name a place with room"
        ):
            backup.back_up(data / "pod.db", stick / "gate.backup", now=NOW, config_sha256="", made_by="test")
        assert list(stick.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(stick)], check=True)


@pytest.mark.parametrize("name", ["pod.db-wal", "backups/list.copy.new", "gate.backup"])
def test_a_backup_never_goes_into_the_data_directory(data: Path, name: str) -> None:
    Store.open(data / "pod.db").close()
    before = sorted(data.iterdir())
    with pytest.raises(StoreError, match="name a place on another disk"):
        backup.back_up(data / "pod.db", data / name, now=NOW, config_sha256="", made_by="test")
    assert sorted(data.iterdir()) == before


def test_a_restore_lifts_no_lockdown_switches_nothing_on_and_gives_no_use_back(
    data: Path, config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "gate.backup"
    with Store.open(data / "pod.db", keeping=KEEPING) as store:
        for plate in ("AB123CD", "XY987ZW"):
            store.plates.add(make_entry(plate, uses_left=5), by="test").result(5)
        backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
        entry = store.plates.current.index.by_key("AB123CD")[0]
        grant = Grant("north", entry.key, entry.id)
        store.make_durable("intent", {"pulse": "a"}, grant=grant, timeout_s=5)
        other = store.plates.current.index.by_key("XY987ZW")[0]
        store.plates.replace(other.id, make_entry("XY987ZW", uses_left=9), by="test").result(5)
        store.plates.switch(lambda _: SiteState(lockdown=True, auto_grant=False), by="test").result(5)
    back = platebridge("pod", "restore", str(file), "--yes", "--config", str(config))
    assert back.returncode == 0, back.stderr
    assert "The site stays in lockdown" in back.stdout
    assert "Opening by itself stays off" in back.stdout
    assert "Uses that were taken since stay taken: AB123CD." in back.stdout
    with Store.open(data / "pod.db") as store:
        assert store.plates.current.state == SiteState(lockdown=True, auto_grant=False)
        assert {e.plate: e.uses_left for e in store.plates.current.index.entries} == {
            "AB123CD": 4,
            "XY987ZW": 5,
        }


def test_a_restore_over_a_database_that_tells_nothing_goes_by_the_copy_of_its_list_or_says_so(
    data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "gate.backup"
    Store.open(data / "pod.db").close()
    backup.back_up(data / "pod.db", file, now=NOW, config_sha256="", made_by="test")
    with Store.open(data / "pod.db", keeping=KEEPING) as store:
        store.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5)
        until(lambda: (kept := list_copy.find(data / "backups")) is not None and kept.switches["lockdown"])
    (data / "pod.db").write_bytes(b"garbage" * 1000)
    _, _, kept = backup.restore(data / "pod.db", file, by="test", now_us=1)
    assert (kept.lockdown, kept.is_known) == (True, True)
    (data / "pod.db").write_bytes(b"garbage" * 1000)
    for name in list_copy.NAMES:
        (data / "backups" / name).unlink(missing_ok=True)
    _, _, kept = backup.restore(data / "pod.db", file, by="test", now_us=2)
    assert not kept.is_known
    assert "lock it down again" in kept.sentences()[0]

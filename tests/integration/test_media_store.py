"""The store of pictures on real file systems: quota, want of room, faults, crashes, hostile names."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_disk import small_disk_at

from pod.domain.errors import StoreError
from pod.store.media import FOLDER_NAME, MAX_REVISIONS, MediaStore
from pod.store.media_folder import MediaFolder
from pod.store.store import Store

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


def media_of(store: Store, *, quota_bytes: int = 50 * MB, min_free_bytes: int = 0) -> MediaStore:
    folder = store.path.parent / FOLDER_NAME
    return MediaStore(folder, store, quota_bytes=quota_bytes, min_free_bytes=min_free_bytes)


def keep(
    media: MediaStore,
    approach: str,
    revision: int = 1,
    *,
    at: datetime = NOON,
    known: bool = True,
    size: int = 1000,
) -> None:
    scene, plate = b"s" * (size - size // 4), b"p" * (size // 4)
    pictures = {"scene": scene, "plate": plate}
    media.keep(approach, revision, camera="entry", at=at, known=known, pictures=pictures)


def files(media: MediaStore) -> set[str]:
    """Every file below the folder, finished or not."""
    return {str(p.relative_to(media.folder)) for p in media.folder.rglob("*") if p.is_file()}


def rows(store: Store) -> int:
    def job(conn):
        return conn.execute("SELECT count(*) FROM media").fetchone()[0]

    return store.submit(job).result(5)


def bytes_on_disk(media: MediaStore) -> int:
    return sum(p.stat().st_size for p in media.folder.rglob("*.jpg"))


def test_the_pictures_of_a_step_are_found_by_their_approach_and_are_private(store: Store) -> None:
    media = media_of(store)
    keep(media, "entry-1", at=NOON)
    scene, plate = media.find("entry-1")
    assert (scene.kind, plate.kind) == ("scene", "plate")
    assert (scene.camera, scene.revision, scene.at, scene.known, scene.bytes) == ("entry", 1, NOON, True, 750)
    assert media.find("entry-2") == ()
    path = media.path(plate.id)
    assert path is not None
    assert path.read_bytes() == b"p" * 250
    assert (path.stat().st_mode & 0o777, media.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert media.kept_bytes == 1000


def test_of_many_steps_the_first_and_the_newest_keep_their_pictures(store: Store) -> None:
    media = media_of(store)
    for revision in range(1, 9):
        keep(media, "entry-1", revision)
    kept = [item.revision for item in media.find("entry-1") if item.kind == "scene"]
    assert kept == [1, 6, 7, 8]
    assert len(files(media)) == 2 * MAX_REVISIONS == rows(store)
    assert media.kept_bytes == bytes_on_disk(media)


def test_the_quota_holds_and_the_oldest_unlisted_cars_make_room_first(store: Store) -> None:
    media = media_of(store, quota_bytes=10_000)
    for i in range(4):
        keep(media, f"known-{i}", at=NOON + timedelta(minutes=i))
        keep(media, f"unknown-{i}", at=NOON + timedelta(hours=i), known=False)
    for i in range(4, 8):
        keep(media, f"known-{i}", at=NOON + timedelta(minutes=i))
        assert bytes_on_disk(media) <= 10_000
    kept = {a for i in range(8) for a in (f"known-{i}", f"unknown-{i}") if media.find(a)}
    assert kept == {*(f"known-{i}" for i in range(8)), "unknown-2", "unknown-3"}
    for i in range(8, 12):
        keep(media, f"known-{i}", at=NOON + timedelta(minutes=i))
        assert bytes_on_disk(media) <= 10_000
    assert not media.find("unknown-3")
    assert not media.find("known-0")
    assert media.find("known-11")
    assert media.evicted == 2 * (12 + 4) - len(files(media)) > 0
    assert rows(store) == len(files(media))


def test_a_picture_larger_than_the_quota_costs_no_other_one(store: Store) -> None:
    media = media_of(store, quota_bytes=10_000)
    keep(media, "entry-1")
    with pytest.raises(StoreError, match=r"larger than media\.quota_mb: raise it"):
        keep(media, "entry-2", size=20_000)
    assert media.find("entry-1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk_at(tmp_path / "disk", "size=4m") as disk:
        yield disk


def fill(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Fill the disk with a file of another program."""
    found = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        left = found.f_bavail * found.f_frsize - leave_bytes
        try:
            while left > 0:
                left -= out.write(b"\0" * min(65536, left))
        except OSError:
            assert leave_bytes == 0
    return filler


def test_where_the_disk_gets_short_old_pictures_go_and_no_new_one_comes(small_disk: Path) -> None:
    with Store.open(small_disk / "pod.db") as store:
        media = media_of(store, min_free_bytes=MB)
        for i in range(4):
            keep(media, f"entry-{i}", at=NOON + timedelta(minutes=i), size=200_000)
        filler = fill(small_disk, leave_bytes=1_300_000)
        keep(media, "entry-4", at=NOON + timedelta(minutes=4), size=200_000)
        keep(media, "entry-5", at=NOON + timedelta(minutes=5), size=200_000)
        assert not media.find("entry-0")
        assert media.find("entry-5")
        fill(small_disk, leave_bytes=0).unlink()
        filler.write_bytes(b"\0" * (os.statvfs(small_disk).f_bavail * 4096 // 4096 * 4096))
        with pytest.raises(StoreError, match=r"media\.min_free_mb asks for 1: free space on it"):
            keep(media, "entry-6", size=200_000)
        assert files(media) == set()  # the database comes first
        filler.unlink()
        keep(media, "entry-7", size=200_000)
        assert media.find("entry-7")


def test_a_full_disk_drops_the_picture_and_the_audit_goes_on(small_disk: Path) -> None:
    with Store.open(small_disk / "pod.db") as store:
        media = media_of(store)
        keep(media, "entry-0", size=100_000)
        filler = fill(small_disk)
        with pytest.raises(StoreError, match=r"free space on it|make room"):
            keep(media, "entry-1", size=400_000)
        assert not media.find("entry-1")
        assert len(files(media)) == rows(store)
        filler.unlink()
        assert store.record("decision", {"plate": "AB123CD"}).result(5) == 1
        keep(media, "entry-2")
        assert media.find("entry-2")


def test_a_disk_that_takes_no_more_files_keeps_both_pictures_of_a_step_or_none(
    store: Store, small_disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,nr_inodes=12", small_disk], check=True)
    media = media_of(store)
    media.folder.symlink_to(small_disk)
    keep(media, "entry-0")
    fillers = 0
    while os.statvfs(small_disk).f_ffree > 1:
        (small_disk / f"filler-{fillers}").touch()
        fillers += 1
    with pytest.raises(StoreError, match=r"no picture can be kept \(No space left on device\): make room"):
        keep(media, "entry-1")
    assert fillers
    assert len(list(media.folder.rglob("*.jpg"))) == 2 == rows(store)
    assert media.kept_bytes == 1000


def test_pictures_give_way_to_the_database_even_while_its_writer_is_stuck(small_disk: Path) -> None:
    with Store.open(small_disk / "pod.db") as store:
        media = media_of(store)
        for i in range(6):
            keep(media, f"entry-{i}", at=NOON + timedelta(minutes=i), size=100_000, known=i > 0)
        fill(small_disk)
        freed = store.submit(lambda conn: media.make_room(150_000)).result(5)  # asked by the writer's thread
        assert 150_000 <= freed <= 250_000
        assert not media.find("entry-0")
        assert not media.find("entry-1")
        assert media.find("entry-5")
        assert media.make_room(10**9) <= 600_000
        assert files(media) == set()


def test_a_folder_that_is_deleted_under_the_pod_is_made_again(store: Store) -> None:
    media = media_of(store)
    keep(media, "entry-1")
    subprocess.run(["rm", "-r", media.folder], check=True)
    assert media.find("entry-1") == ()
    keep(media, "entry-2")
    media.tidy()
    assert [item.approach for item in media.find("entry-2")] == ["entry-2"] * 2
    assert (rows(store), media.kept_bytes) == (2, 1000)


def test_a_folder_that_cannot_be_made_is_named_with_its_mend(store: Store) -> None:
    media = media_of(store)
    media.folder.write_text("a file in its place")
    with pytest.raises(
        StoreError, match=r"no picture can be kept \(File exists\): .*give this user write access"
    ):
        keep(media, "entry-1")
    assert store.record("decision", {}).result(5) == 1


def test_a_folder_on_a_disk_mounted_read_only_is_told_as_such(store: Store, small_disk: Path) -> None:
    media = media_of(store)
    media.folder.symlink_to(small_disk)
    keep(media, "entry-1")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match="its disk is mounted read-only: mount it for writing"):
        keep(media, "entry-2")
    with pytest.raises(StoreError, match="mounted read-only"):
        media.erase(["entry-1"])
    assert media.make_room(1000) == 0
    assert len(media.find("entry-1")) == 2
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    keep(media, "entry-2")


def test_tidying_clears_lone_files_lone_rows_and_files_cut_short(store: Store) -> None:
    media = media_of(store)
    for i in range(4):
        keep(media, f"entry-{i}", at=NOON + timedelta(minutes=i))
    lone_row, cut_short, *_ = sorted(media.folder.rglob("*.jpg"))
    lone_row.unlink()
    cut_short.write_bytes(b"")
    lone = cut_short.with_name(cut_short.name[:20] + "0" * 15 + "-scene.jpg")
    lone.write_bytes(b"whose?")
    empty_day = cut_short.parent.with_name("20200101")
    empty_day.mkdir()
    os.utime(empty_day, (0, 0))
    media_again = media_of(store)
    media_again.tidy()
    assert len(files(media_again)) == 6 == rows(store)
    assert not empty_day.exists()
    assert media_again.kept_bytes == bytes_on_disk(media)
    assert all(media_again.path(i.id) for n in range(4) for i in media_again.find(f"entry-{n}"))


def test_tidying_leaves_pictures_alone_that_are_just_being_kept(store: Store) -> None:
    media = media_of(store)
    held, go = threading.Event(), threading.Event()

    def stall(conn: object) -> None:
        held.set()
        go.wait(20)

    store.submit(stall)
    assert held.wait(5)
    keeping = threading.Thread(target=keep, args=(media, "entry-1"))
    keeping.start()
    while len(files(media)) < 2 or bytes_on_disk(media) < 1000:
        time.sleep(0.001)
    media.tidy()
    go.set()
    keeping.join(10)
    assert len(media.find("entry-1")) == 2
    media.tidy()
    assert (len(media.find("entry-1")), media.kept_bytes) == (2, 1000)


def test_tidying_leaves_a_picture_alone_that_was_finished_while_it_looked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = media_of(store)
    keep(media, "entry-1")
    sizes = MediaFolder.sizes

    def half_written(folder: MediaFolder) -> dict[str, int]:
        return {name: size // 2 for name, size in sizes(folder).items()}

    monkeypatch.setattr(MediaFolder, "sizes", half_written)
    before = media.kept_bytes
    media.tidy()
    assert len(media.find("entry-1")) == 2
    assert media.kept_bytes == before


def test_tidying_touches_nothing_while_the_index_cannot_be_read(store: Store) -> None:
    media = media_of(store)
    keep(media, "entry-1")
    store.close()
    store.path.rename(store.path.with_suffix(".away"))
    with pytest.raises(StoreError, match="there is no database"):
        media.tidy()
    assert len(files(media)) == 2


@pytest.mark.parametrize(
    "approach",
    ["../../escaped", "/etc/passwd", "..", "a\0b", "x" * 5000, "%2e%2e/", "known/20260701/x.jpg", ""],
    ids=["up", "absolute", "dots", "null", "long", "encoded", "like a name", "empty"],
)
def test_no_approach_id_leads_out_of_the_folder(store: Store, approach: str) -> None:
    media = media_of(store)
    before = {p for p in store.path.parent.iterdir() if not p.name.startswith("pod.db")}
    keep(media, approach)
    assert {p for p in store.path.parent.iterdir() if not p.name.startswith("pod.db")} == before | {
        media.folder
    }
    paths = [media.path(item.id) for item in media.find(approach)]
    assert len(paths) == 2
    assert all(p is not None and p.resolve().is_relative_to(media.folder.resolve()) for p in paths)


@pytest.mark.parametrize(
    "name",
    ["../pod.db", "/etc/passwd", "known/../../pod.db", "known/20260701/../../../pod.db"],
)
def test_an_index_that_was_tampered_with_reads_and_deletes_nothing_outside(store: Store, name: str) -> None:
    media = media_of(store)
    keep(media, "entry-1")

    def tamper(conn):
        conn.execute("UPDATE media SET path = ? WHERE kind = 'scene'", (name,))

    store.submit(tamper).result(5)
    scene = 1
    assert media.path(scene) is None
    assert media.erase(["entry-1"]) == 2
    assert store.path.is_file()
    assert Path("/etc/passwd").is_file()


@given(st.text(max_size=60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_name_whatever_is_a_path_outside_the_folder(tmp_path: Path, name: str) -> None:
    assert MediaFolder(tmp_path).path(name) is None
    assert MediaFolder(tmp_path).remove(name) == 0


def test_a_picture_that_is_gone_never_gives_its_number_to_another(store: Store) -> None:
    media = media_of(store)
    keep(media, "entry-1")
    before = {item.id for item in media.find("entry-1")}
    media.erase(["entry-1"])
    keep(media, "entry-2")
    assert before.isdisjoint(item.id for item in media.find("entry-2"))


CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pod.store.media import MediaStore
from pod.store.store import Store

folder = Path(sys.argv[1])
with Store.open(folder / "pod.db") as store:
    media = MediaStore(folder / "media", store, quota_bytes=3_000_000, min_free_bytes=0)
    media.tidy()
    n = 0
    while True:
        n += 1
        pictures = {"scene": b"s" * 200_000, "plate": b"p" * 20_000}
        approach = f"{sys.argv[2]}-{n}"
        media.keep(approach, 1, camera="entry", at=datetime.now(UTC), known=bool(n % 2), pictures=pictures)
        print(n, flush=True)
"""


def test_kill_9_at_any_moment_leaves_nothing_that_a_start_does_not_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, found_broken, moments = 14, 0, random.Random(3)
    for kill in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(kill)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        for _ in range(8):
            assert child.stdout.readline()
        time.sleep(moments.uniform(0, 0.02))
        child.kill()
        assert child.wait(10) == -signal.SIGKILL
        child.stdout.close()
        with Store.open(tmp_path / "pod.db") as store:
            media = media_of(store, quota_bytes=3_000_000)
            found_broken += len(files(media)) != rows(store)
            media.tidy()
            assert len(files(media)) == rows(store) > 0
            assert media.kept_bytes == bytes_on_disk(media) <= 3_000_000
            keep(media, f"after-{kill}")
            assert len(media.find(f"after-{kill}")) == 2
    with capsys.disabled():
        print(
            f"\nkill -9 while keeping pictures: {kills} kills, {found_broken} left something to mend, 0 lost"
        )
    assert found_broken


def test_pictures_of_unlisted_plates_expire_before_those_of_listed_ones(store: Store) -> None:
    media = media_of(store)
    for days in (1, 8, 31):
        at = NOON - timedelta(days=days)
        keep(media, f"known-{days}", at=at)
        keep(media, f"unknown-{days}", at=at, known=False)
    gone = media.expire(known_before=NOON - timedelta(days=30), unknown_before=NOON - timedelta(days=7))
    kept = {a for d in (1, 8, 31) for a in (f"known-{d}", f"unknown-{d}") if media.find(a)}
    assert (gone, kept) == (6, {"known-1", "known-8", "unknown-1"})
    assert rows(store) == len(files(media)) == 6

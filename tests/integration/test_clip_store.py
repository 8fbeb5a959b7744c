"""Kept clips on real file systems: quota, want of room, erasure, crashes, each amid a recording."""

import os
import resource
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clip_files import encoded, keep_clip, slices, slices_of_clip
from small_disk import small_disk_at

from pod.domain.errors import StoreError
from pod.media.clips.seal import seal
from pod.media.clips.stream import ClipStream
from pod.store.media import FOLDER_NAME, MAX_CLIPS, MediaStore
from pod.store.media_clip import ClipFile
from pod.store.media_folder import MediaFolder
from pod.store.migrate import migrations
from pod.store.store import Store

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MB = 1024 * 1024

UNITS = encoded("h264", 60)
"""2.4 s in three fragments."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as store:
        yield store


def media_of(store: Store, *, quota_bytes: int = 50 * MB, min_free_bytes: int = 0) -> MediaStore:
    folder = store.path.parent / FOLDER_NAME
    return MediaStore(folder, store, quota_bytes=quota_bytes, min_free_bytes=min_free_bytes, seal=seal)


def fragments() -> list[bytes]:
    """What a recorder writes, one after the other: the header, then each fragment."""
    stream = ClipStream(UNITS[0])
    made = [stream.add(unit)[0] for unit in UNITS]
    return [stream.header, *(each for each in made if each), stream.flush()]


WHOLE = fragments()
CLIP_BYTES = sum(map(len, WHOLE))


def begin(media: MediaStore, approach: str = "entry-1", *, known: bool = True) -> ClipFile:
    return media.begin_clip(approach, 1, camera="entry", at=NOON, known=known, codec="h264", plate_at_ms=500)


def keep_picture(media: MediaStore, approach: str, *, at: datetime = NOON, size: int = 1000) -> None:
    media.keep(approach, 1, camera="entry", at=at, known=True, pictures={"scene": b"s" * size})


def files(media: MediaStore) -> list[Path]:
    return sorted(p for p in media.folder.rglob("*") if p.is_file())


def rows(store: Store) -> int:
    def job(conn):
        return conn.execute("SELECT count(*) FROM media").fetchone()[0]

    return store.submit(job).result(5)


def test_a_clip_is_found_by_its_approach_beside_its_pictures_and_is_private(store: Store) -> None:
    media = media_of(store)
    keep_picture(media, "entry-1")
    keep_clip(media, "entry-1", UNITS, at=NOON, plate_at_s=0.5)
    (clip,) = media.clips("entry-1")
    assert (clip.camera, clip.at, clip.codec, clip.plate_at_s, clip.duration_s) == (
        "entry",
        NOON,
        "h264",
        0.5,
        2.4,
    )
    assert [item.kind for item in media.find("entry-1")] == ["scene"]
    assert media.clips("entry-2") == ()
    place = media.place(clip.id)
    assert place is not None
    assert (place.kind, place.approach, place.path.stat().st_mode & 0o777) == ("clip", "entry-1", 0o600)
    assert slices_of_clip(place.path) == slices(UNITS)
    assert clip.bytes == place.path.stat().st_size == media.kept_bytes - 1000


def test_a_clip_can_be_played_while_it_is_recorded(store: Store) -> None:
    media = media_of(store)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    store.submit(lambda conn: None).result(5)
    (clip,) = media.clips("entry-1")
    place = media.place(clip.id)
    assert clip.duration_s is None
    assert place is not None
    assert len(slices_of_clip(place.path)) == 25
    file.drop()
    assert (files(media), media.clips("entry-1")) == ([], ())


def test_what_a_crash_left_of_a_clip_is_finished_and_kept_in_the_audit_of_files(store: Store) -> None:
    before = media_of(store)
    file = begin(before)
    for part in WHOLE[:3]:
        assert file.append(part)
    store.submit(lambda conn: None).result(5)
    (left,) = files(before)
    with left.open("ab") as cut:
        cut.write(WHOLE[3][:100])  # the process died in the midst of a write
    after = media_of(store)
    after.tidy()
    (clip,) = after.clips("entry-1")
    assert (clip.duration_s, clip.bytes) == (2.0, sum(map(len, WHOLE[:3])))
    assert slices_of_clip(left) == slices(UNITS)[:50]
    assert after.kept_bytes == clip.bytes == left.stat().st_size


@pytest.mark.parametrize("parts", [0, 1], ids=["an empty file", "a header alone"])
def test_a_crash_before_the_first_fragment_leaves_nothing(store: Store, parts: int) -> None:
    file = begin(media_of(store))
    for part in WHOLE[:parts]:
        assert file.append(part)
    store.submit(lambda conn: None).result(5)
    after = media_of(store)
    after.tidy()
    assert (files(after), rows(store)) == ([], 0)


def test_tidying_leaves_a_clip_alone_that_is_being_recorded(store: Store) -> None:
    media = media_of(store)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    media.tidy()
    for part in WHOLE[2:]:
        assert file.append(part)
    file.finish()
    media.tidy()
    assert media.clips("entry-1")[0].duration_s == 2.4
    assert media.kept_bytes == CLIP_BYTES


def test_clips_and_pictures_share_one_quota_and_the_oldest_go_first(store: Store) -> None:
    media = media_of(store, quota_bytes=3 * CLIP_BYTES)
    for number in range(6):
        at = NOON + timedelta(minutes=number)
        keep_picture(media, f"entry-{number}", at=at)
        keep_clip(media, f"entry-{number}", UNITS, at=at)
        assert sum(p.stat().st_size for p in files(media)) == media.kept_bytes <= 3 * CLIP_BYTES
    assert media.clips("entry-5")
    assert not media.clips("entry-0")
    assert media.evicted >= 3


def test_a_recording_makes_room_but_never_of_itself_and_ends_where_there_is_none(store: Store) -> None:
    media = media_of(store, quota_bytes=CLIP_BYTES - 1)
    keep_picture(media, "entry-0", size=10_000)
    file = begin(media, known=False)  # unknown ones go first, so this would be the first to go
    for part in WHOLE[:-1]:
        assert file.append(part)
    with pytest.raises(StoreError, match=r"one clip takes all of media\.quota_mb: raise it"):
        file.append(WHOLE[-1])
    file.finish()
    assert not media.find("entry-0")
    (clip,) = media.clips("entry-1")
    assert clip.duration_s == 2.0


def test_a_clip_that_is_erased_while_it_is_recorded_is_gone_for_good(store: Store) -> None:
    media, elsewhere = media_of(store), media_of(store)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    store.submit(lambda conn: None).result(5)
    assert elsewhere.erase(["entry-1"]) == 1  # as `platebridge audit erase` does beside a running POD
    assert not file.append(WHOLE[2])
    file.drop()
    assert (files(media), rows(store)) == ([], 0)


def test_a_clip_that_is_erased_right_before_its_end_is_not_kept(store: Store) -> None:
    media = media_of(store)
    file = begin(media)
    for part in WHOLE:
        assert file.append(part)
    store.submit(lambda conn: None).result(5)
    media.erase(["entry-1"])
    with pytest.raises(StoreError, match="deleted while it was recorded"):
        file.finish()
    assert (files(media), rows(store)) == ([], 0)


def test_clips_expire_with_the_pictures_of_their_class(store: Store) -> None:
    media = media_of(store)
    keep_clip(media, "known", UNITS, at=NOON, known=True)
    keep_clip(media, "unknown", UNITS, at=NOON, known=False)
    assert media.expire(known_before=NOON, unknown_before=NOON + timedelta(seconds=1)) == 1
    assert (len(media.clips("known")), media.clips("unknown")) == (1, ())


def test_of_many_clips_of_one_car_the_first_and_the_newest_stay(store: Store) -> None:
    media = media_of(store)
    for revision in range(1, MAX_CLIPS + 3):
        keep_picture(media, "entry-1")
        keep_clip(media, "entry-1", UNITS, revision=revision)
    assert [clip.revision for clip in media.clips("entry-1")] == [1, 4, 5]
    assert len([p for p in files(media) if p.suffix == ".mp4"]) == MAX_CLIPS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk_at(tmp_path / "disk", "size=4m") as disk:
        yield disk


def assert_kept_up_to_the_first_fragment(media: MediaStore, file: ClipFile) -> None:
    file.finish()
    (clip,) = media.clips("entry-1")
    place = media.place(clip.id)
    assert clip.duration_s == 1.0
    assert place is not None
    assert slices_of_clip(place.path) == slices(UNITS)[:25]
    assert media.kept_bytes == clip.bytes == place.path.stat().st_size


def test_a_disk_that_fills_up_in_the_midst_keeps_the_clip_up_to_there(store: Store, small_disk: Path) -> None:
    media = media_of(store)
    media.folder.symlink_to(small_disk)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    found = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"\0" * found.f_bavail * found.f_frsize)
    with pytest.raises(StoreError, match="free space on it"):
        file.append(WHOLE[2])
    assert_kept_up_to_the_first_fragment(media, file)


def test_a_write_that_is_refused_halfway_is_taken_back(store: Store) -> None:
    media = media_of(store)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sum(map(len, WHOLE[:2])) + 100, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large"):
            file.append(WHOLE[2])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_kept_up_to_the_first_fragment(media, file)


def test_the_database_may_take_the_room_even_of_a_clip_that_is_being_recorded(store: Store) -> None:
    media = media_of(store)
    file = begin(media)
    for part in WHOLE[:2]:
        assert file.append(part)
    freed = store.submit(lambda conn: media.make_room(1)).result(5)  # asked by the writer's own thread
    assert freed == sum(map(len, WHOLE[:2]))
    assert not file.append(WHOLE[2])
    file.drop()
    assert media.kept_bytes == 0


def test_numbers_of_pictures_that_went_before_clips_came_name_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "pod.db"
    with pytest.MonkeyPatch.context() as patch:
        before = tuple(step for step in migrations() if step.version < 9)
        patch.setattr("pod.store.migrate.migrations", lambda: before)
        with Store.open(path) as old:
            sql = (
                "INSERT INTO media (approach, revision, camera, kind, ts_us, bytes, path, known) "
                "VALUES ('a', 1, 'entry', 'scene', 1, 1, ?, 1)"
            )
            old.submit(lambda conn: conn.executemany(sql, [(str(n),) for n in range(5)])).result(5)
            old.submit(lambda conn: conn.execute("DELETE FROM media WHERE id > 2")).result(5)
    with Store.open(path) as store:
        keep_clip(media_of(store), "b", UNITS)
        ids = store.submit(lambda conn: conn.execute("SELECT id FROM media ORDER BY id").fetchall()).result(5)
    assert ids == [(1,), (2,), (6,)]


def test_no_name_of_a_clip_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path)
    for name in ("../clip.mp4", "known/20260701/../../x-clip.mp4", "known/20260701/1-clip.mp4"):
        assert folder.path(name) is None
        assert folder.remove(name) == 0

"""Video files and folders of pictures as cameras: paced, looped, and named when they are broken."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from camera_fixtures import FPS, Watched, number_of, until, write_clip
from PIL import Image

from pod.domain.freshness import FreshnessClock
from pod.media.frame import Frame
from pod.media.slot import LatestFrame
from pod.media.watch import SessionWatch


@pytest.mark.parametrize(
    ("codec", "name", "b_frames"),
    [
        pytest.param("libx264", "clip.mp4", 0, id="h264-mp4"),
        pytest.param("libx264", "clip.mkv", 2, id="h264-b-frames-mkv"),
        pytest.param("libx265", "clip.mp4", 0, id="h265-mp4"),
        pytest.param("libx264", "clip.ts", 0, id="h264-ts"),
        pytest.param("libx264", "clip.h264", 0, id="h264-bare"),
        pytest.param("mpeg4", "clip.avi", 0, id="mpeg4-avi"),
        pytest.param("mjpeg", "clip.mov", 0, id="mjpeg-mov"),
    ],
)
def test_a_file_plays_every_frame_once_in_order_and_in_real_time(
    tmp_path: Path, codec: str, name: str, b_frames: int
) -> None:
    clip = write_clip(tmp_path / name, 40, codec=codec, b_frames=b_frames)
    with Watched(clip) as watched:
        watched.until_reason("ended")
    assert [number_of(f) for f in watched.frames] == sorted({number_of(f) for f in watched.frames})
    counters = watched.source.counters
    assert counters.frames == 40, counters
    assert len(watched.frames) + counters.frames_overwritten == 40
    lasted_s = watched.frames[-1].captured_s - watched.frames[0].captured_s
    assert 39 / FPS - 0.15 < lasted_s < 2 * 39 / FPS  # a busy machine may show a picture late, none early


def test_a_looped_file_goes_on_without_a_step_in_time(tmp_path: Path) -> None:
    watched = Watched(write_clip(tmp_path / "clip.mp4", 20), loop=True)
    viewer = watched.fanout.subscribe(200)
    with watched:
        units = [viewer.take(5) for _ in range(50)]
    times_s = [unit.rtp_time_s for unit in units if unit is not None]
    steps_s = np.diff(times_s)
    assert len(times_s) == 50
    assert steps_s.min() == pytest.approx(1 / FPS, abs=1e-3)
    assert steps_s.max() == pytest.approx(1 / FPS, abs=1e-3)
    assert {f.session for f in watched.frames} == {1}


def truncated_mp4(folder: Path) -> Path:
    whole = write_clip(folder / "whole.mp4", 50).read_bytes()
    cut = folder / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    return cut


def empty_file(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def text_file(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("this is no video\n" * 100)
    return path


def sound_file(folder: Path) -> Path:
    path = folder / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
    return path


def zeroed_content(folder: Path) -> Path:
    content = write_clip(folder / "whole.mp4", 50).read_bytes()
    before, mark, after = content.partition(b"mdat")
    table = after.rindex(b"moov") - 4
    path = folder / "zeroed.mp4"
    path.write_bytes(before + mark + bytes(table) + after[table:])
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda folder: folder / "nowhere.mp4", "not_found", id="missing"),
        pytest.param(empty_file, "corrupt", id="zero-bytes"),
        pytest.param(text_file, "corrupt", id="text"),
        pytest.param(truncated_mp4, "corrupt", id="cut-off"),
        pytest.param(sound_file, "no_video", id="sound-only"),
        pytest.param(zeroed_content, "corrupt", id="content-zeroed"),
        pytest.param(lambda folder: folder, "no_pictures", id="empty-folder"),
    ],
)
def test_a_file_that_cannot_be_played_is_named(tmp_path: Path, make: object, reason: str) -> None:
    with Watched(make(tmp_path)) as watched:
        state = watched.until_reason(f"failed:{reason}")
    assert ": " in state.text
    assert watched.frames == []


def test_a_file_cut_off_in_flight_plays_what_is_whole(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", 40)
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) // 2])
    with Watched(clip) as watched:
        watched.until_reason("ended")
    assert 5 < watched.source.counters.frames < 40


def test_a_file_put_in_place_later_is_played_then(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with Watched(clip) as watched:
        watched.until_reason("failed:not_found")
        write_clip(tmp_path / "made.mp4", 20).rename(clip)
        watched.until_frames(1)


def test_the_pictures_of_a_folder_are_shown_in_order_of_name_and_broken_ones_counted(tmp_path: Path) -> None:
    for name, grey in (("1.jpg", 30), ("3.PNG", 120), ("5.webp", 210)):
        Image.new("RGB", (64, 48), (grey, grey, grey)).save(tmp_path / name)
    (tmp_path / "2.jpg").write_bytes(b"")
    (tmp_path / "4.png").write_bytes((tmp_path / "3.PNG").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("no picture")
    with Watched(tmp_path) as watched:
        watched.until_reason("ended", timeout_s=15)
    shown = [int(f.rgb()[10, 10, 0]) for f in watched.frames]
    assert shown == pytest.approx([30, 120, 210], abs=6)
    assert watched.source.counters.units_corrupt == 2
    gap_s = watched.frames[1].captured_s - watched.frames[0].captured_s
    assert 1.8 < gap_s < 3.5  # a busy machine may show a picture late, none early


def test_a_huge_picture_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    Image.new("L", (12_000, 12_000)).save(tmp_path / "huge.png")
    with Watched(tmp_path / "huge.png") as watched:
        watched.until_reason("failed:undecodable")
    assert watched.frames == []
    until(lambda: watched.source.counters.units_corrupt > 0)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that anyone may enter, seen by a user who owns nothing in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root (to become another user)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "locked").mkdir()
        Image.new("RGB", (64, 48)).save(folder / "locked" / "1.jpg")
        write_clip(folder / "locked" / "clip.mp4", 5)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0o700, 0o744], ids=["may-not-be-listed", "may-be-listed-but-not-entered"])
@pytest.mark.parametrize(
    "name", ["", "clip.mp4", "1.jpg", "more"], ids=["folder", "clip", "picture", "inside"]
)
def test_what_this_user_may_not_read_is_named_and_tried_again(as_nobody: Path, name: str, mode: int) -> None:
    os.seteuid(0)
    (as_nobody / "locked").chmod(mode)
    os.seteuid(65534)
    with Watched(as_nobody / "locked" / name) as watched:
        state = watched.until_reason("failed:forbidden")
        assert "change its owner or mode" in state.text
        until(lambda: watched.source.counters.attempts_failed >= 2)
    assert watched.faults == []


def test_a_path_that_no_file_system_takes_is_named(tmp_path: Path) -> None:
    with Watched(tmp_path / ("long" * 100)) as watched:
        watched.until_reason("failed:forbidden")
    assert watched.faults == []


def test_a_bug_in_the_session_ends_it_and_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: SessionWatch, *_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SessionWatch, "judge", broken)
    with Watched(write_clip(tmp_path / "clip.mp4", 20), loop=True) as watched:
        until(lambda: watched.faults)
        until(lambda: not watched.source.alive)
        assert watched.source.state.kind == "failed"
    assert [type(error) for error in watched.faults] == [ZeroDivisionError]


def test_a_bug_in_the_decoding_ends_the_session_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: LatestFrame, frame: Frame) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(LatestFrame, "put", broken)
    with Watched(write_clip(tmp_path / "clip.mp4", 20), loop=True) as watched:
        until(lambda: watched.faults)
        until(lambda: not watched.source.alive)
        assert watched.source.state.kind == "failed"
    assert [type(error) for error in watched.faults] == [ZeroDivisionError]


def test_frames_about_the_limit_of_freshness_change_the_cameras_state_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags_s = itertools.cycle((0.9, 1.1))
    monkeypatch.setattr(FreshnessClock, "observe", lambda clock, sent_s, arrival_s: next(lags_s))
    with Watched(write_clip(tmp_path / "clip.mp4", 20), loop=True, freshness_limit_s=1.0) as watched:
        until(lambda: watched.source.counters.frames >= 50)
    assert watched.reasons[-1] == "stale:late"
    assert len(watched.reasons) <= 2

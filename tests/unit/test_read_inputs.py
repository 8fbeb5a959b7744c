"""What `platebridge read` takes from the paths it is given."""

import os
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pod.commands.read_inputs import Input, Picture, Unreadable, inputs, missing, pictures


def video(path: Path, frames: int = 10, fps: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height = 64, 48
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), i * 20 % 256, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def from_file(path: Path, fps=None):
    return list(pictures(Input(str(path), Path(path.name)), fps=fps))


def test_folders_are_searched_in_depth_and_sorted_and_hold_what_is_neither_picture_nor_hidden_back(tmp_path):
    for name in ("b.jpg", "a/z.PNG", "a/B.jpg", ".hidden.jpg", "c.mp4"):
        picture(tmp_path / "x.png").rename((tmp_path / name).parent.mkdir(exist_ok=True) or tmp_path / name)
    (tmp_path / "labels.txt").write_text("x")
    found = inputs([str(tmp_path)], leave_out=None)
    assert [str(source.under) for source in found] == ["a/B.jpg", "a/z.PNG", "b.jpg", "c.mp4"]


def test_sources_keep_the_order_they_were_named_in(tmp_path):
    names = [str(picture(tmp_path / name)) for name in ("b.png", "a.png")]
    assert [source.address for source in inputs(names, leave_out=None)] == names


def test_the_folder_this_run_writes_into_is_left_out(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "a.png")
    found = inputs([str(tmp_path)], leave_out=tmp_path / "out")
    assert [source.address for source in found] == [str(tmp_path / "a.png")]


def test_a_folder_with_nothing_to_read_is_an_error_line(tmp_path):
    assert inputs([str(tmp_path)], leave_out=None) == [
        Unreadable(str(tmp_path), "no pictures or videos in this folder: name one that holds some")
    ]


def test_the_folder_this_run_writes_into_is_left_out_whatever_way_it_is_named(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "a.png")
    monkeypatch.chdir(tmp_path)
    found = inputs(["."], leave_out=tmp_path / "out")
    assert [source.under for source in found] == [Path("a.png")]


def test_pictures_of_a_kind_that_is_not_read_are_told_and_not_passed_over(tmp_path):
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (found,) = inputs([str(tmp_path)], leave_out=None)
    (only,) = pictures(found, fps=None)
    assert isinstance(only, Unreadable)
    assert "save it as JPEG or PNG" in only.error


def test_links_that_lead_nowhere_or_in_circles_are_told_and_no_circle_of_folders_is_entered(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "linked.png").symlink_to(tmp_path / "a.png")
    first, linked, gone, in_circles = inputs([str(tmp_path)], leave_out=None)
    assert [first.under.name, linked.under.name] == ["a.png", "linked.png"]
    assert gone.file == f"{tmp_path}/gone.jpg"
    assert "No such file" in gone.error
    assert in_circles.file == f"{tmp_path}/round.jpg"
    assert "Too many levels of symbolic links" in in_circles.error


@pytest.mark.parametrize("name", ["pipe.jpg", "pipe.mp4"])
def test_a_pipe_among_pictures_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (found,) = inputs([str(tmp_path)], leave_out=None)
    (only,) = pictures(found, fps=None)
    assert "not a regular file" in only.error


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_a_file_that_goes_between_the_search_and_its_turn_is_one_error_line(tmp_path, name):
    picture(tmp_path / "a.png").rename(tmp_path / name)
    (found,) = inputs([str(tmp_path)], leave_out=None)
    (tmp_path / name).unlink()
    (only,) = pictures(found, fps=None)
    assert (only.file, "or gone" in only.error) == (str(tmp_path / name), True)


@pytest.fixture
def somebody():
    """A folder that anybody may reach; within the test this process is no superuser."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        user = os.geteuid()
        if not user:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            for path in Path(folder).rglob("*"):
                path.chmod(0o700)
            os.seteuid(user)


@pytest.mark.parametrize(
    ("mode", "which"), [pytest.param(0, "", id="closed"), pytest.param(0o400, "/b.png", id="names only")]
)
def test_a_folder_one_may_not_look_into_is_told_beside_what_can_be_read(somebody, mode, which):
    readable = picture(somebody / "a.png")
    picture(somebody / "closed" / "b.png")
    (somebody / "closed").chmod(mode)
    first, refused = inputs([str(somebody)], leave_out=None)
    assert first == Input(str(readable), Path("a.png"))
    assert refused == Unreadable(
        f"{somebody}/closed{which}",
        "it cannot be opened (Permission denied): give this user access to it, or name another",
    )


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_a_file_one_may_not_read_is_one_error_line(somebody, name):
    picture(somebody / "a.png").rename(somebody / name)
    (somebody / name).chmod(0)
    (only,) = from_file(somebody / name)
    assert only.error == "may not be read by this user: change its permissions"


def test_a_file_in_a_folder_one_may_not_enter_is_not_called_missing(somebody):
    hidden = picture(somebody / "closed" / "b.png")
    (somebody / "closed").chmod(0)
    assert missing([str(hidden)]) == []
    (found,) = inputs([str(hidden)], leave_out=None)
    (only,) = pictures(found, fps=None)
    assert only.error == "may not be read by this user: change its permissions"


def test_a_name_too_long_for_any_file_is_told_as_such_and_not_called_missing(tmp_path):
    long = str(tmp_path / ("x" * 300))
    assert missing([long]) == []
    (found,) = inputs([long], leave_out=None)
    (only,) = pictures(found, fps=None)
    assert only.error.startswith("File name too long: check the path")


def test_only_paths_can_be_missing(tmp_path):
    assert missing([str(tmp_path), "gone.jpg", "rtsp://camera/stream"]) == ["gone.jpg"]


def test_every_picture_of_a_video_comes_with_its_time(tmp_path):
    found = from_file(video(tmp_path / "clip.mp4"))
    assert [round(frame.time_s, 2) for frame in found] == [i / 10 for i in range(10)]
    assert found[0].rgb.shape == (48, 64, 3)
    assert found[0].rgb.mean() < 20 < 150 < found[9].rgb.mean()


@pytest.mark.parametrize(
    ("fps", "times"),
    [
        pytest.param(5, [0, 0.2, 0.4, 0.6, 0.8], id="half of them"),
        pytest.param(1, [0], id="one a second"),
        pytest.param(100, [i / 10 for i in range(10)], id="more than there are"),
    ],
)
def test_a_video_may_be_thinned(tmp_path, fps, times):
    found = from_file(video(tmp_path / "clip.mp4"), fps=fps)
    assert [round(frame.time_s, 2) for frame in found] == times


def test_a_video_cut_short_gives_its_pictures_and_then_an_error(tmp_path):
    whole = video(tmp_path / "clip.ts", frames=30).read_bytes()
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) // 2])
    found = from_file(tmp_path / "cut.ts")
    assert sum(isinstance(item, Picture) for item in found) >= 5
    assert len(found) < 31


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "the file is empty: copy it again", id="zero bytes"),
        pytest.param(
            b"no video " * 100, "cannot be decoded: copy it again, or convert it to H.264", id="text"
        ),
    ],
)
def test_a_bad_video_is_one_error_line(tmp_path, content, says):
    (tmp_path / "bad.mp4").write_bytes(content)
    (only,) = from_file(tmp_path / "bad.mp4")
    assert isinstance(only, Unreadable)
    assert says in only.error


def test_a_sound_file_is_told_that_it_holds_no_pictures(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    (only,) = from_file(tmp_path / "sound.mp4")
    assert "holds sound but no pictures" in only.error


def test_the_password_of_an_address_is_not_shown():
    (only,) = pictures(Input("http://user:secret@camera/stream", Path("stream")), fps=None)
    assert "secret" not in only.file + only.error
    assert "rtsp://" in only.error

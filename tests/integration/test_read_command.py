"""`platebridge read` as a process: its lines, its exit status, and what it does with bad input."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from mutations import spoilt
from PIL import Image
from promises import Prove

from models import reference, registry
from models.render.camera_process import CameraProcess, available

SHARED_WEIGHTS = Path(__file__).parents[2].parent / "shared" / "weights"
COMMAND = [sys.executable, "-c", "from pod.cli import main; main()", "read"]


def weights() -> list[str]:
    """Bundled ones, or options that name upstream's."""
    if registry.bundled_names():
        return []
    if not SHARED_WEIGHTS.is_dir():
        pytest.skip("needs ../shared (upstream weights)")
    detector, recognizer = (next(SHARED_WEIGHTS.glob(pattern)) for pattern in ("yolo*.onnx", "cct*.onnx"))
    return [f"--detector={detector}", f"--recognizer={recognizer}"]


def read(*arguments, **options):
    """Runs the command to its end; `lines` of the answer are its JSON lines."""
    done = subprocess.run(
        [*COMMAND, *weights(), *map(str, arguments)], capture_output=True, text=True, timeout=100, **options
    )
    assert "Traceback" not in done.stderr, done.stderr
    done.lines = [json.loads(line) for line in done.stdout.splitlines()] if "--json" in arguments else []
    return done


@pytest.fixture
def folder(tmp_path):
    """A plate, a picture without one, and a broken file, some of it in a sub-folder."""
    (tmp_path / "cars" / "late").mkdir(parents=True)
    with Image.open(reference.PICTURE) as picture:
        picture.save(tmp_path / "cars" / "b.png")
        picture.convert("RGB").save(tmp_path / "cars" / "late" / "a.jpg", quality=95)
    Image.new("RGB", (320, 240), (90, 90, 90)).save(tmp_path / "cars" / "a.png")
    (tmp_path / "cars" / "broken.jpg").write_bytes(b"")
    return tmp_path / "cars"


def clip(path: Path, frames: int = 12, codec: str = "libx264") -> Path:
    """The reference picture as a video of ten pictures a second."""
    with Image.open(reference.PICTURE) as picture, av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 800, 450, "yuv420p", 10
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")))))
        container.mux(stream.encode())
    return path


def test_a_folder_gives_one_json_line_per_picture_and_goes_on_after_a_broken_one(folder):
    done = read("--json", folder)
    assert done.returncode == 1
    empty, plate, broken, late = done.lines
    assert empty.keys() == {"file", "plates", "no_plate", "ms"}
    assert (empty["file"], empty["plates"]) == (str(folder / "a.png"), [])
    (found,) = plate["plates"][:1]
    assert found.keys() == {"text", "confidence", "box"}
    assert found["text"] == reference.PLATE
    assert 0.8 < found["confidence"] <= 1
    assert [abs(a - b) < 12 for a, b in zip(found["box"], (311, 286, 489, 324), strict=True)] == [True] * 4
    assert 0 < plate["ms"] < 60_000
    assert broken == {
        "file": str(folder / "broken.jpg"),
        "error": "the file is empty: copy it again from where it came from",
    }
    assert late["plates"][0]["text"] == reference.PLATE


def test_places_that_are_no_plate_are_counted_beside_the_plates(shared):
    """The upstream recogniser knows windows from plates; the bundled detector takes one for a plate here."""
    street = shared / "plates" / "detect" / "images" / "val" / "neg_openalpr_00005.jpg"
    upstream = f"--recognizer={SHARED_WEIGHTS / 'cct_xs_v2_global.onnx'}"
    (line,) = read("--json", upstream, street).lines
    assert (line["plates"], line["no_plate"]) == ([], 1)
    assert "no plate (1 not legible as one)" in read(upstream, street).stdout


def test_without_json_a_line_for_people_goes_out_and_faults_go_to_stderr(folder):
    done = read(folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert "no plate" in lines[0]
    assert f"{reference.PLATE} " in lines[1]
    assert lines[1].endswith(" ms")
    assert f"{folder / 'broken.jpg'}: the file is empty" in done.stderr


def test_everything_read_exits_0(folder):
    assert read("--json", folder / "b.png").returncode == 0


def test_a_path_to_nothing_exits_2_before_anything_is_read(folder):
    done = read("--json", folder / "b.png", folder / "gone.jpg")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"no such file or folder: {folder / 'gone.jpg'}: check the spelling" in done.stderr


def test_weights_that_are_not_there_exit_2_with_the_mend(folder):
    done = subprocess.run([*COMMAND, "--detector=no/such.onnx", str(folder)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no/such.onnx: the weights of 'such' are missing: install" in done.stderr
    assert "Traceback" not in done.stderr


def test_annotated_pictures_keep_their_folders_and_show_the_box(folder, tmp_path):
    out = tmp_path / "out"
    assert read(folder, "--annotate", out).returncode == 1
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == ["a.png", "b.png", "late/a.jpg"]
    with Image.open(out / "b.png") as drawn, Image.open(folder / "b.png") as plain:
        changed = np.any(np.asarray(drawn) != np.asarray(plain), axis=2)
    rows, columns = np.nonzero(changed)
    assert 300 < columns.min() < 320
    assert 480 < columns.max() < 500
    assert 230 < rows.min() < 290
    assert 315 < rows.max() < 350


def test_a_folder_that_cannot_be_written_is_an_error_line_and_the_reads_still_come(folder, tmp_path):
    (tmp_path / "out").write_text("a file")
    done = read("--json", folder / "b.png", "--annotate", tmp_path / "out")
    assert done.returncode == 1
    assert done.lines[0]["plates"][0]["text"] == reference.PLATE
    assert "cannot be written" in done.lines[1]["error"]


def test_a_video_gives_a_line_per_picture_with_its_time_and_may_be_thinned(tmp_path):
    video = clip(tmp_path / "clip.mp4")
    done = read("--json", "--fps", "5", video)
    assert done.returncode == 0
    assert [line["time_s"] for line in done.lines] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert {line["plates"][0]["text"] for line in done.lines} == {reference.PLATE}


def test_a_limit_ends_a_run_early(tmp_path):
    assert len(read("--json", "--limit", "3", clip(tmp_path / "clip.mp4")).lines) == 3


@pytest.mark.skipif(available() is not None, reason=f"needs GStreamer: {available()}")
def test_a_stream_is_read_until_the_limit_and_its_password_is_never_shown(tmp_path):
    video = clip(tmp_path / "clip.mp4", frames=20)
    with CameraProcess({"gate": [video]}, auth="digest", user="someone", password="secret") as camera:
        address = camera.url("gate").replace("rtsp://", "rtsp://someone:secret@")
        done = read("--json", "--limit", "3", address)
        assert done.returncode == 0, done.stderr
        assert [line["plates"][0]["text"] for line in done.lines] == [reference.PLATE] * 3
        assert done.lines[0]["file"] == camera.url("gate").replace("rtsp://", "rtsp://***@")
        wrong = read("--json", address.replace("secret", "wrong"))
    assert wrong.returncode == 1
    assert "password" in wrong.lines[0]["error"]
    assert "secret" not in done.stdout + done.stderr
    assert "wrong@" not in wrong.stdout + wrong.stderr


def test_a_stream_that_is_not_there_is_an_error_line_and_the_rest_is_read(folder):
    done = read("--json", "rtsp://127.0.0.1:9/gate", folder / "b.png")
    assert done.returncode == 1
    assert "error" in done.lines[0]
    assert done.lines[1]["plates"][0]["text"] == reference.PLATE


def test_a_name_that_is_no_text_is_still_read_and_shown(folder):
    strange = os.fsencode(folder) + b"/\xff\xfe.png"
    Path(os.fsdecode(strange)).write_bytes((folder / "b.png").read_bytes())
    assert read("--json", os.fsdecode(strange)).lines[0]["plates"][0]["text"] == reference.PLATE
    shown = read(os.fsdecode(strange))
    assert shown.returncode == 0
    assert "\\udcff" in shown.stdout


def test_a_name_with_line_ends_and_commands_to_the_terminal_shows_them_as_escapes(folder):
    strange = folder / "x\x1b[2J\n y.png"
    (folder / "b.png").rename(strange)
    done = read(strange, folder / "broken.jpg")
    assert done.stdout.count("\n") == 1
    assert "x\\x1b[2J\\n y.png" in done.stdout
    assert read("--json", strange).lines[0]["file"] == str(strange)


def test_every_kind_of_bad_file_of_a_folder_gets_its_line_and_the_good_ones_are_read(folder):
    (folder / "text.jpg").write_text("no picture at all\n" * 40)
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 90)
    (folder / "cut.png").write_bytes((folder / "b.png").read_bytes()[:5000])
    (folder / "gone.jpg").symlink_to(folder / "nothing")
    Image.new("RGB", (500, 1)).save(folder / "thin.png")
    os.mkfifo(folder / "pipe.png")
    done = read("--json", folder)
    assert done.returncode == 1
    lines = {Path(line["file"]).name: line for line in done.lines}
    bad = {"broken.jpg", "text.jpg", "phone.heic", "cut.png", "gone.jpg", "pipe.png"}
    assert {name for name, line in lines.items() if "error" in line} == bad
    assert {name for name, line in lines.items() if "plates" in line} == {"a.png", "b.png", "thin.png"} | {
        "a.jpg"
    }
    assert lines["b.png"]["plates"][0]["text"] == reference.PLATE


def test_a_folder_without_any_picture_exits_1_and_is_named(tmp_path):
    done = read(tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}: no pictures or videos in this folder" in done.stderr


def test_a_reader_that_stops_listening_gets_no_traceback(folder):
    process = subprocess.Popen(
        [*COMMAND, *weights(), "--json", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(60) != 0


def test_a_bar_shows_on_a_terminal_when_the_lines_go_elsewhere(folder, tmp_path):
    for i in range(12):
        (folder / f"copy{i}.png").write_bytes((folder / "a.png").read_bytes())
    ours, theirs = pty.openpty()
    with (tmp_path / "lines").open("w") as lines:
        process = subprocess.Popen([*COMMAND, *weights(), "--json", str(folder)], stdout=lines, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # Linux's way to say that the other end of a terminal is closed
        pass
    os.close(ours)
    process.wait(60)
    assert b"Reading" in shown
    assert len((tmp_path / "lines").read_text().splitlines()) == 16


@pytest.mark.proof(21)
def test_spoilt_pictures_and_videos_give_a_line_each_and_the_rest_is_read(
    folder, tmp_path, prove: Prove, often: Callable[[int, int], int]
):
    with Image.open(folder / "a.png") as grey:
        for kind in ("bmp", "gif", "webp", "tiff", "ppm"):
            grey.save(tmp_path / f"good.{kind}")
    good = [folder / "b.png", folder / "late" / "a.jpg", clip(tmp_path / "c.mp4", frames=3)]
    good += sorted(tmp_path.glob("good.*"))
    given = tmp_path / "given"
    given.mkdir()
    count = often(80, 1000)
    for n, data in enumerate(spoilt([path.read_bytes() for path in good], count)):
        (given / f"{n:04}{good[n % len(good)].suffix}").write_bytes(data)
    done = read("--json", given, folder / "b.png")
    assert "Traceback" not in done.stderr
    assert done.lines[-1]["plates"][0]["text"] == reference.PLATE
    told = {line["file"] for line in done.lines}
    refused = sum("error" in line for line in done.lines)
    assert refused > 0
    prove(attempts=count, faults=refused, losses=count + 1 - len(told))

"""`platebridge demo --check` as CI and people run it: a process, a real stream, one JSON line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from models.render import camera_process
from pod.commands import demo_camera
from pod.commands.demo import demo_config, run_demo
from pod.commands.demo_check import CheckResult
from pod.commands.demo_list import write_demo_list
from pod.store.store import FILE_NAME

ROOT = Path(__file__).parents[2]
PLATEBRIDGE = Path(sys.executable).with_name("platebridge")


@pytest.mark.timeout(300)  # the first run on a machine renders the clip
def test_check_lets_the_resident_in_and_the_unlisted_car_not_and_says_so_in_one_json_line():
    if camera_process.available() is not None:
        pytest.skip("needs GStreamer")
    ran = subprocess.run(
        [PLATEBRIDGE, "demo", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=290, check=False
    )
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    report = json.loads(line)
    assert report["ok"]
    assert report["source"] == "rtsp"
    answers = dict(
        zip(report["plates"], zip(report["verdicts"], report["reasons"], strict=True), strict=True)
    )
    assert answers["7KDM294"] == ("allow", "listed")
    assert answers["LK63XTN"] == ("deny", "not_listed")
    assert all(0 < ms < 5000 for ms in report["latencies_ms"])
    assert {"platebridge", "detector", "recognizer"} <= report["versions"].keys()


def test_without_gstreamer_the_same_clip_plays_from_its_file_and_the_demo_says_why(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(demo_camera, "available", lambda: "GStreamer [1.0] is missing; apt install it")
    with demo_camera.demo_camera(None, console=Console(stderr=True, width=200)) as camera:
        assert (camera.source, camera.loop) == ("file", True)
        assert "GStreamer [1.0] is missing; apt install it" in capsys.readouterr().err
        write_demo_list(tmp_path / FILE_NAME)
        config = demo_config(camera, tmp_path, port=0)
        result = CheckResult(camera.url)
        run_demo(config, Console(stderr=True), check=True, timeout_s=60, result=result)
    assert result.complete
    assert {answer.verdict for answer in result.answers} == {"allow", "deny"}


def test_a_check_that_sees_no_car_in_time_reports_what_was_missing_and_exits_with_1(tmp_path, monkeypatch):
    ran = subprocess.run(
        [sys.executable, "-c", _IMPATIENT, str(ROOT / "models/reference")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    report = json.loads(ran.stdout)
    assert not report["ok"]
    assert report["missing"] == ["a car that is let in", "a car that is not let in"]


_IMPATIENT = """
import sys
from pod import cli
from pod.commands import demo
demo.CHECK_TIMEOUT_S = 1.0
sys.argv = ["platebridge", "demo", "--check", "--video", sys.argv[1]]
cli.main()
"""


def test_a_video_that_is_not_there_is_told_in_one_sentence(tmp_path):
    ran = subprocess.run(
        [PLATEBRIDGE, "demo", "--video", "none.mp4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.strip() == (
        "platebridge: none.mp4: there is no such file; name a video, a folder of pictures or rtsp://HOST/PATH"
    )


def test_a_folder_that_is_not_there_is_made_and_one_named_like_markup_is_like_any_other(tmp_path):
    folder = tmp_path / "[" / "x]"
    command = [PLATEBRIDGE, "demo", "--port", "0", "--video", ROOT / "models/reference", "--data-dir", folder]
    demo = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            if "Ctrl-C ends" in line:
                break
        demo.send_signal(signal.SIGINT)
        said.append(demo.communicate(timeout=30)[0])
    finally:
        demo.kill()
    assert demo.returncode == 0, said
    assert f"plates list --data-dir {folder} " in "".join(said)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_check_of_a_file_that_cannot_be_played_ends_early_and_names_it(tmp_path):
    file = tmp_path / "[zero].jpg"
    file.write_bytes(b"")
    ran = subprocess.run(
        [PLATEBRIDGE, "demo", "--check", "--video", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,  # a check that only sees no car takes 90 s
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    report = json.loads(ran.stdout)
    assert not report["ok"]
    assert report["fault"].startswith(f"{file} cannot be played: ")
    assert report["fault"] in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_that_has_played_may_come_back_after_a_fault():
    result = CheckResult("clip.mp4")
    result.take({"kind": "camera_state", "state": "playing", "text": ""})
    result.take({"kind": "camera_state", "state": "failed", "text": "cut short"})
    assert not result.settled


def test_a_stream_that_fails_is_waited_for():
    result = CheckResult(None)
    result.take({"kind": "camera_state", "state": "failed", "text": "does not answer"})
    assert not result.settled


def test_sigterm_while_the_camera_starts_leaves_no_folder_behind(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", _ENDED_AT_THE_START],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert ended.stdout.startswith("platebridge-demo-")
    assert list(tmp_path.iterdir()) == []


_ENDED_AT_THE_START = """
import os, signal, sys
from pod import cli
from pod.commands import demo

def starting(video, *, console):
    print(*os.listdir(), flush=True)
    signal.raise_signal(signal.SIGTERM)

demo.demo_camera = starting
sys.argv = ["platebridge", "demo"]
cli.main()
"""

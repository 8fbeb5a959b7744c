"""A .pt is converted only where its maker is trusted: by a process of its own, with limits and an end."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gate_fixtures import until

from models import pickles, registry
from models.manifest import ModelError
from models.pickles import converted
from pod.cli import root_command

ROOT = Path(__file__).parents[2]
TRAINING = ROOT / ".train" / "venv" / "bin" / "python"
FINDER = registry.load("bundled", "detector")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What looks like a .pt from outside."""
    path = tmp_path / "mine.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mine/data.pkl", b"\x80\x02.")
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Has a shell script in the place of the Python that converts; ultralytics counts as installed."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(pickles.sys, "executable", str(path))
    monkeypatch.setattr(pickles.importlib.util, "find_spec", lambda name: name)


def imported(file: Path, store: Path, *options: str) -> ModelError | None:
    """Why `platebridge models import` refuses a file; None where it takes it."""
    try:
        root_command()(
            ["models", "import", str(file), "--store", str(store), *options], standalone_mode=False
        )
    except ModelError as fault:
        return fault
    return None


def imported_by_training(file: Path, store: Path) -> subprocess.CompletedProcess[str]:
    """The same, trusted, by the environment that holds ultralytics."""
    words = ["-m", "pod.cli", "models", "import", file, "--trust-pickle", "--store", store]
    return subprocess.run([TRAINING, *words], capture_output=True, text=True, timeout=110, check=False)


def test_a_pickle_is_refused_without_a_word_of_trust(archive: Path, work: Path) -> None:
    fault = imported(archive, work)
    assert "loading it runs whatever code its maker put in" in str(fault)
    assert "add --trust-pickle" in str(fault)
    assert list(work.glob("*.onnx")) == []


def test_without_ultralytics_the_extra_that_brings_it_is_named(
    archive: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles.importlib.util, "find_spec", lambda _name: None)
    with (
        pytest.raises(ModelError, match=r"needs ultralytics.*pip install 'platebridge\[train\]'"),
        converted(archive, beside=work),
    ):
        pass


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b"\x80\x04\x95garbage", "is no whole .pt of today's torch", id="an old pickle"),
        pytest.param(b"", "is no whole .pt", id="empty"),
        pytest.param(b"PK\x03\x04cut", "is no whole .pt", id="truncated"),
    ],
)
def test_what_is_no_archive_is_refused_before_a_process_starts(
    archive: Path, work: Path, raw: bytes, says: str
) -> None:
    archive.write_bytes(raw)
    with pytest.raises(ModelError, match=says), converted(archive, beside=work):
        pass


def test_an_archive_that_unfolds_to_more_than_a_model_is_refused(
    archive: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "_MOST_PICKLE_BYTES", 5_000_000)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mine/data.pkl", bytes(5_000_001))
    assert archive.stat().st_size < 10_000
    with (
        pytest.raises(ModelError, match="unfolds to 5,000,001 bytes in 1 files; more than 5,000,000"),
        converted(archive, beside=work),
    ):
        pass


def test_an_archive_of_countless_files_is_refused(
    archive: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "_MOST_ENTRIES", 100)
    with zipfile.ZipFile(archive, "w") as file:
        for n in range(101):
            file.writestr(str(n), b"")
    with pytest.raises(ModelError, match="in 101 files"), converted(archive, beside=work):
        pass


def test_the_conversion_gets_nothing_of_this_process_s_own_environment(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "swordfish")
    stand_in(tmp_path, monkeypatch, f"env > {tmp_path}/seen; pwd >> {tmp_path}/seen; touch model.onnx")
    with converted(archive, beside=work) as made:
        folder = made.parent
    seen = (tmp_path / "seen").read_text()
    assert "swordfish" not in seen
    assert f"HOME={folder}" in seen
    assert f"\n{folder}\n" in seen
    assert "YOLO_AUTOINSTALL=false" in seen
    assert list(work.iterdir()) == []


def test_a_conversion_without_an_end_is_ended_with_all_that_it_started(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, f"sleep 600 & echo $! > {tmp_path}/child; wait")
    with (
        pytest.raises(
            ModelError, match="was not converted within 4 s: export it to ONNX where it was trained"
        ),
        converted(archive, beside=work, limit_s=4),
    ):
        pass
    child = int((tmp_path / "child").read_text())
    until(lambda: is_gone(child))
    assert list(work.iterdir()) == []


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_conversion_ends_with_the_import_that_was_killed(work: Path) -> None:
    """Without ultralytics here, a module of that name waits for ever in its place."""
    ready = work / "ready"
    (work / "ultralytics.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(ready)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(999)\n"
    )
    (work / "torchvision.py").touch()
    script = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'models.convert_pickle', 'mine.pt'], start_new_session=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{work}{os.pathsep}{ROOT}"}
    importer = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        until(lambda: ready.exists() and ready.read_text() != "")
    finally:
        importer.kill()
        importer.wait()
    until(lambda: is_gone(int(ready.read_text())))


def test_what_a_conversion_said_last_is_told_harmlessly(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo first; printf 'no layer \\033[31mFoo'; exit 3")
    with (
        pytest.raises(ModelError, match=r"cannot be converted \(no layer  \[31mFoo\): is it an ultralytics"),
        converted(archive, beside=work),
    ):
        pass


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("true", id="nothing"),
        pytest.param("ln -s /etc/passwd model.onnx", id="a link to elsewhere"),
        pytest.param("mkdir model.onnx", id="a folder"),
    ],
)
def test_a_conversion_that_leaves_no_file_of_its_own_is_refused(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    stand_in(tmp_path, monkeypatch, script)
    with pytest.raises(ModelError, match="its conversion left no ONNX file"), converted(archive, beside=work):
        pass


def test_what_comes_of_a_conversion_is_checked_like_any_network(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo no network > model.onnx")
    assert "is no ONNX file" in str(imported(archive, work, "--trust-pickle"))
    stand_in(tmp_path, monkeypatch, f"cp {FINDER.file} model.onnx")
    assert imported(archive, work, "--trust-pickle") is None
    assert registry.find("mine", store=work).sha256 == FINDER.sha256


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A real .pt of ultralytics: the detector's network, with the weights it begins with."""
    if not TRAINING.exists():
        pytest.skip("needs the training environment (scripts/train.sh makes it)")
    path = tmp_path / "trained.pt"
    make = (
        "from models.training import torchvision_stub; torchvision_stub.ensure()\n"
        "from ultralytics import YOLO\n"
        f"YOLO({str(ROOT / 'models/training/yolo11-pico.yaml')!r}).save({str(path)!r})"
    )
    settings = os.environ | {"YOLO_CONFIG_DIR": str(tmp_path), "YOLO_OFFLINE": "true"}
    subprocess.run([TRAINING, "-c", make], check=True, capture_output=True, cwd=tmp_path, env=settings)
    return path


def test_a_real_pickle_of_ultralytics_is_converted_and_then_judged_by_what_it_finds(
    trained: Path, work: Path
) -> None:
    done = imported_by_training(trained, work)
    assert done.returncode == 2
    # Converted, loaded and run: its untrained weights find nothing.
    assert f"platebridge: {trained}: trained on cpu and " in done.stderr
    assert "read nothing in the reference picture" in done.stderr
    assert list((work / ".arriving").iterdir()) == []


def test_code_in_a_pickle_does_not_run_in_ultralytics_restricted_load(work: Path, tmp_path: Path) -> None:
    if not TRAINING.exists():
        pytest.skip("needs the training environment (scripts/train.sh makes it)")
    path, told = tmp_path / "hostile.pt", tmp_path / "ran"
    code = f"cos\nsystem\n(S'touch {told}'\ntR.".encode()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hostile/data.pkl", code)
        file.writestr("hostile/version", "3\n")
        file.writestr("hostile/byteorder", "little")
    done = imported_by_training(path, work)
    assert done.returncode == 2
    assert "cannot be converted" in done.stderr
    assert not told.exists()

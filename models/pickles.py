"""Has an ultralytics .pt converted by a process of its own, and takes nothing from it but one file.

A .pt is a Python pickle: loading it runs whatever code its maker put in. The process has a clean environment,
an empty folder for a home, limits and an end; it is no sandbox, and can still do whatever this user can.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.disk import copy_file
from models.manifest import ModelError

LIMIT_S = 900.0
"""Converting a large network on a small box takes minutes."""

_MOST_PICKLE_BYTES = 500_000_000
_MOST_ENTRIES = 20_000
_MOST_TOLD = 600


def is_pickle(file: Path) -> bool:
    """Whether a file is one of those that only Python's pickle can read."""
    return file.suffix.lower() in (".pt", ".pth", ".pkl", ".ckpt")


@contextmanager
def converted(source: Path, *, beside: Path, limit_s: float = LIMIT_S) -> Iterator[Path]:
    """The ONNX file of a .pt, until the block ends.

    Args:
        beside: the folder to work in; its file system needs the room.

    Raises:
        ModelError: it cannot be converted here, or not in time.
    """
    _check_archive(source)
    if importlib.util.find_spec("ultralytics") is None:
        raise ModelError(
            f"{source}: converting it needs ultralytics, which is not installed: pip install "
            "'platebridge[train]', or export it to ONNX where it was trained and import that"
        )
    with tempfile.TemporaryDirectory(prefix="convert-", dir=beside, ignore_cleanup_errors=True) as place:
        folder = Path(place)
        copy_file(source, folder / "model.pt", sha256=None, most_bytes=_MOST_PICKLE_BYTES)
        _run(source, folder, limit_s)
        made = folder / "model.onnx"
        if made.is_symlink() or not made.is_file():
            raise ModelError(
                f"{source}: its conversion left no ONNX file: export it where it was trained, and import that"
            )
        yield made


def _check_archive(source: Path) -> None:
    """Makes sure that the archive does not unfold to more than a model can be."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            unfolded = sum(entry.file_size for entry in entries)
    except OSError as error:
        raise ModelError(
            f"{source}: cannot be read ({error.strerror}): check the path and its rights"
        ) from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{source}: is no whole .pt of today's torch ({error}): download it again, or save it anew where "
            "it was trained"
        ) from error
    if unfolded > _MOST_PICKLE_BYTES or len(entries) > _MOST_ENTRIES:
        raise ModelError(
            f"{source}: unfolds to {unfolded:,} bytes in {len(entries):,} files; more than "
            f"{_MOST_PICKLE_BYTES:,} are not taken"
        )


def _run(source: Path, folder: Path, limit_s: float) -> None:
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "models.convert_pickle", str(folder / "model.pt")],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"{source}: was not converted within {limit_s:.0f} s: export it to ONNX where it was "
                "trained, and import that"
            ) from None
        finally:
            _end(process)
    if code != 0:
        raise ModelError(
            f"{source}: cannot be converted ({_last_words(said)}): is it an ultralytics detector? Else "
            "export it to ONNX where it was trained, and import that"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of this process's own, which may hold secrets; ultralytics is to install and fetch nothing."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_AUTOINSTALL": "false",
        "YOLO_OFFLINE": "true",
        "ULTRALYTICS_SAFE_LOAD": "1",
    }


def _last_words(said: Path) -> str:
    """The last line of what a process said, harmless to print."""
    with said.open("rb") as file:
        file.seek(max(0, said.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    told = "".join(c if c.isprintable() else " " for c in lines[-1]) if lines else "it said nothing"
    return told[:_MOST_TOLD]

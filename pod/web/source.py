"""The running program's own source as one archive: a modified POD offers its modified source."""

import functools
import io
import tarfile
from pathlib import Path

import pod

_ROOT = Path(pod.__file__).parent.parent
_PACKAGES = ("pod", "models", "sync")
_BESIDE = ("LICENSE", "README.md", "pyproject.toml")
_LEFT_OUT = {"__pycache__"}
_LEFT_OUT_SUFFIXES = {".onnx", ".pyc"}


@functools.cache
def pack_source() -> bytes:
    """A .tar.gz of the installed packages without weights, some hundred kilobytes.

    Packed once: anybody may ask for it, and packing takes a processor from the cameras.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in (*_PACKAGES, *_BESIDE):
            path = _ROOT / name
            if path.exists():
                archive.add(path, arcname=f"platebridge/{name}", filter=_wanted)
    return buffer.getvalue()


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(member.name)
    if _LEFT_OUT.intersection(path.parts) or path.suffix in _LEFT_OUT_SUFFIXES:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member

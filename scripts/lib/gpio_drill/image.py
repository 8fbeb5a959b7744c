"""Put together what boots: `python -m gpio_drill.image base|checkout`. Runs under the virtual environment.

`base` holds an interpreter with its standard library, gpiod, and the kernel's modules: it is cached.
`checkout` holds the gate code of this checkout and the programs of the drill: it is made for every run. The
kernel unpacks one after the other.
"""

import argparse
import compileall
import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

from gpio_drill.cpio import Entry, write_archive

PACKAGES = ("gpiod", "pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")
"""What `pod.gate` imports beyond the standard library, and what that imports."""

LEFT_OUT = {
    *(
        "_ssl",
        "_hashlib",
        "_sqlite3",
        "_tkinter",
        "_curses",
        "_curses_panel",
        "readline",
        "_dbm",
        "_gdbm",
        "nis",
    ),
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "distutils", "venv"),
    *("site-packages", "dist-packages", "unittest", "__pycache__", "sqlite3", "wsgiref", "xmlrpc", "curses"),
}
"""Folders and modules of the standard library that no part of the drill imports."""

LIBRARY = f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"
"""The guest's standard library. Packages lie in it, too: no Python searches anything else in isolated mode
under every distribution's layout."""

CHECKOUT = Path(__file__).parents[3]
DRILL = Path(__file__).parent


def versions() -> str:
    """What a cached base depends on, one a line."""
    named = (f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return "\n".join((f"python {sys.version.split()[0]} {sys.base_prefix}", *named)) + "\n"


def base_entries(modules: Path, staging: Path) -> Iterator[Entry]:
    """The interpreter, its libraries, the packages, and every `*.ko` of the folder `modules`."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    copied = staging / "python"
    shutil.copytree(stdlib, copied, ignore=_unwanted, symlinks=False, ignore_dangling_symlinks=True)
    for package in PACKAGES:
        _copy_package(package, copied)
    # Without bytecode every start of an emulated interpreter would compile its imports anew.
    compileall.compile_dir(
        copied,
        quiet=2,
        stripdir=str(copied),
        prependdir=LIBRARY,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    interpreter = Path(sys.executable).resolve()
    binaries = [interpreter, *copied.rglob("*.so*")]
    for library in sorted(_libraries(binaries)):
        # Where the loader looks without being told; the loader itself is named by its path in every binary.
        folder = "/lib64" if library.name.startswith("ld-linux") else "/usr/lib"
        yield Entry(f"{folder}/{library.name}", library.resolve(), executable=True)
    yield Entry("/usr/bin/python3", interpreter, executable=True)
    for path in sorted(copied.rglob("*")):
        if path.is_file():
            yield Entry(f"{LIBRARY}/{path.relative_to(copied)}", path)
    for module in sorted(modules.glob("*.ko")):
        yield Entry(f"/modules/{module.name}", module)


def checkout_entries() -> Iterator[Entry]:
    """The sources of `pod` that the gate needs and the drill's programs."""
    for path in sorted((CHECKOUT / "pod").rglob("*.py")):
        yield Entry(f"{LIBRARY}/{path.relative_to(CHECKOUT)}", path)
    for path in (DRILL / "__init__.py", *sorted((DRILL / "guest").glob("*.py"))):
        yield Entry(f"{LIBRARY}/gpio_drill/{path.relative_to(DRILL)}", path)
    yield Entry("/init", DRILL / "guest" / "init.py", executable=True)


def _unwanted(_folder: str, names: list[str]) -> set[str]:
    return {
        name
        for name in names
        if name.partition(".cpython-")[0] in LEFT_OUT
        or name.startswith(("config-", "_test"))
        or name.endswith((".a", ".exe"))
    }


def _copy_package(name: str, target: Path) -> None:
    for file in importlib.metadata.files(name) or ():
        if file.suffix in (".py", ".so") and ".." not in file.parts:
            destination = target / file
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), destination)


def _libraries(binaries: list[Path]) -> set[Path]:
    """Every shared library that the binaries load, by the path the loader found."""
    said = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() if not line.endswith(":") for word in line.split())
    return {Path(word) for word in words if word.startswith("/")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gpio_drill.image", description=__doc__)
    parser.add_argument("part", choices=["base", "checkout", "versions"])
    parser.add_argument("--modules", type=Path, help="folder of kernel modules, for base")
    parser.add_argument("--out", type=Path, help="file to write")
    chosen = parser.parse_args()
    if chosen.part == "versions":
        print(versions(), end="")
        return
    with chosen.out.open("wb") as out, tempfile.TemporaryDirectory() as staging:
        if chosen.part == "base":
            write_archive(out, base_entries(chosen.modules, Path(staging)))
        else:
            write_archive(out, checkout_entries())


if __name__ == "__main__":
    main()

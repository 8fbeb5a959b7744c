"""The GPIO drill tells what is missing and what to do, and packs an image that a kernel can unpack.

The drill itself takes minutes and an emulated machine: `scripts/drill-gpio.sh` runs it.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from gpio_drill.cpio import Entry, write_archive

ROOT = Path(__file__).parents[2]
TOOLS = (
    "bash",
    "cat",
    "cut",
    "dirname",
    "env",
    "flock",
    "grep",
    "id",
    "mkdir",
    "mktemp",
    "rm",
    "sed",
    "sha256sum",
)
MACHINE = {"uname": "echo x86_64", "qemu-system-x86_64": "exit 1", "dpkg-query": "echo installed"}
"""A PC on which every system package seems to be installed."""

LISTS = """
case $2 in
  linux-image-amd64) echo '  Depends: linux-image-6.1.0-1-amd64' ;;
  linux-headers-6.1.0-1-amd64)
    printf '  Depends: %s\\n' linux-headers-6.1.0-1-common linux-kbuild-6.1 linux-compiler-gcc-12-x86 ;;
  --no-all-versions) echo 'Version: 6.1.1-1' ;;
esac
"""
"""What apt-cache says of Debian 12's kernel."""


def drill(
    tmp_path: Path, *arguments: str, programs: Mapping[str, str], tools: tuple[str, ...] = TOOLS
) -> subprocess.CompletedProcess[str]:
    """Run the drill's script where nothing but these tools and programs can be found.

    Args:
        programs: name -> shell script that stands for it.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        (folder / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "drill-gpio.sh", *arguments],
        env={"PATH": str(folder), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_the_cache_and_what_the_exit_status_means(tmp_path: Path) -> None:
    done = drill(tmp_path, "--help", programs={})
    assert done.returncode == 0
    assert f"{tmp_path}/cache/platebridge/gpio-drill" in done.stdout
    assert "0 all promises kept; 1 one is broken" in done.stdout


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    done = drill(tmp_path, "--fast", programs={})
    assert done.returncode == 2
    assert done.stderr.endswith("error: unknown argument: --fast\n")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        pytest.param(
            MACHINE | {"uname": "echo aarch64"}, "run it on amd64, not on aarch64", id="another-architecture"
        ),
        pytest.param(
            {"uname": "echo x86_64"},
            "no qemu-system-x86_64: sudo apt-get install qemu-system-x86",
            id="no-qemu",
        ),
        pytest.param(MACHINE, "run it on Debian 12, or copy the drill's cache folder", id="no-apt"),
        pytest.param(
            MACHINE | {"apt-get": "exit 0", "apt-cache": "exit 0"},
            "apt knows no linux-image-amd64",
            id="no-lists",
        ),
        pytest.param(
            MACHINE | {"apt-get": "echo unreachable; exit 100", "apt-cache": LISTS},
            "apt could not download linux-image-6.1.0-1-amd64: check the network, or copy the drill's cache",
            id="no-network",
        ),
    ],
)
def test_what_is_missing_is_told_with_its_mend(
    tmp_path: Path, programs: Mapping[str, str], said: str
) -> None:
    done = drill(tmp_path, programs=programs)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert done.stdout == ""


def test_a_damaged_kernel_in_the_cache_is_never_booted(tmp_path: Path) -> None:
    kernel = tmp_path / "cache/platebridge/gpio-drill/kernel"
    kernel.mkdir(parents=True)
    (kernel / "vmlinuz").write_bytes(b"cut off")
    (kernel / "SHA256SUMS").write_text(f"{'0' * 64}  vmlinuz\n")
    done = drill(tmp_path, programs=MACHINE)
    assert done.returncode == 2
    assert "the cached kernel is damaged; making it anew" in done.stderr


def members(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Path -> mode and content, read by the format's own description."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        at += 110 + name_size
        at += -at % 4
        if name == "TRAILER!!!":
            assert at == len(archive)
            return found
        assert name not in found
        found[name] = (mode, archive[at : at + size])
        at += size
        at += -at % 4


def test_an_archive_holds_every_file_once_after_its_folders(tmp_path: Path) -> None:
    (tmp_path / "module").write_bytes(b"12345")
    out = BytesIO()
    write_archive(
        out,
        [
            Entry("/usr/lib/a.py", tmp_path / "module"),
            Entry("/usr/lib/a.py", b"not this one"),
            Entry("/init", b"#!", executable=True),
        ],
    )
    assert members(out.getvalue()) == {
        "usr": (stat.S_IFDIR | 0o755, b""),
        "usr/lib": (stat.S_IFDIR | 0o755, b""),
        "usr/lib/a.py": (stat.S_IFREG | 0o644, b"12345"),
        "init": (stat.S_IFREG | 0o755, b"#!"),
    }


def test_the_image_holds_the_guard_the_driver_and_the_first_process(tmp_path: Path) -> None:
    image = tmp_path / "checkout.cpio"
    subprocess.run(
        [sys.executable, "-m", "gpio_drill.image", "checkout", "--out", image],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts" / "lib")},
        check=True,
    )
    held = members(image.read_bytes())
    assert held["init"] == (
        stat.S_IFREG | 0o755,
        (ROOT / "scripts/lib/gpio_drill/guest/init.py").read_bytes(),
    )
    for path in ("pod/gate/guard.py", "pod/gate/drivers/gpio.py", "gpio_drill/guest/drill.py"):
        assert sum(name.endswith(f"/{path}") for name in held) == 1

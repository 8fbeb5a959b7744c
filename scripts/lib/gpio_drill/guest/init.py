#!/usr/bin/python3 -I
"""The guest's first process: mounts, loads the modules, runs the drill, and powers off whatever happens."""

import ctypes
import os
import subprocess
import sys
import traceback
from pathlib import Path

MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tracefs", "/sys/kernel/tracing"),
)
POWER_OFF = 0x4321FEDC
FINIT_MODULE = 313
"""The system call's number on x86-64; the C library has no function for it."""

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(kind: str, where: str) -> None:
    Path(where).mkdir(parents=True, exist_ok=True)
    checked(libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None), f"mount {kind}")


def load_module(path: Path) -> None:
    with path.open("rb") as module:
        checked(libc.syscall(FINIT_MODULE, module.fileno(), b"", 0), f"load {path.name}")


def main() -> None:
    for kind, where in MOUNTS:
        mount(kind, where)
    for name in ("configfs.ko", "gpio-sim.ko"):
        load_module(Path("/modules", name))
    mount("configfs", "/sys/kernel/config")
    drill = subprocess.Popen([sys.executable, "-I", "-m", "gpio_drill.guest.drill"])
    while os.wait()[0] != drill.pid:
        pass  # An orphan of the drill: the first process buries those.


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
    finally:
        os.sync()
        libc.reboot(POWER_OFF)

"""What this machine brings to a training: a GPU or not, memory, disk; refuse early what would fail late."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ASK_TORCH = "import torch; n = torch.cuda.is_available(); print(torch.cuda.get_device_name(0) if n else '')"
_GIB = 2**30


class MachineError(Exception):
    """This machine has too little of something; the message says of what, and what to do."""


def gpu() -> str | None:
    """The name of the GPU that torch would use; None without one."""
    asked = subprocess.run([sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise MachineError(
            f"torch cannot be imported: {asked.stderr.strip()[-300:]}: remove .train/venv and try again"
        )
    return asked.stdout.strip() or None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def available_memory_bytes() -> int:
    """What can be had without swapping, also inside a container with a limit of its own."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (text := limit.read_text().strip()) != "max":
        available = min(available, int(text) - int(used.read_text()))
    return available


def need(work: Path, *, disk_gib: float, memory_gib: float) -> None:
    """Room in the work folder and in memory.

    Raises:
        MachineError: there is less.
    """
    free = shutil.disk_usage(work).free
    if free < disk_gib * _GIB:
        raise MachineError(
            f"{work}: {free / _GIB:.1f} GiB free, and the checkpoints need {disk_gib:g}: remove what is not "
            "needed, or name a folder on another disk with --work"
        )
    available = available_memory_bytes()
    if available < memory_gib * _GIB:
        raise MachineError(
            f"{available / _GIB:.1f} GiB of memory can be had, and training needs {memory_gib:g}: end other "
            "programs, or try `--smoke`, which needs less"
        )

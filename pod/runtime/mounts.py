"""Whether the disk below a path takes writes at all; another user or other rights would not mend that."""

import os
from pathlib import Path

READ_ONLY_MEND = "its disk is mounted read-only: mount it for writing; the system log says why it is not"
"""A worn card is mounted so by the kernel itself, long after the start."""


def is_mounted_read_only(path: Path) -> bool:
    """Looks at the nearest directory above `path` that exists; False where nothing can be known."""
    for place in (path, *path.absolute().parents):
        try:
            return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return False

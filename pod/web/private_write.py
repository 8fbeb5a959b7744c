"""Replace a small file whole or not at all, readable by the POD's user alone."""

import os
import secrets
from pathlib import Path

from pod.store.private_file import create_private, fsync_directory, write_at


def replace_private(path: Path, content: bytes) -> None:
    """Raises OSError when the disk or the rights refuse; the file is then as it was."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    fd = create_private(temporary)
    try:
        try:
            write_at(fd, content, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)

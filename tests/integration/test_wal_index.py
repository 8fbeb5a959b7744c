"""The write-ahead log's index on a real file system whose blocks are smaller than SQLite's pages."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pod.domain.errors import StoreError
from pod.store.connection import connect_reader, connect_writer
from pod.store.migrate import migrate


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real ext4 of 8 MB in blocks of 1 KiB, as of a small partition, with a POD's database."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    made = [
        ["mkfs.ext4", "-q", "-b", "1024", "-m", "0", str(image)],
        ["mount", "-o", "loop", str(image), str(place)],
    ]
    for command in made:
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("needs a file system to be mountable")
    with closing(connect_writer(place / "pod.db")) as conn:
        migrate(conn)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("connect", [connect_writer, connect_reader], ids=["writer", "reader"])
def test_no_hole_is_left_in_the_index_that_a_full_disk_could_not_fill(
    disk: Path, connect: Callable[[Path], sqlite3.Connection]
) -> None:
    with closing(connect(disk / "pod.db")):
        index = (disk / "pod.db-shm").stat()
        assert index.st_size >= 128 * 1024
        assert index.st_blocks * 512 >= index.st_size


def test_a_second_connection_leaves_the_locks_of_the_first_alone(disk: Path) -> None:
    with closing(connect_writer(disk / "pod.db")) as first:
        first.execute("BEGIN IMMEDIATE")
        with closing(connect_reader(disk / "pod.db")):
            holder = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
            other = subprocess.run(
                ["python3", "-c", holder, str(disk / "pod.db")], capture_output=True, text=True
            )
            assert "database is locked" in other.stderr


def test_a_disk_without_room_for_the_index_is_named_when_the_database_is_opened(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file:
        while os.statvfs(disk).f_bavail * 1024 > 100 * 1024:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match="disk is full: free space"):
        connect_writer(disk / "pod.db")

"""A data directory on a disk mounted read-only, in a mount namespace of the test's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pod.store.store import Store

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]

OPEN = "from pod.store.store import Store; Store.open({data}/'pod.db')"
LOCK = "from pod.runtime.instance_lock import InstanceLock; InstanceLock({data}).__enter__()"
LOCK_NEW = "from pod.runtime.instance_lock import InstanceLock; InstanceLock({data}/'new').__enter__()"
WRITE = """
import sqlite3
from pod.store.connection import store_error
try:
    sqlite3.connect({data}/'pod.db').execute('CREATE TABLE more (column)')
except sqlite3.Error as error:
    raise store_error({data}/'pod.db', error)
"""


def told(folder: Path, script: str) -> str:
    """The last line that `script` says on standard error, with its folder mounted read-only."""
    mount = f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"
    python = "from pathlib import Path\n" + script.format(data=f"Path({str(folder)!r})")
    command = [*UNSHARE, "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, python]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    return result.stderr.splitlines()[-1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    probe = subprocess.run([*UNSHARE, "mount", "--bind", str(tmp_path), str(tmp_path)], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("needs the right to make a mount namespace")
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("script", "has_database"),
    [
        pytest.param(OPEN, False, id="store-to-be-made"),
        pytest.param(OPEN, True, id="store-there"),
        pytest.param(WRITE, True, id="a-write-that-sqlite-refuses"),
        pytest.param(LOCK, False, id="lock"),
        pytest.param(LOCK_NEW, False, id="directory-to-be-made"),
    ],
)
def test_a_read_only_disk_is_told_as_such_and_not_as_a_matter_of_rights(
    data: Path, script: str, has_database: bool
) -> None:
    if has_database:
        Store.open(data / "pod.db").close()
    text = told(data, script)
    assert "its disk is mounted read-only: mount it for writing" in text
    assert "this user" not in text
    assert "owner" not in text

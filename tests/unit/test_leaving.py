"""A process whose camera's library never returns ends all the same, with its own exit status."""

import subprocess
import sys

import pytest

_PROGRAM = """
import atexit, sys, threading, time
from pod.runtime.leaving import leave_if_held
atexit.register(print, "in order")
threading.Thread(target=time.sleep, args=(60,), name=sys.argv[1], daemon=True).start()
print("stopped")
leave_if_held(3, "camera-")
sys.exit(4)
"""


@pytest.mark.parametrize(
    ("thread", "code", "said"),
    [
        pytest.param("camera-entry", 3, "stopped\n", id="held"),
        pytest.param("another", 4, "stopped\nin order\n", id="free"),
    ],
)
def test_it_ends_at_once_where_a_library_holds_a_camera_and_in_order_where_none_does(
    thread: str, code: int, said: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, thread], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stdout) == (code, said)
    assert ("ended without camera-entry, which a library still holds" in ran.stderr) == (code == 3)

"""The rendered camera's process: who interrupts its start gets away at once, and leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

from running_pod import until

MUTE_CAMERA = """
import os, sys, time
from pathlib import Path
Path(__file__).with_name("pid").write_text(str(os.getpid()))
time.sleep(60)
"""
OWNER = """
import sys
from pathlib import Path
from models.render import camera_process
camera_process.SYSTEM_PYTHON = Path(sys.executable)
camera_process.SCRIPT = Path(sys.argv[1])
camera_process.CameraProcess({}).start()
"""


def test_ctrl_c_while_the_camera_starts_ends_both_at_once(tmp_path: Path) -> None:
    script, pid = tmp_path / "mute.py", tmp_path / "pid"
    script.write_text(MUTE_CAMERA)
    owner = subprocess.Popen([sys.executable, "-c", OWNER, script], stderr=subprocess.DEVNULL)
    try:
        until(lambda: pid.exists() and pid.read_text() != "", timeout_s=20)
        owner.send_signal(signal.SIGINT)
        owner.wait(10)  # `start` itself would wait 20 s for the camera
    finally:
        owner.kill()
        owner.wait()
    assert not Path("/proc", pid.read_text()).exists()

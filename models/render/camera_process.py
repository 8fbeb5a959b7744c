"""Starts `rtsp_camera.py` under the system's python3 and stops it again."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

SYSTEM_PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).with_name("rtsp_camera.py")
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)
_PROBE = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
elements = ("appsrc", "qtdemux", "rtph264pay", "rtph265pay", "h264parse", "h265parse")
missing = [name for name in elements if not Gst.ElementFactory.find(name)]
raise SystemExit(("no GStreamer element " + ", ".join(missing)) if missing else 0)
"""


def available() -> str | None:
    """None when a camera can be started here, else the reason and how to mend it."""
    mend = f"install them with: apt install {PACKAGES}"
    try:
        probe = subprocess.run(
            [SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        return f"there is no {SYSTEM_PYTHON}; {mend}"
    except subprocess.TimeoutExpired:
        return f"GStreamer does not answer within 30 s; {mend}"
    if probe.returncode == 0:
        return None
    problem = (probe.stderr.strip().splitlines() or ["it does not start"])[-1]
    return f"GStreamer's RTSP server is missing for {SYSTEM_PYTHON} ({problem}); {mend}"


class CameraProcess:
    """A running RTSP camera; `with` is its lifetime.

    Args:
        mounts: name of the stream to its clips, played in turn without end.
        port: on 127.0.0.1; 0 takes a free one.
        auth, user, password: the login it asks for.
    tls: PEM file with certificate and key; the camera then speaks rtsps:// only, and needs a login.
    log: file that gets one JSON line per frame sent.

    Raises:
        RuntimeError: it did not start; the text says why.
    """

    def __init__(
        self,
        mounts: Mapping[str, Sequence[Path]],
        *,
        port: int = 0,
        auth: Literal["basic", "digest"] | None = None,
        user: str | None = None,
        password: str | None = None,
        tls: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self._command = [str(SYSTEM_PYTHON), str(SCRIPT), "--port", str(port), "--end-with-stdin"]
        if auth is not None and user is not None:
            self._command += ["--auth", auth, "--user", user]
        if tls is not None:
            self._command += ["--tls", str(tls)]
        if log is not None:
            self._command += ["--log", str(log)]
        self._command += [f"{name}={','.join(map(str, clips))}" for name, clips in mounts.items()]
        self._password = password or ""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  it lives as long as this object
        self._process: subprocess.Popen[str] | None = None
        self._port = port
        self._scheme = "rtsp" if tls is None else "rtsps"

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return self._port

    def url(self, name: str) -> str:
        """The address of the stream `name`, without credentials."""
        return f"{self._scheme}://127.0.0.1:{self._port}/{name}"

    def start(self, timeout_s: float = 20.0) -> None:
        """Start it and wait until it listens. Interrupted, it leaves no process behind."""
        # Ctrl-C at a terminal goes to a whole process group; the owner decides when its camera ends.
        self._process = process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            process_group=0,
        )
        too_late = threading.Timer(timeout_s, process.kill)
        too_late.daemon = True
        too_late.start()
        try:
            line = self._greeted(process)
        except BaseException:
            self.stop()
            raise
        finally:
            too_late.cancel()
        if not line:
            self.stop()
            self._errors.seek(0)
            raise RuntimeError(available() or f"the camera did not start: {self._errors.read().strip()}")
        self._port = json.loads(line)["port"]

    def _greeted(self, process: subprocess.Popen[str]) -> str:
        """Hand over the password, and wait for the line that names the port; "" when none comes."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self._password + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    def stop(self) -> None:
        """End it; does nothing when it does not run."""
        if self._process is None:
            return
        self._process.kill()
        self._process.communicate()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

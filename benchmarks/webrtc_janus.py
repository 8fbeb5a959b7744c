"""Debian's Janus showing a camera: the WebRTC server in C that the POD's own is compared with.

Its streaming plugin reads the camera by RTSP itself and keeps the last keyframe for whoever comes.
"""

import json
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.free_port import free_port
from benchmarks.pod_process import cpu_s, wait_until
from benchmarks.prerequisites import need_janus
from benchmarks.webrtc_peer import Peer

_MOUNT = 1
_START_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 40.0
_LIBRARIES = "janus"


class JanusProcess:
    """A running Janus with one camera, as a `Server`; `with` is its lifetime.

    Args:
        folder: for its configuration and log; must be empty.
        camera_url: rtsp:// without credentials.

    Raises:
        CannotRunError: there is none here.
        RuntimeError: it did not start.
    """

    def __init__(self, folder: Path, camera_url: str) -> None:
        need_janus()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._log = folder / "janus.log"
        self._port = free_port()
        for name, text in _settings(folder, camera_url, port=self._port).items():
            (folder / name).write_text(text)

    def cpu_s(self) -> float:
        return cpu_s(self._process.pid)

    def connect(self, peer: Peer) -> None:
        session = self._ask("", {"janus": "create"})["data"]["id"]
        handle = self._ask(f"/{session}", {"janus": "attach", "plugin": "janus.plugin.streaming"})
        place = f"/{session}/{handle['data']['id']}"
        self._ask(place, {"janus": "message", "body": {"request": "watch", "id": _MOUNT}})
        offer = self._event(session)["jsep"]["sdp"]
        answer = {"type": "answer", "sdp": peer.answer(offer)}
        self._ask(place, {"janus": "message", "body": {"request": "start"}, "jsep": answer})

    def _event(self, session: int) -> dict[str, Any]:
        """The next event of the plugin that brings an offer."""
        give_up_s = time.monotonic() + _ANSWER_TIMEOUT_S
        while time.monotonic() < give_up_s:
            with urllib.request.urlopen(
                f"{self._url}/{session}?maxev=1", timeout=_ANSWER_TIMEOUT_S
            ) as answer:
                event: dict[str, Any] = json.load(answer)
            if "jsep" in event:
                return event
            if "error_code" in event.get("plugindata", {}).get("data", {}):
                raise RuntimeError(f"Janus does not show the camera: {event}")
        raise RuntimeError("Janus offers nothing: see whether the camera plays")

    def _ask(self, path: str, request: Mapping[str, object]) -> dict[str, Any]:
        body = json.dumps({**request, "transaction": secrets.token_hex(6)}).encode()
        asked = urllib.request.Request(
            f"{self._url}{path}", body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=_ANSWER_TIMEOUT_S) as answer:
            said: dict[str, Any] = json.load(answer)
        if said["janus"] == "error":
            raise RuntimeError(f"Janus refused to {request['janus']}: {said['error']['reason']}")
        return said

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}/janus"

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Janus ended: {self._log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(f"{self._url}/info", timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["janus", "--configs-folder", str(self._folder), "--disable-colors"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._answers, _START_TIMEOUT_S, what="Janus")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def _settings(folder: Path, camera_url: str, *, port: int) -> dict[str, str]:
    """Files of its configuration: Debian's folders, one camera, and nothing that a viewer does not need."""
    return {
        "janus.jcfg": f"""
general: {{
    configs_folder = "{folder}"
    debug_level = 3
    session_timeout = 0
}}
plugins: {{ disable = "{_others("plugins", "streaming")}" }}
transports: {{ disable = "{_others("transports", "http")}" }}
events: {{ broadcast = false }}
""",
        "janus.transport.http.jcfg": f"""
general: {{
    json = "compact"
    base_path = "/janus"
    http = true
    port = {port}
    ip = "127.0.0.1"
    https = false
}}
admin: {{ admin_http = false }}
""",
        "janus.plugin.streaming.jcfg": f"""
general: {{ events = false }}
camera: {{
    type = "rtsp"
    id = {_MOUNT}
    description = "camera"
    audio = false
    video = true
    url = "{camera_url}"
    videobufferkf = true
    rtspiface = "127.0.0.1"
}}
""",
    }


def _others(kind: str, kept: str) -> str:
    """Every library of this kind but one, as `disable` wants them."""
    found = sorted(Path("/usr/lib").glob(f"*/{_LIBRARIES}/{kind}/*.so"))
    return ",".join(library.name for library in found if library.name != f"libjanus_{kept}.so")

"""Light viewers, many in one process: they take in and count what a server sends. Built from `receivers/`."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.pod_process import cpu_s
from benchmarks.prerequisites import CACHE, need_go

_SOURCES = Path(__file__).with_name("receivers")
_LIBRARIES = Path("/usr/share/gocode")
_BUILD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Count:
    """What came to one viewer.

    Attributes:
        lost: packets that are missing in the sequence; below 0 where some came twice.
        path: the kinds of the candidates that were chosen, its own first, such as "relay prflx".
    """

    state: str
    packets: int
    bytes: int
    lost: int
    path: str


def build_receivers(folder: Path = CACHE) -> Path:
    """The program, built where the folder has none as new as its sources.

    Raises:
        CannotRunError: Go or pion is missing.
        RuntimeError: it does not build.
    """
    need_go()
    program = folder / "receivers"
    sources = sorted(_SOURCES.iterdir())
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    # Debian's libraries lie in a GOPATH; only code that lies in one, too, may name them by version.
    place = folder / "go" / "src" / "receivers"
    place.mkdir(parents=True, exist_ok=True)
    for source in sources:
        shutil.copy(source, place)
    settings = {
        "GO111MODULE": "off",
        "GOPATH": f"{(folder / 'go').resolve()}:{_LIBRARIES}",
        "GOCACHE": str((folder / "go-cache").resolve()),
    }
    built = subprocess.run(
        ["go", "build", "-o", str(program.resolve()), "."],
        cwd=place,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if built.returncode:
        raise RuntimeError(f"the receivers do not build: {built.stderr[-2000:]}")
    return program


class Receivers:
    """A running process of viewers; `with` is its lifetime. Not thread-safe."""

    def __init__(self, program: Path, *, network: str | None = None) -> None:
        """
        Args:
            network: the network namespace they are in; None for that of this process.
        """
        self._command = ["ip", "netns", "exec", network] if network else []
        self._command.append(str(program))
        self._made = 0

    def new(self, servers: Sequence[Mapping[str, object]] | None = None) -> "Receiver":
        """One more viewer, which watches nothing yet.

        Args:
            servers: ICE servers as `RTCPeerConnection` takes them; with them it is reached at every address
                of its network, without at one socket of IPv4 alone, which costs less.
        """
        self._made += 1
        return Receiver(self, f"viewer-{self._made}", servers)

    def counts(self) -> Mapping[str, Count]:
        """By viewer, of those that were not closed."""
        found: Mapping[str, Any] = self.ask(do="count").get("counts", {})
        return {name: Count(**count) for name, count in found.items()}

    def cpu_s(self) -> float:
        return cpu_s(self._process.pid)

    def ask(self, **request: object) -> dict[str, dict[str, dict[str, int]]]:
        """
        Raises:
            RuntimeError: it could not, or ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the receivers ended with status {self._process.wait(10)}")
        answer: dict[str, dict[str, dict[str, int]]] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"a receiver could not {request['do']}: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


class Receiver:
    """One viewer of the process, as a `Peer`."""

    def __init__(
        self, process: Receivers, name: str, servers: Sequence[Mapping[str, object]] | None = None
    ) -> None:
        self._process = process
        self._more = {} if servers is None else {"servers": list(servers)}
        self.name = name

    def offer(self) -> str:
        return str(self._process.ask(do="offer", id=self.name, **self._more)["sdp"])

    def accept(self, answer: str) -> None:
        self._process.ask(do="accept", id=self.name, sdp=answer)

    def answer(self, offer: str) -> str:
        return str(self._process.ask(do="answer", id=self.name, sdp=offer)["sdp"])

    def close(self) -> None:
        self._process.ask(do="close", id=self.name)

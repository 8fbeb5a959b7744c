"""Brokers for tests of links: a real mosquitto over TLS and WebSocket, and servers that are none."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dispatch_broker import PROGRAM

from sync.agent.enroll import certificate_request
from sync.cloud.identity.ca import CertificateAuthority, Issued
from sync.mqtt import TlsFiles

CONFIG = """per_listener_settings true
persistence false
user root
max_queued_messages 100000
listener {plain} 127.0.0.1
allow_anonymous true

listener {tls} 127.0.0.1
certfile {folder}/server.crt
keyfile {folder}/server.key
cafile {folder}/ca.crt
require_certificate true
use_identity_as_username true
allow_anonymous false

listener {web} 127.0.0.1
protocol websockets
certfile {folder}/server.crt
keyfile {folder}/server.key
allow_anonymous false
password_file {folder}/passwords
"""


class Broker:
    """One mosquitto of a cloud with an authority: `mqtt` for services, `mqtts` and `wss` for PODs.

    Attributes:
        authority: that certifies it and its PODs.
        passwords: who may come by WebSocket; change them with `let_in`.
    """

    def __init__(self, folder: Path, authority: CertificateAuthority | None = None) -> None:
        if PROGRAM is None:
            pytest.skip("needs mosquitto (apt-get install mosquitto)")
        self._program, self._folder = PROGRAM, folder
        self.authority = authority or CertificateAuthority.create(folder / "ca", name="test")
        (folder / "ca.crt").write_bytes(self.authority.certificate_pem)
        self.serve_as(self.authority.issue_server(["localhost", "127.0.0.1"]))
        self._ports = {name: free_port() for name in ("plain", "tls", "web")}
        (folder / "passwords").write_text("")
        (folder / "mosquitto.conf").write_text(CONFIG.format(folder=folder, **self._ports))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def plain(self) -> str:
        return f"mqtt://127.0.0.1:{self._ports['plain']}"

    @property
    def tls(self) -> str:
        return f"mqtts://localhost:{self._ports['tls']}"

    @property
    def web(self) -> str:
        return f"wss://localhost:{self._ports['web']}/mqtt"

    def serve_as(self, issued: Issued) -> None:
        """What it shows from its next start on."""
        (self._folder / "server.crt").write_bytes(issued.chain_pem)
        (self._folder / "server.key").write_bytes(issued.key_pem)

    def let_in(self, user: str, password: str) -> None:
        """By WebSocket, and nobody else; at once."""
        (self._folder / "passwords").write_text(f"{user}:{password}\n")
        hashed = ["mosquitto_passwd", "-U", str(self._folder / "passwords")]
        subprocess.run(hashed, check=True, capture_output=True)
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def pod_files(self, pod: str) -> TlsFiles:
        """A POD's certificate and key from its authority, on the disk."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._folder / f"{pod}.crt"
        private = self._folder / f"{pod}.key"
        certificate.write_bytes(
            self.authority.sign_pod(certificate_request(key), pod=pod, now=datetime.now(UTC))
        )
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return TlsFiles(self._folder / "ca.crt", certificate, private)

    def start(self) -> None:
        """Start it, and wait until all of its listeners answer."""
        with (self._folder / "broker.log").open("ab") as log:
            command = [self._program, "-c", self._folder / "mosquitto.conf"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for port in self._ports.values():
            wait_for_port(port)

    def kill(self) -> None:
        """End it at once, with all that it held."""
        if self._process is not None:
            self.thaw()
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It neither takes nor says anything, and its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def a_broker(folder: Path, authority: CertificateAuthority | None = None) -> Iterator[Broker]:
    """One that runs for as long as the block does."""
    broker = Broker(folder, authority)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def free_port() -> int:
    """A port of this machine that nobody listened at just now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Until somebody listens."""
    give_up_s = time.monotonic() + 15
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < give_up_s, "nobody listens"
        time.sleep(0.01)


class NoBroker:
    """Takes connections, and treats each as `treat` does, on a thread of its own.

    Attributes:
        heard: what each connection said, as far as `treat` noted it.
    """

    def __init__(self, treat: Callable[["NoBroker", socket.socket], None]) -> None:
        self.heard: list[bytes] = []
        self._treat = treat
        self._server = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def __enter__(self) -> "NoBroker":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._taken):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="no-broker")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._server.accept()
            except OSError:
                return
            self._taken.append(taken)
            self._start(lambda taken=taken: self._serve(taken))  # type: ignore[misc]  # a lambda's default has no type

    def _serve(self, taken: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._treat(self, taken)


def listens(server: NoBroker, connection: socket.socket) -> None:
    """Notes all that is said, and says nothing."""
    while said := connection.recv(4096):
        server.heard.append(said)
    server.heard.append(b"")

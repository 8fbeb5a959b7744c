"""Both brokers as they are shipped, with an authority, a database and PODs, for hostile PODs."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cloud_database import Database
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.agent.enroll import certificate_request
from sync.cloud.brokers.mosquitto_config import MosquittoPlace, mosquitto_config, pods_rules, services_rules
from sync.cloud.brokers.nats_config import NatsPlace, nats_config
from sync.cloud.brokers.nats_gate import NatsControl, NatsGate
from sync.cloud.brokers.nats_server import nats_server_program
from sync.cloud.brokers.nats_words import account_key
from sync.cloud.identity.ca import CertificateAuthority, Revoked
from sync.cloud.identity.certificate_request import public_der
from sync.cloud.identity.tokens import new_api_key, token_hash
from sync.protocol.pod_jwt import mint

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ELM, OAK = "pod-elm", "pod-oak"


def until(condition: Callable[[], object], timeout_s: float = 10.0, what: str = "") -> None:
    """Wait until it holds; AssertionError where it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, f"waited in vain {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Client:
    """A client as raw as it wants to be; what it tries is its test's business."""

    paho: paho.Client
    connected: str | None = None
    ended: bool = False
    got: list[tuple[str, bytes]] = field(default_factory=list)
    granted: dict[int, list[str]] = field(default_factory=dict)

    @property
    def is_in(self) -> bool:
        return self.connected == "Success" and not self.ended

    def subscribe(self, *filters: str, qos: int = 0) -> list[str]:
        """What the broker answers; nothing where it ends the connection instead."""
        answers: list[str] = []
        for one in filters:
            _, number = self.paho.subscribe(one, qos)
            until(lambda number=number: self.ended or number in self.granted)
            answers += self.granted.get(number or 0, ["ended"])
        return answers

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False, qos: int = 0) -> None:
        self.paho.publish(topic, payload, qos=qos, retain=retain)

    def break_off(self) -> None:
        """End as a POD whose power fails."""
        connection = self.paho.socket()
        if connection is not None:
            connection.close()

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.got]


@dataclass
class World:
    """One broker, its authority, and the keys of those who may come in.

    Attributes:
        revoke: what an operator does; returns when the broker was told.
        services_port: where bridge and dispatch connect.
    """

    kind: str
    port: int
    services_port: int
    websocket_port: int | None
    authority: CertificateAuthority
    folder: Path
    database: Database
    revoke: Callable[[str], None]
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def add_pod(self, pod: str, community: str = "elm", site: str = "north") -> None:
        """A POD that the cloud knows, with a certificate in `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.keys[pod] = key
        self.certify(pod, key, as_file=pod)
        self.database.run_as(
            "postgres",
            "INSERT INTO platebridge.pod (id, community, site, name) "
            f"VALUES ('{pod}', '{community}', '{site}', '{pod}') ON CONFLICT DO NOTHING",
        )
        self.database.run_as(
            "postgres",
            "INSERT INTO platebridge.pod_key (pod, community, public_key) "
            f"VALUES ('{pod}', '{community}', '\\x{public_der(key.public_key()).hex()}')",
        )

    def certify(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        as_file: str,
        authority: CertificateAuthority | None = None,
        now: datetime | None = None,
    ) -> None:
        pem = (authority or self.authority).sign_pod(
            certificate_request(key), pod=name, now=now or datetime.now(UTC)
        )
        (self.folder / f"{as_file}.crt").write_bytes(pem)
        (self.folder / f"{as_file}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def jwt(self, pod: str, *, key: ec.EllipticCurvePrivateKey | None = None, audience: str = "mqtt") -> str:
        return mint(pod, key or self.keys[pod], audience=audience, id="1" * 16, now_s=time.time())

    def api_key(self, pod: str) -> str:
        """A new key of a POD, as the portal gives it."""
        key = new_api_key()
        self.database.run_as(
            "postgres",
            "INSERT INTO platebridge.token (hash, community, kind, pod, made_at) "
            f"SELECT '\\x{token_hash(key.encode()).hex()}', community, 'api_key', id, now() "
            f"FROM platebridge.pod WHERE id = '{pod}'",
        )
        return key

    @contextmanager
    def client(
        self,
        client_id: str,
        *,
        certificate: str | None,
        user: str | None = None,
        password: str | None = None,
        port: int | None = None,
        websocket: bool = False,
        will: tuple[str, bytes] | None = None,
        clean: bool = True,
    ) -> Iterator[Client]:
        """A client that tried to connect, for as long as the block runs; `connected` tells the outcome."""
        raw = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=clean,
            protocol=paho.MQTTv311,
            transport="websockets" if websocket else "tcp",
            reconnect_on_failure=False,
        )
        client = Client(raw)
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if certificate is not None:
            context.load_cert_chain(self.folder / f"{certificate}.crt", self.folder / f"{certificate}.key")
        raw.tls_set_context(context)
        if websocket:
            raw.ws_set_options(path="/mqtt")
        if user is not None:
            raw.username_pw_set(user, password)
        if will is not None:
            raw.will_set(*will, retain=True)
        raw.on_connect = lambda c, u, f, reason, p: setattr(client, "connected", str(reason))
        raw.on_disconnect = lambda *_: setattr(client, "ended", True)
        raw.on_message = lambda c, u, message: client.got.append((message.topic, message.payload))
        raw.on_subscribe = lambda c, u, number, reasons, p: client.granted.update(
            {number: [str(reason) for reason in reasons]}
        )
        if port is None:
            port = (self.websocket_port or 0) if websocket else self.port
        try:
            raw.connect("localhost", port, keepalive=30)
            raw.loop_start()
            until(lambda: client.connected is not None or client.ended)
        except (OSError, ssl.SSLError) as error:
            client.connected = f"TLS: {error}"
        try:
            yield client
        finally:
            raw.disconnect()
            raw.loop_stop()

    @contextmanager
    def pod(self, pod: str) -> Iterator[Client]:
        with self.client(pod, certificate=pod, user=pod) as client:
            assert client.is_in, client.connected
            yield client

    @contextmanager
    def pod_again(self, client: Client) -> Iterator[Client]:
        """The same POD's connection, made anew where the broker ended it."""
        if client.is_in:
            yield client
        else:
            with self.pod(str(client.paho._client_id.decode())) as again:
                yield again

    def other_authority(self) -> CertificateAuthority:
        """Somebody else's, of the same name."""
        return CertificateAuthority.create(self.folder / f"other-{time.monotonic_ns()}", name="Trials")

    @contextmanager
    def service(self, name: str) -> Iterator[Client]:
        with self.client(f"{name}-1", certificate=name, user=name, port=self.services_port) as client:
            assert client.is_in, client.connected
            yield client


def _authority(folder: Path) -> CertificateAuthority:
    authority = CertificateAuthority.create(folder / "authority", name="Trials")
    (folder / "ca.crt").write_bytes(authority.certificate_pem)
    issued = {"server": authority.issue_server(["localhost", "127.0.0.1"])}
    issued |= {name: authority.issue_service(name) for name in ("bridge", "dispatch", "api")}
    for name, one in issued.items():
        (folder / f"{name}.crt").write_bytes(one.chain_pem)
        (folder / f"{name}.key").write_bytes(one.key_pem)
    return authority


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def a_program(*command: str | Path, ports: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    """A broker's program that listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or all(map(_listens, ports)), 20)
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gate")
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_let_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _let_end() -> None:
    """Wait for the tasks that were cancelled."""
    ending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)


@contextmanager
def nats_world(database: Database) -> Iterator[World]:
    """nats-server with the gate before it."""
    with tempfile.TemporaryDirectory() as name, a_loop() as loop:
        folder = Path(name)
        authority = _authority(folder)
        place = NatsPlace(
            name="trials",
            host="127.0.0.1",
            mqtt_port=free_port(),
            websocket_port=free_port(),
            control_port=free_port(),
            certificate=folder / "server.crt",
            key=folder / "server.key",
            ca=folder / "ca.crt",
            store=folder / "store",
        )
        issuer = Ed25519PrivateKey.generate()
        text = nats_config(
            place, issuer=account_key(issuer), admission_password="a" * 30, overseer_password="o" * 30
        )
        (folder / "nats.conf").write_text(text)
        ports = [place.mqtt_port, place.control_port, place.websocket_port or 0]
        with a_program(nats_server_program(), "-c", folder / "nats.conf", ports=ports):
            control = NatsControl((f"nats://127.0.0.1:{place.control_port}",), issuer, "a" * 30, "o" * 30)
            gate = NatsGate(database.dsn("a_broker"), control)
            running = asyncio.run_coroutine_threadsafe(gate.run(), loop)
            try:
                until(lambda: running.done() or gate.ready.is_set())
                yield World(
                    "nats-server",
                    place.mqtt_port,
                    place.mqtt_port,
                    place.websocket_port,
                    authority,
                    folder,
                    database,
                    lambda pod: revoke(database, pod),
                )
            finally:
                running.cancel()
                with contextlib.suppress(BaseException):
                    running.result(5)


@contextmanager
def mosquitto_world(database: Database) -> Iterator[World]:
    """mosquitto by the one template, with its list of revoked certificates."""
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto (apt-get install mosquitto)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = _authority(folder)
        place = MosquittoPlace(
            host="127.0.0.1",
            port=free_port(),
            services_host="127.0.0.1",
            services_port=free_port(),
            certificate=folder / "server.crt",
            key=folder / "server.key",
            ca=folder / "ca.crt",
            revoked=folder / "revoked.pem",
            pods_rules=folder / "pods.acl",
            services_rules=folder / "services.acl",
            user="root" if os.geteuid() == 0 else "mosquitto",
        )
        place_revoked = folder / "revoked.pem"
        place_revoked.write_bytes(authority.revocation_list([], now=datetime.now(UTC), valid_s=3600))
        (folder / "pods.acl").write_text(pods_rules())
        (folder / "services.acl").write_text(services_rules())
        for rules in ("pods.acl", "services.acl"):
            (folder / rules).chmod(0o600)
        (folder / "mosquitto.conf").write_text(mosquitto_config(place))
        with a_program(
            MOSQUITTO, "-c", folder / "mosquitto.conf", ports=[place.port, place.services_port]
        ) as process:

            def told(pod: str) -> None:
                revoke(database, pod)
                serial = x509.load_pem_x509_certificate((folder / f"{pod}.crt").read_bytes()).serial_number
                now = datetime.now(UTC)
                place_revoked.write_bytes(
                    authority.revocation_list([Revoked(serial, now)], now=now, valid_s=3600)
                )
                process.send_signal(signal.SIGHUP)

            yield World("mosquitto", place.port, place.services_port, None, authority, folder, database, told)


def revoke(database: Database, pod: str) -> None:
    database.run_as("postgres", f"UPDATE platebridge.pod SET revoked_at = now() WHERE id = '{pod}'")


LONG_AGO = timedelta(days=90)

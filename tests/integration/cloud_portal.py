"""A portal for tests: the real API over TLS from its own authority, before a real database."""

import asyncio
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cloud_database import Database
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.agent.enroll import certificate_request
from sync.cloud.api.desk import Desk
from sync.cloud.api.media_store import MediaStore
from sync.cloud.api.pool import Pool
from sync.cloud.api.server import PodApi, Served
from sync.cloud.database import connect
from sync.cloud.identity.ca import CertificateAuthority, PodSigner
from sync.cloud.identity.tokens import new_join_token
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.join import Join, make_join
from sync.protocol.pod_jwt import PodPrivateKey

WELCOMES, LISTS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BROKERS = ("mqtts://broker.example:8883", "wss://broker.example/mqtt")


@dataclass
class Portal:
    """A portal that runs; its clock may be ahead, and its broker in trouble."""

    database: Database
    authority: CertificateAuthority
    folder: Path
    media: MediaStore
    api: PodApi
    desk: Desk
    ahead: timedelta = timedelta(0)
    broker_trouble: str | None = None
    signers: list[PodSigner] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.api.port}"

    def token(self, community: str = "elm", site: str = "north", *, life_s: float = 3600) -> str:
        """A new join token, as hexadecimal digits."""

        async def make() -> bytes:
            async with connect(self.database.dsn("a_api")) as conn:
                return await new_join_token(conn, community, site=site, now=datetime.now(UTC), life_s=life_s)

        return asyncio.run(make()).hex()

    def join(self, token: str | None = None, **changes: Any) -> str:
        """A join string."""
        given = {
            "portal": self.url,
            "token": bytes.fromhex(token or self.token()),
            "ca_sha256": self.authority.sha256,
            **changes,
        }
        return make_join(Join(**given))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        bearer: str | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        context = ssl.create_default_context(cadata=self.authority.certificate_pem.decode())
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        if bearer:
            request.add_header("Authorization", f"Bearer {bearer}")
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _read(error.read())

    def register(self, token: str, key: PodPrivateKey | None = None, **more: object) -> tuple[int, Any]:
        """Ask to be let in with a request of this key."""
        csr = certificate_request(key or ec.generate_private_key(ec.SECP256R1())).decode()
        return self.ask("POST", "/api/pods/register", {"token": token, "csr": csr, "name": "Gate", **more})


def _read(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


@contextmanager
def running_portal(database: Database, folder: Path) -> Iterator[Portal]:
    """Serve it on a thread of its own until the end of the block."""
    authority = CertificateAuthority.create(folder / "ca", name="PlateBridge test")
    issued = authority.issue_server(["localhost", "127.0.0.1"])
    (folder / "server.crt").write_bytes(issued.chain_pem)
    (folder / "server.key").write_bytes(issued.key_pem)
    media = MediaStore(folder / "media", quota_bytes=100_000, keep_free_bytes=0)
    portal: Portal

    async def broker() -> str | None:
        return portal.broker_trouble

    desk = Desk(
        pool=Pool(database.dsn("a_api"), most=4),
        signer=authority,
        brokers=BROKERS,
        keys={
            "bridge-1": PinnedKey(WELCOMES.public_key(), frozenset({"welcome"})),
            "dispatch-1": PinnedKey(LISTS.public_key(), frozenset({"list_delta", "list_chunk", "command"})),
        },
        media=media,
        broker_check=broker,
        list_signer=Signer("dispatch-1", LISTS),
        now=lambda: datetime.now(UTC) + portal.ahead,
    )
    api = PodApi(desk, Served("0.0.0.0", 0, folder / "server.crt", folder / "server.key"))
    portal = Portal(database, authority, folder, media, api, desk)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    faults: list[BaseException] = []

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(api.run())
            await stop.wait()
            task.cancel()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=run, name="portal")
    thread.start()
    deadline_s = time.monotonic() + 20
    while not api.ready.is_set():
        assert not faults, faults
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    try:
        yield portal
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
        assert not faults, faults

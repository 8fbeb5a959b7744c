"""Serve PODs over TLS until cancelled: the API as a service of the cloud."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from sync.cloud.api.app import create_app
from sync.cloud.api.connections import BodyBounds, BoundedListener, PatientConnection
from sync.cloud.api.desk import Desk
from sync.cloud.errors import CloudError

BACKLOG = 256
GRACEFUL_S = 2


@dataclass(frozen=True, slots=True)
class Served:
    """Where the API is served, and with which certificate chain and key (PEM)."""

    host: str
    port: int
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ApiCounters:
    """What became of requests; counts from the start.

    Attributes:
        refused: by code.
        images, images_bytes: kept.
        images_dropped: older ones that made room.
        images_full: refused since the disk has no room.
    """

    registered: int
    renewed: int
    heartbeats: int
    lists: int
    images: int
    images_bytes: int
    images_dropped: int
    images_full: int
    refused: dict[str, int]


class PodApi:
    """Answers PODs at one address.

    Attributes:
        ready: set once it listens.
        port: that it listens at, once it does.
    """

    def __init__(self, desk: Desk, served: Served) -> None:
        self._desk = desk
        self._served = served
        self._app = BodyBounds(create_app(desk))
        self.ready = asyncio.Event()
        self.port = served.port
        self._listener: BoundedListener | None = None

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            CloudError: the address is taken or not of this machine, or the certificate cannot be used.
        """
        listener = self._bind()
        self._listener = listener
        with listener:
            self.port = listener.getsockname()[1]
            server = _Server(self._config(), self.ready)
            try:
                await server.serve(sockets=[listener])
            finally:
                self.ready.clear()
                await self._desk.pool.close()

    @property
    def counters(self) -> ApiCounters:
        """As of now."""
        desk, media = self._desk.counters, self._desk.media.counters
        refused = {**desk.refused, **{code: n for code, n in self._app.refused.items() if n}}
        if self._listener is not None and self._listener.turned_away:
            refused["too_many"] = self._listener.turned_away
        return ApiCounters(
            desk.registered,
            desk.renewed,
            desk.heartbeats,
            desk.lists,
            media.kept,
            media.kept_bytes,
            media.dropped,
            media.full,
            refused,
        )

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            self._app,
            http=PatientConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACEFUL_S,
            ssl_certfile=self._served.certificate,
            ssl_keyfile=self._served.key,
        )
        try:
            config.load()
        except OSError as error:  # that of TLS, too
            raise CloudError(
                f"{self._served.certificate} and {self._served.key} cannot be served with ({error}): name a "
                "certificate chain and its own key, both PEM"
            ) from None
        return config

    def _bind(self) -> BoundedListener:
        host, port = self._served.host, self._served.port
        listener = BoundedListener(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise CloudError(
                f"the API cannot listen at {host}:{port} ({error.strerror}): choose another address or port"
            ) from None
        return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGINT and SIGTERM to whoever runs the services."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

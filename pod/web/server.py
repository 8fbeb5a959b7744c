"""Run the page under uvicorn, on our own socket: a taken port is a clear error, and signals stay ours."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from pod.domain.errors import ConfigError
from pod.web.addresses import why_not_heard
from pod.web.connections import BoundedConnection, BoundedListener
from pod.web.tls import Certificate

GRACEFUL_S = 1
BACKLOG = 64
"""Connections that may wait, those included that come before the page is served."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGINT and SIGTERM to the pod, which stops its parts in order."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConfigError: the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = BoundedListener(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"the local page: {why_not_heard(error, host, port)}") from error
    return listener


class WebServer:
    """Serves an app on a listening socket until told to stop; may be started again after a fault.

    Args:
        certificate: for TLS; None serves plain HTTP, which is for this machine alone.
    """

    def __init__(
        self, app: FastAPI, listener: socket.socket, *, certificate: Certificate | None = None
    ) -> None:
        self._app = app
        self._listener = listener
        self._certificate = certificate
        self._server: _Server | None = None

    async def serve(self) -> None:
        """Raises OSError when the network below fails; the listening socket outlives that."""
        certificate = self._certificate
        config = uvicorn.Config(
            self._app,
            http=BoundedConnection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACEFUL_S,
            ssl_certfile=None if certificate is None else certificate.path,
            ssl_keyfile=None if certificate is None else certificate.key_path,
        )
        self._server = _Server(config)
        with self._listener.dup() as listener:
            await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

"""Knows which STUN and TURN servers answer, so that no viewer waits for one that does not."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from aioice import stun, turn

from pod.media.live.name_lookup import ip_of
from pod.media.live.server_address import ServerAddress, server_address
from pod.media.live.sessions import IceServer

log = logging.getLogger(__name__)

CHECK_EVERY_S = 300.0
AGAIN_AFTER_S = 30.0
"""A server in trouble is looked at this often; no viewer waits for it meanwhile."""

ANSWER_WITHIN_S = 3.0
FIRST_WITHIN_S = 1.0
"""A viewer that comes before the first look has ended waits for it this long."""

_REFUSED = {
    401: "refuses the POD's credentials: compare its secret, or user name and password, and both clocks",
    403: "forbids what was asked of it; see its own log",
    437: "has lost count of the POD's allocations; see its own log",
    442: "does not relay UDP; allow it there",
    486: "relays as much as it may for one user; raise its user-quota",
    508: "has no room; raise its total-quota or its range of ports",
}


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that answered."""

    server: IceServer
    address: ServerAddress
    ip: str


class ServerWatch:
    """Looks at each server when it starts, and again and again. Belongs to the loop's thread.

    A TURN server is asked for an allocation, which is given back at once: nothing less tells whether it takes
    the credentials that viewers get.

    Args:
        servers: asked anew each time, for credentials lapse; their addresses stay.
    """

    def __init__(self, servers: Callable[[], Sequence[IceServer]]) -> None:
        self._servers = servers
        self._ips: dict[str, str] = {}
        self._troubles: dict[str, str] = {}
        self._looked = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="watch STUN and TURN servers")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def troubles(self) -> Mapping[str, str]:
        """What is wrong, in words, by address; from any thread."""
        return dict(self._troubles)

    async def found(self) -> tuple[FoundServer, ...]:
        """Those that answered when they were last looked at, in the order of the configuration."""
        if not self._looked.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self._looked.wait()
        return tuple(
            FoundServer(server, server_address(server.url), self._ips[server.url])
            for server in self._servers()
            if server.url in self._ips and server.url not in self._troubles
        )

    def missed(self, url: str) -> None:
        """A viewer's session waited for this one in vain: nobody waits for it until it was looked at."""
        self._note(url, "does not answer")
        self._wake.set()

    async def _run(self) -> None:
        while True:
            servers = self._servers()
            async with asyncio.TaskGroup() as looks:
                for server in servers:
                    looks.create_task(self._look(server), name=f"look at {server.url}")
            self._looked.set()
            if not servers:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_AFTER_S if self._troubles else CHECK_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self, server: IceServer) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                address = server_address(server.url)
                ip = await ip_of(address.host)
                if address.scheme == "stun":
                    await _ask(ip, address.port)
                else:
                    await _allocate(address, ip, server)
        except Exception as error:
            self._note(server.url, _words(error))
        else:
            self._ips[server.url] = ip
            self._note(server.url, None)

    def _note(self, url: str, trouble: str | None) -> None:
        """Remember how this one does; the log tells of changes alone."""
        if trouble == self._troubles.get(url):
            return
        if trouble is None:
            del self._troubles[url]
            log.info("%s answers again", url)
        else:
            self._troubles[url] = trouble
            log.warning("%s %s; viewers in other networks may get no video", url, trouble)


def _words(error: Exception) -> str:
    """What went wrong, to be said behind the server's address."""
    match error:
        case stun.TransactionFailed():
            code, _ = error.response.attributes.get("ERROR-CODE", (0, ""))
            return _REFUSED.get(code, f"refuses, with {code}; see its own log")
        case TimeoutError() | stun.TransactionTimeout():
            return "does not answer"
        case ssl.SSLError():
            return "shows a certificate that this machine does not trust, or no TLS at all"
        case ConnectionRefusedError():
            return "cannot be reached: nothing listens there"
        case OSError():
            return f"cannot be reached: {error.strerror or error}"
        case _:
            log.error("a STUN or TURN server could not be looked at", exc_info=error)
            return "could not be looked at; the log tells more"


class _Asking(asyncio.DatagramProtocol):
    """One question to a STUN server, from a socket of its own."""

    def __init__(self) -> None:
        self.transactions: dict[bytes, stun.Transaction] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send_stun(self, message: stun.Message, address: tuple[str, int]) -> None:
        self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        with contextlib.suppress(ValueError):
            message = stun.parse_message(data)
            transaction = self.transactions.get(message.transaction_id)
            if transaction is not None:
                transaction.response_received(message, address)


async def _ask(ip: str, port: int) -> None:
    """
    Raises:
        OSError, stun.TransactionError: no answer.
    """
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(
        _Asking, remote_addr=(ip, port)
    )
    try:
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        transaction = stun.Transaction(request, (ip, port), asking)
        asking.transactions[request.transaction_id] = transaction
        await transaction.run()
    finally:
        transport.close()


async def _allocate(address: ServerAddress, ip: str, server: IceServer) -> None:
    """
    Raises:
        OSError, stun.TransactionError: it does not relay for us.
    """
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        (address.host if address.scheme == "turns" else ip, address.port),
        server.username,
        server.credential,
        ssl=address.scheme == "turns",
        transport=address.transport,
    )
    transport.close()

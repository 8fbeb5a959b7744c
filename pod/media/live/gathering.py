"""What a POD tells a viewer beside its own addresses: where the outside sees it, and a relayed address."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aioice import stun

from pod.media.live.aioice_private import OwnIce
from pod.media.live.server_watch import FoundServer, ServerWatch

log = logging.getLogger(__name__)

Gather = Callable[[OwnIce], Awaitable[None]]
"""Adds candidates to those of this machine's own addresses."""

WITHIN_S = 1.0
"""What a server has not said by then is left out: WHEP has no way to tell of it later."""

GRACE_S = 0.05
"""Once one address was seen from outside, the others get this long: those of a VPN or of a second network
often lead to no STUN server at all."""


def gather_from(watch: ServerWatch, *, pod_relays: bool) -> Gather:
    """A way to gather candidates through the servers that answer now.

    Args:
        pod_relays: ask for a relayed address, too.
    """

    async def gather(ice: OwnIce) -> None:
        found = await watch.found()
        asked = next((one for one in found if one.address.tells_addresses), None)
        relay = next((one for one in found if one.address.scheme != "stun"), None) if pod_relays else None
        async with asyncio.TaskGroup() as both:
            if asked is not None:
                both.create_task(_see(ice, asked, watch), name="ask a STUN server")
            if relay is not None:
                both.create_task(_relay(ice, relay, watch), name="ask for a relayed address")

    return gather


async def _see(ice: OwnIce, server: FoundServer, watch: ServerWatch) -> None:
    """Ask from all addresses at once."""
    where = (server.ip, server.address.port)
    waiting = {
        asyncio.create_task(ice.ask(asker, where), name="ask a STUN server")
        for asker in ice.askers(server.ip)
    }
    if not waiting:
        return
    ends_s, answered = asyncio.get_running_loop().time() + WITHIN_S, False
    try:
        while waiting and (left_s := ends_s - asyncio.get_running_loop().time()) > 0:
            done, waiting = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if not answered and any(_answered(task) for task in done):
                answered = True
                ends_s = min(ends_s, asyncio.get_running_loop().time() + GRACE_S)
    finally:
        for task in waiting:
            task.cancel()
    if not answered:
        watch.missed(server.server.url)


def _answered(task: asyncio.Task[None]) -> bool:
    error = task.exception()
    if error is not None and not isinstance(error, stun.TransactionError | OSError):
        log.error("a STUN server could not be asked", exc_info=error)
    return error is None


async def _relay(ice: OwnIce, server: FoundServer, watch: ServerWatch) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            await ice.allocate(
                server.address,
                server.ip,
                username=server.server.username or "",
                credential=server.server.credential or "",
            )
    except (TimeoutError, OSError, stun.TransactionError):
        watch.missed(server.server.url)

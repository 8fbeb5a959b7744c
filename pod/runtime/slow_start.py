"""Make a part that may take minutes beside the event loop; systemd waits while it gives signs of life."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from pod.runtime.heartbeat import Heartbeat
from pod.runtime.sd_notify import SystemdNotifier

EVERY_S = 5.0
EXTENDED_S = 60.0
"""How long systemd waits after the last sign of life, if its own TimeoutStartSec does not last longer."""


class Closable(Protocol):
    """A part of the pod that has to be let go of."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


async def make_slowly(
    make: Callable[[], T], *, notifier: SystemdNotifier, heartbeat: Heartbeat, every_s: float = EVERY_S
) -> T:
    """What `make` returns, from a thread; raises what it raises.

    Cancelled, it waits for the thread, which nothing can stop, and closes what came of it.

    Args:
        heartbeat: beaten by `make`; while it is stale, systemd is not asked to wait.
        every_s: between two looks at it.
    """
    making = asyncio.ensure_future(asyncio.to_thread(make))
    try:
        while not making.done():
            if heartbeat.is_fresh:
                notifier.extend_start(EXTENDED_S)
            await asyncio.wait([making], timeout=every_s)
    except asyncio.CancelledError:
        await asyncio.wait([making])
        if making.exception() is None:
            making.result().close()
        raise
    return making.result()

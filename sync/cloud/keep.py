"""Keep a part of a cloud service running: what comes and goes is waited for, a bug ends the service."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
STABLE_AFTER_S = 30.0
"""A part that ran this long begins with the shortest pause again."""


async def keep(
    name: str, run: Callable[[], Awaitable[None]], *, transient: tuple[type[Exception], ...]
) -> None:
    """Run until cancelled; after a transient fault again, with pauses that double, and jitter.

    Any other exception leaves here, also out of a group that holds transient ones.
    """
    clock_s = asyncio.get_running_loop().time
    pause_s = FIRST_PAUSE_S
    while True:
        began_s = clock_s()
        try:
            await run()
        except* transient as group:
            log.warning("%s: %s; tried again in %.1f s", name, _reason(group), pause_s)
        if clock_s() - began_s > STABLE_AFTER_S:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _reason(group: BaseExceptionGroup[Exception]) -> str:
    """What went wrong first; the rest of a group usually follows from it."""
    fault: BaseException = group
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return str(fault).strip() or type(fault).__name__

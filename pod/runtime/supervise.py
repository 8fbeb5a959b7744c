"""Keep a service running: a transient fault restarts it after a pause, a bug ends the pod."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator

from pod.runtime.backoff import backoff_delays_s

log = logging.getLogger(__name__)

STABLE_AFTER_S = 60.0
"""A service that ran this long starts its delays afresh."""


def jittered_delays_s() -> Iterator[float]:
    """The delays of a service that has no reason for others: 0.5 s doubling to 30 s, with jitter."""
    return backoff_delays_s(random.random)


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    transient: tuple[type[Exception], ...],
    delays: Callable[[], Iterator[float]] = jittered_delays_s,
) -> None:
    """Run a service until it returns or is cancelled; restart it after a transient fault.

    Any other exception is a bug: it leaves here, the TaskGroup stops the siblings, and systemd restarts the
    pod with the gate at rest. So does what else an exception group holds beside transient faults.

    Args:
        delays: makes the seconds between restarts; asked afresh after a run of 60 s.
    """
    clock_s = asyncio.get_running_loop().time
    waits_s = delays()
    while True:
        began_s = clock_s()
        try:
            return await run()
        except* transient as group:
            fault = group
        if clock_s() - began_s > STABLE_AFTER_S:
            waits_s = delays()
        wait_s = next(waits_s)
        log.warning("%s stopped (%s); it starts again in %.1f s", name, _reasons(fault), wait_s)
        await asyncio.sleep(wait_s)


def _reasons(group: BaseExceptionGroup[Exception]) -> str:
    leaves: list[BaseException] = [group]
    while any(isinstance(leaf, BaseExceptionGroup) for leaf in leaves):
        leaves = [
            part
            for leaf in leaves
            for part in (leaf.exceptions if isinstance(leaf, BaseExceptionGroup) else (leaf,))
        ]
    return "; ".join(str(leaf) or type(leaf).__name__ for leaf in leaves)

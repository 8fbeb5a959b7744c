"""Feed systemd's watchdog only while every critical part gives signs of life."""

import asyncio
import logging

from pod.runtime.heartbeat import Heartbeats
from pod.runtime.sd_notify import SystemdNotifier

log = logging.getLogger(__name__)

UNWATCHED_INTERVAL_S = 2.0
"""Between two looks where no watchdog waits: silent parts are still named in the log."""


async def feed_watchdog(notifier: SystemdNotifier, heartbeats: Heartbeats) -> None:
    """Runs until cancelled, on the event loop itself, so that a stalled loop starves the watchdog, too.

    A part that falls silent is logged once, and once more when it is back; systemd restarts the pod if it
    stays silent for WatchdogSec.
    """
    interval_s = notifier.watchdog_interval_s or UNWATCHED_INTERVAL_S
    known: tuple[str, ...] = ()
    while True:
        stale = heartbeats.stale()
        if stale:
            if stale != known:
                log.error("no sign of life from: %s; the watchdog is not fed", ", ".join(stale))
        else:
            if known:
                log.warning("signs of life are back from: %s", ", ".join(known))
            notifier.watchdog()
        known = stale
        await asyncio.sleep(interval_s)

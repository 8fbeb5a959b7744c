"""Threads of their own for work that may not wait behind any other, with a bound on what waits for them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pod.domain.errors import PlateBridgeError

T = TypeVar("T")


class CrowdedError(PlateBridgeError):
    """Too much of a kind waits already; this was not begun."""


class OwnThreads:
    """Runs blocking work of one kind on a few threads; what is too much at once is refused, not queued.

    Args:
        name: of the work, for the threads and for people.
        most: how much may run and wait together.
    """

    def __init__(self, name: str, *, threads: int = 2, most: int = 8) -> None:
        self._name = name
        self._threads = threads
        self._places = threading.BoundedSemaphore(most)
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises CrowdedError where it was not begun."""
        if not self._places.acquire(blocking=False):
            raise CrowdedError(f"too many wait for {self._name}; nothing was done: try again in a moment")
        try:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, self._name.replace(" ", "-"))
            begun = self._pool.submit(work)
        except BaseException:
            self._places.release()
            raise
        begun.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(begun)

    def stop(self) -> None:
        """Begin nothing that waits, and wait for nothing that runs: a disk may hold it. `run` starts anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

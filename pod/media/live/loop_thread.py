"""A thread with an event loop of its own; work is handed to it from any thread and any other loop."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

BEAT_S = 1.0

TELL_EVERY_S = 10.0
"""A fault that comes back with every packet would fill the log; the others are counted."""


class LoopThread:
    """Started once, closed once. A fault of what runs on it is logged and counted, and never leaves it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_fault)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ending = asyncio.Event()
        self._last: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._beat_s = time.monotonic()
        self._told_s = float("-inf")
        self.faults = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def silent_s(self) -> float:
        """For how long the loop has given no sign of life; more than a few seconds means that it hangs."""
        return time.monotonic() - self._beat_s

    def start(self) -> None:
        """Start the thread; work may be handed over at once."""
        self._thread.start()

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, within_s: float) -> T:
        """Run `work()` on the thread and wait for it, on the caller's own loop.

        Raises:
            TimeoutError: it took longer; it was cancelled then.
            RuntimeError: the thread is closed, or was while the work ran.
        """
        if not self.alive or self._ending.is_set():
            raise RuntimeError("the thread is closed")
        future = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise RuntimeError("the thread was closed while the work ran") from None

    def soon(self, work: Callable[[], object]) -> None:
        """Have `work()` called on the thread, without waiting for it; never, where the thread has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]], *, timeout_s: float) -> bool:
        """Run `last()` on the thread, end whatever still runs there, and wait for the thread.

        Returns:
            Whether it ended in time; one that hangs is left behind, and dies with the process.
        """
        if self._thread.ident is None:
            self._loop.close()
            return True
        self._last = last
        self.soon(self._ending.set)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._until_closed())
        except Exception:
            self.faults += 1
            log.exception("thread %s ended by a fault", self._thread.name)

    async def _until_closed(self) -> None:
        self._beat()
        await self._ending.wait()
        if self._last is not None:
            await self._last()

    def _beat(self) -> None:
        self._beat_s = time.monotonic()
        if not self._ending.is_set():
            self._loop.call_later(BEAT_S, self._beat)

    def _on_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio tells of errors that nobody waited for."""
        self.faults += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            number, what = self.faults, context.get("message")
            log.error("live video met fault %d: %s", number, what, exc_info=context.get("exception"))

"""Hand events from any thread to any number of asyncio listeners, each with a bounded queue."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress

Event = Mapping[str, object]

QUEUE_EVENTS = 100
"""A listener this far behind is let go; it may come back and read what it missed from the store."""


class Broadcast:
    """Publish from threads, listen on the event loop that was running when this was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self.dropped_listeners = 0

    def publish(self, event: Event) -> None:
        """Never blocks; callable from any thread, also after the loop has closed."""
        with suppress(RuntimeError):  # the loop closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._deliver, event)

    def _deliver(self, event: Event) -> None:
        for queue in tuple(self._listeners):
            if queue.full():
                self._listeners.discard(queue)
                self.dropped_listeners += 1
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    @contextmanager
    def listen(self) -> Iterator[AsyncIterator[Event]]:
        """The events from now on; they end early when this listener falls too far behind."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_EVENTS)
        self._listeners.add(queue)

        async def events() -> AsyncIterator[Event]:
            while (event := await queue.get()) is not None:
                yield event

        try:
            yield events()
        finally:
            self._listeners.discard(queue)

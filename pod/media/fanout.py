"""One camera's access units to many readers: a slow reader skips to a keyframe and never slows the others."""

import threading
from collections import deque

from pod.media.frame import AccessUnit

MOST_BYTES = 32 << 20
"""What a reader's units may take in memory, too: a hostile camera's are of up to 8 MB each."""


class Subscription:
    """One reader's bounded queue of access units; thread-safe.

    It starts with a keyframe. When it is full it takes nothing more until the next keyframe, then forgets
    what it still held and goes on from there, so what a reader gets can always be decoded.
    """

    def __init__(self, fanout: "AccessUnitFanout", max_units: int) -> None:
        self._fanout = fanout
        self._max_units = max_units
        self._changed = threading.Condition()
        self._units: deque[AccessUnit] = deque()
        self._bytes = 0
        self._wants_keyframe = True
        self._overflowed = False
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Units lost because this reader was too slow."""
        return self._dropped

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, unit: AccessUnit) -> None:
        """Queue `unit`, or count it as dropped. Called by the fan-out."""
        with self._changed:
            if self._closed:
                return
            if self._wants_keyframe:
                if not unit.keyframe:
                    self._dropped += self._overflowed
                    return
                self._drop_all()
                self._wants_keyframe = self._overflowed = False
            if len(self._units) >= self._max_units or self._bytes + unit.held_bytes > MOST_BYTES:
                if not unit.keyframe:
                    self._wants_keyframe = self._overflowed = True
                    self._dropped += 1
                    return
                self._drop_all()
            self._units.append(unit)
            self._bytes += unit.held_bytes
            self._changed.notify()

    def take(self, timeout_s: float) -> AccessUnit | None:
        """The oldest unit queued, or None: none came within `timeout_s`, or it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._units) or self._closed, timeout_s)
            if not self._units:
                return None
            unit = self._units.popleft()
            self._bytes -= unit.held_bytes
            return unit

    def close(self, *, discard: bool = False) -> None:
        """End the subscription; a waiting reader wakes. `discard` also forgets what is queued."""
        self._fanout.forget(self)
        with self._changed:
            self._closed = True
            if discard:
                self._units.clear()
                self._bytes = 0
            self._changed.notify_all()

    def _drop_all(self) -> None:
        self._dropped += len(self._units)
        self._units.clear()
        self._bytes = 0


class AccessUnitFanout:
    """Gives every access unit of one camera to all subscriptions; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def subscribe(self, max_units: int) -> Subscription:
        """A new reader that holds at most `max_units` (at least 1) units."""
        if max_units < 1:
            raise ValueError("a subscription holds at least one unit")
        subscription = Subscription(self, max_units)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def publish(self, unit: AccessUnit) -> None:
        """Give `unit` to every reader; never waits for one."""
        for subscription in self._subscriptions:
            subscription.put(unit)

    def forget(self, subscription: Subscription) -> None:
        """Stop giving units to `subscription`; unknown ones are ignored."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

"""How often somebody may try a password: per address, and over all addresses together."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 5
"""Wrong passwords of one address before it has to wait; people mistype."""

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0
"""The wait doubles with each further wrong one."""

FORGET_S = 900.0
"""After this long without a try, an address starts anew."""

TRIES_A_MINUTE = 30.0
"""Over all addresses from which nobody ever signed in."""

MOST_ADDRESSES = 256
MOST_KNOWN = 64


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    last_s: float = 0.0
    free_at_s: float = 0.0


class Throttle:
    """Bounds what guessing costs and what it can win, without ever locking anybody out for good.

    An address from which somebody signed in before has its own tries only, so that whoever guesses elsewhere
    does not shut the owner out.
    """

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a new password."""
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._left = TRIES_A_MINUTE
        self._filled_s = self._clock_s()

    def wait_s(self, address: str) -> float:
        """How long this address must wait before its next try counts; 0 when it may try now."""
        now_s = self._clock_s()
        own_s = self._tries[address].free_at_s - now_s if address in self._tries else 0.0
        self._left = min(TRIES_A_MINUTE, self._left + (now_s - self._filled_s) * TRIES_A_MINUTE / 60)
        self._filled_s = now_s
        shared_s = 0.0 if address in self._known else (1 - self._left) * 60 / TRIES_A_MINUTE
        return max(own_s, shared_s, 0.0)

    def begin(self, address: str) -> None:
        """Count a try as wrong before it is judged, so that many at once gain nothing."""
        now_s = self._clock_s()
        tries = self._tries.setdefault(address, _Tries())
        self._tries.move_to_end(address)
        if now_s - tries.last_s > FORGET_S:
            tries.wrong = 0
        tries.wrong += 1
        tries.last_s = now_s
        if tries.wrong > FREE_TRIES:
            doublings = min(tries.wrong - FREE_TRIES - 1, 10)
            tries.free_at_s = now_s + min(FIRST_WAIT_S * 2**doublings, LONGEST_WAIT_S)
        if address not in self._known:
            self._left -= 1
        while len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)

    def succeed(self, address: str) -> None:
        """The try that just began was right."""
        self._tries.pop(address, None)
        if address not in self._known:
            self._left = min(TRIES_A_MINUTE, self._left + 1)
        self._known[address] = None
        self._known.move_to_end(address)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

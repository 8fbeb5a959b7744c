"""Remembers when a network failed while it was at work, so that health can say which and since when.

A network that read the reference picture at the start can still answer one frame with no number, or run out
of memory. That frame is worth nothing; ending the POD for it would end it again at the next such frame.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from models.registry import ModelError

REMEMBERED_S = 600.0
"""A fault is told for so long after the last one: it comes with certain pictures, not all the time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetworkTrouble:
    """What is wrong with a network.

    Attributes:
        sentence: the last fault, which names the file and the mend.
        count: faults since the start.
        is_now: the newest answer was one.
    """

    sentence: str
    count: int
    is_now: bool


class NetworkFaults:
    """The faults of one network; several threads may report and ask."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._last: NetworkTrouble | None = None
        self._last_s = 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within it a network answers; a ModelError that leaves it is a fault of that network."""
        try:
            yield
        except ModelError as error:
            self._note(str(error))
            raise
        if self._last is not None and self._last.is_now:
            with self._lock:
                self._last = NetworkTrouble(self._last.sentence, self._last.count, is_now=False)

    @property
    def trouble(self) -> NetworkTrouble | None:
        """The last fault while it is remembered; None where there is none."""
        with self._lock:
            is_over = self._last is None or self._clock_s() > self._last_s + REMEMBERED_S
            return None if is_over else self._last

    def _note(self, sentence: str) -> None:
        with self._lock:
            count = 1 if self._last is None else self._last.count + 1
            is_known = self._last is not None and self._last.sentence == sentence
            self._last, self._last_s = NetworkTrouble(sentence, count, is_now=True), self._clock_s()
        if not is_known:
            _log.warning("%s; nothing is concluded from that frame", sentence)

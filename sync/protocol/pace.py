"""How large batches are and how long an answer may take, from what the network did so far. Pure."""

from sync.protocol.limits import MAX_ROWS

_FIRST_ROWS = 64
_LEAST_ROWS = 8
_FIRST_TIMEOUT_S = 3.0
_LEAST_TIMEOUT_S = 1.0
_MOST_TIMEOUT_S = 60.0


class Pace:
    """Batches grow while they arrive and halve where one is lost; timeouts follow the round trip (RFC 6298).

    Attributes:
        rows: of the next batch, at most.
    """

    def __init__(self) -> None:
        self.rows = _FIRST_ROWS
        self._smoothed_s: float | None = None
        self._spread_s = 0.0
        self._backoff = 1

    @property
    def timeout_s(self) -> float:
        """After so long without an answer a batch counts as lost."""
        if self._smoothed_s is None:
            timeout_s = _FIRST_TIMEOUT_S
        else:
            timeout_s = max(_LEAST_TIMEOUT_S, self._smoothed_s + 4 * self._spread_s)
        return min(_MOST_TIMEOUT_S, timeout_s * self._backoff)

    def arrived(self, took_s: float) -> None:
        """A batch was acknowledged; after a loss nobody knows which sending, so its time says nothing."""
        self.rows = min(MAX_ROWS, self.rows + max(1, self.rows // 2))
        if self._backoff > 1:
            self._backoff = 1
        elif self._smoothed_s is None:
            self._smoothed_s, self._spread_s = took_s, took_s / 2
        else:
            self._spread_s += (abs(took_s - self._smoothed_s) - self._spread_s) / 4
            self._smoothed_s += (took_s - self._smoothed_s) / 8

    def lost(self) -> None:
        """A batch was not acknowledged in time."""
        self.rows = max(_LEAST_ROWS, self.rows // 2)
        self._backoff = min(64, self._backoff * 2)

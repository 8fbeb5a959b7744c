"""One running clock for viewers out of what a camera's timestamps say over all its sessions. Pure.

Chromium shows a picture when its timestamp is due, so a step back or a leap in them freezes the view.
"""

CLOCK_HZ = 90_000
_MASK = 0xFFFFFFFF
_HALF = 1 << 31

FURTHEST_TICKS = 5 * CLOCK_HZ
"""A camera's clock may be this far from the pace its packets arrive at; beyond, it is set anew."""
_BACK_TICKS = CLOCK_HZ // 2
"""Pictures that are shown in another order than sent step back by less."""
_LEAST_STEP_TICKS = CLOCK_HZ // 60
_FOLLOW = 0.02
"""Share of the difference by which the expected pace follows the camera's, a picture: quartz clocks drift."""


class Timeline:
    """Belongs to one camera's relay."""

    def __init__(self) -> None:
        self._session: int | None = None
        self._last_in = 0
        self._last_out = 0
        self._newest_out = 0
        self._anchor_out = 0.0
        self._anchor_s = 0.0

    def place(self, timestamp: int, session: int, *, arrival_s: float) -> int:
        """The timestamp, 32 bit, that viewers get for the camera's `timestamp`.

        Args:
            session: the camera's; the first picture of another one follows the last by what passed between.
            arrival_s: monotonic clock when the packet came.
        """
        if session == self._session and timestamp == self._last_in:
            return self._last_out & _MASK
        if self._session is None:
            self._last_in, self._last_out, self._newest_out = timestamp, timestamp, timestamp
        expected = self._anchor_out + (arrival_s - self._anchor_s) * CLOCK_HZ
        step = ((timestamp - self._last_in + _HALF) & _MASK) - _HALF
        placed = self._last_out + step
        follows = session == self._session and placed > self._newest_out - _BACK_TICKS
        if follows and abs(placed - expected) <= FURTHEST_TICKS:
            self._anchor_out = expected + (placed - expected) * _FOLLOW
        else:
            if self._session is not None:
                placed = max(round(expected), self._newest_out + _LEAST_STEP_TICKS)
            self._anchor_out = float(placed)
        self._anchor_s = arrival_s
        self._session, self._last_in, self._last_out = session, timestamp, placed
        self._newest_out = max(self._newest_out, placed)
        return placed & _MASK

"""How far a stream lags behind its own best: the camera's clock against ours. Pure: the caller brings both."""

from dataclasses import dataclass

CLOCK_DRIFT = 200e-6
"""Two free-running quartz clocks differ by at most this fraction (50-100 ppm each, with margin for heat)."""


@dataclass(slots=True)
class FreshnessClock:
    """Tells delay from clock offset, for one session of one camera.

    The difference between arrival and RTP time is an unknown constant (the offset of two clocks) plus the delay on the
    way. Its running minimum stands for the constant, so what is above it is delay. The minimum may rise only as fast
    as clocks drift: a stream that falls behind and stays there is seen as behind, not as the new normal.
    """

    drift: float = CLOCK_DRIFT
    _floor_s: float | None = None
    _floor_at_s: float = 0.0

    def observe(self, rtp_time_s: float, arrival_s: float) -> float:
        """The lag of this access unit in seconds, at least 0.

        Args:
            rtp_time_s: the camera's clock.
            arrival_s: the monotonic clock here when the unit arrived.
        """
        offset_s = arrival_s - rtp_time_s
        if self._floor_s is None:
            self._floor_s = offset_s
        else:
            elapsed_s = max(0.0, arrival_s - self._floor_at_s)
            self._floor_s = min(offset_s, self._floor_s + self.drift * elapsed_s)
        self._floor_at_s = arrival_s
        return offset_s - self._floor_s

"""How far a stream lags behind its own best: the camera's clock against ours. Pure; callers bring both."""

import math
from dataclasses import dataclass

CLOCK_DRIFT = 200e-6
"""Two free-running quartz clocks differ by at most this fraction: 50-100 ppm each, with margin for heat."""
SETTLE_S = 0.5
SETTLE_STEP_S = 0.02
"""A start that catches up by more than this in a settling time (4 %) is still working off a delay."""
UNSETTLE_STEP_S = 0.2
"""A settled stream that gains more than this at once was late all along, and its offset is unknown again."""


@dataclass(slots=True)
class FreshnessClock:
    """Tells delay from clock offset, for one session of one camera.

    The difference between arrival and RTP time is the offset of two clocks plus the delay on the way. Its
    running minimum stands for the offset, so what is above it is delay. The minimum may rise only as fast as
    clocks drift: a stream that falls behind and stays there is seen as behind, not as the new normal.

    While the minimum still falls the offset is not known: a server that first sends what it had stored looks
    punctual and is not. Until it has stood for `settle_s` every lag is infinite.

    Attributes:
        settle_s: 0 for streams that this machine paces itself.
    """

    settle_s: float = SETTLE_S
    drift: float = CLOCK_DRIFT
    _floor_s: float = math.inf
    _seen_s: float = -math.inf
    _window_s: float = -math.inf
    _window_floor_s: float = math.inf
    _settled: bool = False

    def observe(self, rtp_time_s: float, arrival_s: float) -> float:
        """The lag of this access unit in seconds: at least 0, infinite while the offset is not known.

        Args:
            rtp_time_s: the camera's clock.
            arrival_s: the monotonic clock here when the unit arrived.
        """
        offset_s = arrival_s - rtp_time_s
        elapsed_s = max(0.0, arrival_s - self._seen_s)
        self._floor_s = min(offset_s, self._floor_s + self.drift * elapsed_s)
        self._seen_s = arrival_s
        self._settle(arrival_s)
        return offset_s - self._floor_s if self._settled else math.inf

    def _settle(self, arrival_s: float) -> None:
        step_s = UNSETTLE_STEP_S if self._settled else SETTLE_STEP_S
        fell = self._floor_s < self._window_floor_s - step_s
        if fell or arrival_s - self._window_s >= self.settle_s:
            self._settled = not fell or self.settle_s == 0
            self._window_s, self._window_floor_s = arrival_s, self._floor_s

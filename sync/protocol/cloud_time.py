"""What time it is in the cloud, as a POD may know it from round trips. Pure; asks no clock itself."""

GOOD_FOR_S = 60.0
"""After so long without a round trip the clocks may have drifted apart, or the cloud's may have been set."""

KEPT_S = 60.0
"""So long an older round trip counts beside a newer one: no command is good for longer."""


class CloudClock:
    """Bounds of the cloud's time, from hellos and their answers; all of `now_s` is one monotonic clock.

    The answer was given at some moment between the hello's leaving and the answer's coming, so that the
    cloud's clock went on since by no less than what passed since it came, and by no more than what passed
    since the hello left. A clock that is set back makes nothing younger that was issued before.
    """

    def __init__(self) -> None:
        self._leads_s: list[tuple[float, float]] = []
        self._sent_s = self._came_s = self._time_s = 0.0

    def learn(self, time_s: float, *, sent_s: float, now_s: float) -> None:
        """Take in a round trip.

        Args:
            time_s: the cloud's clock when it answered.
            sent_s: when the hello left.
        """
        newest = [(lead_s, min(until_s, now_s + KEPT_S)) for lead_s, until_s in self._leads_s]
        self._leads_s = [one for one in newest if one[1] > now_s] + [(time_s - sent_s, float("inf"))]
        self._time_s, self._sent_s, self._came_s = time_s, sent_s, now_s

    def latest_s(self, now_s: float) -> float | None:
        """The latest that it can be in the cloud; None where the last round trip is too old to tell."""
        if not self._is_known(now_s):
            return None
        return now_s + max(lead_s for lead_s, until_s in self._leads_s if until_s > now_s)

    def earliest_s(self, now_s: float) -> float | None:
        """The earliest that it can be in the cloud; None as `latest_s`."""
        return self._time_s + now_s - self._came_s if self._is_known(now_s) else None

    def _is_known(self, now_s: float) -> bool:
        return bool(self._leads_s) and 0 <= now_s - self._sent_s <= GOOD_FOR_S

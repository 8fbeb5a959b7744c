"""How often a camera's frames are searched: at the set rate, faster while a near car waits. Pure."""

_TOLERANCE = 0.9
"""Frames come on the camera's own grid; one that is due within a tenth of the period is taken now."""

_HURRY = 3.0
"""So many times the set rate, where the camera gives as many frames: a plate becomes legible from one frame
to the next, and the wait for the next search is most of what a driver waits for."""

_HURRIED_READS = 12
"""Reads in a hurry a track is worth: what these do not settle more of the same will not either."""

_NEAR_SHARE = 0.05
"""Narrower plates, as a share of the frame's long side, are rarely legible yet; nothing is lost."""


def hurried_period_s(detect_fps: float) -> float:
    """Between two searches while a near car waits, where the camera gives as many frames."""
    return _TOLERANCE / detect_fps / _HURRY


class SearchPace:
    """Says when the next search is due. Not thread-safe: one camera's loop owns it.

    Args:
        detect_fps: searches a second that it settles at.
    """

    def __init__(self, detect_fps: float) -> None:
        self._period_s = _TOLERANCE / detect_fps
        self._hurried_s = hurried_period_s(detect_fps)
        self._last_s = float("-inf")
        self._hurries = False
        self._left: dict[int, int] = {}

    def restart(self) -> None:
        """A session began: its first frame is due, whatever its clock says."""
        self._last_s, self._hurries = float("-inf"), False

    def since_s(self, now_s: float) -> float:
        """Since the last search; infinite before the first."""
        return now_s - self._last_s

    def is_due(self, now_s: float) -> bool:
        period_s = self._hurried_s if self._hurries else self._period_s
        return self.since_s(now_s) >= period_s

    def searched(self, now_s: float) -> None:
        """A frame was searched; the hurry is over unless what was read in it asks for more."""
        self._last_s, self._hurries = now_s, False

    def read_in_vain(self, track_id: int, plate_share: float) -> None:
        """A plate was read and its car is not let in by it: the next frame may tell more.

        Args:
            plate_share: width of the plate as a share of the frame's long side.
        """
        left = self._left.get(track_id, _HURRIED_READS)
        if left > 0 and plate_share >= _NEAR_SHARE:
            self._left[track_id] = left - 1
            self._hurries = True

    def let_in(self, track_id: int) -> None:
        """This car needs no hurry any more."""
        self._left[track_id] = 0

    def forget(self, track_id: int) -> None:
        """The track ended."""
        self._left.pop(track_id, None)

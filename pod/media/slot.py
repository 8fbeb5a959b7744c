"""A box for one frame: the newest wins, and what it overwrote is counted."""

import threading

from pod.media.frame import Frame


class LatestFrame:
    """One slot between a decoder and one reader; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._newest: Frame | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames overwritten before anyone took them."""
        return self._dropped

    @property
    def newest(self) -> Frame | None:
        """The frame put last, taken or not; None before the first. Leaves the reader's frame in its place."""
        return self._newest

    def put(self, frame: Frame) -> None:
        """Store `frame`, over an older one if that was not taken."""
        with self._changed:
            if self._frame is not None:
                self._dropped += 1
            self._frame = self._newest = frame
            self._changed.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame not taken yet, or None when none came within `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            return frame

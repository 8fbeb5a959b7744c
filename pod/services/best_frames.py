"""The frame of each car in view that shows its plate best. Belongs to the camera's thread."""

from dataclasses import dataclass

from pod.domain.plates import match_key, one_edit_apart
from pod.domain.reads import Box, PlateRead
from pod.media.frame import Frame

MAX_CARS = 8
"""Frames held at most: they are whole decoded pictures."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One frame and the plate in it (`box`, pixels)."""

    frame: Frame
    box: Box


class BestFrames:
    """At most `MAX_CARS` frames, one a track; the car read longest ago goes first, and is counted."""

    def __init__(self) -> None:
        self._best: dict[int, tuple[PlateRead, Glimpse]] = {}
        self.dropped = 0

    def note(self, track_id: int, frame: Frame, *, read: PlateRead, consensus: str) -> None:
        """Take a frame in; it stays if its plate is read at least as surely as in the one held.

        Args:
            consensus: what all reads of the track say by now; a frame that says otherwise is given up, for it
                may show another car.
        """
        held = self._best.pop(track_id, None)
        if held is None or read.confidence >= held[0].confidence or not _agree(held[0].text, consensus):
            held = (read, Glimpse(frame, read.box))
        self._best[track_id] = held
        if len(self._best) > MAX_CARS:
            del self._best[next(iter(self._best))]
            self.dropped += 1

    def of(self, track_id: int) -> Glimpse | None:
        """The best frame of a track so far; None where it was never read, or had to give way."""
        held = self._best.get(track_id)
        return held[1] if held else None

    def forget(self, track_id: int) -> None:
        self._best.pop(track_id, None)


def _agree(text: str, consensus: str) -> bool:
    return one_edit_apart(match_key(text), match_key(consensus))

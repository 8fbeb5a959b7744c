"""The frame of each car in view that shows its plate best. Belongs to the camera's thread."""

from collections.abc import Iterable
from dataclasses import dataclass

from pod.domain.plates import match_key, one_edit_apart
from pod.domain.reads import Box, PlateRead
from pod.media.frame import Frame

MAX_CARS = 8
"""Frames held at most: they are whole decoded pictures."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One frame and the plate in it: `box` in pixels, `text` as it was read there."""

    frame: Frame
    box: Box
    text: str
    confidence: float


def fitting(glimpses: Iterable[Glimpse | None], plate: str) -> Glimpse | None:
    """The first that was read as that plate; else the first: a plate that nobody can read matters, too."""
    seen = [glimpse for glimpse in glimpses if glimpse is not None]
    return next((g for g in seen if _agree(g.text, plate)), seen[0] if seen else None)


class BestFrames:
    """At most `MAX_CARS` frames, one a track; the car read longest ago goes first, and is counted."""

    def __init__(self) -> None:
        self._best: dict[int, Glimpse] = {}
        self.dropped = 0

    def note(self, track_id: int, frame: Frame, *, read: PlateRead, consensus: str) -> None:
        """Take a frame in; it stays if its plate is read at least as surely as in the one held.

        Args:
            consensus: what all reads of the track say by now; a frame that says otherwise may show another
                car, and only stays while there is no better one.
        """
        held = self._best.pop(track_id, None)
        if held is None or not _agree(held.text, consensus) or _is_better(read, held, consensus):
            held = Glimpse(frame, read.box, read.text, read.confidence)
        self._best[track_id] = held
        if len(self._best) > MAX_CARS:
            del self._best[next(iter(self._best))]
            self.dropped += 1

    def of(self, track_id: int) -> Glimpse | None:
        """The best frame of a track so far; None where it was never read, or had to give way."""
        return self._best.get(track_id)

    def forget(self, track_id: int) -> None:
        self._best.pop(track_id, None)


def _is_better(read: PlateRead, held: Glimpse, consensus: str) -> bool:
    return read.confidence >= held.confidence and _agree(read.text, consensus)


def _agree(text: str, consensus: str) -> bool:
    return one_edit_apart(match_key(text), match_key(consensus))

"""What a camera sees now, as JPEG for the local page; never on the way of a decision."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pod.media.frame import Frame
from pod.media.slot import LatestFrame
from pod.media.snapshot import Masks, SnapshotEncoder

FRESH_S = 1.0
"""However many look, a camera is encoded at most once in this time."""

OLDEST_S = 10.0
"""An older frame is no picture of now."""

WIDTH_PX = 960


@dataclass(slots=True)
class _Camera:
    slot: LatestFrame
    masks: Masks
    encoder: SnapshotEncoder = field(default_factory=SnapshotEncoder)
    lock: threading.Lock = field(default_factory=threading.Lock)
    frame: Frame | None = None
    encoded_s: float = 0.0
    jpeg: bytes = b""


class Stills:
    """The newest picture of each camera. Any thread may call but the event loop's: encoding takes a while.

    Args:
        slots: by camera, where its newest frame lies.
        masks: by camera: parts of the view that no still may show.
        clock_s: the clock that `Frame.arrival_s` is on.
    """

    def __init__(
        self,
        slots: Mapping[str, LatestFrame],
        masks: Mapping[str, Masks],
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cameras = {name: _Camera(slot, masks.get(name, ())) for name, slot in slots.items()}
        self._clock_s = clock_s

    def jpeg(self, camera: str) -> bytes | None:
        """The camera's picture of about now, at most 960 px wide; None where it has shown nothing for 10 s.

        Raises:
            KeyError: there is no such camera.
        """
        seen = self._cameras[camera]
        with seen.lock:
            frame, now_s = seen.slot.newest, self._clock_s()
            if frame is None or now_s - frame.arrival_s > OLDEST_S:
                seen.frame, seen.jpeg = None, b""
                return None
            if not seen.jpeg or (frame is not seen.frame and now_s - seen.encoded_s >= FRESH_S):
                seen.jpeg = seen.encoder.scene(frame, masks=seen.masks, max_width_px=WIDTH_PX)
                seen.frame, seen.encoded_s = frame, now_s
            return seen.jpeg

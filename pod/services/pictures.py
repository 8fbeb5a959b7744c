"""Pictures of what was decided: taken over by reference, encoded and kept on a thread of their own.

The camera's thread pays for a queue entry and nothing else. Pictures are for people; whatever fails here is
counted and shown in health, and never reaches a decision.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pod.domain.errors import StoreError
from pod.domain.reads import Box
from pod.media.frame import Frame
from pod.media.snapshot import Masks, SnapshotEncoder
from pod.runtime.metrics import PodMetrics
from pod.services.health import PartHealth, Status
from pod.store.media import MediaStore

log = logging.getLogger(__name__)

QUEUE_FRAMES = 8
"""Steps whose frames wait at most; a frame of a large camera holds 12 MB."""

SCENE_WIDTH_PX = 1280


@dataclass(frozen=True, slots=True)
class _Shot:
    approach_id: str
    revision: int
    camera: str
    frame: Frame
    box: Box
    plate_known: bool
    at: datetime


class Pictures:
    """Keeps the pictures of every camera's steps, from construction to `close`.

    Args:
        masks: by camera: parts of the view that no kept picture may show.
    """

    def __init__(self, media: MediaStore, masks: Mapping[str, Masks], *, metrics: PodMetrics) -> None:
        self._media = media
        self._masks = masks
        self._metrics = metrics
        self._encoder = SnapshotEncoder()
        self._changed = threading.Condition()
        self._shots: deque[_Shot] = deque()
        self._closed = False
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
        self._thread.start()

    def keep(
        self,
        approach_id: str,
        revision: int,
        *,
        camera: str,
        frame: Frame,
        box: Box,
        plate_known: bool,
        at: datetime,
    ) -> None:
        """Keep the view and the plate of one step. Never blocks: where too many wait, this one is dropped.

        Args:
            box: the plate in `frame`, pixels.
            plate_known: whether the plate has an entry of the list; pictures of others are kept shorter.
            at: aware UTC.
        """
        with self._changed:
            if len(self._shots) >= QUEUE_FRAMES or self._closed:
                self._metrics.pictures_dropped.labels(camera, "queue_full").inc()
                return
            self._shots.append(_Shot(approach_id, revision, camera, frame, box, plate_known, at))
            self._changed.notify()

    def close(self, timeout_s: float = 3.0) -> None:
        """Keep what waits, then end; what is not done in time is dropped and counted."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            while self._shots:
                self._metrics.pictures_dropped.labels(self._shots.popleft().camera, "stopped").inc()

    def probe(self) -> PartHealth:
        """Degraded while the last picture could not be kept: the gate needs none."""
        fault = self._fault
        return PartHealth("pictures", Status.DEGRADED if fault else Status.OK, fault or "")

    def _run(self) -> None:
        while (shot := self._next()) is not None:
            self._keep(shot)
            del shot  # the decoder's memory, until the next car comes

    def _next(self) -> _Shot | None:
        with self._changed:
            self._changed.wait_for(lambda: self._shots or self._closed)
            return self._shots.popleft() if self._shots else None

    def _keep(self, shot: _Shot) -> None:
        masks = self._masks.get(shot.camera, ())
        try:
            scene = self._encoder.scene(shot.frame, masks=masks, max_width_px=SCENE_WIDTH_PX)
            plate = self._encoder.plate(shot.frame, shot.box, masks=masks)
            self._media.keep(
                shot.approach_id,
                shot.revision,
                camera=shot.camera,
                at=shot.at,
                known=shot.plate_known,
                pictures={"scene": scene, "plate": plate},
            )
        except StoreError as error:
            self._dropped(shot, "not_stored", str(error))
        except Exception as error:  # decoders and encoders raise what they like; no picture may stop the gate
            self._dropped(shot, "not_encoded", f"A picture could not be encoded: {error}")
        else:
            self._fault = None
            self._metrics.pictures_kept.labels(shot.camera).inc(2)

    def _dropped(self, shot: _Shot, reason: str, fault: str) -> None:
        """Tell in health, then count: who sees the count finds the reason there."""
        if fault != self._fault:
            log.warning("camera %s: %s", shot.camera, fault)
        self._fault = fault
        self._metrics.pictures_dropped.labels(shot.camera, reason).inc()

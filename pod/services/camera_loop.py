"""One camera's way from the newest frame to its decisions, on a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from models.registry import ModelError
from pod.domain.access import Decision
from pod.domain.approach import Action, Approaches, Step
from pod.domain.evidence import Evidence
from pod.domain.plates import match_key
from pod.domain.reads import Box, PlateRead
from pod.domain.tracking import Track, Tracker
from pod.media.frame import Frame
from pod.media.motion import MotionGate
from pod.media.slot import LatestFrame
from pod.runtime.metrics import PodMetrics
from pod.services.access_control import AccessControl, Sighting
from pod.services.best_frames import BestFrames, Glimpse, fitting
from pod.services.clips import Clips
from pod.services.pace import SearchPace
from pod.services.pictures import Pictures
from pod.vision.detector import Detections
from pod.vision.pipeline import PlateReader, unread

log = logging.getLogger(__name__)

IDLE_SWEEP_S = 3.0
"""A still scene is searched this often all the same: a car may creep in under the motion gate."""

STANDING_SWEEP_S = 0.5
"""A still scene with cars in it is searched this often, to notice that they left."""

TAKE_TIMEOUT_S = 0.25
"""Longest wait for a frame: tracks end and the heart beats without frames too."""


class CameraLoop:
    """Owns the camera's tracks and evidence; everything else it is handed."""

    def __init__(
        self,
        camera: str,
        slot: LatestFrame,
        *,
        reader: PlateReader,
        tracker: Tracker,
        approaches: Approaches,
        access: AccessControl,
        detect_fps: float,
        freshness_limit_s: float,
        metrics: PodMetrics,
        beat: Callable[[], None],
        on_fault: Callable[[Exception], None],
        pictures: Pictures | None = None,
        clips: Clips | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            detect_fps: searches for plates a second; briefly more, see `pace`.
            beat: called at least four times a second while all is well.
            on_fault: told the bug that ended this loop, on its thread.
            pictures: keeps a picture of each step; None where none is wanted.
            clips: records a clip of each approach; None where none is wanted.
            clock_s: the clock that `Frame.captured_s` is on.
        """
        self._camera = camera
        self._slot = slot
        self._reader = reader
        self._tracker = tracker
        self._approaches = approaches
        self._access = access
        self._pace = SearchPace(detect_fps)
        self._freshness_limit_s = freshness_limit_s
        self._metrics = metrics
        self._beat = beat
        self._on_fault = on_fault
        self._pictures = pictures
        self._clips = clips
        self._clock_s = clock_s
        self._best = BestFrames()
        self._motion = MotionGate()
        self._evidence: dict[int, Evidence] = {}
        self._sightings: dict[int, Sighting] = {}
        self._sure_before: dict[int, Sighting] = {}
        self._live: set[int] = set()
        self._session = 0
        self._behind_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"decide-{camera}", daemon=True)

    @property
    def best_frames_dropped(self) -> int:
        """Cars that lost their best frame to others, and may go without a picture."""
        return self._best.dropped

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._beat()
                frame = self._slot.take(TAKE_TIMEOUT_S)
                if frame is not None:
                    self._look(frame)
                else:
                    self._expire()
        except Exception as error:
            log.exception("camera %s: the decision loop failed", self._camera)
            self._on_fault(error)

    def _look(self, frame: Frame) -> None:
        if frame.session != self._session:
            self._session = frame.session
            self._pace.restart()
            self._end(self._tracker.session_started(frame.captured_s), frame.captured_s)
        behind_s = self._clock_s() - frame.captured_s
        if behind_s > self._freshness_limit_s:
            self._count("stale")
            self._expire()
            return
        self._behind_s = behind_s
        if not self._is_due(frame):
            return
        started_s = time.monotonic()
        try:
            found = self._reader.detect(
                frame.scaled_rgb(*self._reader.detector.fit_px(height=frame.height, width=frame.width)),
                frame_size_px=(frame.height, frame.width),
            )
        except ModelError:  # which the models' health tells
            self._count("failed")
            self._expire()
            return
        is_read = self._follow(frame, found)
        self._metrics.inference.labels(self._camera).observe(time.monotonic() - started_s)
        self._count("read" if is_read else "failed")

    def _is_due(self, frame: Frame) -> bool:
        if not self._pace.is_due(frame.captured_s):
            self._count("paced")
            return False
        moving = self._motion.is_moving(frame.luma())
        sweep_s = STANDING_SWEEP_S if self._live else IDLE_SWEEP_S
        if not moving and self._pace.since_s(frame.captured_s) < sweep_s:
            self._count("still")
            return False
        self._pace.searched(frame.captured_s)
        return True

    def _follow(self, frame: Frame, found: Detections) -> bool:
        """Tracks first, then OCR of the cars that are not settled yet, then each approach's step.

        Returns:
            whether what was to be read could be; else the frame says where cars are, and no plate.
        """
        now_s = frame.captured_s
        update = self._tracker.update(
            now_s, _as_boxes(found), frame_width_px=frame.width, frame_height_px=frame.height
        )
        wanted = [i for i, track in enumerate(update.assigned) if self._approaches.wants_read(track, now_s)]
        to_read, is_read = found.only(np.array(wanted, np.intp)), True
        try:
            reads = self._reader.read_boxes(frame.rgb(), to_read) if wanted else []
            self._metrics.no_plate.labels(self._camera).inc(sum(not read.is_plate for read in reads))
        except ModelError:  # which the models' health tells; the cars are ones that could not be read
            reads, is_read = unread(to_read), False
        fresh = dict(zip(wanted, reads, strict=True))
        self._live.update(track.id for track in update.assigned)
        for i, track in enumerate(update.assigned):
            self._step(track, fresh.get(i), frame)
        self._end(update.ended, now_s)
        return is_read

    def _step(self, track: Track, read: PlateRead | None, frame: Frame) -> None:
        now_s = frame.captured_s
        before = self._best.of(track.id)
        decision = None if read is None else self._weigh(track, read, frame)
        steps = self._approaches.observe(now_s, track, decision)
        if any(step.action is Action.OPEN for step in steps):
            self._pace.let_in(track.id)
        elif read is not None:
            self._pace.read_in_vain(track.id, read.width_px / max(frame.width, frame.height))
        if steps:
            for step in steps:
                self._access.act([step], self._sighting_of(step, track.id))
            self._picture(steps, self._best.of(track.id), before)

    def _weigh(self, track: Track, read: PlateRead, frame: Frame) -> Decision | None:
        """What follows from the evidence with this read.

        A read of no plate is no evidence, neither for nor against what was read before, and nothing follows
        from it; but a car with no other read is one that could not be read, and is written down as that.
        """
        evidence = self._evidence.setdefault(track.id, Evidence())
        if read.is_plate:
            evidence.add(read)
        consensus = evidence.consensus()
        if not read.is_plate and consensus.frames:
            return None
        last = self._sightings.get(track.id)
        if last is not None and last.consensus.confidence > 0:
            self._sure_before[track.id] = last
        self._sightings[track.id] = Sighting(frame.captured_s, read.box, consensus)
        self._best.note(track.id, frame, read=read, consensus=consensus.text)
        return self._access.decide(consensus)

    def _sighting_of(self, step: Step, track_id: int) -> Sighting:
        """What was seen of the step's car: the newest sighting, or the last sure one before it.

        Where a track passes from one car to the next, what is still to be told of the former must not be told
        with the latter's evidence.
        """
        newest, before = self._sightings[track_id], self._sure_before.get(track_id)
        key = match_key(step.decision.read)
        if step.action is Action.OPEN or before is None or match_key(newest.consensus.text) == key:
            return newest
        return before if match_key(before.consensus.text) == key else newest

    def _expire(self) -> None:
        """Time passes without usable frames too: tracks end, and what they left open is recorded."""
        now_s = self._clock_s() - self._behind_s
        self._end(self._tracker.expire(now_s), now_s)

    def _end(self, tracks: Sequence[Track], now_s: float) -> None:
        for track in tracks:
            steps = self._approaches.ended(now_s, track)
            self._live.discard(track.id)
            self._evidence.pop(track.id, None)
            best = self._best.of(track.id)
            self._best.forget(track.id)
            self._pace.forget(track.id)
            if steps and track.id in self._sightings:
                for step in steps:
                    self._access.act([step], self._sighting_of(step, track.id))
                self._picture(steps, best)
            self._sightings.pop(track.id, None)
            self._sure_before.pop(track.id, None)

    def _picture(self, steps: Sequence[Step], *glimpses: Glimpse | None) -> None:
        """Hand over what shows each step's car; after the gate was asked, which must not wait for it.

        Args:
            glimpses: of the track, the likeliest first. Where the track passed from one car to another, a
                step may be about the former, and the first glimpse show the latter.
        """
        for step in steps:
            glimpse = fitting(glimpses, step.decision.plate)
            if glimpse is None:
                continue
            if self._clips is not None:
                self._clips.keep(
                    step.approach_id,
                    step.revision,
                    camera=self._camera,
                    plate_known=step.decision.entry is not None,
                    seen_s=glimpse.frame.arrival_s,
                    at=datetime.now(UTC),
                )
            if self._pictures is None:
                continue
            self._pictures.keep(
                step.approach_id,
                step.revision,
                camera=self._camera,
                frame=glimpse.frame,
                box=glimpse.box,
                plate_known=step.decision.entry is not None,
                at=datetime.now(UTC),
            )

    def _count(self, fate: str) -> None:
        self._metrics.frames.labels(self._camera, fate).inc()


def _as_boxes(found: Detections) -> list[Box]:
    return [(float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in found.boxes]

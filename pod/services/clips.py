"""Clips of what was decided: recorded from the newest coded pictures, on one thread for all cameras.

The decision path pays for a queue entry, a camera's thread for one more reader of its units. Clips are for
people: whatever fails here is counted and shown in health, and never reaches a decision.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pod.config import PodConfig
from pod.domain.errors import CameraError, StoreError
from pod.media.clips.boxes import TIMESCALE
from pod.media.clips.ring import UnitRing
from pod.media.clips.stream import ClipStream
from pod.media.clips.timeline import reordering
from pod.media.fanout import AccessUnitFanout, Subscription
from pod.media.frame import AccessUnit
from pod.runtime.metrics import PodMetrics
from pod.services.health import PartHealth, Status
from pod.store.media import MediaStore
from pod.store.media_clip import ClipFile

log = logging.getLogger(__name__)

LONGEST_S = 30.0
"""No clip is longer, however long its car stays."""

ROUND_S = 0.25
"""How often units are taken over. Once for several costs less than a thread that wakes for each."""

WAITING_UNITS = 300
"""Units of one camera that wait at most for this thread, which a disk may hold up: 12 s at 25 a second."""

RING_BYTES = 32 * 1024 * 1024
"""What the newest units of one camera may hold in memory: 10 s at 25 Mbit/s."""

SLACK_S = 2.0
"""A step comes up to this long after what it rests on was seen, besides the wait of a denial."""

SILENCE_S = 2.0
"""A camera from which nothing came for so long after a clip's end gives it nothing more."""

QUEUE_STEPS = 32
MOST_AT_ONCE = 4
"""Clips of one camera recorded at the same time."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    approach: str
    revision: int
    camera: str
    known: bool
    seen_s: float
    asked_s: float
    at: datetime


@dataclass(slots=True)
class _Recording:
    wanted: _Wanted
    stream: ClipStream
    file: ClipFile
    until_s: float
    latest_until_s: float


@dataclass(slots=True)
class _Camera:
    units: Subscription
    ring: UnitRing
    recordings: list[_Recording] = field(default_factory=list)


class Clips:
    """Records a clip for each approach, from construction to `close`.

    Args:
        before_s: how long before the plate was seen a clip begins, where a keyframe is held that far back.
        after_s: how long after the last step of its approach a clip ends.
        wait_s: how long after it was seen a step may still be made.
    """

    def __init__(
        self, media: MediaStore, *, before_s: float, after_s: float, wait_s: float, metrics: PodMetrics
    ) -> None:
        self._media = media
        self._before_s = before_s
        self._after_s = after_s
        self._ring_s = before_s + wait_s + SLACK_S
        self._metrics = metrics
        self._changed = threading.Condition()
        self._cameras: dict[str, _Camera] = {}
        self._wanted: deque[_Wanted] = deque()
        self._closed = False
        self._fault = ""
        metrics.watch_clips(
            held_bytes=lambda: sum(camera.ring.held_bytes for camera in self._watched()),
            units_dropped=lambda: sum(c.ring.dropped + c.units.dropped for c in self._watched()),
        )
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def watch(self, camera: str, units: AccessUnitFanout) -> None:
        """Hold the newest units of a camera from now on; without this it has no clips."""
        held = _Camera(units.subscribe(WAITING_UNITS), UnitRing(most_s=self._ring_s, most_bytes=RING_BYTES))
        with self._changed:
            self._cameras[camera] = held

    def keep(
        self,
        approach_id: str,
        revision: int,
        *,
        camera: str,
        plate_known: bool,
        seen_s: float,
        at: datetime,
    ) -> None:
        """Record a clip of this step, or have that of its approach go on. Never blocks: one too many is lost.

        Args:
            plate_known: whether the plate has an entry of the list; clips of others are kept shorter.
            seen_s: monotonic clock when the frame that shows the plate best arrived.
            at: aware UTC.
        """
        with self._changed:
            if camera not in self._cameras:
                return
            if len(self._wanted) >= QUEUE_STEPS or self._closed:
                self._metrics.clips_lost.labels(camera, "queue_full").inc()
                return
            asked_s = time.monotonic()
            self._wanted.append(
                _Wanted(approach_id, revision, camera, plate_known, seen_s=seen_s, asked_s=asked_s, at=at)
            )
            self._changed.notify()

    def close(self, timeout_s: float = 3.0) -> None:
        """End the clips that are being recorded with what there is, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def probe(self) -> PartHealth:
        """Degraded while the last clip could not be kept whole, or none can be: the gate needs none."""
        if not self._closed and not self._thread.is_alive():
            ended = "Clips ended by a fault; the gate is not touched. Restart the POD, and report the log."
            return PartHealth("clips", Status.DEGRADED, ended)
        return PartHealth("clips", Status.DEGRADED if self._fault else Status.OK, self._fault)

    def _watched(self) -> list[_Camera]:
        with self._changed:
            return list(self._cameras.values())

    def _run(self) -> None:
        try:
            self._record()
        except Exception:
            log.exception("clips ended by a fault; the gate is not touched")

    def _record(self) -> None:
        while self._round():
            pass
        for camera in self._watched():
            for recording in tuple(camera.recordings):
                with self._apart(camera, recording):
                    self._finish(camera, recording)
            camera.units.close(discard=True)

    def _round(self) -> bool:
        """Take over what came, begin what is wanted, end what is due; False once it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._closed, ROUND_S)
            wanted, closed = list(self._wanted), self._closed
            self._wanted.clear()
        begun = [each for each in wanted if not self._extend(each)]
        for camera in self._watched():
            self._take_over(camera)
        for each in begun:
            if not self._extend(each):
                self._begin(self._cameras[each.camera], each)
        silent_s = time.monotonic() - SILENCE_S
        for camera in self._watched():
            for recording in [each for each in camera.recordings if each.until_s < silent_s]:
                with self._apart(camera, recording):
                    self._finish(camera, recording)
        return not closed

    def _take_over(self, camera: _Camera) -> None:
        for _ in range(WAITING_UNITS):
            unit = camera.units.take(0)
            if unit is None:
                return
            camera.ring.add(unit)
            for recording in tuple(camera.recordings):
                with self._apart(camera, recording):
                    self._go_on(camera, recording, unit)

    def _extend(self, wanted: _Wanted) -> bool:
        """Have the clip of this approach go on; False where none is being recorded."""
        recordings = self._cameras[wanted.camera].recordings
        running = next((each for each in recordings if each.wanted.approach == wanted.approach), None)
        if running is not None:
            running.until_s = min(wanted.asked_s + self._after_s, running.latest_until_s)
        return running is not None

    def _begin(self, camera: _Camera, wanted: _Wanted) -> None:
        if len(camera.recordings) >= MOST_AT_ONCE:
            self._metrics.clips_lost.labels(wanted.camera, "too_many").inc()
            return
        units = camera.ring.since(wanted.seen_s - self._before_s)
        if not units:
            self._metrics.clips_lost.labels(wanted.camera, "no_keyframe").inc()
            return
        try:
            recording = self._open(wanted, units)
        except CameraError as error:
            self._lost(wanted, "no_clip_of_this", f"Camera {wanted.camera} has no clips: {error}")
        except StoreError as error:
            self._lost(wanted, "not_stored", str(error))
        except Exception as error:  # libav raises what it likes; no clip may stop the others
            log.exception("camera %s: a clip met a bug", wanted.camera)
            self._lost(wanted, "fault", f"A clip met a bug: {error}")
        else:
            camera.recordings.append(recording)

    def _open(self, wanted: _Wanted, units: tuple[AccessUnit, ...]) -> _Recording:
        late = reordering(units)
        stream, content, plate_at, begun_s = ClipStream(units[0], late=late), b"", 0, units[0].arrival_s
        for unit in units:
            if not stream.fits(unit):  # the camera began to send other pictures meanwhile
                stream, content, plate_at, begun_s = ClipStream(unit, late=late), b"", 0, unit.arrival_s
            fragment, shown = stream.add(unit)
            content += fragment
            if unit.arrival_s <= wanted.seen_s:
                plate_at = max(plate_at, shown)
        file = self._media.begin_clip(
            wanted.approach,
            wanted.revision,
            camera=wanted.camera,
            at=wanted.at,
            known=wanted.known,
            codec=stream.codec,
            plate_at_ms=plate_at * 1000 // TIMESCALE,
        )
        try:
            file.append(stream.header + content)
        except BaseException:
            file.drop()
            raise
        latest_until_s = begun_s + LONGEST_S
        until_s = min(wanted.asked_s + self._after_s, latest_until_s)
        return _Recording(wanted, stream, file, until_s, latest_until_s)

    def _go_on(self, camera: _Camera, recording: _Recording, unit: AccessUnit) -> None:
        if unit.arrival_s > recording.until_s or not recording.stream.fits(unit):
            self._finish(camera, recording)
            return
        fragment, _ = recording.stream.add(unit)
        if fragment:
            self._write(camera, recording, fragment)

    def _write(self, camera: _Camera, recording: _Recording, fragment: bytes) -> bool:
        """Write a fragment; False where that was the recording's end."""
        try:
            if recording.file.append(fragment):
                return True
        except StoreError as error:
            self._lost(recording.wanted, "cut_short", str(error))
            self._close(camera, recording)
            return False
        camera.recordings.remove(recording)
        recording.file.drop()
        self._metrics.clips_lost.labels(recording.wanted.camera, "deleted").inc()
        return False

    def _finish(self, camera: _Camera, recording: _Recording) -> None:
        rest = recording.stream.flush()
        if (not rest or self._write(camera, recording, rest)) and self._close(camera, recording):
            self._metrics.clips_kept.labels(recording.wanted.camera).inc()
            self._fault = ""

    @contextlib.contextmanager
    def _apart(self, camera: _Camera, recording: _Recording) -> Iterator[None]:
        """A bug met in here ends this recording, with what is in its file, and no other."""
        try:
            yield
        except Exception as error:
            log.exception("camera %s: a clip met a bug", recording.wanted.camera)
            self._lost(recording.wanted, "fault", f"A clip met a bug: {error}")
            if recording in camera.recordings:
                self._close(camera, recording)

    def _close(self, camera: _Camera, recording: _Recording) -> bool:
        """End a recording with what is in its file; False where that is not kept."""
        camera.recordings.remove(recording)
        try:
            recording.file.finish()
        except StoreError as error:
            self._lost(recording.wanted, "not_stored", str(error))
            return False
        return True

    def _lost(self, wanted: _Wanted, reason: str, fault: str) -> None:
        if fault != self._fault:
            log.warning("camera %s: %s", wanted.camera, fault)
        self._fault = fault
        self._metrics.clips_lost.labels(wanted.camera, reason).inc()


def clips_of(config: PodConfig, media: MediaStore, *, metrics: PodMetrics) -> Clips | None:
    """The recorder that a configuration asks for; None where it wants no clips."""
    if config.media.clip_after_s == 0:
        return None
    return Clips(
        media,
        before_s=config.media.clip_before_s,
        after_s=config.media.clip_after_s,
        wait_s=config.access.deny_after_s,
        metrics=metrics,
    )

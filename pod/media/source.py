"""One camera from address to newest frame: a session at a time, watched, and opened again when it breaks."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pod.config import CameraConfig
from pod.domain.freshness import FreshnessClock
from pod.media.clip import ClipSession
from pod.media.decode_thread import DecodeThread
from pod.media.fanout import AccessUnitFanout, Subscription
from pod.media.faults import CameraFault
from pod.media.frame import AccessUnit, Frame
from pod.media.location import FileLocation, locate
from pod.media.pictures import PictureSession, is_picture
from pod.media.rtsp import RtspSession, RtspTiming
from pod.media.session import Session
from pod.media.slot import LatestFrame
from pod.media.state import CameraState, SourceCounters, StateKind
from pod.runtime.backoff import backoff_delays_s

DECODER_UNITS = 60
"""Units that may wait for the decoder, about 2 s; beyond that it skips to a keyframe."""


@dataclass(frozen=True, slots=True)
class SourceTiming:
    """When a session is given up and how soon the next one is tried, in seconds.

    Attributes:
        late_s: frames beyond the freshness limit for this long end the session.
        no_picture_s: units that give no picture for this long end it.
        settled_s: a session that lasted this long makes the next retry quick again.
        first_retry_s, longest_retry_s: bounds of the delay, which doubles between them.
        login_retry_s: the least delay after a refused login; cameras lock accounts that try too often.
    """

    rtsp: RtspTiming = RtspTiming()
    late_s: float = 4.0
    no_picture_s: float = 10.0
    settled_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    login_retry_s: float = 60.0


class CameraSource:
    """Keeps one camera playing: its units go to the fan-out, its newest frame into the slot.

    Two threads: one holds the session, one decodes. A source is started once and stopped once.
    """

    def __init__(
        self,
        camera: CameraConfig,
        slot: LatestFrame,
        fanout: AccessUnitFanout,
        *,
        on_state: Callable[[CameraState], None],
        timing: SourceTiming = SourceTiming(),
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            on_state: told each new state, from the source's own threads; must return soon.
            random_unit: uniform in [0, 1), for the jitter between retries.
        """
        self._camera = camera
        self._slot = slot
        self._fanout = fanout
        self._on_state = on_state
        self._timing = timing
        self._random_unit = random_unit
        self._stop = threading.Event()
        self._state_lock = threading.Lock()
        self._state = CameraState("connecting", "", "not connected yet", time.monotonic())
        self._totals = SourceCounters()
        self._decoding: tuple[DecodeThread, Subscription] | None = None
        self._units = self._late_units = self._frames = 0
        self._last_frame_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.name}", daemon=True)

    @property
    def state(self) -> CameraState:
        return self._state

    @property
    def last_frame_s(self) -> float | None:
        """Monotonic clock when the newest frame was decoded; None before the first."""
        return self._last_frame_s

    @property
    def alive(self) -> bool:
        """Whether the thread that holds the session runs."""
        return self._thread.is_alive()

    @property
    def counters(self) -> SourceCounters:
        return self._with_decoder(
            replace(
                self._totals,
                units=self._units,
                late_units=self._late_units,
                frames=self._frames,
                frames_overwritten=self._slot.dropped,
            )
        )

    def start(self) -> None:
        """Start connecting; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End the session and wait for its threads; nothing is published or reported after that.

        Returns:
            False when libav still waits for the camera's answer; that thread ends by itself within `RtspTiming`.
        """
        self._stop.set()
        decoding = self._decoding
        if decoding is not None:
            decoding[1].close(discard=True)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        delays_s = self._fresh_delays()
        while not self._stop.is_set():
            started_s = time.monotonic()
            try:
                self._play()
            except CameraFault as fault:
                self._enter("failed", fault.reason, str(fault))
                if time.monotonic() - started_s >= self._timing.settled_s:
                    delays_s = self._fresh_delays()
                delay_s = next(delays_s)
                if fault.reason == "wrong_password":
                    delay_s = max(delay_s, self._timing.login_retry_s)
                self._stop.wait(delay_s)
            else:
                self._enter("ended", "ended", f"{self._camera.name} was played to its end")
                return

    def _fresh_delays(self) -> Iterator[float]:
        return backoff_delays_s(
            self._random_unit, self._timing.first_retry_s, longest_s=self._timing.longest_retry_s
        )

    def _open(self) -> Session:
        password = self._camera.password.get_secret_value() if self._camera.password else None
        location = locate(self._camera.url, self._camera.username, password=password)
        if not isinstance(location, FileLocation):
            return RtspSession(location, self._stop, timing=self._timing.rtsp)
        path = Path(location.path)
        if path.is_dir() or is_picture(path):
            return PictureSession(path, self._stop, loop=self._camera.loop)
        return ClipSession(path, self._stop, loop=self._camera.loop)

    def _play(self) -> None:
        """One session, from opening to its end.

        Raises:
            CameraFault: it could not be opened, or broke.
        """
        try:
            session = self._open()
        except CameraFault:
            self._totals = replace(self._totals, attempts_failed=self._totals.attempts_failed + 1)
            raise
        if self._stop.is_set():
            session.close()
            return
        self._totals = replace(self._totals, sessions=self._totals.sessions + 1)
        units = self._fanout.subscribe("decoder", DECODER_UNITS)
        decoding = DecodeThread(
            self._camera.name,
            self._totals.sessions,
            decoder=session.decoder(),
            units=units,
            deliver=self._deliver,
            on_quiet=self._quiet if session.live else _nothing,
            quiet_s=self._camera.freshness_limit_s,
        )
        self._decoding = (decoding, units)
        decoding.start()
        try:
            self._publish(session)
        finally:
            units.close(discard=self._stop.is_set())
            decoding.join(self._timing.no_picture_s)
            session.close()
            self._totals = self._with_decoder(self._totals)
            self._decoding = None

    def _publish(self, session: Session) -> None:
        clock = FreshnessClock()
        opened_s = time.monotonic()
        late_since_s: float | None = None
        for unit in session.units():
            if self._stop.is_set():
                return
            unit = replace(unit, lag_s=clock.observe(unit.rtp_time_s, unit.arrival_s))
            self._units += 1
            self._fanout.publish(unit)
            if not session.live:
                continue
            late_since_s = self._judge_lag(unit, late_since_s)
            if unit.arrival_s - max(opened_s, self._last_frame_s or 0.0) > self._timing.no_picture_s:
                raise CameraFault(
                    "undecodable",
                    f"{self._camera.name} sends video that does not decode: set it to H.264 or H.265, 8 bit",
                )

    def _judge_lag(self, unit: AccessUnit, late_since_s: float | None) -> float | None:
        """Since when units have been late, given the newest.

        Raises:
            CameraFault: `late`, for too long; a new session starts without what was held back.
        """
        if unit.lag_s <= self._camera.freshness_limit_s:
            return None
        self._late_units += 1
        if late_since_s is None:
            return unit.arrival_s
        if unit.arrival_s - late_since_s > self._timing.late_s:
            raise CameraFault(
                "late",
                f"{self._camera.name} stays {unit.lag_s:.1f} s behind: lower its bit rate or mend its network",
            )
        return late_since_s

    def _deliver(self, frame: Frame) -> None:
        if self._stop.is_set():
            return
        now_s = time.monotonic()
        self._frames += 1
        self._last_frame_s = now_s
        self._slot.put(frame)
        age_s = now_s - frame.captured_s
        if age_s > self._camera.freshness_limit_s:
            self._enter(
                "stale", "late", f"frames are {age_s:.1f} s old: the network or this machine is too slow"
            )
        else:
            self._enter("playing", "", "fresh frames come in")

    def _quiet(self) -> None:
        if self._state.kind == "playing":
            self._enter("stale", "silent", "no frame comes: check the camera's network and power")

    def _with_decoder(self, counters: SourceCounters) -> SourceCounters:
        """`counters` plus what the running decoder counted."""
        if self._decoding is None:
            return counters
        decoding, units = self._decoding
        return replace(
            counters,
            units_dropped=counters.units_dropped + units.dropped,
            units_corrupt=counters.units_corrupt + decoding.corrupt,
        )

    def _enter(self, kind: StateKind, reason: str, text: str) -> None:
        """Take on a state and report it, unless it is the present one or the source is stopping."""
        with self._state_lock:
            if self._stop.is_set() or (self._state.kind, self._state.reason) == (kind, reason):
                return
            self._state = CameraState(kind, reason, text, time.monotonic())
            self._on_state(self._state)


def _nothing() -> None:
    """What a paced source does when it is quiet: its own pace is the reason."""

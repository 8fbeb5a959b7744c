"""One camera from address to newest frame: a session at a time, watched, and opened again when it breaks."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pod.config import CameraConfig
from pod.domain.freshness import SETTLE_S, FreshnessClock
from pod.media.clip import ClipSession
from pod.media.decode_thread import DecodeThread
from pod.media.facts_watch import FactsWatch
from pod.media.fanout import AccessUnitFanout, Subscription
from pod.media.faults import SessionError, no_access
from pod.media.frame import AccessUnit, Frame
from pod.media.location import FileLocation, StreamLocation, locate
from pod.media.nal import NalCodec
from pod.media.native_rtsp import NativeRtspSession
from pod.media.packetize import packetize
from pod.media.packets import PacketBatch, PacketFanout, VideoPacket
from pod.media.pictures import PictureSession, is_picture
from pod.media.rtp.sdp import NotNativeError
from pod.media.rtsp import RtspSession
from pod.media.session import Session
from pod.media.slot import LatestFrame
from pod.media.state import CameraState, SourceCounters, StateKind, SteadyFreshness
from pod.media.stream_facts import StreamFacts
from pod.media.timing import SourceTiming
from pod.media.transport import TransportChoice
from pod.media.watch import SessionWatch, no_picture, old_by_report
from pod.runtime.backoff import backoff_delays_s

log = logging.getLogger(__name__)

FRESH = "fresh frames come in"
PACKET_BYTES = 1200
"""RTP payloads made here, which pass every path without being cut again."""
DECODER_UNITS = 60
"""Units that may wait for the decoder, about 2 s; beyond that it skips to a keyframe."""


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
        on_fault: Callable[[Exception], None] = lambda error: None,
        timing: SourceTiming | None = None,
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            on_state: told each new state, from the source's own threads; must return soon.
            on_fault: told the bug that ended one of the source's threads, on that thread; `state` is then
                `failed`, and nothing is retried.
            random_unit: uniform in [0, 1), for the jitter between retries.
        """
        self._camera = camera
        self._slot = slot
        self._fanout = fanout
        self._packets = PacketFanout()
        self._facts: FactsWatch | None = None
        self._reported_lag_s = 0.0
        self._transport = TransportChoice(camera.transport)
        self._on_state = on_state
        self._on_fault = on_fault
        self._timing = timing or SourceTiming()
        self._random_unit = random_unit
        self._stop = threading.Event()
        self._state_lock = threading.Lock()
        self._state = CameraState("connecting", "", "not connected yet")
        self._last_frame_s: float | None = None
        self._fresh_since_s: float | None = None
        self._fresh_for_s = 0.0
        self._steady = SteadyFreshness(camera.freshness_limit_s)
        self._totals = SourceCounters()
        self._units = self._frames = 0
        self._running: tuple[DecodeThread, Subscription, SessionWatch, Session] | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.name}", daemon=True)

    @property
    def state(self) -> CameraState:
        return self._state

    @property
    def facts(self) -> StreamFacts | None:
        """What the running session sends; None where none is open."""
        facts = self._facts
        return None if facts is None else facts.facts

    @property
    def units(self) -> AccessUnitFanout:
        """Where its access units go."""
        return self._fanout

    @property
    def packets(self) -> PacketFanout:
        """Where its packets go: as the camera sent them, or made of its units where they are not at hand."""
        return self._packets

    @property
    def alive(self) -> bool:
        """Whether the thread that holds the session runs."""
        return self._thread.is_alive()

    @property
    def counters(self) -> SourceCounters:
        totals = self._with_running(self._totals)
        return replace(totals, units=self._units, frames=self._frames, frames_overwritten=self._slot.dropped)

    def start(self) -> None:
        """Start connecting; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End the session and wait for its threads; nothing is reported, and no frame comes, after that.

        Returns:
            False when libav still waits for the camera; that thread then ends by itself within `RtspTiming`.
        """
        self._stop.set()
        running = self._running
        if running is not None:
            running[0].end(discard=True)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._keep_playing()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """A bug ended one of the threads: end the other one, too, and say so."""
        log.error("camera %s: its session met a bug", self._camera.name, exc_info=error)
        self._stop.set()
        text = "a fault of PlateBridge ended it: restart the POD, and report what the log says"
        self._state = CameraState("failed", "fault", text)
        self._on_fault(error)

    def _keep_playing(self) -> None:
        delays_s = self._fresh_delays()
        while not self._stop.is_set():
            self._fresh_since_s, self._fresh_for_s = None, 0.0
            try:
                self._play()
            except SessionError as error:
                self._enter("failed", error.reason, str(error))
                if self._fresh_for_s >= self._timing.settled_s:
                    delays_s = self._fresh_delays()
                delay_s = next(delays_s)
                if error.reason == "wrong_password":
                    delay_s = max(delay_s, self._timing.login_retry_s)
                self._stop.wait(delay_s)
            else:
                self._enter("ended", "ended", "it was played to its end: set 'loop' to play it again")
                return

    def _fresh_delays(self) -> Iterator[float]:
        timing = self._timing
        return backoff_delays_s(self._random_unit, timing.first_retry_s, longest_s=timing.longest_retry_s)

    def _play(self) -> None:
        """One session, from opening to its end.

        Raises:
            SessionError: it could not be opened, or broke.
        """
        try:
            session = self._open()
        except SessionError:
            self._totals = replace(self._totals, attempts_failed=self._totals.attempts_failed + 1)
            raise
        number = self._totals.sessions + 1
        self._totals = replace(self._totals, sessions=number)
        frames_before = self._frames
        self._steady = SteadyFreshness(self._camera.freshness_limit_s)
        self._facts = FactsWatch(session.path)
        watch = SessionWatch(
            self._camera.name,
            time.monotonic(),
            session.path,
            freshness_limit_s=self._camera.freshness_limit_s,
            late_s=self._timing.late_s,
            no_picture_s=self._timing.no_picture_s,
        )
        units = self._fanout.subscribe(DECODER_UNITS)
        decoding = DecodeThread(
            self._camera.name,
            number,
            decoder=session.decoder(),
            units=units,
            deliver=self._deliver,
            on_quiet=self._quiet if session.live else lambda: None,
            on_fault=self._fail,
            quiet_s=self._camera.freshness_limit_s,
        )
        self._running = (decoding, units, watch, session)
        decoding.start()
        played_out = False
        try:
            self._publish(session, watch, facts=self._facts)
            played_out = not self._stop.is_set()
        except SessionError as error:
            if self._frames == frames_before:
                self._transport.showed_nothing(error.reason)
            raise
        finally:
            decoding.end(discard=not played_out)
            decoding.join(self._timing.no_picture_s)
            session.close()
            self._totals, self._running = self._with_running(self._totals), None
            self._facts = None
        if played_out and self._frames == frames_before:
            raise SessionError("undecodable", no_picture(self._camera.name, session.path))

    def _open(self) -> Session:
        password = self._camera.password.get_secret_value() if self._camera.password else None
        location = locate(self._camera.url, self._camera.username, password=password)
        if not isinstance(location, FileLocation):
            return self._open_stream(location)
        path = Path(location.path)
        try:
            of_pictures = is_picture(path) or path.is_dir()
        except OSError as error:
            raise no_access(path, error) from None
        kind = PictureSession if of_pictures else ClipSession
        return kind(path, self._stop, loop=self._camera.loop)

    def _open_stream(self, location: StreamLocation) -> Session:
        transport, stop, timing = self._transport, self._stop, self._timing.rtsp
        if transport.way == "native":
            try:
                return NativeRtspSession(location, stop, timing=timing, on_packets=self._relay)
            except NotNativeError as why:
                if transport.wanted == "native":
                    raise SessionError(
                        "not_native",
                        f"{location.shown} cannot be read natively ({why}): set transport to auto",
                    ) from None
                transport.leave_native(str(why))
        if transport.why_libav:
            log.warning("camera %s is read through libav: %s", self._camera.name, transport.why_libav)
        return RtspSession(location, stop, timing=timing)

    def _relay(self, packets: tuple[VideoPacket, ...], codec: NalCodec, arrival_s: float, lost: int) -> None:
        self._packets.publish(PacketBatch(packets, codec, self._totals.sessions, arrival_s, lost))

    def _relay_unit(self, unit: AccessUnit) -> None:
        """Packets made of a unit, where none came and somebody wants them."""
        if self._packets.has_listeners and unit.codec in ("h264", "hevc"):
            packets = packetize(unit, most_bytes=PACKET_BYTES)
            if packets:
                self._relay(packets, unit.codec, unit.arrival_s, 0)

    def _publish(self, session: Session, watch: SessionWatch, *, facts: FactsWatch) -> None:
        clock = FreshnessClock(settle_s=SETTLE_S if session.live else 0.0)
        begun = False
        for unit in session.units():
            if self._stop.is_set():
                return
            arrival_lag_s = clock.observe(unit.rtp_time_s, unit.arrival_s)
            dated = replace(unit, lag_s=max(arrival_lag_s, unit.reported_lag_s))
            self._units += 1
            facts.take(dated)
            self._reported_lag_s = unit.reported_lag_s
            if session.path != "native":
                self._relay_unit(dated)
            # Without its keyframe a unit would be decoded on top of the session before, by who reads on.
            begun = begun or unit.keyframe
            if begun:
                self._fanout.publish(dated)
            watch.judge(dated, self._last_frame_s, arrival_lag_s=arrival_lag_s)

    def _deliver(self, frame: Frame) -> None:
        if self._stop.is_set():
            return
        self._frames += 1
        self._last_frame_s = time.monotonic()
        self._slot.put(frame)
        facts = self._facts  # another thread may forget it meanwhile
        if facts is not None:
            facts.show(frame.width, frame.height)
        age_s = self._last_frame_s - frame.captured_s
        fresh = self._steady.is_fresh(self._last_frame_s, age_s)
        if age_s > self._camera.freshness_limit_s:
            why = f"frames are {age_s:.1f} s old: check network and load of this machine"
            if self._reported_lag_s > self._camera.freshness_limit_s:
                why = old_by_report(self._reported_lag_s)
            self._enter("stale", "late", why)
        elif fresh:
            if self._fresh_since_s is None:
                self._fresh_since_s = self._last_frame_s
            self._fresh_for_s = self._last_frame_s - self._fresh_since_s
            why = self._transport.why_libav
            self._enter("playing", "", f"fresh frames come in, through libav: {why}" if why else FRESH)

    def _quiet(self) -> None:
        self._steady.interrupt()
        if self._state.kind == "playing":
            self._enter("stale", "silent", "no frame comes: check the camera's network and power")

    def _with_running(self, totals: SourceCounters) -> SourceCounters:
        """`totals` plus what the running session counted."""
        if self._running is None:
            return totals
        decoding, units, watch, session = self._running
        losses = session.losses
        return replace(
            totals,
            units_dropped=totals.units_dropped + units.dropped,
            units_corrupt=totals.units_corrupt + decoding.corrupt + losses.units_damaged,
            units_late=totals.units_late + watch.late,
            frames_undated=totals.frames_undated + decoding.undated,
            packets_lost=totals.packets_lost + losses.packets_lost,
            packets_refused=totals.packets_refused + losses.packets_refused,
        )

    def _enter(self, kind: StateKind, reason: str, text: str) -> None:
        """Take on a state and report it, unless it is the present one or the source is stopping."""
        with self._state_lock:
            if self._stop.is_set() or (self._state.kind, self._state.reason) == (kind, reason):
                return
            self._state = CameraState(kind, reason, text)
            self._on_state(self._state)

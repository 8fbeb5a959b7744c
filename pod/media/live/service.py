"""Live video of all cameras: admits viewers and keeps their sessions, on one thread with its own loop."""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pod.config import CameraConfig
from pod.domain.errors import LiveError
from pod.media.fanout import AccessUnitFanout
from pod.media.live.gathering import gather_from
from pod.media.live.lease import SetupPace
from pod.media.live.limits import LiveLimits
from pod.media.live.loop_thread import LoopThread
from pod.media.live.offer import read_fragment, read_offer
from pod.media.live.relay import CameraRelay
from pod.media.live.server_watch import ServerWatch
from pod.media.live.sessions import (
    CameraTotals,
    EndReason,
    IceServer,
    LiveAnswer,
    LiveSession,
    OnEnded,
    RelayCounts,
)
from pod.media.live.viewing import Viewing
from pod.media.packets import PacketFanout
from pod.media.state import CameraState
from pod.media.stream_facts import StreamFacts

log = logging.getLogger(__name__)

T = TypeVar("T")

WORK_WITHIN_S = 10.0
"""An answer takes milliseconds; candidates of a STUN or TURN server that does not answer, up to a second."""

MOST_ASKED = 64
"""Calls that may wait for the live thread at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCamera:
    """Where one camera's video comes from.

    Attributes:
        facts: what its present session sends; None while there is none.
        state: how it is doing.
    """

    config: CameraConfig
    packets: PacketFanout
    units: AccessUnitFanout
    facts: Callable[[], StreamFacts | None]
    state: Callable[[], CameraState]


class LiveVideo:
    """Shows cameras to viewers over WebRTC. Started once and closed once; every method is thread-safe.

    The `async` methods may be awaited on any event loop: the work runs on the live thread, so that neither
    the page nor the cameras wait for it. A fault in here ends sessions, never the POD.
    """

    def __init__(
        self,
        cameras: Sequence[LiveCamera],
        *,
        limits: LiveLimits | None = None,
        ice_servers: Callable[[], Sequence[IceServer]] = tuple,
        pod_relays: bool = False,
    ) -> None:
        """
        Args:
            ice_servers: STUN and TURN servers, asked for each session anew; called on the live thread, too.
            pod_relays: have a TURN server relay for the POD, too, beside those of viewers.
        """
        self._limits = limits or LiveLimits()
        self._ask_ice_servers = ice_servers
        self._servers = ServerWatch(ice_servers)
        self._gather = gather_from(self._servers, pod_relays=pod_relays)
        self._thread = LoopThread("live")
        self._states = {camera.config.name: camera.state for camera in cameras}
        self._relays = {
            camera.config.name: CameraRelay(
                camera.config, camera.packets, units=camera.units, facts=camera.facts, loop=self._thread.loop
            )
            for camera in cameras
        }
        self._pace = SetupPace(
            time.monotonic(), at_once=self._limits.setups_at_once, per_s=self._limits.setups_per_s
        )
        self._viewings: Mapping[str, Viewing] = MappingProxyType({})
        self._ending: set[asyncio.Task[None]] = set()
        self._totals = {name: CameraTotals() for name in self._relays}
        self._offers: Counter[str] = Counter()
        self._told: tuple[OnEnded, ...] = ()
        self._lock = threading.Lock()
        self._asked = 0
        self._stopping = False

    def start(self) -> None:
        """Start the thread; returns at once."""
        # Both tell of every candidate and every check, with addresses of viewers, as plain news.
        for library in ("aioice", "aiortc"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self._thread.start()
        self._thread.loop.call_soon_threadsafe(self._servers.start)

    def close(self, timeout_s: float = 5.0) -> bool:
        """End every session (reason `stopped`) and the thread. Returns whether it ended in time."""
        self._stopping = True
        return self._thread.close(self._finish, timeout_s=timeout_s)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that can be watched, by name."""
        return tuple(self._relays)

    @property
    def fault(self) -> str | None:
        """Why live video cannot be had at all, with the mend; None while it can."""
        if self._stopping:
            return None
        if not self._thread.alive:
            return (
                "Live video ended by a fault; the gate is not touched. Restart the POD, and report the log."
            )
        if self._thread.silent_s > WORK_WITHIN_S:
            hangs = f"Live video hangs for {self._thread.silent_s:.0f} s"
            return f"{hangs}; the gate is not touched. Restart the POD, and report the log."
        return None

    @property
    def faults(self) -> int:
        """Faults met since the start; each ended at most the sessions it was met in."""
        return self._thread.faults

    def mode(self, camera: str) -> str | None:
        """How this camera's video is sent: `as_sent`, or `transcoded: ` and why; None for no such camera."""
        relay = self._relays.get(camera)
        return None if relay is None else relay.mode

    def ice_servers(self) -> Sequence[IceServer]:
        """STUN and TURN servers that viewers should use; asked anew for each viewer."""
        return self._ask_ice_servers()

    @property
    def server_troubles(self) -> Mapping[str, str]:
        """STUN and TURN servers that do not do what they should, and why, in words; by address."""
        return self._servers.troubles

    async def offer(self, camera: str, sdp: str, *, viewer: str, lease_s: float) -> LiveAnswer:
        """Open a session.

        Args:
            sdp: the viewer's offer; its candidates may still be missing (`trickle`).
            viewer: who watches, for the facts and the audit.
            lease_s: how long without `renew`.

        Raises:
            LiveError: `no_camera`, `too_large`, `bad_offer`, `no_h264`, `not_playing`, `too_many_for_camera`,
                `too_many`, `too_fast`, `gone` (before it was answered), `stopping` or `fault`.
        """
        opened: list[Viewing] = []
        try:
            answer = await self._run(lambda: self._open(camera, sdp, opened, viewer=viewer, lease_s=lease_s))
        except BaseException as error:
            # Cancelled or too late, the answer may lie there already, and nobody ends what it opened.
            self._thread.soon(lambda: self._end_all(opened, "left"))
            if isinstance(error, LiveError):
                self._offers[error.kind] += 1
            raise
        self._offers["answered"] += 1
        return answer

    async def trickle(self, session_id: str, fragment: str, *, etag: str) -> None:
        """Take in candidates of the viewer.

        Args:
            fragment: `application/trickle-ice-sdpfrag` (RFC 8840).
            etag: what the viewer sent as If-Match, without quotes.

        Raises:
            LiveError: `gone`, `bad_etag`, `no_restart` (the fragment is of another ICE session), `too_large`,
                `bad_offer`, `stopping` or `fault`.
        """

        async def take() -> None:
            viewing = self._viewing(session_id)
            await viewing.take(read_fragment(fragment), etag=etag)

        await self._run(take)

    async def renew(self, session_id: str, lease_s: float) -> None:
        """Let the session go on for `lease_s` from now.

        Raises:
            LiveError: `gone`, `stopping` or `fault`.
        """

        async def renew() -> None:
            self._viewing(session_id).renew(lease_s)

        await self._run(renew)

    async def end(self, session_id: str, reason: EndReason = "ended") -> None:
        """End the session; what it held is freed soon after.

        Raises:
            LiveError: `gone`, `stopping` or `fault`.
        """

        async def end() -> None:
            self._end(self._viewing(session_id), reason)

        await self._run(end)

    def session(self, session_id: str) -> LiveSession | None:
        """One session, or None once it has ended (or never was)."""
        viewing = self._viewings.get(session_id)
        return None if viewing is None else viewing.facts()

    def sessions(self) -> tuple[LiveSession, ...]:
        """Every session now, oldest first."""
        return tuple(viewing.facts() for viewing in self._viewings.values())

    def totals(self) -> Mapping[str, CameraTotals]:
        """What each camera's viewers had since the start, by camera."""
        with self._lock:
            totals, viewings = dict(self._totals), self._viewings
        for viewing in viewings.values():
            session = viewing.facts()
            totals[session.camera] = totals[session.camera].with_session(session)
        return totals

    def relays(self) -> Mapping[str, RelayCounts]:
        """What was left out since the start, by camera."""
        return {name: relay.counts for name, relay in self._relays.items()}

    def offers(self) -> Mapping[str, int]:
        """Offers since the start, by what became of them: `answered`, or the kind of the error."""
        return dict(self._offers)

    def on_ended(self, callback: OnEnded) -> Callable[[], None]:
        """Tell `callback` of each session's end, on the live thread; returns what ends that."""
        with self._lock:
            self._told = (*self._told, callback)

        def forget() -> None:
            with self._lock:
                self._told = tuple(told for told in self._told if told is not callback)

        return forget

    async def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work` on the live thread; every failure leaves as a LiveError."""
        if self._stopping:
            raise _stopping()
        with self._lock:
            if self._asked >= MOST_ASKED:
                raise LiveError("too_fast", "too many ask for live video at once", retry_after_s=1.0)
            self._asked += 1
        try:
            return await self._thread.run(work, within_s=WORK_WITHIN_S)
        except LiveError:
            raise
        except Exception as error:
            if self._stopping:
                raise _stopping() from error
            log.exception("live video met a fault")
            message = "live video met a fault; the POD's log tells more, and the gate is not touched"
            raise LiveError("fault", message) from error
        finally:
            with self._lock:
                self._asked -= 1

    # What follows runs on the live thread.

    async def _open(
        self, camera: str, sdp: str, opened: list[Viewing], *, viewer: str, lease_s: float
    ) -> LiveAnswer:
        """Open a session, which goes to `opened` at once."""
        self._admit(camera, viewer)
        viewing = Viewing(
            camera,
            read_offer(sdp),
            self._relays[camera],
            viewer=viewer,
            lease_s=lease_s,
            connect_within_s=self._limits.connect_within_s,
            gather=self._gather,
            end=self._end,
        )
        self._viewings = MappingProxyType({**self._viewings, viewing.id: viewing})
        opened.append(viewing)
        try:
            answer = await viewing.answer()
        except BaseException as error:
            # Cancelled where whoever asked has gone meanwhile.
            self._end(viewing, "left" if isinstance(error, asyncio.CancelledError) else "fault")
            raise
        if viewing.id not in self._viewings:  # given up, or pushed out by its own viewer
            raise LiveError("gone", "this session ended before it was answered: open another one")
        return LiveAnswer(session_id=viewing.id, sdp=answer, etag=viewing.etag, lease_s=lease_s)

    def _admit(self, camera: str, viewer: str) -> None:
        """Whether one more may watch this camera, by all that costs next to nothing to find out.

        Raises:
            LiveError: why not.
        """
        state = self._states.get(camera)
        if state is None:
            raise LiveError("no_camera", "there is no camera of that name")
        now = state()
        if now.kind in ("connecting", "failed", "ended"):
            raise LiveError("not_playing", f"the camera sends nothing now: {now.text}", retry_after_s=5.0)
        unconnected = [
            one
            for one in self._viewings.values()
            if (one.viewer, one.camera, one.state) == (viewer, camera, "connecting")
        ]
        if len(unconnected) >= self._limits.unconnected:
            self._end(unconnected[0], "no_connection")
        if len(self._viewings) >= self._limits.in_all:
            raise LiveError("too_many", "every place for a viewer is taken", retry_after_s=15.0)
        of_camera = sum(one.camera == camera for one in self._viewings.values())
        if of_camera >= self._limits.per_camera:
            raise LiveError(
                "too_many_for_camera", "every place for a viewer of this camera is taken", retry_after_s=15.0
            )
        wait_s = self._pace.take(time.monotonic())
        if wait_s:
            raise LiveError("too_fast", "too many sessions are being opened", retry_after_s=wait_s)

    def _viewing(self, session_id: str) -> Viewing:
        viewing = self._viewings.get(session_id)
        if viewing is None:
            raise LiveError("gone", "this session has ended: open another one")
        return viewing

    def _end(self, viewing: Viewing, reason: EndReason) -> None:
        """Take the session out of the lists, tell of its end, and free what it holds; once."""
        if viewing.id not in self._viewings:
            return
        viewing.stop_waiting()
        ended, camera, facts = viewing.ended(reason), viewing.camera, viewing.facts()
        left = {name: one for name, one in self._viewings.items() if one is not viewing}
        with self._lock:  # who counts finds it among those that watch, or among those that ended
            self._viewings = MappingProxyType(left)
            self._totals[camera] = self._totals[camera].with_session(facts, ended=reason)
        closing = self._thread.loop.create_task(viewing.close(), name="close a viewer's connection")
        self._ending.add(closing)
        closing.add_done_callback(self._ending.discard)
        for told in self._told:
            try:
                told(ended)
            except Exception:
                log.exception("the end of a session could not be told")

    def _end_all(self, viewings: Sequence[Viewing], reason: EndReason) -> None:
        for viewing in viewings:
            self._end(viewing, reason)

    async def _finish(self) -> None:
        """The last thing the thread does."""
        await self._servers.close()
        self._end_all(tuple(self._viewings.values()), "stopped")
        if self._ending:
            await asyncio.wait(self._ending)
        for relay in self._relays.values():
            relay.close()


def _stopping() -> LiveError:
    return LiveError("stopping", "the POD stops: ask again in a minute", retry_after_s=30.0)

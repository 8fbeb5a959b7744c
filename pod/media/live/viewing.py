"""One viewer's session: its connection, its lease and the moments at which it ends by itself."""

import asyncio
import secrets
import time
from collections.abc import Callable

from pod.domain.errors import LiveError
from pod.media.live.candidates import MOST_CANDIDATES
from pod.media.live.gathering import Gather
from pod.media.live.lease import Lease
from pod.media.live.offer import Fragment, Offer
from pod.media.live.peer import Peer, PeerState
from pod.media.live.relay import CameraRelay
from pod.media.live.sessions import EndedSession, EndReason, LiveSession, SessionState


class Viewing:
    """From an offer to its end. Belongs to the live thread; `facts` may be asked for from any."""

    def __init__(
        self,
        camera: str,
        offer: Offer,
        relay: CameraRelay,
        *,
        viewer: str,
        lease_s: float,
        connect_within_s: float,
        gather: Gather,
        end: Callable[["Viewing", EndReason], None],
    ) -> None:
        """
        Args:
            gather: what adds candidates to those of this machine's own addresses.
            end: called when it must end: nothing connected within `connect_within_s`, its lease is over, or
                the viewer has gone.
        """
        self.id = secrets.token_urlsafe(18)
        self.etag = secrets.token_hex(8)
        self.camera, self.viewer = camera, viewer
        self.state: SessionState = "connecting"
        self.since_s = time.monotonic()
        self._offer, self._relay, self._end = offer, relay, end
        self._candidates = len(offer.candidates)
        self._loop = asyncio.get_running_loop()
        self._lease = Lease.granted(self.since_s, lease_s)
        self._ends = self._loop.call_later(lease_s, end, self, "lease_over")
        self._gives_up = self._loop.call_later(connect_within_s, end, self, "no_connection")
        self._peer = Peer(relay, gather=gather, on_state=self._peer_changed)

    async def answer(self) -> str:
        """The answer's SDP."""
        return await self._peer.answer(self._offer)

    async def take(self, fragment: Fragment, *, etag: str) -> None:
        """Take in trickled candidates; those beyond `MOST_CANDIDATES` are left out.

        Raises:
            LiveError: `bad_etag` or `no_restart`.
        """
        if etag != self.etag:
            raise LiveError("bad_etag", "the session has another ICE session: its ETag is another")
        if fragment.ufrag not in (None, self._offer.ufrag):
            raise LiveError("no_restart", "ICE cannot start anew here: open another session")
        fresh = fragment.candidates[: MOST_CANDIDATES - self._candidates]
        self._candidates += len(fresh)
        await self._peer.add(fresh, self._offer.mid)

    def renew(self, lease_s: float) -> None:
        """Let it go on for `lease_s` from now."""
        self._lease = Lease.granted(time.monotonic(), lease_s)
        self._ends.cancel()
        self._ends = self._loop.call_later(lease_s, self._end, self, "lease_over")

    def stop_waiting(self) -> None:
        """Nothing ends it by itself any more, for it has ended."""
        self._ends.cancel()
        self._gives_up.cancel()

    async def close(self) -> None:
        """Free what it holds."""
        await self._peer.close()

    def facts(self) -> LiveSession:
        stats = self._peer.stats
        return LiveSession(
            session_id=self.id,
            camera=self.camera,
            viewer=self.viewer,
            since_s=self.since_s,
            left_s=self._lease.left_s(time.monotonic()),
            state=self.state,
            mode=self._relay.mode,
            sent_bytes=stats.sent_bytes,
            sent_packets=stats.sent_packets,
            lost_packets=stats.lost,
            skips=stats.skips,
            nacks=stats.missing,
            repeated_packets=stats.repeated,
            keyframes_wanted=stats.keyframes_wanted,
            refused_packets=stats.refused,
            strange_packets=self._peer.strange,
            path=self._peer.path,
            offload=stats.offload,
        )

    def ended(self, reason: EndReason) -> EndedSession:
        """What is told of its end, now."""
        return EndedSession(
            session_id=self.id,
            camera=self.camera,
            viewer=self.viewer,
            reason=reason,
            seconds=time.monotonic() - self.since_s,
            sent_bytes=self._peer.stats.sent_bytes,
        )

    def _peer_changed(self, state: PeerState) -> None:
        if state == "connected":
            self.state = "playing"
            self._gives_up.cancel()
        elif state == "closed":
            self._end(self, "left")
        else:
            self._end(self, "lost" if self.state == "playing" else "no_connection")

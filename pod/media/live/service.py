"""Live video of all cameras: the one thread with an event loop of its own on which every viewer's session runs."""

from collections.abc import Callable, Sequence

from pod.domain.errors import LiveError
from pod.media.live.sessions import EndReason, IceServer, LiveAnswer, LiveSession, OnEnded


class LiveVideo:
    """Shows cameras to viewers over WebRTC. Started once and closed once; every method is thread-safe.

    The `async` methods may be awaited on any event loop: the work runs on the live thread, so that neither the
    page nor the cameras wait for it. A fault in here ends sessions, never the POD.
    """

    def start(self) -> None:
        """Start the thread; returns at once."""

    def close(self, timeout_s: float = 5.0) -> bool:
        """End every session (reason `stopped`) and the thread. Returns whether it ended in time."""
        raise NotImplementedError

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that can be watched, by name."""
        raise NotImplementedError

    def mode(self, camera: str) -> str | None:
        """How this camera's video is sent: `as_sent`, or `transcoded: ` and why; None while that is unknown."""
        raise NotImplementedError

    def ice_servers(self) -> Sequence[IceServer]:
        """STUN and TURN servers that viewers should use; asked anew for each viewer."""
        raise NotImplementedError

    async def offer(self, camera: str, sdp: str, *, viewer: str, lease_s: float) -> LiveAnswer:
        """Open a session.

        Args:
            sdp: the viewer's offer; its candidates may still be missing (`trickle`).
            viewer: who watches, for the facts and the audit.
            lease_s: how long without `renew`.

        Raises:
            LiveError: `no_camera`, `too_large`, `bad_offer`, `no_h264`, `not_playing`, `too_many_for_camera`,
                `too_many`, `too_fast` or `stopping`.
        """
        raise LiveError("stopping", "live video is not there yet")

    async def trickle(self, session_id: str, fragment: str, *, etag: str) -> None:
        """Take in candidates of the viewer.

        Args:
            fragment: `application/trickle-ice-sdpfrag` (RFC 8840).
            etag: what the viewer sent as If-Match, without quotes.

        Raises:
            LiveError: `gone`, `bad_etag`, `no_restart` (the fragment is of another ICE session), `too_large` or
                `bad_offer`.
        """
        raise NotImplementedError

    async def renew(self, session_id: str, lease_s: float) -> None:
        """Let the session go on for `lease_s` from now.

        Raises:
            LiveError: `gone`.
        """
        raise NotImplementedError

    async def end(self, session_id: str, reason: EndReason = "ended") -> None:
        """End the session.

        Raises:
            LiveError: `gone`.
        """
        raise NotImplementedError

    def session(self, session_id: str) -> LiveSession | None:
        """One session, or None once it has ended (or never was)."""
        raise NotImplementedError

    def sessions(self) -> tuple[LiveSession, ...]:
        """Every session now, oldest first."""
        raise NotImplementedError

    def on_ended(self, callback: OnEnded) -> Callable[[], None]:
        """Tell `callback` of each session's end, on the live thread; returns what ends that."""
        raise NotImplementedError

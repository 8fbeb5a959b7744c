"""What is told about live video from outside its thread: answers, sessions, how they ended. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

SessionState = Literal["connecting", "playing"]

EndReason = Literal["left", "ended", "lease_over", "no_connection", "lost", "revoked", "fault", "stopped"]
"""Why a session ended: the viewer `left` (closed its end), or asked for its `end` (ended); its lease was over; ICE
or DTLS never came about (no_connection); the network to it was lost; who watches was no longer allowed to (revoked);
a fault of PlateBridge; the POD stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server.

    Attributes:
        url: such as `stun:192.0.2.1:3478` or `turn:192.0.2.1:3478?transport=udp` (RFC 7064, RFC 7065).
        username, credential: of a TURN server; None for STUN.
    """

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAnswer:
    """The answer to an offer.

    Attributes:
        session_id: names the session from now on; cannot be guessed, safe in a URL.
        sdp: the answer, all candidates of the POD in it.
        etag: of its ICE session; opaque, without the quotes that HTTP puts around it.
        lease_s: after this long the session ends unless it is renewed.
    """

    session_id: str
    sdp: str
    etag: str
    lease_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession:
    """One viewer of one camera, now.

    Attributes:
        viewer: who watches, as the offer named them.
        since_s: when the offer came, monotonic.
        left_s: what is left of the lease, in seconds.
        state: `connecting` until packets can flow.
        mode: how the camera's video is sent: `as_sent`, or `transcoded: ` and why.
        lost_packets: as the viewer reported them.
        skips: times it was too slow and went on at the next keyframe.
        nacks: packets it asked for again.
    """

    session_id: str
    camera: str
    viewer: str
    since_s: float
    left_s: float
    state: SessionState
    mode: str
    sent_bytes: int
    sent_packets: int
    lost_packets: int
    skips: int
    nacks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """How a session ended.

    Attributes:
        seconds: from the offer to the end.
    """

    session_id: str
    camera: str
    viewer: str
    reason: EndReason
    seconds: float
    sent_bytes: int


OnEnded = Callable[[EndedSession], None]
"""Told each end once, on the live thread; must return at once."""

"""What is told about live video from outside its thread: answers, sessions, how they ended. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

SessionState = Literal["connecting", "playing"]

VideoPath = Literal["direct", "relayed", "relayed_by_pod"]
"""Which way video goes: straight to the viewer, to a TURN server that relays for the viewer, or through one
that relays for the POD."""

EndReason = Literal["left", "ended", "lease_over", "no_connection", "lost", "revoked", "fault", "stopped"]
"""Why a session ended: the viewer closed its side (left) or asked for the end (ended); the lease was over; no
connection came about (no_connection); it broke (lost); who watches may no longer (revoked); PlateBridge met a
fault; the POD stopped."""


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
        nacks: packets it asked for again; `repeated_packets` of them it got.
        keyframes_wanted: times it could not go on without one.
        refused_packets: what this machine's network did not take.
        strange_packets: what came to its sockets and was passed over, as no viewer sends it.
        path: which way packets go; None until they can.
        offload: the kernel cuts runs of datagrams (UDP segmentation offload).
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
    repeated_packets: int
    keyframes_wanted: int
    refused_packets: int
    strange_packets: int
    path: VideoPath | None
    offload: bool


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCounts:
    """What one camera's relay left out since the start.

    Attributes:
        dropped_packets: of the camera's, which the live loop was too slow for.
        long_gops: GOPs too long or too large to be kept for who joins, who then waits for the next keyframe.
        encode_skipped_units: of the camera's, which encoding anew could not keep up with.
        encode_corrupt_units: of the camera's, which could not be decoded to be encoded anew.
    """

    dropped_packets: int = 0
    long_gops: int = 0
    encode_skipped_units: int = 0
    encode_corrupt_units: int = 0


OnEnded = Callable[[EndedSession], None]
"""Told each end once, on the live thread; must return at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTotals:
    """What the viewers of one camera had since the start; each only grows, sessions under way included.

    Attributes:
        ended: sessions that ended, by reason.
    """

    sent_bytes: int = 0
    sent_packets: int = 0
    lost_packets: int = 0
    skips: int = 0
    nacks: int = 0
    repeated_packets: int = 0
    keyframes_wanted: int = 0
    refused_packets: int = 0
    strange_packets: int = 0
    ended: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def with_session(self, session: LiveSession, *, ended: EndReason | None = None) -> "CameraTotals":
        """These and one session's, which ended where `ended` says why."""
        return CameraTotals(
            sent_bytes=self.sent_bytes + session.sent_bytes,
            sent_packets=self.sent_packets + session.sent_packets,
            lost_packets=self.lost_packets + session.lost_packets,
            skips=self.skips + session.skips,
            nacks=self.nacks + session.nacks,
            repeated_packets=self.repeated_packets + session.repeated_packets,
            keyframes_wanted=self.keyframes_wanted + session.keyframes_wanted,
            refused_packets=self.refused_packets + session.refused_packets,
            strange_packets=self.strange_packets + session.strange_packets,
            ended=self.ended if ended is None else {**self.ended, ended: self.ended.get(ended, 0) + 1},
        )

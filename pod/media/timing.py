"""How long a source waits for what, in one place. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RtspTiming:
    """How long a camera may keep us waiting, in seconds.

    Attributes:
        connect_s: for the TCP connection and for the first answer, each.
        open_s: for the whole handshake up to PLAY.
        silence_s: between two access units. More than the five seconds that a stalled network may hold
            pictures back: the session outlives that, and what then comes at once is known to be old.
    """

    connect_s: float = 3.0
    open_s: float = 8.0
    silence_s: float = 6.0


@dataclass(frozen=True, slots=True)
class SourceTiming:
    """When a session is given up and how soon the next one is tried, in seconds.

    Attributes:
        late_s: units beyond the freshness limit, and no others, for this long end the session.
        no_picture_s: units that give no picture for this long end it.
        settled_s: a session that gave fresh frames for this long makes the next retry quick again.
        first_retry_s: bound of the first delay; it doubles with each failure.
        longest_retry_s: where the bound stops growing.
        login_retry_s: the least delay after a refused login, since cameras lock accounts that try too often.
    """

    rtsp: RtspTiming = field(default_factory=RtspTiming)
    late_s: float = 4.0
    no_picture_s: float = 10.0
    settled_s: float = 1.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    login_retry_s: float = 60.0

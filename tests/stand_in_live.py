"""In the place of LiveVideo: sessions without video, for tests of who may open, keep and end them."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pod.domain.errors import LiveError
from pod.domain.stream_token import StreamToken, sign
from pod.media.live.sessions import EndedSession, EndReason, IceServer, LiveAnswer
from pod.services.clock_watch import Moment
from pod.services.stream_tokens import OwnKey, StreamTokens
from pod.services.watching import Watching

OFFER = "v=0\r\n"
PORTAL_KEY = Ed25519PrivateKey.generate()
AUDIENCE = "site/pod-test"


@dataclass
class StandInLive:
    """Takes every offer unless `fault` is set.

    Attributes:
        ended: how each session ended, by its name.
        ends_at_once: sessions end before their opening has returned.
    """

    cameras: tuple[str, ...] = ("entry", "exit")
    servers: Sequence[IceServer] = ()
    fault: LiveError | None = None
    ends_at_once: bool = False
    offers: list[tuple[str, str]] = field(default_factory=list)
    fragments: list[tuple[str, str]] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    ended: dict[str, EndReason] = field(default_factory=dict)
    live: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._tell: Callable[[EndedSession], None] = lambda ended: None

    def mode(self, camera: str) -> str | None:
        return "as_sent" if camera in self.cameras else None

    def ice_servers(self) -> Sequence[IceServer]:
        return self.servers

    async def offer(self, camera: str, sdp: str, *, viewer: str, lease_s: float) -> LiveAnswer:
        self.offers.append((camera, sdp))
        if self.fault is not None:
            raise self.fault
        name = f"session-{next(self._numbers)}"
        self.live[name] = (camera, viewer)
        if self.ends_at_once:
            await self.end(name, "no_connection")
        return LiveAnswer(session_id=name, sdp="v=0\r\nanswer", etag="ice-1", lease_s=lease_s)

    async def trickle(self, session_id: str, fragment: str, *, etag: str) -> None:
        self._known(session_id)
        if etag != "ice-1":
            raise LiveError("bad_etag", "this is another ICE session")
        self.fragments.append((session_id, fragment))

    async def renew(self, session_id: str, lease_s: float) -> None:
        self._known(session_id)
        self.renewed.append(session_id)

    async def end(self, session_id: str, reason: EndReason = "ended") -> None:
        self._known(session_id)
        camera, viewer = self.live.pop(session_id)
        self.ended[session_id] = reason
        self._tell(
            EndedSession(
                session_id=session_id,
                camera=camera,
                viewer=viewer,
                reason=reason,
                seconds=12.34,
                sent_bytes=5000,
            )
        )

    def on_ended(self, callback: Callable[[EndedSession], None]) -> Callable[[], None]:
        self._tell = callback
        return lambda: None

    def _known(self, session_id: str) -> None:
        if session_id not in self.live:
            raise LiveError("gone", "this session has ended")


@dataclass
class Clocks:
    """Both clocks of a POD, moved by the test."""

    wall: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    mono_s: float = 1000.0
    doubt: str = ""

    def look(self) -> Moment:
        return Moment(self.wall, self.doubt)


@dataclass
class Guarded:
    """Who may watch a stand-in, with everything around it.

    Attributes:
        trusted: names of keys that are trusted beside the POD's own.
    """

    live: StandInLive = field(default_factory=StandInLive)
    clocks: Clocks = field(default_factory=Clocks)
    audit: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=lambda: ["portal"])

    def __post_init__(self) -> None:
        self.own = OwnKey("pod-own", Ed25519PrivateKey.generate())
        self.begin()

    def begin(self) -> None:
        """As a POD's start does: with the same key, and nothing else remembered."""
        self.tokens = StreamTokens(
            self.own,
            audience=AUDIENCE,
            trusted=lambda: {kid: PORTAL_KEY.public_key() for kid in self.trusted},
            look=self.clocks.look,
            clock_s=lambda: self.clocks.mono_s,
        )
        self.watching = Watching(
            self.live,
            self.tokens,
            record=lambda kind, row: self.audit.append((kind, dict(row))),
            count_refused=self.refused.append,
            clock_s=lambda: self.clocks.mono_s,
        )

    def portal_token(self, token_id: str = "t-1", **changes: object) -> str:
        """A token that the portal signed just now."""
        now_s = self.clocks.wall.timestamp()
        token = StreamToken("portal", AUDIENCE, "entry", "resident 12", token_id, now_s, now_s + 60)
        return sign(replace(token, **changes), PORTAL_KEY)  # type: ignore[arg-type]  # fields by their names

    def rows(self, kind: str) -> list[dict[str, object]]:
        return [row for of, row in self.audit if of == kind]

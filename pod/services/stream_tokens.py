"""Issue this POD's own stream tokens, and judge every token that somebody brings."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pod.domain import stream_token
from pod.domain.spent_tokens import SpentTokens
from pod.domain.stream_token import LEEWAY_S, LIFE_S, Refused, StreamToken
from pod.services.clock_watch import Moment

MOST_ISSUED = 256
"""Own tokens that may wait to be used; the oldest lapses first."""

_SPENT = Refused("used", "This token was used before; get a new one.")
_UNSURE = Refused("clock_unsure", "The POD's clock is in doubt, so it cannot tell how old this token is.")
_OVER = Refused("expired", "This token is too old, or from before the POD's start; get a new one.")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The key that signs this POD's own tokens, by its name."""

    kid: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Person:
    """Who watches, or asks for a token.

    Attributes:
        name: as the audit names them.
        owner: the same for the same sign-in, or the same person of the same key, and for nobody else.
        may: whether they are still allowed to; asked again and again while they watch.
    """

    name: str
    owner: str
    may: Callable[[], bool]


@dataclass(slots=True)
class _Issued:
    person: Person
    at_s: float
    used: bool = False


class StreamTokens:
    """Knows which tokens open a session. Used by the page's event loop alone; nothing here blocks.

    This POD's own tokens need no clock that can be believed: they are remembered until they are used, and
    judged by the monotonic clock. Those of other keys are judged by the wall clock, and refused while it is
    in doubt. After a restart no token from before opens anything.

    Args:
        audience: how tokens name this POD.
        trusted: keys of others, by kid; asked again for each token, as they may be taken back.
        look: at the wall clock, and what is known against it.
    """

    def __init__(
        self,
        own: OwnKey,
        *,
        audience: str,
        trusted: Callable[[], Mapping[str, Ed25519PublicKey]],
        look: Callable[[], Moment],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.audience = audience
        self._own = own
        self._trusted = trusted
        self._look = look
        self._clock_s = clock_s
        self._issued: OrderedDict[str, _Issued] = OrderedDict()
        self._spent = SpentTokens()
        self._since_s: float | None = None
        self._believed_s()

    def issue(self, camera: str, person: Person) -> str:
        """A token that opens one session of this camera, for a minute."""
        now_s = self._look().now.timestamp()
        token = StreamToken(
            kid=self._own.kid,
            audience=self.audience,
            camera=camera,
            viewer=person.name[: stream_token.MOST_VIEWER_CHARS],
            id=secrets.token_urlsafe(24),
            issued_s=int(now_s),
            expires_s=int(now_s + LIFE_S),
        )
        while len(self._issued) >= MOST_ISSUED:
            self._issued.popitem(last=False)
        self._issued[token.id] = _Issued(person, self._clock_s())
        return stream_token.sign(token, self._own.key)

    def spend(self, text: str, camera: str) -> Person | Refused:
        """Who brings this token; it is good for nothing afterwards, whatever becomes of the session."""
        keys = {**self._trusted(), self._own.kid: self._own.key.public_key()}
        token = stream_token.read(text, keys)
        if isinstance(token, Refused):
            return token
        wrong = stream_token.concerns(token, audience=self.audience, camera=camera)
        if wrong is not None:
            return wrong
        return self._spend_own(token) if token.kid == self._own.kid else self._spend_other(token)

    def doubt(self, text: str, camera: str) -> Refused | None:
        """Why this token opens nothing, or None: it might. It stays good for what it was good for.

        One that was used is told nothing else than one that was not; it was good a minute ago at most.
        """
        token = stream_token.read(text, {**self._trusted(), self._own.kid: self._own.key.public_key()})
        if isinstance(token, Refused):
            return token
        wrong = stream_token.concerns(token, audience=self.audience, camera=camera)
        if wrong is not None:
            return wrong
        if token.kid == self._own.kid:
            issued = self._issued.get(token.id)
            is_over = issued is None or self._clock_s() - issued.at_s >= LIFE_S or not issued.person.may()
            return _OVER if is_over else None
        now_s = self._believed_s()
        if now_s is None or self._since_s is None:
            return _UNSURE
        return stream_token.is_in_time(token, now_s=now_s, since_s=self._since_s)

    def _spend_own(self, token: StreamToken) -> Person | Refused:
        issued = self._issued.get(token.id)
        if issued is None:
            return _OVER
        if issued.used:
            return _SPENT
        issued.used = True
        if self._clock_s() - issued.at_s >= LIFE_S:
            return _OVER
        if not issued.person.may():
            return Refused("expired", "Whoever got this token has signed out; sign in again.")
        return issued.person

    def _spend_other(self, token: StreamToken) -> Person | Refused:
        now_s = self._believed_s()
        if now_s is None or self._since_s is None:
            return _UNSURE
        late = stream_token.is_in_time(token, now_s=now_s, since_s=self._since_s)
        if late is not None:
            return late
        if not self._spent.spend(f"{token.kid}/{token.id}", expires_s=token.expires_s):
            return _SPENT
        kid = token.kid
        return Person(
            name=f"{token.viewer} ({kid})", owner=f"{kid}/{token.viewer}", may=lambda: kid in self._trusted()
        )

    def _believed_s(self) -> float | None:
        """Unix time; None while it is in doubt. After a doubt only what is issued from then on counts: what
        was used before a restart, or by a clock that was wrong, is not remembered."""
        moment = self._look()
        if moment.doubt:
            self._since_s = None
            return None
        now_s = moment.now.timestamp()
        if self._since_s is None:
            self._since_s = now_s + LEEWAY_S
        return now_s

"""Who is signed in: sessions in memory, bounded in number and time. A restart signs everybody out."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_SESSIONS = 32
"""At once; a further sign-in ends the one that was idle longest."""

IDLE_S = 12 * 3600.0
LIFE_S = 7 * 24 * 3600.0
"""A session ends after this long without a request, or this long after the sign-in, whichever is first."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser.

    Attributes:
        token: the cookie's value, known to that browser alone.
        csrf: goes into every form; nobody else can know it.
        address: where it signed in from.
        began_s: monotonic clock.
        must_change: nothing is shown before the password that was made for the first start is changed.
    """

    token: str
    csrf: str
    address: str
    began_s: float
    must_change: bool = False

    @property
    def by(self) -> str:
        """Who it is, as the audit names it."""
        return f"local page, from {self.address}"


class Sessions:
    """The sessions of one POD. Used by the event loop alone."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._key = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, tuple[Session, float]] = OrderedDict()

    def begin(self, address: str, *, must_change: bool = False) -> Session:
        """A new session with a token that never existed before, whatever the browser sent."""
        token = secrets.token_urlsafe(32)
        now_s = self._clock_s()
        session = Session(token, self.csrf_of(token), address, now_s, must_change)
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.popitem(last=False)
        self._sessions[_name(token)] = (session, now_s)
        return session

    def find(self, token: str) -> Session | None:
        """The session of a cookie, which counts as used now; None where it ended or never was."""
        if not self.lives(token):
            self.end(token)
            return None
        session, _ = self._sessions[_name(token)]
        self._sessions[_name(token)] = (session, self._clock_s())
        self._sessions.move_to_end(_name(token))
        return session

    def lives(self, token: str) -> bool:
        """Whether there is such a session and it has not ended; to ask does not count as a use."""
        found = self._sessions.get(_name(token))
        if found is None:
            return False
        session, used_s = found
        now_s = self._clock_s()
        return now_s - used_s <= IDLE_S and now_s - session.began_s <= LIFE_S

    def end(self, token: str) -> None:
        self._sessions.pop(_name(token), None)

    def end_all(self) -> None:
        self._sessions.clear()

    def csrf_of(self, token: str) -> str:
        """What a form must bring beside this cookie; also for the cookie of a browser not signed in yet."""
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()


def _name(token: str) -> str:
    """Sessions are found by a digest, so that the time a look-up takes says nothing about a token."""
    return hashlib.sha256(token.encode()).hexdigest()

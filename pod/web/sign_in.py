"""Sign somebody in or not: by password, slowed down when it is wrong, or by a link that works once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pod.domain.errors import ConfigError
from pod.web.addresses import is_loopback, neighbourhood
from pod.web.admin_password import AdminPassword
from pod.web.own_threads import OwnThreads
from pod.web.sessions import Session, Sessions
from pod.web.sign_in_link import SignInLink
from pod.web.throttle import Throttle

Record = Callable[[str, Mapping[str, object]], None]
"""Writes an audit row without waiting for it."""


@dataclass(frozen=True, slots=True)
class TooManyTries:
    """Nothing was looked at; try again later."""

    wait_s: float


class WrongPassword:
    """The password was looked at and is not the one."""


class SignIn:
    """All that decides who is signed in to one POD.

    Args:
        data_dir: exists; the password lives there.
        secure: the page is served over TLS, so cookies are kept off plain connections.

    Attributes:
        ended: set whenever somebody is signed out, or everybody; whoever waits for it clears it.
    """

    def __init__(self, data_dir: Path, *, secure: bool, record: Record) -> None:
        self._password = AdminPassword(data_dir)
        self._link = SignInLink(data_dir)
        self._sessions = Sessions()
        self._throttle = Throttle()
        self._judging = asyncio.Lock()
        self._threads = OwnThreads("signing in", most=16)
        self._record = record
        self._stamp = self._password.stamp()
        self.ended = asyncio.Event()
        # One for each POD: several may be seen at localhost, through tunnels, and share one cookie jar.
        mark = hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:8]
        self.secure = secure
        self.cookie = f"{'__Host-' if secure else ''}platebridge-{mark}"

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; none outlives a new password."""
        self._end_old_ones()
        return self._sessions.find(cookie) if cookie else None

    def lives(self, session: Session) -> bool:
        """Whether a session goes on, for an answer that takes longer than its request; no use of it."""
        self._end_old_ones()
        return self._sessions.lives(session.token)

    def csrf_of(self, cookie: str) -> str:
        return self._sessions.csrf_of(cookie)

    async def with_password(self, password: str, address: str) -> Session | TooManyTries | WrongPassword:
        """Raises ConfigError where the password's file is spoilt."""
        if (refused := await self._refusal(password, address)) is not None:
            return refused
        must_change = await self._threads.run(self._password.note_used)
        self._welcome(address)
        self._record("login", {"result": "signed_in", "address": address, "way": "password"})
        return self._sessions.begin(address, must_change=must_change)

    async def with_link(self, token: str, address: str) -> Session | None:
        """The session of whoever brought the link; None where it is used, too old or made up."""
        if not await self._threads.run(lambda: self._link.use(token)):
            self._record("login", {"result": "wrong_link", "address": address})
            return None
        self._record("login", {"result": "signed_in", "address": address, "way": "link"})
        return self._sessions.begin(address)

    async def change_password(
        self, session: Session, old: str, *, new: str
    ) -> Session | TooManyTries | WrongPassword:
        """A new session for whoever changed it; all others end. Raises ConfigError."""
        if (refused := await self._refusal(old, session.address)) is not None:
            return refused
        await self._threads.run(lambda: self._password.change(new))
        self._welcome(session.address)
        self._record("login", {"result": "password_changed", "address": session.address})
        return self._sessions.begin(session.address)

    def sign_out(self, session: Session) -> None:
        self._sessions.end(session.token)
        self.ended.set()
        self._record("login", {"result": "signed_out", "address": session.address})

    def stop(self) -> None:
        """With the page that it belongs to."""
        self._threads.stop()

    async def _refusal(self, password: str, address: str) -> TooManyTries | WrongPassword | None:
        """None for the right password."""
        asker = neighbourhood(address)
        wait_s = self._throttle.wait_s(asker)
        if wait_s > 0:
            return TooManyTries(wait_s)
        self._throttle.begin(asker)
        async with self._judging:  # one at a time: guessing never takes more than one core from the cameras
            right = await self._threads.run(lambda: self._password.is_right(password))
        if right:
            return None
        self._record("login", {"result": "wrong_password", "address": address})
        return WrongPassword()

    def _welcome(self, address: str) -> None:
        self._end_old_ones()  # where the file just changed, before the new one begins
        self._throttle.succeed(neighbourhood(address))

    def _end_old_ones(self) -> None:
        """End every session, and forget who guessed, where the password changed."""
        stamp = self._password.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._sessions.end_all()
            self.ended.set()
            self._throttle.forget()


def trouble_for(client: object, error: ConfigError) -> str:
    """Why nobody can sign in; where the file lies is for this machine alone."""
    if is_loopback(client):
        return str(error)
    return "This POD cannot check passwords now. On the POD, `platebridge pod password` says why."

"""Who watches which camera: each session opened by a token, kept by new ones, and written down."""

import hashlib
import hmac
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pod.domain.errors import LiveError
from pod.domain.stream_token import Refused
from pod.media.live.mode import UNKNOWN
from pod.media.live.sessions import EndedSession, EndReason, IceServer, LiveAnswer
from pod.services.offer_pace import OfferPace
from pod.services.stream_tokens import Person, StreamTokens

log = logging.getLogger(__name__)

LEASE_S = 300.0
"""A session ends after this long unless a new token renews it: so fast does a revocation bite."""

MOST_UNKNOWN_ENDS = 64
"""Ends of sessions whose opening has not returned yet; beyond, the oldest is forgotten, and logged."""

_OTHER = Refused("wrong_session", "This token did not open this session.")


class Live(Protocol):
    """What shows the video; `media.live.service.LiveVideo` is one."""

    @property
    def cameras(self) -> tuple[str, ...]: ...
    def mode(self, camera: str) -> str | None: ...
    def ice_servers(self) -> Sequence[IceServer]: ...
    async def offer(self, camera: str, sdp: str, *, viewer: str, lease_s: float) -> LiveAnswer: ...
    async def trickle(self, session_id: str, fragment: str, *, etag: str) -> None: ...
    async def renew(self, session_id: str, lease_s: float) -> None: ...
    async def end(self, session_id: str, reason: EndReason = "ended") -> None: ...
    def on_ended(self, callback: Callable[[EndedSession], None]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """What somebody who is signed in needs to watch; `mode` as in `media.live.mode`."""

    token: str
    mode: str
    ice_servers: Sequence[IceServer]
    lease_s: float


@dataclass(slots=True)
class _Viewer:
    camera: str
    person: Person
    address: str
    opened_with: bytes
    renewed_with: bytes


class Watching:
    """Decides who watches. Its methods are for the page's event loop; LiveVideo's thread only tells of ends.

    Args:
        record: writes an audit row without waiting for it; callable from any thread.
        count_refused: told the code of each token that opened nothing.
    """

    def __init__(
        self,
        live: Live,
        tokens: StreamTokens,
        *,
        record: Callable[[str, Mapping[str, object]], None],
        count_refused: Callable[[str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._tokens = tokens
        self._record = record
        self._count_refused = count_refused
        self._clock_s = clock_s
        self._pace = OfferPace()
        self._lock = threading.Lock()
        self._viewers: dict[str, _Viewer] = {}
        self._unknown_ends: OrderedDict[str, EndedSession] = OrderedDict()
        live.on_ended(self._ended)

    def issue(self, camera: str, person: Person) -> Ticket:
        """A token for one session. Raises LiveError: no such camera."""
        self._known(camera)
        mode = self._live.mode(camera) or UNKNOWN
        return Ticket(self._tokens.issue(camera, person), mode, self._live.ice_servers(), LEASE_S)

    def ice_servers(self) -> Sequence[IceServer]:
        return self._live.ice_servers()

    def ice_servers_for(self, camera: str, token: str) -> Sequence[IceServer] | Refused:
        """The servers that whoever brings this token should use; it is not spent by asking."""
        refused = self._tokens.doubt(token, camera)
        return self._live.ice_servers() if refused is None else self._refuse(refused)

    async def open(self, camera: str, token: str, sdp: str, *, address: str) -> LiveAnswer | Refused:
        """Open a session for whoever brings the token; nothing of the offer is read before.

        Raises:
            LiveError: the session cannot be had. The token is spent all the same.
        """
        person = self._spend(token, camera)
        if isinstance(person, Refused):
            return person
        self._known(camera)
        wait_s = self._pace.wait_s(person.owner, self._clock_s())
        if wait_s > 0:
            raise LiveError(
                "too_fast", f"too many sessions; wait {math.ceil(wait_s)} s", retry_after_s=wait_s
            )
        answer = await self._live.offer(camera, sdp, viewer=person.name, lease_s=LEASE_S)
        mark = _digest(token)
        row = {"camera": camera, "viewer": person.name, "address": address}
        with self._lock:
            self._record("watch_started", row)
            ended = self._unknown_ends.pop(answer.session_id, None)
            if ended is None:
                self._viewers[answer.session_id] = _Viewer(camera, person, address, mark, mark)
            else:
                self._record("watch_ended", row | _how(ended))
        return answer

    async def trickle(
        self, camera: str, session_id: str, token: str, *, fragment: str, etag: str
    ) -> Refused | None:
        """Take in candidates. Raises LiveError."""
        if not self._is_of(self._viewer(camera, session_id), token):
            return self._refuse(_OTHER)
        await self._live.trickle(session_id, fragment, etag=etag)
        return None

    async def renew(self, camera: str, session_id: str, token: str) -> Refused | None:
        """Begin the lease anew with a new token of the same person. Raises LiveError."""
        viewer = self._viewer(camera, session_id)
        person = self._spend(token, camera)
        if isinstance(person, Refused):
            return person
        if person.owner != viewer.person.owner:
            return self._refuse(_OTHER)
        await self._live.renew(session_id, LEASE_S)
        viewer.renewed_with = _digest(token)
        return None

    async def end(self, camera: str, session_id: str, token: str) -> Refused | None:
        """End a session. Raises LiveError: it has ended already."""
        if not self._is_of(self._viewer(camera, session_id), token):
            return self._refuse(_OTHER)
        await self._live.end(session_id)
        return None

    async def end_revoked(self) -> None:
        """End the sessions of everybody who may not watch any more: signed out, or their key taken back."""
        with self._lock:
            revoked = [name for name, viewer in self._viewers.items() if not viewer.person.may()]
        for session_id in revoked:
            try:
                await self._live.end(session_id, "revoked")
            except LiveError as error:
                if error.kind != "gone":
                    log.error("a session of somebody who may not watch any more did not end: %s", error)

    def _spend(self, token: str, camera: str) -> Person | Refused:
        found = self._tokens.spend(token, camera)
        return self._refuse(found) if isinstance(found, Refused) else found

    def _refuse(self, refused: Refused) -> Refused:
        self._count_refused(refused.code)
        return refused

    def _known(self, camera: str) -> None:
        if camera not in self._live.cameras:
            raise LiveError("no_camera", "there is no such camera")

    def _viewer(self, camera: str, session_id: str) -> _Viewer:
        with self._lock:
            viewer = self._viewers.get(session_id)
        if viewer is None or viewer.camera != camera:
            raise LiveError("gone", "this session has ended; open a new one")
        return viewer

    @staticmethod
    def _is_of(viewer: _Viewer, token: str) -> bool:
        """Whether this token opened the session, or renewed it last; takes as long for any."""
        mark = _digest(token)
        opened = hmac.compare_digest(mark, viewer.opened_with)
        return hmac.compare_digest(mark, viewer.renewed_with) or opened

    def _ended(self, ended: EndedSession) -> None:
        """On the live thread; an end may come before the opening has returned."""
        with self._lock:
            viewer = self._viewers.pop(ended.session_id, None)
            if viewer is None:
                self._unknown_ends[ended.session_id] = ended
                if len(self._unknown_ends) > MOST_UNKNOWN_ENDS:
                    self._unknown_ends.popitem(last=False)
                    log.warning("the end of a session whose opening never returned was forgotten")
                return
        row = {"camera": viewer.camera, "viewer": viewer.person.name, "address": viewer.address}
        self._record("watch_ended", row | _how(ended))


def _how(ended: EndedSession) -> dict[str, object]:
    return {"seconds": round(ended.seconds, 1), "bytes": ended.sent_bytes, "why": ended.reason}


def _digest(token: str) -> bytes:
    """What is kept of a token: nobody can use it, and comparing it tells nothing."""
    return hashlib.sha256(token.encode()).digest()

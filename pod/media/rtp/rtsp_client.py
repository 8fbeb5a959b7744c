"""The client's side of one RTSP session (RFC 2326) over one connection, without the connection. Pure.

Bytes go in and out; what the camera sends once it plays comes out as packets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from pod.media.faults import SessionError
from pod.media.location import redact
from pod.media.rtp.authorization import Login
from pod.media.rtp.rtsp_wire import Interleaved, Message, RtspWire, WireError
from pod.media.rtp.sdp import NotNativeError, NoVideoError, VideoOffer, video_offer

USER_AGENT = "PlateBridge"
RTP_CHANNEL, RTCP_CHANNEL = 0, 1
SESSION_TIMEOUT_S = 60.0
"""What RFC 2326 sets where the camera names no time."""
KEEP_ALIVE_RANGE_S = (2.0, 25.0)
MOST_PENDING = 4
"""Requests without an answer; a camera that plays but answers no more gets no further ones."""
MOST_LOCATION_CHARS = 2_000
"""Of an address that is told. To look for secrets in a longer one holds up every thread of this process."""

Step = Literal["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "playing"]


@dataclass(frozen=True, slots=True)
class StreamPacket:
    """RTP, or RTCP where `control`."""

    data: bytes
    control: bool


class RtspClient:
    """One session: starts with OPTIONS and ends wherever the camera refuses.

    Attributes:
        offer: the video being played; None before the camera described it.
        playing: the camera has answered PLAY.
    """

    def __init__(self, address: str, shown: str, *, login: Login | None) -> None:
        """
        Args:
            address: the url without credentials.
            shown: the same for messages and logs.
        """
        self.offer: VideoOffer | None = None
        self._address = _harmless(address)
        self._shown = shown
        self._login = login
        self._wire = RtspWire()
        self._step: Step = "OPTIONS"
        self._outgoing = bytearray()
        self._sequence = 0
        self._pending: dict[int, str] = {}
        self._refusals = 0
        self._session = ""
        self._base = self._address
        self._aggregate = self._address
        self._channels = (RTP_CHANNEL, RTCP_CHANNEL)
        self._keep_alive_s = KEEP_ALIVE_RANGE_S[1]
        self._keep_alive_method = "OPTIONS"
        self._next_keep_alive_s: float | None = None
        self._ask("OPTIONS", self._address)

    @property
    def playing(self) -> bool:
        return self._step == "playing"

    @property
    def garbage_bytes(self) -> int:
        """Bytes between messages and packets that were neither."""
        return self._wire.garbage_bytes

    def outgoing(self) -> bytes:
        """What has to be sent now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> Iterator[StreamPacket]:
        """Take in what came; to be read to its end, after which `outgoing` may hold an answer.

        Raises:
            SessionError: the camera refused, or cannot be understood.
            NotNativeError: it offers what only libav may know; never once it plays.
        """
        try:
            for found in self._wire.feed(data):
                if isinstance(found, Message):
                    self._hear(found)
                elif found.channel in self._channels and self.playing:
                    yield self._packet(found)
        except WireError as error:
            raise self._misunderstood(error) from None

    def keep_alive(self, now_s: float) -> None:
        """Ask for something from time to time while it plays, so that the camera does not end the session."""
        if not self.playing:
            return
        if self._next_keep_alive_s is None:
            self._next_keep_alive_s = now_s + self._keep_alive_s
        if now_s >= self._next_keep_alive_s:
            self._next_keep_alive_s = now_s + self._keep_alive_s
            if len(self._pending) < MOST_PENDING:
                self._ask(self._keep_alive_method, self._aggregate)

    def report(self, rtcp: bytes) -> None:
        """Send RTCP beside the requests."""
        self._outgoing += b"$" + bytes((self._channels[1],)) + len(rtcp).to_bytes(2) + rtcp

    def end(self) -> None:
        """Tell the camera that nobody watches any more."""
        if self._session:
            self._ask("TEARDOWN", self._aggregate)

    def _packet(self, found: Interleaved) -> StreamPacket:
        return StreamPacket(found.data, control=found.channel == self._channels[1])

    def _ask(self, method: str, address: str) -> None:
        self._sequence += 1
        self._pending[self._sequence] = method
        headers = [f"{method} {address} RTSP/1.0", f"CSeq: {self._sequence}", f"User-Agent: {USER_AGENT}"]
        authorization = self._login.answer(method, address) if self._login is not None else None
        if authorization is not None:
            headers.append(f"Authorization: {authorization}")
        match method:
            case "DESCRIBE":
                headers.append("Accept: application/sdp")
            case "SETUP":
                headers.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            case "PLAY":
                headers.append("Range: npt=0.000-")
        if self._session:
            headers.append(f"Session: {self._session}")
        self._outgoing += ("\r\n".join(headers) + "\r\n\r\n").encode()

    def _hear(self, message: Message) -> None:
        if message.method:
            self._be_asked(message)
            return
        number = message.header("cseq")
        method = self._pending.pop(int(number), None) if re.fullmatch("[0-9]{1,9}", number) else None
        if method is None and not number and len(self._pending) == 1:
            method = self._pending.popitem()[1]
        if method is None or message.status < 200:
            if method is not None:
                self._pending[int(number or self._sequence)] = method
            return
        if message.status == 401:
            self._log_in(message, method)
            return
        self._refusals = 0
        if self.playing:
            self._hear_while_playing(message, method)
        elif method == self._step:
            self._check(message, method)
            self._advance(message)

    def _be_asked(self, request: Message) -> None:
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        status = "200 OK" if known else "501 Not Implemented"
        number = re.sub("[^0-9]", "", request.header("cseq"))[:9]
        self._outgoing += f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n\r\n".encode()
        if request.method in ("REDIRECT", "TEARDOWN"):
            raise SessionError("closed", f"{self._shown} ended the stream: see whether the camera restarted")

    def _log_in(self, message: Message, method: str) -> None:
        """Answer a challenge: once in a row, and once more where only the nonce had grown old.

        A camera that plays may refuse to be asked whether it does: its packets tell.
        """
        refusal = self._answer_challenge(message, method)
        if refusal is None:
            return
        if not self.playing:
            raise refusal
        self._hear_while_playing(message, method)

    def _answer_challenge(self, message: Message, method: str) -> SessionError | NotNativeError | None:
        """Ask again with an answer to the challenge; else why that would be in vain."""
        login = self._login
        refused = SessionError(
            "wrong_password", f"{self._shown} refuses the login: correct username and password"
        )
        if login is None:
            return refused
        self._refusals += 1
        if not login.accept(message.headers.get("www-authenticate", ())):
            return NotNativeError("it asks for a login of an unknown kind")
        only_stale = login.challenge is not None and login.challenge.stale
        if self._refusals > 1 + only_stale:
            return refused
        self._ask(method, self._address_of(method))
        return None

    def _address_of(self, method: str) -> str:
        match method:
            case "OPTIONS" | "DESCRIBE":
                return self._aggregate if self.playing else self._address
            case "SETUP":
                return self._track
            case _:
                return self._aggregate

    @property
    def _track(self) -> str:
        control = "" if self.offer is None else self.offer.control
        return _resolved(self._base, control)

    def _check(self, message: Message, method: str) -> None:
        """Raise where an answer is no yes."""
        shown, status = self._shown, message.status
        if status < 300:
            return
        if method == "OPTIONS" and status not in (403, 404) and 400 <= status < 600 and status != 503:
            return
        if status < 400:
            location = message.header("location")
            fits = 0 < len(location) <= MOST_LOCATION_CHARS
            target = redact(_harmless(location))[:200] if fits else "another address"
            raise SessionError(
                "redirected", f"{shown} redirects to {target}: set the camera's url to where it really is"
            )
        match status:
            case 403:
                problem = SessionError(
                    "wrong_password", f"{shown} refuses the login: correct username and password"
                )
            case 404:
                problem = SessionError(
                    "not_found", f"{shown} is unknown to the camera: correct the path of its url"
                )
            case 461:
                problem = SessionError(
                    "refused", f"{shown} does not send over TCP: allow RTP over RTSP (TCP) in the camera"
                )
            case _:
                problem = SessionError(
                    "refused", f"{shown} refuses the stream: end other clients of the camera, or restart it"
                )
        raise problem

    def _advance(self, message: Message) -> None:
        match self._step:
            case "OPTIONS":
                public = {
                    name.strip().upper() for name in ",".join(message.headers.get("public", ())).split(",")
                }
                if "GET_PARAMETER" in public:
                    self._keep_alive_method = "GET_PARAMETER"
                self._step = "DESCRIBE"
            case "DESCRIBE":
                self._describe(message)
                self._step = "SETUP"
            case "SETUP":
                self._set_up(message)
                self._step = "PLAY"
            case "PLAY":
                self._step = "playing"
                return
            case "playing":
                return
        self._ask(self._step, self._address_of(self._step))

    def _describe(self, message: Message) -> None:
        try:
            self.offer = video_offer(message.body)
        except NoVideoError:
            raise SessionError(
                "no_video", f"{self._shown} sends no video: correct the path of the url"
            ) from None
        base = message.header("content-base") or message.header("content-location")
        if re.match(r"(?i)rtsps?://", base):
            self._base = _harmless(base)
        self._aggregate = _resolved(self._base, self.offer.session_control)

    def _set_up(self, message: Message) -> None:
        name, _, parameters = message.header("session").partition(";")
        self._session = _harmless(name.strip())[:256]
        timeout = re.search(r"(?i)timeout\s*=\s*(\d{1,6})", parameters)
        given_s = float(timeout[1]) if timeout and int(timeout[1]) > 0 else SESSION_TIMEOUT_S
        least_s, most_s = KEEP_ALIVE_RANGE_S
        self._keep_alive_s = min(max(given_s / 2, least_s), most_s)
        transport = message.header("transport")
        if transport and "tcp" not in transport.lower() and "interleaved" not in transport.lower():
            raise SessionError(
                "refused", f"{self._shown} does not send over TCP: allow RTP over RTSP (TCP) in the camera"
            )
        channels = re.search(r"(?i)interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", transport)
        if channels:
            first = int(channels[1])
            second = int(channels[2]) if channels[2] else first + 1
            if max(first, second) <= 255 and first != second:
                self._channels = (first, second)
        self._wire.channels = frozenset(self._channels)

    def _hear_while_playing(self, message: Message, method: str) -> None:
        if message.status == 454:
            raise SessionError("closed", f"{self._shown} ended the stream: see whether the camera restarted")
        if message.status >= 400 and method == self._keep_alive_method:
            self._keep_alive_method = "OPTIONS"

    def _misunderstood(self, error: WireError) -> SessionError:
        if error.greeted:
            return SessionError(
                "corrupt",
                f"{self._shown} sends no valid stream ({error}): restart the camera or update its firmware",
            )
        return SessionError(
            "not_rtsp", f"{self._shown} does not speak RTSP: correct the port (554 on most cameras)"
        )


def _resolved(base: str, control: str) -> str:
    """The address of a part, put together as cameras expect it: by appending, behind a query, too."""
    if control in ("", "*"):
        return base
    if re.match(r"(?i)rtsps?://", control):
        return _harmless(control)
    return base + ("" if base.endswith("/") else "/") + _harmless(control)


def _harmless(text: str) -> str:
    """`text` as part of a request line or header: nothing in it ends the line or the word."""
    return quote(text, safe="!#$%&'()*+,/:;=?@[]~^{|}")

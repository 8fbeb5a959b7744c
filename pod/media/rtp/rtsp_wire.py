"""What an RTSP connection brings, cut anywhere: answers, requests, interleaved packets (RFC 2326). Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 256 * 1024
MOST_GARBAGE_BYTES = 256 * 1024
"""So much in a row that is neither packet nor message means that it never will be again."""

_DOLLAR = 0x24
_HEAD_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_METHODS = (b"OPTIONS", b"GET_PARAMETER", b"SET_PARAMETER", b"ANNOUNCE", b"REDIRECT", b"TEARDOWN")
_STARTS = (b"RTSP/", *(method + b" " for method in _METHODS))
_MESSAGE = re.compile(b"|".join(_STARTS))
_PACKET_OR_MESSAGE = re.compile(b"|".join((rb"\$", *_STARTS)))
_STATUS = re.compile(r"RTSP/\d\.\d +(\d{3})(?: .*)?")
_LONGEST_START = max(map(len, _STARTS))


class WireError(Exception):
    """What comes is no RTSP, or a message without bounds.

    Attributes:
        greeted: at least one message was understood before.
    """

    def __init__(self, problem: str, *, greeted: bool) -> None:
        super().__init__(problem)
        self.greeted = greeted


@dataclass(frozen=True, slots=True)
class Message:
    """An answer or a request.

    Attributes:
        status: of an answer; 0 in a request.
        method: of a request; "" in an answer.
        headers: names in lower case; of those that came more than once all values, in order.
    """

    status: int
    method: str
    headers: Mapping[str, tuple[str, ...]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header, "" where it is missing."""
        values = self.headers.get(name, ())
        return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A packet between the messages."""

    channel: int
    data: bytes


@dataclass(slots=True)
class RtspWire:
    """Takes bytes as they come and gives what is complete.

    Between two messages it passes over what is neither message nor packet, and counts it; after that it takes
    only what looks like RTP or RTCP of a `channels` for a packet, since every byte may be a dollar sign.

    Attributes:
        channels: those agreed on; empty before.
        garbage_bytes: passed over.
    """

    channels: frozenset[int] = frozenset()
    garbage_bytes: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _garbage_run: int = 0
    _greeted: bool = False
    _least_bytes: int = 0
    """What the message under way takes: with less than that in the buffer it need not be looked at again."""

    def feed(self, data: bytes) -> Iterator[Message | Interleaved]:
        """What is complete with `data`; to be read to its end.

        Raises:
            WireError: nothing that comes after this can be understood.
        """
        self._buffer += data
        if len(self._buffer) < self._least_bytes:
            return
        self._least_bytes = at = 0
        try:
            while at < len(self._buffer):
                if self._buffer[at] == _DOLLAR and self._is_packet(at):
                    end = at + 4 + int.from_bytes(self._buffer[at + 2 : at + 4])
                    if len(self._buffer) < at + 4 or len(self._buffer) < end:
                        return
                    found: Message | Interleaved = Interleaved(
                        self._buffer[at + 1], bytes(self._buffer[at + 4 : end])
                    )
                elif _MESSAGE.match(self._buffer, at):
                    parsed = self._message(at)
                    if parsed is None:
                        return
                    found, end = parsed
                    self._greeted = True
                elif self._may_begin(at):
                    return
                else:
                    at = self._skip(at)
                    continue
                at, self._garbage_run = end, 0
                yield found
        finally:
            del self._buffer[:at]

    def _is_packet(self, at: int) -> bool:
        """Whether a dollar sign starts a packet, as far as it can be told yet."""
        if not self._garbage_run or len(self._buffer) < at + 6:
            return True
        length = int.from_bytes(self._buffer[at + 2 : at + 4])
        return self._buffer[at + 1] in self.channels and length >= 8 and self._buffer[at + 4] >> 6 == 2

    def _may_begin(self, at: int) -> bool:
        """Whether the buffer ends within what could become the start of a message."""
        left = bytes(self._buffer[at : at + _LONGEST_START])
        if len(self._buffer) - at >= _LONGEST_START:
            return False
        return any(start.startswith(left) for start in _STARTS)

    def _skip(self, at: int) -> int:
        """Where something may begin next."""
        found = _PACKET_OR_MESSAGE.search(self._buffer, at + 1)
        if found is not None:
            end = found.start()
        else:
            end = max(at + 1, len(self._buffer) - _LONGEST_START)
            while end < len(self._buffer) and not self._may_begin(end):
                end += 1
        self.garbage_bytes += end - at
        self._garbage_run += end - at
        if not self._greeted:
            raise WireError("what comes is no RTSP", greeted=False)
        if self._garbage_run > MOST_GARBAGE_BYTES:
            raise WireError("neither messages nor packets come any more", greeted=True)
        return end

    def _message(self, at: int) -> tuple[Message, int] | None:
        """The message at `at` and where it ends; None while it is not complete."""
        found = _HEAD_END.search(self._buffer, at, at + MOST_HEAD_BYTES)
        if found is None:
            if len(self._buffer) - at >= MOST_HEAD_BYTES:
                raise WireError("a message has no end", greeted=self._greeted)
            return None
        first, headers = _head(bytes(self._buffer[at : found.start()]).decode("utf-8", "replace"))
        length = _length(headers)
        if length is None or length > MOST_BODY_BYTES:
            raise WireError("a message has no believable length", greeted=self._greeted)
        end = found.end() + length
        if len(self._buffer) < end:
            self._least_bytes = end - at
            return None
        body = bytes(self._buffer[found.end() : end])
        if not first.startswith("RTSP/"):
            return Message(0, first.partition(" ")[0], headers, body), end
        status = _STATUS.fullmatch(first)
        if status is None:
            raise WireError("an answer has no status", greeted=self._greeted)
        return Message(int(status[1]), "", headers, body), end


def _head(text: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    first, *lines = text.splitlines() or [""]
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return first, {name: tuple(values) for name, values in headers.items()}


def _length(headers: Mapping[str, tuple[str, ...]]) -> int | None:
    """The length of the body, or None where headers tell none that can be believed."""
    values = set(headers.get("content-length", ("0",)))
    value = values.pop()
    return int(value) if not values and re.fullmatch(r"[0-9]{1,9}", value) else None

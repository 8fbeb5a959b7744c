"""A viewer's offer: read, limited, and written anew with nothing in it but what a session needs. Pure.

Nothing of the text that came is handed on, only values that were checked one by one: whatever else a client
writes into an offer reaches no other parser.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pod.domain.errors import LiveError
from pod.media.live.candidates import MOST_CANDIDATES, ViewerCandidate, candidate_of

MOST_BYTES = 32_768
"""A browser's offer of audio and video takes 8,000."""

MOST_LINES = 1_000
MOST_SECTIONS = 2
MOST_FORMATS = 8
"""Ways of H.264 to choose from; browsers offer up to six."""

PROFILES = ("42e0", "42c0", "4200")
"""Constrained baseline and baseline: every browser offers one of them, and goes by the parameter sets in the
video itself; so cameras that send a higher profile are shown, too."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_MEDIA = re.compile(r"([a-z]{1,16}) [0-9]{1,5}(?:/[0-9]{1,3})? ([A-Za-z/]{1,32})((?: [0-9]{1,3})+)")
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE)
_RTPMAP = re.compile(r"([0-9]{1,3}) ([A-Za-z0-9.-]{1,32})/([0-9]{1,6})(?:/([0-9]))?")
_EXTENSION = re.compile(r"([0-9]{1,3})(?:/[a-z]{1,8})? ([!-~]{1,200})")
_SETUPS = ("actpass", "active", "passive")
_DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")
_EXTENSIONS = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
_AUDIO = ("opus/48000/2", "G722/8000", "PCMU/8000", "PCMA/8000")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a viewer offers, as far as a session needs it.

    Attributes:
        sdp: the whole of it, written anew.
        mid: of its video.
        ufrag, password: of its ICE session.
        candidates: where it may be reached; more may follow.
    """

    sdp: str = field(repr=False)
    mid: str
    ufrag: str
    password: str = field(repr=False)
    candidates: tuple[ViewerCandidate, ...]


def read_offer(text: str) -> Offer:
    """Read the offer of a viewer who wants to receive one video.

    Raises:
        LiveError: `too_large`, `bad_offer` (with what is wrong in it), or `no_h264`.
    """
    lines = _lines(text)
    if not lines or lines[0] != "v=0":
        raise LiveError("bad_offer", "it is no SDP offer: send the browser's own, starting with v=0")
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise LiveError("bad_offer", "it offers no media: add a transceiver that receives video")
    session = _Attributes(lines[: starts[0]])
    if len(starts) > MOST_SECTIONS:
        raise _unwanted_sections()
    sections = [
        _Section(lines[at], _Attributes(lines[at + 1 : end]))
        for at, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    if sorted(section.kind for section in sections) not in (["video"], ["audio", "video"]):
        raise _unwanted_sections()
    bundle = _bundle(session, sections)
    tagged = next((section for section in sections if section.mid == bundle[0]), sections[0])
    transport = _Transport(tagged.attributes, session)
    video = next(section for section in sections if section.kind == "video")
    candidates = _candidates(tagged.attributes)
    written = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    # The video's first: the connection of the first one named is the one that stays.
    written.append(f"a=group:BUNDLE {' '.join([video.mid, *(mid for mid in bundle if mid != video.mid)])}")
    for section in sections:
        written += _video(section) if section is video else _audio(section)
        written += transport.lines
        written += [candidate.line() for candidate in candidates]
    sdp = "\r\n".join(written) + "\r\n"
    return Offer(sdp, video.mid, transport.ufrag, transport.password, candidates)


def _lines(text: str) -> list[str]:
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise LiveError("too_large", f"the offer is longer than {MOST_BYTES} bytes")
    lines = re.split(r"\r?\n", text.strip("\r\n"))
    if len(lines) > MOST_LINES:
        raise LiveError("too_large", f"the offer has more than {MOST_LINES} lines")
    return lines


def _unwanted_sections() -> LiveError:
    return LiveError("bad_offer", "offer one video section, at most one of audio, and nothing else")


class _Attributes:
    """The `a=` lines of one part of the offer."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._pairs = [
            (name, value)
            for name, _, value in (line[2:].partition(":") for line in lines if line.startswith("a="))
        ]

    def all(self, name: str) -> list[str]:
        return [value for own, value in self._pairs if own == name]

    def first(self, name: str) -> str | None:
        return next((value for own, value in self._pairs if own == name), None)

    @property
    def direction(self) -> str:
        """RFC 8866: sendrecv where nothing is said."""
        return next((name for name, _ in self._pairs if name in _DIRECTIONS), "sendrecv")


class _Section:
    """One `m=` line and what belongs to it."""

    def __init__(self, media: str, attributes: _Attributes) -> None:
        match = _MEDIA.fullmatch(media[2:])
        if match is None:
            raise LiveError("bad_offer", "one of its m= lines cannot be read, or is not of audio or video")
        self.kind, self.formats, self.attributes = match[1], tuple(match[3].split()), attributes
        if not match[2].endswith("RTP/SAVPF"):
            raise LiveError("bad_offer", "it offers media without encryption: UDP/TLS/RTP/SAVPF is wanted")
        mid = attributes.first("mid")
        if mid is None or not _TOKEN.fullmatch(mid):
            raise LiveError("bad_offer", "one of its sections has no a=mid")
        self.mid = mid
        if attributes.first("rtcp-mux") is None:
            raise LiveError("bad_offer", "it wants RTCP on a port of its own: a=rtcp-mux is missing")


def _bundle(session: _Attributes, sections: Sequence[_Section]) -> list[str]:
    """The mids that share one connection, the one first that tells its address."""
    mids = [section.mid for section in sections]
    if len(set(mids)) != len(mids):
        raise LiveError("bad_offer", "two of its sections have the same a=mid")
    groups = (group.split() for group in session.all("group"))
    named = next((group[1:] for group in groups if group and group[0] == "BUNDLE"), [])
    if len(mids) == 1:
        return mids
    if sorted(named) != sorted(mids):
        raise LiveError(
            "bad_offer", "its audio and video must share one connection: a=group:BUNDLE is missing"
        )
    return named


class _Transport:
    """ICE and DTLS of the offer; RFC 8843: those of the section that speaks for the bundle."""

    def __init__(self, section: _Attributes, session: _Attributes) -> None:
        ufrag = section.first("ice-ufrag") or session.first("ice-ufrag") or ""
        password = section.first("ice-pwd") or session.first("ice-pwd") or ""
        if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
            raise LiveError("bad_offer", "its a=ice-ufrag or a=ice-pwd is missing or malformed")
        setup = section.first("setup") or session.first("setup")
        if setup not in _SETUPS:
            raise LiveError("bad_offer", "its a=setup is missing: actpass, active or passive")
        given = section.all("fingerprint") or session.all("fingerprint")
        prints = [match for match in map(_FINGERPRINT.fullmatch, given) if match is not None]
        if not prints or len(prints) > 4:
            raise LiveError("bad_offer", "it needs an a=fingerprint of its certificate, with SHA-256")
        self.ufrag, self.password = ufrag, password
        self.lines = [
            f"a=ice-ufrag:{ufrag}",
            f"a=ice-pwd:{password}",
            *(f"a=fingerprint:{match[1].lower()} {match[2].upper()}" for match in prints),
            f"a=setup:{setup}",
        ]


def _candidates(attributes: _Attributes) -> tuple[ViewerCandidate, ...]:
    """Each once, the first `MOST_CANDIDATES` of them."""
    read = (candidate_of(f"candidate:{value}") for value in attributes.all("candidate"))
    known = dict.fromkeys(candidate for candidate in read if candidate is not None)
    return tuple(known)[:MOST_CANDIDATES]


def _rtpmaps(section: _Section) -> dict[str, re.Match[str]]:
    """Payload type -> what it is, of those that the m= line lists and that are free to be chosen."""
    matches = (
        match for match in map(_RTPMAP.fullmatch, section.attributes.all("rtpmap")) if match is not None
    )
    return {match[1]: match for match in matches if match[1] in section.formats and int(match[1]) < 128}


def _parameters(section: _Section) -> dict[str, dict[str, str]]:
    parameters: dict[str, dict[str, str]] = {}
    for value in section.attributes.all("fmtp"):
        payload, _, text = value.partition(" ")
        pairs = (pair.strip().partition("=") for pair in text.split(";"))
        parameters[payload] = {name.lower(): given for name, _, given in pairs}
    return parameters


def _video(section: _Section) -> list[str]:
    if section.attributes.direction not in ("recvonly", "sendrecv"):
        raise LiveError("bad_offer", "it wants to receive no video: its direction must be recvonly")
    maps, parameters = _rtpmaps(section), _parameters(section)
    chosen = [payload for payload, match in maps.items() if _is_ours(match, parameters.get(payload, {}))]
    # The profile that says most about what the viewer decodes comes first.
    chosen.sort(key=lambda payload: PROFILES.index(parameters[payload]["profile-level-id"][:4].lower()))
    chosen = chosen[:MOST_FORMATS]
    if not chosen:
        mend = (
            "use a browser that decodes H.264 (Chromium needs the codec that Debian and Chrome bring along)"
        )
        raise LiveError(
            "no_h264", f"it offers no H.264 of the baseline profile with packetization-mode 1: {mend}"
        )
    written: list[str] = []
    formats: list[str] = []
    for payload in chosen:
        level = parameters[payload]["profile-level-id"].lower()
        written.append(f"a=rtpmap:{payload} H264/90000")
        asymmetry = "level-asymmetry-allowed=1;packetization-mode=1"
        written.append(f"a=fmtp:{payload} {asymmetry};profile-level-id={level}")
        feedback = section.attributes.all("rtcp-fb")
        for kind in ("nack", "nack pli"):
            if f"{payload} {kind}" in feedback or f"* {kind}" in feedback:
                written.append(f"a=rtcp-fb:{payload} {kind}")
        formats.append(payload)
        for again, match in maps.items():
            if match[2].lower() == "rtx" and parameters.get(again, {}).get("apt") == payload:
                written += [f"a=rtpmap:{again} rtx/90000", f"a=fmtp:{again} apt={payload}"]
                formats.append(again)
                break
    head = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(formats)}", "c=IN IP4 0.0.0.0", "a=recvonly"]
    return [
        *head,
        f"a=mid:{section.mid}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        *_extensions(section),
        *written,
    ]


def _is_ours(match: re.Match[str], parameters: dict[str, str]) -> bool:
    """Whether this way of H.264 may carry a camera's own packets."""
    level = parameters.get("profile-level-id", "").lower()
    return (
        match[2].upper() == "H264"
        and match[3] == "90000"
        and int(match[1]) >= 35
        and parameters.get("packetization-mode") == "1"
        and re.fullmatch(r"[0-9a-f]{6}", level) is not None
        and level[:4] in PROFILES
    )


def _extensions(section: _Section) -> list[str]:
    matches = (
        match for match in map(_EXTENSION.fullmatch, section.attributes.all("extmap")) if match is not None
    )
    known = {match[2]: match[1] for match in matches if match[2] in _EXTENSIONS and 1 <= int(match[1]) <= 14}
    return [f"a=extmap:{number} {uri}" for uri, number in known.items()]


def _audio(section: _Section) -> list[str]:
    """Its audio, turned down: cameras at gates are shown, not listened to."""
    maps = _rtpmaps(section)
    named = {match[0].partition(" ")[2].lower(): payload for payload, match in maps.items()}
    wanted = next((codec for codec in _AUDIO if codec.lower() in named), None)
    if wanted is None:
        raise LiveError("bad_offer", "its audio is of no known kind: offer Opus, or no audio at all")
    payload = named[wanted.lower()]
    return [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
        f"a=mid:{section.mid}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a=rtpmap:{payload} {wanted}",
    ]


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a viewer trickles (RFC 8840).

    Attributes:
        ufrag: of the ICE session it belongs to; None where it does not say.
    """

    ufrag: str | None
    candidates: tuple[ViewerCandidate, ...]


def read_fragment(text: str) -> Fragment:
    """Read a fragment of trickled candidates; the end of candidates is not waited for and not noted.

    Raises:
        LiveError: `too_large` or `bad_offer`.
    """
    lines = _lines(text)
    attributes = _Attributes(lines)
    ufrag = attributes.first("ice-ufrag")
    if ufrag is not None and not _UFRAG.fullmatch(ufrag):
        raise LiveError("bad_offer", "its a=ice-ufrag is malformed")
    candidates = _candidates(attributes)
    if not candidates and not any(line.startswith("a=") for line in lines):
        raise LiveError("bad_offer", "it is no fragment of SDP: send a=candidate lines")
    return Fragment(ufrag, candidates)

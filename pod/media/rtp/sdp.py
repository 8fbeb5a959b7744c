"""Reads a camera's session description (RFC 8866): which video it offers, and how. Pure."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pod.media.nal import NalCodec, rules_of

CLOCK_RATES_HZ = range(1_000, 10_000_001)
MOST_PARAMETER_SET_BYTES = 4096
_CODECS: Mapping[str, NalCodec] = {"H264": "h264", "H265": "hevc"}
_RTPMAP = re.compile(r"([0-9]{1,3}) +([^/ ]+)/([0-9]{1,9})(?:/.*)?")
_STATIC = {"26": "JPEG", "32": "MPV"}
"""Payload types that need no rtpmap (RFC 3551), as far as cameras use them for video."""


class NoVideoError(Exception):
    """The description offers no video."""


class NotNativeError(Exception):
    """The video is of a kind that only libav may know; the text says which, without a full stop."""


@dataclass(frozen=True, slots=True)
class VideoOffer:
    """The first video of a description.

    Attributes:
        control: where to set it up; "" for the whole session's address.
        session_control: what PLAY is asked of; "" for the address of the description.
        parameter_sets: NAL units without start codes, as announced.
    """

    codec: NalCodec
    payload_type: int
    clock_hz: int
    control: str
    session_control: str
    parameter_sets: tuple[bytes, ...]


@dataclass(slots=True)
class _Section:
    """One part of a description: its m= line ("" for the session) and its attributes."""

    media: str
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def first(self, name: str) -> str:
        return next((value for key, value in self.attributes if key == name), "")


def video_offer(body: bytes) -> VideoOffer:
    """The first video in `body`.

    Raises:
        NoVideoError: there is none, or `body` is no description.
        NotNativeError: it is not plain H.264 or H.265 over RTP.
    """
    session, *media = _sections(body)
    video = next((one for one in media if one.media.split(" ")[0] == "video"), None)
    if video is None:
        raise NoVideoError("it describes no video")
    _, _, protocol, *formats = [*video.media.split(), "", "", ""]
    if protocol not in ("RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP"):
        raise NotNativeError(f"its transport is {_word(protocol)}")
    payload_type, name, clock_hz = _format(video, [text for text in formats if text])
    codec = _CODECS.get(name)
    if codec is None:
        raise NotNativeError(f"its codec is {_word(name)}")
    parameters = _parameters(video, payload_type)
    if codec == "h264" and parameters.get("packetization-mode", "0") not in ("0", "1"):
        raise NotNativeError("its packets are interleaved (packetization-mode 2)")
    if codec == "hevc" and parameters.get("sprop-max-don-diff", "0") != "0":
        raise NotNativeError("its packets come out of decoding order (sprop-max-don-diff)")
    return VideoOffer(
        codec=codec,
        payload_type=payload_type,
        clock_hz=clock_hz,
        control=video.first("control"),
        session_control=session.first("control"),
        parameter_sets=_parameter_sets(parameters, codec),
    )


def _sections(body: bytes) -> list[_Section]:
    sections = [_Section("")]
    for line in body.decode("utf-8", "replace").splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            sections.append(_Section(value))
        elif kind == "a":
            name, _, text = value.partition(":")
            sections[-1].attributes.append((name.strip().lower(), text.strip()))
    return sections


def _format(video: _Section, formats: Sequence[str]) -> tuple[int, str, int]:
    """Payload type, codec's name in capitals and clock rate of the first format that we can take.

    Where none is H.264 or H.265, the first one.
    """
    maps = {
        found[1]: (found[2].upper(), int(found[3]))
        for key, value in video.attributes
        if key == "rtpmap" and (found := _RTPMAP.fullmatch(value))
    }
    known = [text for text in formats if maps.get(text, ("", 0))[0] in _CODECS]
    chosen = (known or list(formats) or [""])[0]
    name, clock_hz = maps.get(chosen, (_STATIC.get(chosen, "unknown"), 90_000))
    if not re.fullmatch(r"[0-9]{1,3}", chosen) or int(chosen) > 127:
        raise NotNativeError("its payload type is no number up to 127")
    if clock_hz not in CLOCK_RATES_HZ:
        raise NotNativeError(f"its clock runs at {clock_hz} Hz")
    return int(chosen), name, clock_hz


def _parameters(video: _Section, payload_type: int) -> dict[str, str]:
    for key, value in video.attributes:
        number, _, text = value.partition(" ")
        if key == "fmtp" and number == str(payload_type):
            pairs = (part.strip().partition("=") for part in text.split(";"))
            return {name.strip().lower(): content.strip() for name, _, content in pairs}
    return {}


def _parameter_sets(parameters: Mapping[str, str], codec: NalCodec) -> tuple[bytes, ...]:
    """The parameter sets among what is announced; what is not Base64, or nothing of the kind, is left out."""
    names = ["sprop-parameter-sets"] if codec == "h264" else ["sprop-vps", "sprop-sps", "sprop-pps"]
    rules = rules_of(codec)
    found = []
    for text in (text for name in names for text in parameters.get(name, "").split(",")):
        try:
            # Cameras leave the padding away; more of it than needed does no harm.
            nal = base64.b64decode(text + "===")
        except (binascii.Error, ValueError):
            continue
        nal = nal.removeprefix(b"\x00").removeprefix(b"\x00\x00\x01").rstrip(b"\x00")
        fits = rules.header_bytes < len(nal) <= MOST_PARAMETER_SET_BYTES
        if fits and rules.kind(nal) in rules.parameter_sets:
            found.append(nal)
    return tuple(found)


def _word(text: str) -> str:
    """A camera's word, short and harmless, for a message."""
    return re.sub(r"[^A-Za-z0-9/._-]", "?", text)[:24] or "not told"

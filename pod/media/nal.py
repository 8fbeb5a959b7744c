"""What a NAL unit's header says, for H.264 and H.265, and how RTP aggregates and fragments it. Pure.

Sources: ITU-T H.264 table 7-1 and RFC 6184; ITU-T H.265 table 7-1 and RFC 7798.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

NalCodec = Literal["h264", "hevc"]

START_CODE = b"\x00\x00\x01"
FRAGMENT_START, FRAGMENT_END = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class NalRules:
    """One codec's numbers.

    Attributes:
        header_bytes: how long the header of a NAL unit is.
        slices: types that hold part of a picture.
        keyframes: types of slices that can be decoded without what came before.
        parameter_sets: types that must all be known before a keyframe can be decoded.
        delimiter: the type that only says where a picture begins.
        aggregate: RTP's type of several NAL units in one packet (STAP-A, AP).
        fragment: RTP's type of a part of a NAL unit (FU-A, FU).
    """

    header_bytes: int
    slices: range
    keyframes: range
    parameter_sets: frozenset[int]
    delimiter: int
    aggregate: int
    fragment: int

    def kind(self, header: bytes) -> int:
        """The type in a header of at least one byte."""
        return header[0] & 0x1F if self.header_bytes == 1 else header[0] >> 1 & 0x3F

    def fragment_header(self, header: bytes) -> bytes:
        """The header of packets that carry parts of the NAL unit with `header`."""
        if self.header_bytes == 1:
            return bytes((header[0] & 0xE0 | self.fragment,))
        return bytes((header[0] & 0x81 | self.fragment << 1, header[1]))

    def whole_header(self, header: bytes, kind: int) -> bytes:
        """The header of the NAL unit of type `kind` whose parts come in packets with `header`."""
        if self.header_bytes == 1:
            return bytes((header[0] & 0xE0 | kind,))
        return bytes((header[0] & 0x81 | kind << 1, header[1]))

    def fragment_kind(self, fragment_byte: int) -> int:
        """The type in the byte behind a fragment's header."""
        return fragment_byte & (0x1F if self.header_bytes == 1 else 0x3F)


H264 = NalRules(
    header_bytes=1,
    slices=range(1, 6),
    keyframes=range(5, 6),
    parameter_sets=frozenset({7, 8}),
    delimiter=9,
    aggregate=24,
    fragment=28,
)
HEVC = NalRules(
    header_bytes=2,
    slices=range(32),
    keyframes=range(16, 22),
    parameter_sets=frozenset({32, 33, 34}),
    delimiter=35,
    aggregate=48,
    fragment=49,
)


def rules_of(codec: NalCodec) -> NalRules:
    """The numbers of `codec`."""
    return H264 if codec == "h264" else HEVC


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of Annex B `data`, each without start code and trailing zeros; none is empty."""
    at = data.find(START_CODE)
    while at >= 0:
        start = at + len(START_CODE)
        at = data.find(START_CODE, start)
        nal = data[start : at if at >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            yield nal

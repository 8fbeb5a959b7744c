"""RTP payloads to pieces of NAL units: H.264 (RFC 6184, modes 0 and 1), H.265 (RFC 7798, no DONL). Pure."""

from dataclasses import dataclass

from pod.media.nal import FRAGMENT_END, FRAGMENT_START, NalRules


@dataclass(frozen=True, slots=True)
class NalPiece:
    """A NAL unit or a part of one.

    Attributes:
        kind: the type of the whole NAL unit.
        data: with its header where it is the beginning; never empty.
        begins: it holds the beginning.
        ends: it holds the end.
    """

    kind: int
    data: bytes
    begins: bool
    ends: bool


def pieces(payload: bytes, rules: NalRules) -> list[NalPiece]:
    """What a payload holds, in order; nothing where its fields contradict each other or its kind is unknown.

    Args:
        payload: at least one byte.
    """
    if len(payload) < rules.header_bytes or payload[0] & 0x80:
        return []
    kind = rules.kind(payload)
    if kind < rules.aggregate:
        return [NalPiece(kind, payload, begins=True, ends=True)]
    if kind == rules.aggregate:
        return _aggregated(payload, rules)
    return _fragment(payload, rules) if kind == rules.fragment else []


def _aggregated(payload: bytes, rules: NalRules) -> list[NalPiece]:
    found = []
    at = rules.header_bytes
    while at < len(payload):
        length = int.from_bytes(payload[at : at + 2])
        if length == 0:
            break
        nal = payload[at + 2 : at + 2 + length]
        if length < rules.header_bytes or len(nal) != length or rules.kind(nal) >= rules.aggregate:
            return []
        found.append(NalPiece(rules.kind(nal), nal, begins=True, ends=True))
        at += 2 + length
    return found


def _fragment(payload: bytes, rules: NalRules) -> list[NalPiece]:
    at = rules.header_bytes
    if len(payload) < at + 2:
        return []
    begins, ends = bool(payload[at] & FRAGMENT_START), bool(payload[at] & FRAGMENT_END)
    kind, content = rules.fragment_kind(payload[at]), payload[at + 1 :]
    if kind >= rules.aggregate:
        return []
    head = rules.whole_header(payload[:at], kind) if begins else b""
    return [NalPiece(kind, head + content, begins=begins, ends=ends)]

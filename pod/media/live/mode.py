"""How a camera's video reaches browsers: as it was sent, or encoded anew, and why. Pure."""

from pod.media.stream_facts import StreamFacts

AS_SENT = "as_sent"
UNKNOWN = "unknown"
"""The camera has not played yet."""
UNPLAYABLE = "unplayable: codec unknown"


def mode_of(facts: StreamFacts | None, *, masked: bool) -> str:
    """`as_sent`, `transcoded: <why>`, `unplayable: <why>` or `unknown`.

    Browsers' WebRTC takes H.264 with keyframes and without B-frames; anything else Chromium shows black.

    Args:
        masked: the masks must be burnt in.
    """
    if facts is None:
        return UNKNOWN
    if facts.codec == "other":
        return UNPLAYABLE
    if facts.codec == "hevc":
        return "transcoded: H.265"
    if facts.codec == "mjpeg":
        return "transcoded: MJPEG"
    if facts.has_b_frames:
        return "transcoded: B-frames"
    if not facts.has_keyframes:
        return "transcoded: no keyframes"
    return "transcoded: masks" if masked else AS_SENT


def transcodes(mode: str) -> bool:
    """Whether `mode` needs an encoder."""
    return mode.startswith("transcoded")

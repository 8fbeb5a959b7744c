"""Strike out what the query of an address may hide: a token has any name. Pure."""

import re

HARMLESS = ("ch", "channel", "subtype", "stream", "profile", "unicast", "proto")
"""Names whose values say which stream is meant, and are worth reading in a log."""

_QUERY = re.compile(
    r"(?P<address>(?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s?\"'<>]*\?)(?P<query>[^\s\"'<>]+)", re.IGNORECASE
)
_PART = re.compile(r"[^&;?#]+")
_KEPT = re.compile(rf"(?:{'|'.join(HARMLESS)})=[\w.-]{{0,16}}[:,.)]*", re.IGNORECASE)


def without_query_secrets(text: str) -> str:
    """`text` with every query value of its addresses replaced by ***, but those of `HARMLESS` names."""
    return _QUERY.sub(lambda found: found["address"] + _PART.sub(_struck_out, found["query"]), text)


def _struck_out(part: re.Match[str]) -> str:
    if _KEPT.fullmatch(part[0]):
        return part[0]
    name, separator, _ = part[0].partition("=")
    return f"{name}=***" if separator else "***"

"""Where a camera's pictures come from, and how to write that down without its password. Pure."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from pod.media.faults import CameraFault

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
_SECRET_ARGUMENT = re.compile(
    r"\b(?P<name>user(?:name)?|pass(?:word|wd)?|pwd|token|auth)=[^&\s/]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class StreamLocation:
    """An RTSP stream.

    Attributes:
        url: with credentials, for the media library only.
        shown: without credentials, for messages and logs.
    """

    url: str
    shown: str
    host: str
    port: int
    scheme: Literal["rtsp", "rtsps"]


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A video file, a picture or a folder of pictures."""

    path: str


def locate(url: str, username: str | None, *, password: str | None) -> StreamLocation | FileLocation:
    """Read the `url` of a camera and put the configured credentials into it, percent-encoded.

    Raises:
        CameraFault: `bad_url`, when it is neither a path nor rtsp:// nor rtsps://.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return FileLocation(url)
    scheme = scheme.lower()
    if scheme == "file":
        return FileLocation(rest)
    if scheme not in ("rtsp", "rtsps"):
        raise CameraFault(
            "bad_url",
            f"{redact(url)} is no camera address: use rtsp://, rtsps://, a video file or a folder of pictures",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise CameraFault("bad_url", f"{redact(url)} names no host: write rtsp://HOST[:PORT]/PATH")
    userinfo, at, address = rest.rpartition("@") if "@" in rest.partition("/")[0] else ("", "", rest)
    if username is not None:
        userinfo = quote(username, safe="") + (f":{quote(password, safe='')}" if password else "")
        at = "@"
    return StreamLocation(
        url=f"{scheme}://{userinfo}{at}{address}",
        shown=redact(f"{scheme}://{address}"),
        host=host,
        port=port or DEFAULT_PORTS[scheme],
        scheme="rtsps" if scheme == "rtsps" else "rtsp",
    )


def redact(text: str) -> str:
    """`text` with user name and password of every address in it replaced by ***."""
    return _SECRET_ARGUMENT.sub(r"\g<name>=***", _USER_INFO.sub(r"\g<scheme>***@", text))

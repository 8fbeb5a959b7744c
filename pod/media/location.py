"""Where a camera's pictures come from, and how to write that down without its password. Pure."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from pod.media.faults import SessionError
from pod.runtime.query_secrets import without_query_secrets

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_USER_INFO = re.compile(r"(?P<scheme>(?<![a-z0-9+.-])[a-z0-9+.-]+://)\S*@", re.IGNORECASE)
_SECRET_NAMES = "user|username|pass|password|passwd|pwd|token|auth"  # noqa: S105  the names, not a secret
_SECRET_ARGUMENT = re.compile(rf"(?<![a-z])(?P<name>{_SECRET_NAMES})=[^&\s/]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StreamLocation:
    """An RTSP stream.

    Attributes:
        url: with credentials, for the media library only.
        request_url: without user name and password, as it stands in a request line.
        shown: for messages and logs.
        username: "" where the camera asks for none.
        password: never shown.
    """

    scheme: Literal["rtsp", "rtsps"]
    host: str
    port: int
    url: str
    request_url: str
    shown: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A video file, a picture or a folder of pictures."""

    path: str


def locate(url: str, username: str | None, *, password: str | None) -> StreamLocation | FileLocation:
    """Read the `url` of a camera and put the configured credentials into it, percent-encoded.

    Credentials in the url count where none are configured.

    Raises:
        SessionError: `bad_url`, when it is neither a path nor rtsp:// nor rtsps://.
    """
    given_scheme, separator, rest = url.partition("://")
    if not separator:
        return FileLocation(url)
    if given_scheme.lower() == "file":
        return FileLocation(rest)
    scheme: Literal["rtsp", "rtsps"]
    match given_scheme.lower():
        case "rtsp":
            scheme = "rtsp"
        case "rtsps":
            scheme = "rtsps"
        case _:
            raise SessionError(
                "bad_url",
                f"{redact(url)} is no camera: use rtsp://, rtsps://, a video file or a folder of pictures",
            )
    authority, slash, path = rest.partition("/")
    user_info, _, address = authority.rpartition("@")
    if username is None:
        given_name, _, given_password = user_info.partition(":")
        login = unquote(given_name), unquote(given_password)
    else:
        login = username, password or ""
        user_info = quote(username, safe="") + ":" + quote(password or "", safe="")
    request_url = f"{scheme}://{address}{slash}{path}"
    shown = redact(request_url)
    try:
        parts = urlsplit(request_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise SessionError("bad_url", f"{shown} names no host and port: write rtsp://HOST[:PORT]/PATH")
    return StreamLocation(
        scheme=scheme,
        host=host,
        port=port or DEFAULT_PORTS[scheme],
        url=request_url.replace("://", f"://{user_info}@", 1) if user_info else request_url,
        request_url=request_url,
        shown=shown,
        username=login[0],
        password=login[1],
    )


def redact(text: str) -> str:
    """`text` with the credentials of every address in it replaced by ***."""
    text = without_query_secrets(_USER_INFO.sub(r"\g<scheme>***@", text))
    return _SECRET_ARGUMENT.sub(r"\g<name>=***", text)

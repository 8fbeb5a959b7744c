"""The `live:` part of the configuration: live video, who may show it and whose word counts. Pure data."""

import base64
import binascii
import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from pod.config_section import Section

KEY_BYTES = 32
MOST_PORT = 65_535


def _origin(text: str) -> str:
    """As browsers write it: scheme, host and port, in lower case, nothing behind."""
    wanted = "must be an origin such as https://portal.example.org, without a path"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wanted) from None
    if not host or text.lower() != f"{parts.scheme}://{parts.netloc.lower()}" or parts.username is not None:
        raise ValueError(wanted)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in ("localhost", "127.0.0.1")):
        raise ValueError("must begin with https://, as anybody could pose as a page without TLS")
    if (parts.scheme, port) in (("https", 443), ("http", 80)):
        raise ValueError("must not name the port that its scheme stands for; browsers leave it out")
    return text.lower()


def _kid(kid: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", kid):
        raise ValueError("must be letters, digits, ., - or _, 64 at most")
    return kid


def _public_key(text: str) -> str:
    try:
        raw = base64.b64decode(text, altchars=b"-_" if re.search("[-_]", text) else None, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("must be an Ed25519 public key: its 32 bytes in base64, 44 characters")
    return base64.b64encode(raw).decode()


class TrustedKey(Section):
    kid: Annotated[str, AfterValidator(_kid)]
    public_key: Annotated[str, AfterValidator(_public_key)]

    @property
    def raw(self) -> bytes:
        """The key's 32 bytes."""
        return base64.b64decode(self.public_key)


def _each_once(keys: tuple[TrustedKey, ...]) -> tuple[TrustedKey, ...]:
    if len({key.kid for key in keys}) < len(keys):
        raise ValueError("names a kid twice; give each key its own")
    return keys


_HOST = r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"


def _stun_url(url: str) -> str:
    found = re.fullmatch(rf"stun:{_HOST}(?::([1-9][0-9]{{0,4}}))?", url)
    if found is None or int(found[1] or 1) > MOST_PORT:
        raise ValueError("must be the address of a STUN server such as stun:stun.example.org:3478")
    return url


def _turn_url(url: str) -> str:
    found = re.fullmatch(rf"(turns?):{_HOST}(?::([1-9][0-9]{{0,4}}))?(?:\?transport=(udp|tcp))?", url)
    if found is None or int(found[2] or 1) > MOST_PORT:
        raise ValueError("must be the address of a TURN server such as turn:turn.example.org:3478")
    if (found[1], found[3]) == ("turns", "udp"):
        raise ValueError("must not ask for turns over UDP, which browsers cannot; turns goes over TCP")
    return url


def _turn_username(name: str) -> str:
    if not re.fullmatch(r"[!-~]{1,128}", name):
        raise ValueError("must be a user name of visible ASCII characters without spaces, 128 at most")
    return name


class TurnConfig(Section):
    """A TURN server, by one or more addresses; its credentials are made anew for each viewer, or fixed."""

    urls: tuple[Annotated[str, AfterValidator(_turn_url)], ...] = Field(min_length=1, max_length=4)
    secret: SecretStr | None = None
    username: Annotated[str, AfterValidator(_turn_username)] | None = None
    password: SecretStr | None = None
    pod_relays: bool = False

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        fixed = self.username is not None, self.password is not None
        if self.secret is not None and any(fixed):
            raise ValueError("has a secret and a username or password; a TURN server takes one of them")
        if self.secret is None and not all(fixed):
            raise ValueError("needs the secret that the TURN server has, or username and password of it")
        return self

    def secrets(self) -> tuple[str, ...]:
        """What nobody but the TURN server may know, for the log to strike out."""
        return tuple(held.get_secret_value() for held in (self.secret, self.password) if held is not None)


class LiveConfig(Section):
    max_viewers: int = Field(default=64, ge=0, le=500)
    max_viewers_per_camera: int = Field(default=16, ge=1, le=500)
    stun: Annotated[str, AfterValidator(_stun_url)] | None = None
    turn: TurnConfig | None = None
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(default=(), max_length=20)
    trusted_keys: Annotated[tuple[TrustedKey, ...], AfterValidator(_each_once)] = Field(
        default=(), max_length=20
    )

"""Answers a camera's demand for a login: Basic (RFC 7617) and Digest (RFC 2617, RFC 7616). Pure.

The caller brings the random client nonce.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_CHALLENGE = re.compile(r"(?i)(?:^|,)\s*(basic|digest)\s+")
_PARAMETER = re.compile(r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a camera wants to see.

    Attributes:
        algorithm: Digest's; "" for Basic.
        stale: the login was right, only its nonce is too old.
    """

    algorithm: str
    realm: str
    nonce: str
    opaque: str
    with_qop: bool
    session_keyed: bool
    stale: bool


@dataclass(slots=True)
class Login:
    """A user's name and password, and what the camera asked for last.

    Attributes:
        password: never shown.
        challenge: None before the camera asked; then every request carries an answer to it.
    """

    username: str
    password: str = field(repr=False)
    client_nonce: str
    challenge: Challenge | None = None
    _count: int = 0

    def accept(self, offered: Sequence[str]) -> bool:
        """Choose the strongest of the camera's challenges; False when none is known here.

        Args:
            offered: the values of WWW-Authenticate.
        """
        challenges = [one for text in offered for one in challenges_in(text)]
        if not challenges:
            return False
        order = ("", "MD5", "SHA-256")
        self.challenge = max(challenges, key=lambda one: order.index(one.algorithm))
        self._count = 0
        return True

    def answer(self, method: str, address: str) -> str | None:
        """The value of Authorization for a request; None before the camera asked."""
        challenge = self.challenge
        if challenge is None:
            return None
        if not challenge.algorithm:
            return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        self._count += 1
        return self._digest(challenge, method, address=address)

    def _digest(self, challenge: Challenge, method: str, *, address: str) -> str:
        def hashed(*parts: str) -> str:
            return _HASHES[challenge.algorithm](":".join(parts).encode())

        count = f"{self._count:08x}"
        secret = hashed(self.username, challenge.realm, self.password)
        if challenge.session_keyed:
            secret = hashed(secret, challenge.nonce, self.client_nonce)
        asked = hashed(method, address)
        middle = [challenge.nonce]
        if challenge.with_qop:
            middle += [count, self.client_nonce, "auth"]
        quoted = {
            "username": self.username,
            "realm": challenge.realm,
            "nonce": challenge.nonce,
            "uri": address,
            "response": hashed(secret, *middle, asked),
        }
        if challenge.opaque:
            quoted["opaque"] = challenge.opaque
        text = ", ".join(f'{name}="{_quoted(value)}"' for name, value in quoted.items())
        if challenge.algorithm != "MD5" or challenge.session_keyed:
            text += f", algorithm={challenge.algorithm}{'-sess' if challenge.session_keyed else ''}"
        if challenge.with_qop or challenge.session_keyed:
            text += f', cnonce="{self.client_nonce}"'
        if challenge.with_qop:
            text += f", nc={count}, qop=auth"
        return "Digest " + text


def challenges_in(text: str) -> list[Challenge]:
    """The challenges of one WWW-Authenticate value that can be answered here."""
    starts = list(_CHALLENGE.finditer(text))
    found = []
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        given = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
            for name, quoted, plain in _PARAMETER.findall(text[start.end() : end])
        }
        challenge = _challenge(start[1].lower(), given)
        if challenge is not None:
            found.append(challenge)
    return found


def _challenge(scheme: str, given: Mapping[str, str]) -> Challenge | None:
    algorithm = given.get("algorithm", "MD5").upper()
    session_keyed = algorithm.endswith("-SESS")
    algorithm = algorithm.removesuffix("-SESS")
    offers = [offer.strip().lower() for offer in given.get("qop", "").split(",") if offer.strip()]
    if scheme == "basic":
        algorithm = ""
    elif algorithm not in _HASHES or not given.get("nonce") or (offers and "auth" not in offers):
        return None
    return Challenge(
        algorithm=algorithm,
        realm=given.get("realm", ""),
        nonce=given.get("nonce", ""),
        opaque=given.get("opaque", ""),
        with_qop="auth" in offers,
        session_keyed=session_keyed and scheme == "digest",
        stale=given.get("stale", "").lower() == "true",
    )


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')

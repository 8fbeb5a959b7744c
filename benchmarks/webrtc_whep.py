"""A camera of a POD as its WHEP endpoint shows it, opened with tokens of a key that the POD trusts."""

import base64
import secrets
import time
import urllib.error
import urllib.request
from typing import Self
from urllib.parse import urljoin

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.pod_process import PodProcess
from benchmarks.webrtc_peer import Peer
from pod.domain.stream_token import StreamToken, sign

MOST_VIEWERS = 200
_KID = "benchmark"
_TOKEN_LIFE_S = 50.0
_TIMEOUT_S = 20.0
_TRIES = 40
_LONGEST_WAIT_S = 5.0

_YOUNG_POD_WAIT_S = 1.0
"""In its first seconds a POD takes no token of others: it may have been used before the start."""


class ViewingKey:
    """Signs tokens."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @property
    def settings(self) -> dict[str, object]:
        """The `live:` settings of a POD that trusts it, and lets in as many as a benchmark wants."""
        raw = self._key.public_key().public_bytes_raw()
        return {
            "max_viewers": MOST_VIEWERS,
            "max_viewers_per_camera": MOST_VIEWERS,
            "trusted_keys": [{"kid": _KID, "public_key": base64.b64encode(raw).decode()}],
        }

    def token(self, camera: str, *, audience: str, viewer: str) -> str:
        """Good for one session."""
        now_s = time.time()
        said = StreamToken(
            _KID, audience, camera, viewer, secrets.token_urlsafe(12), now_s, now_s + _TOKEN_LIFE_S
        )
        return sign(said, self._key)


class WhepSession:
    """One session that somebody opened."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def end(self) -> None:
        asked = urllib.request.Request(
            self._url, method="DELETE", headers={"Authorization": f"Bearer {self._token}"}
        )
        urllib.request.urlopen(asked, timeout=_TIMEOUT_S).close()


class WhepCamera:
    """One camera of a POD, as a `Server`.

    Args:
        address: of the POD's page.
        audience: how tokens name the POD.
        key: one that the POD's settings name.
    """

    def __init__(self, address: str, camera: str, *, audience: str, key: ViewingKey) -> None:
        self._url = urljoin(address, f"whep/{camera}")
        self._audience = audience
        self._camera = camera
        self._key = key
        self._opened = 0

    @classmethod
    def of(cls, pod: PodProcess, camera: str, *, key: ViewingKey) -> Self:
        """Of a POD that plays."""
        return cls(pod.address, camera, audience=pod.audience, key=key)

    def connect(self, peer: Peer) -> None:
        self.open(peer)

    def open(self, peer: Peer) -> WhepSession:
        """As `connect`; waits where the POD asks to.

        Each viewer is another person, as none may open many sessions at once.
        """
        offer = peer.offer()
        self._opened += 1
        for _ in range(_TRIES):
            viewer = f"benchmark {self._opened}"
            token = self._key.token(self._camera, audience=self._audience, viewer=viewer)
            asked = urllib.request.Request(
                self._url,
                offer.encode(),
                {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"},
            )
            try:
                with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
                    session = WhepSession(urljoin(self._url, answer.headers["Location"]), token)
                    peer.accept(answer.read().decode())
                return session
            except urllib.error.HTTPError as error:
                said = error.read().decode(errors="replace")
                wait_s = error.headers.get("Retry-After", _YOUNG_POD_WAIT_S if _is_young(said) else None)
                if wait_s is None:
                    raise RuntimeError(f"the POD does not show its camera: {error.code} {said}") from None
                time.sleep(min(float(wait_s), _LONGEST_WAIT_S))
        raise RuntimeError(f"the POD asked {_TRIES} times to wait, at last with: {said}")


def _is_young(problem: str) -> bool:
    return '"code":"expired"' in problem

"""A camera of a POD as its WHEP endpoint shows it, opened with tokens of a key that the POD was told to trust."""

import base64
import secrets
import time
import urllib.error
import urllib.request
from urllib.parse import urljoin

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.pod_process import PodProcess
from benchmarks.webrtc_peer import Peer
from pod.domain.stream_token import StreamToken, sign

_KID = "benchmark"
_TOKEN_LIFE_S = 50.0
_TIMEOUT_S = 20.0
_TRIES = 40
_LONGEST_WAIT_S = 5.0

_YOUNG_POD_WAIT_S = 1.0
"""In its first seconds a POD takes no token of others: it may have been used before the start."""


class ViewingKey:
    """Signs tokens; what the POD's `live.trusted_keys` need to know of it is `setting`."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @property
    def setting(self) -> dict[str, str]:
        raw = self._key.public_key().public_bytes_raw()
        return {"kid": _KID, "public_key": base64.b64encode(raw).decode()}

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
        key: one that the POD's settings name.
    """

    def __init__(self, pod: PodProcess, camera: str, *, key: ViewingKey) -> None:
        self._pod = pod
        self._url = urljoin(pod.address, f"whep/{camera}")
        self._camera = camera
        self._key = key
        self._opened = 0

    def cpu_s(self) -> float:
        return self._pod.cpu_s()

    def connect(self, peer: Peer) -> None:
        self.open(peer)

    def open(self, peer: Peer) -> WhepSession:
        """As `connect`; waits where the POD asks to.

        Each viewer is another person, as none may open many sessions at once.
        """
        offer = peer.offer()
        self._opened += 1
        for _ in range(_TRIES):
            token = self._key.token(
                self._camera, audience=self._pod.audience, viewer=f"benchmark {self._opened}"
            )
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

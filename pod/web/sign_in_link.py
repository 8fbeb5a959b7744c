"""A link that signs in once, without a password: for whoever may read the POD's folder anyway."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from pod.domain.errors import ConfigError
from pod.web.private_write import replace_private

FILE_NAME = "sign-in-link"
VALID_S = 600.0


class SignInLink:
    """The newest link of one POD; a new one replaces it. Its token is never kept, only a digest."""

    def __init__(self, data_dir: Path, *, now_s: Callable[[], float] = time.time) -> None:
        self._path = data_dir / FILE_NAME
        self._now_s = now_s

    def make(self) -> str:
        """A new token, valid once and for `VALID_S`. Raises ConfigError where it cannot be written."""
        token = secrets.token_urlsafe(32)
        content = {"digest": _digest(token), "made_s": self._now_s()}
        try:
            replace_private(self._path, json.dumps(content).encode())
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written ({error.strerror}): run this as the POD's user"
            ) from error
        return token

    def use(self, token: str) -> bool:
        """Whether this is the token and still valid; from then on it is not."""
        try:
            content = json.loads(self._path.read_text())
            fits = hmac.compare_digest(str(content["digest"]), _digest(token))
            age_s = self._now_s() - float(content["made_s"])
            if not fits:
                return False
            self._path.unlink()
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return -1.0 <= age_s <= VALID_S


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

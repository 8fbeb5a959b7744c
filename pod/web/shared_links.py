"""Links to one picture or clip that open without a sign-in until their time is over: signed, never kept.

A link is its own proof: number, end and an HMAC-SHA-256 over both. It ends before its time with its picture,
and every link with the key's file.
"""

import base64
import hashlib
import hmac
import logging
import secrets
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pod.domain.errors import StoreError
from pod.web.private_write import replace_private

log = logging.getLogger(__name__)

FILE_NAME = "shared-links-key"

_KEY_BYTES = 32
_SAID = struct.Struct(">QQ")
_DIGEST_BYTES = hashlib.sha256().digest_size


class SharedLinks:
    """The links of one POD. Both calls read the disk.

    Args:
        now: aware UTC; None while the clock is in doubt: no link is made or believed then.
    """

    def __init__(self, data_dir: Path, *, now: Callable[[], datetime | None]) -> None:
        self._path = data_dir / FILE_NAME
        self._now = now
        self._lock = threading.Lock()

    def make(self, media_id: int, hours: int) -> tuple[str, datetime]:
        """A link's token and the moment of its end.

        Raises:
            StoreError: the clock is in doubt, or the key cannot be kept.
        """
        now = self._now()
        if now is None:
            raise StoreError("this POD does not know what time it is, so no link could end: set its clock")
        until = now.replace(microsecond=0) + timedelta(hours=hours)
        said = _SAID.pack(media_id, int(until.timestamp()))
        try:
            with self._lock:
                key = self._read() or self._new_key()
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be kept ({error.strerror}): make room, and let this user write there"
            ) from error
        return base64.urlsafe_b64encode(said + _digest(key, said)).rstrip(b"=").decode(), until.astimezone(
            UTC
        )

    def opens(self, token: str) -> int | None:
        """The number of what a token opens now; None where it is none of ours, or its time is over."""
        try:
            content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            key = self._read()
        except (ValueError, OSError):
            return None
        said, digest = content[: _SAID.size], content[_SAID.size :]
        if key is None or len(digest) != _DIGEST_BYTES or not hmac.compare_digest(digest, _digest(key, said)):
            return None
        media_id, until_s = _SAID.unpack(said)
        now = self._now()
        return int(media_id) if now is not None and now.timestamp() < until_s else None

    def _read(self) -> bytes | None:
        """The key; None where there is none, or none that is whole. Raises OSError."""
        try:
            key = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return key if len(key) == _KEY_BYTES else None

    def _new_key(self) -> bytes:
        if self._path.exists():
            log.warning(
                "%s was damaged and is made anew: links that were given away open nothing now", self._path
            )
        key = secrets.token_bytes(_KEY_BYTES)
        replace_private(self._path, key)
        return key


def _digest(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, "sha256")

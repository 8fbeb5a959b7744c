"""The password of the local page, in a file that only the POD's user may read; argon2 once it was used."""

import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pod.domain.errors import ConfigError
from pod.web.private_write import replace_private

FILE_NAME = "admin-password"
MIN_CHARACTERS = 10
MAX_CHARACTERS = 200

# 19 MiB, two passes, one thread: the least that OWASP advises for argon2id. More would take memory and a core
# from the camera threads of a small box whenever somebody guesses.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_SYLLABLES = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds: the password as it was made, or the hash of one that was used."""

    made: str = ""
    hash: str = ""
    must_change: bool = True


class AdminPassword:
    """The one password of a POD. Its file may be changed by `platebridge pod password` at any time.

    Args:
        data_dir: exists.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME

    def ensure(self) -> None:
        """Make a password where there is none. Raises ConfigError when the file cannot be read or written."""
        if not self._path.exists():
            self.reset()
        self._read()

    def reset(self) -> str:
        """Make a new password, to be changed at the next sign-in; every session ends. Raises ConfigError."""
        made = "-".join("".join(secrets.choice(_SYLLABLES) for _ in range(5)) for _ in range(4))
        self._write(_Kept(made=made))
        return made

    def as_made(self) -> str | None:
        """The password that was made, until it is used for the first time. Raises ConfigError."""
        return self._read().made or None

    def must_change(self) -> bool:
        """Whether nobody chose a password yet. Raises ConfigError."""
        return self._read().must_change

    def stamp(self) -> object:
        """Changes whenever the password does; None while there is no file."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size

    def is_right(self, given: str) -> bool:
        """Takes some 30 ms of a processor, whatever is given and kept. Raises ConfigError."""
        kept = self._read()
        if kept.made:
            _HASHER.hash(given)  # so that nobody can tell from outside that the first password still stands
            return hmac.compare_digest(kept.made.encode(), given.strip().encode())
        try:
            return _HASHER.verify(kept.hash, given)
        except VerificationError:
            return False
        except InvalidHashError:
            raise self._spoilt() from None

    def note_used(self) -> bool:
        """After a right password: keep no more than its hash. Returns whether it must be changed now."""
        kept = self._read()
        if kept.made:
            self._write(_Kept(hash=_HASHER.hash(kept.made)))
        return kept.must_change

    def change(self, new: str) -> None:
        """Raises ConfigError where it cannot be written."""
        self._write(_Kept(hash=_HASHER.hash(new), must_change=False))

    def _read(self) -> _Kept:
        try:
            kept = _Kept(**json.loads(self._path.read_text()))
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be read ({error.strerror}): give it to the POD's user, or make a new "
                "one with: platebridge pod password --reset"
            ) from error
        except (ValueError, TypeError):
            raise self._spoilt() from None
        if not isinstance(kept.made, str) or not isinstance(kept.hash, str) or not (kept.made or kept.hash):
            raise self._spoilt()
        return kept

    def _write(self, kept: _Kept) -> None:
        """Whole or not at all, and for the POD's user alone."""
        content = {"made": kept.made, "hash": kept.hash, "must_change": kept.must_change}
        try:
            replace_private(self._path, json.dumps(content).encode())
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written ({error.strerror}): check that the POD's user owns the "
                "folder and that the disk has room"
            ) from error

    def _spoilt(self) -> ConfigError:
        return ConfigError(
            f"{self._path} holds no password of ours: make a new one with: platebridge pod password --reset"
        )


def weakness(new: str) -> str:
    """Why a password will not do, for people; "" where it will."""
    if len(new) < MIN_CHARACTERS:
        return f"Take at least {MIN_CHARACTERS} characters; three or four words are easy to remember."
    if len(new) > MAX_CHARACTERS:
        return f"Take at most {MAX_CHARACTERS} characters."
    if len(set(new)) < 5:
        return "Take more different characters."
    return ""

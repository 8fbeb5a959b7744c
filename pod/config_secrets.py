"""Resolve `password: {file|env|credential: ...}` to its secret. Reads files and the environment."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

MAX_SECRET_BYTES = 4096
FORMS = "{file: PATH}, {env: NAME} or {credential: NAME}"


class SecretError(Exception):
    """Why a secret cannot be had. The text holds neither the secret nor where it was looked for."""


def resolve(given: object, *, beside: Path) -> tuple[SecretStr, str | None]:
    """The secret that a setting gives or points to, and advice when it is badly kept.

    Args:
        given: plain text, or a mapping with exactly one of file, env, credential.
        beside: the folder that a relative file name starts from.

    Raises:
        SecretError: there is no such secret, or it cannot be read.
    """
    if isinstance(given, str):
        return _checked(given), f"is written in the configuration itself; move it to {FORMS}"
    if not isinstance(given, Mapping) or len(given) != 1:
        raise SecretError(f"must be text in quotes, {FORMS}")
    (form, where), *_ = given.items()
    if not isinstance(where, str) or not where:
        raise SecretError(f"must be text in quotes, {FORMS}")
    if form == "file":
        return _from_file(beside / where)
    if form == "env":
        return _from_environment(where), None
    if form == "credential":
        return _from_credential(where), None
    raise SecretError(f"must be text in quotes, {FORMS}")


def _from_file(path: Path) -> tuple[SecretStr, str | None]:
    try:
        # Not a pipe or a device: opening one could wait for ever.
        if not path.is_file():
            raise SecretError("names no regular file; create it with mode 0600")
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError):
        raise SecretError("names a file that this user may not read; check its owner and mode") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise SecretError(f"names a file longer than {MAX_SECRET_BYTES} bytes; put only the secret in it")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise SecretError("names a file that is not UTF-8 text") from None
    loose = mode & (stat.S_IRWXO | stat.S_IWGRP)
    advice = "names a file that other users may read; chmod 600 it" if loose else None
    return _checked(re.sub(r"\r?\n\Z", "", text)), advice


def _from_environment(name: str) -> SecretStr:
    value = os.environ.get(name) if "\0" not in name and "=" not in name else None
    if value is None:
        raise SecretError("names an environment variable that is not set; set it where the pod is started")
    return _checked(value)


def _from_credential(name: str) -> SecretStr:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretError(
            "is a systemd credential, and only the service sees those; run this as the service does"
        )
    if "/" in name or name in (".", ".."):
        raise SecretError("must be the plain name of a credential, without a folder")
    try:
        secret, _ = _from_file(Path(folder) / name)
    except SecretError:
        raise SecretError("names no credential of the service; add LoadCredential= to its unit") from None
    return secret


def _checked(text: str) -> SecretStr:
    if not text:
        raise SecretError("must not be empty")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise SecretError("must be one line of text without control characters")
    return SecretStr(text)

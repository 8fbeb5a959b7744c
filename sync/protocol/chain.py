"""Audit rows and the chain that links them, as the POD's store computes it. Pure.

    digest = H(salt, payload)              link = H(previous link, seq, ts_us, kind, digest)

H is SHA-256 over its fields, each preceded by its length in 8 bytes.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

Absence = Literal["", "erased", "too_large", "damaged"]
"""Why a row goes without its payload; empty where it goes with it."""


class Position(NamedTuple):
    """A place in an audit: the row and the chain up to and including it."""

    seq: int
    link: bytes


START = Position(0, bytes(32))
"""Before the first row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an audit.

    Attributes:
        ts_us: as the POD's clock said, microseconds since 1970 UTC; any number, for clocks are wrong.
        salt, payload: empty where the payload is absent.
        digest: 32 bytes, what the chain keeps of salt and payload.
        link: 32 bytes, as the POD's store has it.
    """

    seq: int
    ts_us: int
    kind: str
    salt: bytes
    payload: bytes
    digest: bytes
    link: bytes
    absent: Absence = ""

    @property
    def position(self) -> Position:
        """Where the audit stands with this row."""
        return Position(self.seq, self.link)


def digest_of(salt: bytes, payload: bytes) -> bytes:
    """What the chain keeps of a payload."""
    return _hash(salt, payload)


def link_of(previous: bytes, seq: int, *, ts_us: int, kind: str, digest: bytes) -> bytes:
    """The link of a row, 32 bytes, from the link before it."""
    numbers = seq.to_bytes(8, "big", signed=True), ts_us.to_bytes(8, "big", signed=True)
    return _hash(previous, *numbers, kind.encode(), digest)


def _hash(*fields: bytes) -> bytes:
    digest = hashlib.sha256()
    for field in fields:
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()

"""Digests of lists, and the bounds that one message keeps. Pure.

A list's digest is the sum, modulo 2^256, of the SHA-256 of each entry with its id: it follows a change by
what changed alone, in any order. It finds lists that came apart; against forgery there is the signature.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sync.protocol.errors import ProtocolError
from sync.protocol.limits import CHUNK_BYTES, MAX_ENTRY_BYTES, MAX_STEPS
from sync.protocol.up import ListState

EMPTY = ListState(version=0, digest=bytes(32))

Entry = tuple[str, str]
"""An id and the entry as JSON text; digests are of the text as it is."""


def entry_hash(entry: Entry) -> bytes:
    """What an entry adds to its list's digest, 32 bytes."""
    entry_id, document = entry
    return hashlib.sha256(entry_id.encode() + b"\0" + document.encode()).digest()


def digest_after(digest: bytes, *, added: Iterable[bytes], removed: Iterable[bytes]) -> bytes:
    """A list's digest once these hashes of entries are in it and those are not."""
    total = int.from_bytes(digest) + sum(map(int.from_bytes, added)) - sum(map(int.from_bytes, removed))
    return (total % 2**256).to_bytes(32)


def digest_of_list(entries: Iterable[Entry]) -> bytes:
    """A whole list's digest."""
    return digest_after(bytes(32), added=map(entry_hash, entries), removed=())


def in_chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Entries in chunks that fit a message each; one empty chunk where there are none.

    Raises:
        ProtocolError: an entry is too large to be sent.
    """
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if len(entry[1]) > MAX_ENTRY_BYTES:
            raise ProtocolError(f"entry {entry[0]} has {len(entry[1])} characters: at most {MAX_ENTRY_BYTES}")
        entry_bytes = len(entry[0]) + len(entry[1].encode())
        if chunk and (len(chunk) == MAX_STEPS or size + entry_bytes > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry_bytes
    yield chunk

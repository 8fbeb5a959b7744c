"""A second place for rows that the database cannot take now: a preallocated file, fsynced by its own thread.

    record = b"PBJ1" | length of body, u32 little-endian | SHA-256(length | body), 16 bytes of it | body, JSON

The file has its full size from the start, written with zeros, so that a full disk takes none away. Records
lie one after the other with zeros between and behind; what was imported is zeroed again. A record that was
imported and not yet zeroed is harmless: the importer knows rows by their digest.
"""

import contextlib
import hashlib
import json
import os
import struct
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store.home import Home
from pod.store.private_file import (
    create_private,
    fsync_directory,
    is_same_file,
    make_private_folder,
    write_at,
)

FOLDER = "journal"
"""Where it lies, in the data directory."""

FILE_NAME = "rows.journal"
DEFAULT_BYTES = 2 * 1024 * 1024
QUEUE_RECORDS = 128
INTENT_SHARE = 0.25
"""The last part of the file, which only rows that somebody waits for may use."""

_MAGIC = b"PBJ1"
_HEAD = struct.Struct("<4sI16s")


@dataclass(frozen=True, slots=True)
class LateRow:
    """An audit row on its way around the database.

    Attributes:
        payload: JSON text, flagged `"late": true`.
        salt: hex.
        first_digest: hex; the digest of the row as the database was asked to take it, which it may have done.
        after_seq: the chain's end when the database was asked; the row can only lie behind it.
        grant: camera and match key to remember with the row, if any.
        revoke: camera and match key to forget with the row, if any.
    """

    kind: str
    ts_us: int
    salt: str
    payload: str
    first_digest: str
    after_seq: int
    grant: tuple[str, str] | None = None
    revoke: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JournalStats:
    """Counters since the start.

    Attributes:
        waiting: rows on disk that the database does not have yet.
        refused: rows that found the queue or the file full, or the disk failing.
        spoiled: places in the file found at the start that are neither zero nor a whole record.
    """

    waiting: int
    written: int
    refused: int
    spoiled: int


class Journal:
    """Rows kept until the database takes them. Any thread may append; one thread writes.

    Only the process that holds the data directory's lock may open it.
    """

    def __init__(self, path: Path, fd: int, found: "Found", *, size_bytes: int) -> None:
        self._path = path
        self._home = Home(path.parent.parent)
        self._fd = fd
        self._size_bytes = size_bytes
        self._waiting = list(found.rows)
        self._end = found.end
        self._spoiled = found.spoiled
        self._queue: deque[tuple[LateRow | int, bool, Future[None]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._written = self._refused = 0
        self._thread = threading.Thread(target=self._run, name="store-journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, folder: Path, *, size_bytes: int = DEFAULT_BYTES) -> "Journal":
        """Open the journal in `folder`, or make it; rows left by an earlier run wait again.

        Raises:
            StoreError: it can't be made or read.
        """
        path = folder / FILE_NAME
        try:
            make_private_folder(folder)
            fd = _open_or_make(path, size_bytes)
            try:
                content = os.pread(fd, size_bytes, 0)
            except BaseException:
                os.close(fd)
                raise
        except OSError as error:
            raise _journal_error(path, error) from error
        return cls(path, fd, find_rows(content), size_bytes=size_bytes)

    @property
    def stats(self) -> JournalStats:
        with self._changed:
            return JournalStats(len(self._waiting), self._written, self._refused, self._spoiled)

    @property
    def is_waiting(self) -> bool:
        """Whether rows wait for the database."""
        return bool(self._waiting)

    def append(self, row: LateRow, *, awaited: bool) -> Future[None]:
        """Keep a row; the future resolves when it is on disk, or raises StoreError. Never blocks.

        Args:
            awaited: somebody waits for it; others leave the last part of the file free.
        """
        future: Future[None] = Future()
        with self._changed:
            if self._closed or len(self._queue) >= QUEUE_RECORDS:
                self._refused += 1
                why = "is closed" if self._closed else f"has {QUEUE_RECORDS} rows waiting for the disk"
                future.set_exception(StoreError(f"{self._path}: the journal {why}: check the disk's health"))
                return future
            self._queue.append((row, awaited, future))
            self._changed.notify_all()
        return future

    def waiting(self) -> tuple[LateRow, ...]:
        """The rows on disk, oldest first."""
        with self._changed:
            return tuple(self._waiting)

    def forget(self, count: int) -> Future[None]:
        """Drop the oldest `count` rows, which the database has now. Never blocks."""
        future: Future[None] = Future()
        with self._changed:
            # At once, so that they are not imported twice while the disk is slow.
            del self._waiting[:count]
            self._queue.append((len(self._waiting), False, future))
            self._changed.notify_all()
        return future

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what was taken and let go of the file; a disk that hangs is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._queue)
                if not self._queue:
                    break
                task, awaited, future = self._queue.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if isinstance(task, LateRow):
                    self._write(task, awaited=awaited)
                else:
                    self._tidy()
            except StoreError as error:
                self._refuse(future, error)
            except OSError as error:
                self._refuse(future, _journal_error(self._path, error))
            else:
                future.set_result(None)
        os.close(self._fd)

    def _refuse(self, future: Future[None], error: StoreError) -> None:
        with self._changed:
            self._refused += 1
        future.set_exception(error)

    def _write(self, row: LateRow, *, awaited: bool) -> None:
        self._check_place()
        record = encode(row)
        room = self._size_bytes if awaited else int(self._size_bytes * (1 - INTENT_SHARE))
        if self._end + len(record) > room:
            raise StoreError(
                f"{self._path}: the journal is full: the database has taken no row for long; "
                "free space on its disk, or look at its health"
            )
        write_at(self._fd, record, self._end)
        os.fdatasync(self._fd)
        with self._changed:
            self._end += len(record)
            self._written += 1
            self._waiting.append(row)

    def _tidy(self) -> None:
        """Zero the file once nothing waits; until then imported rows stay in it, known by their digest."""
        with self._changed:
            used, is_waiting = self._end, bool(self._waiting)
        if is_waiting or not used:
            return
        write_at(self._fd, bytes(used), 0)
        os.fdatasync(self._fd)
        with self._changed:
            self._end = 0

    def _check_place(self) -> None:
        """A file that was unlinked takes writes that nobody will ever read: make it anew with what waits."""
        self._home.check()
        if is_same_file(self._path, self._fd):
            return
        make_private_folder(self._path.parent)
        fd = _open_or_make(self._path, self._size_bytes)
        records = b"".join(encode(row) for row in self.waiting())
        try:
            write_at(fd, records.ljust(self._size_bytes, b"\0"), 0)
            os.fdatasync(fd)
        except BaseException:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd = fd
        with self._changed:
            self._end = len(records)


@dataclass(frozen=True, slots=True)
class Found:
    """What a journal file holds.

    Attributes:
        end: where the next record may be written, bytes from the start.
        spoiled: places that are neither zero nor a whole record.
    """

    rows: tuple[LateRow, ...]
    end: int
    spoiled: int


def encode(row: LateRow) -> bytes:
    """One record of the file."""
    body = json.dumps(asdict(row), separators=(",", ":")).encode()
    length = len(body)
    return _HEAD.pack(_MAGIC, length, _checksum(length, body)) + body


def find_rows(content: bytes) -> Found:
    """Every whole record, whatever lies between them. Pure."""
    rows: list[LateRow] = []
    end = at = spoiled = 0
    while at < len(content):
        found = _record_at(content, at)
        if found is not None:
            row, at = found
            rows.append(row)
            end = at
            continue
        following = _next_record(content, at + 1)
        if content[at:following].strip(b"\0"):
            spoiled += 1
        at = following
    return Found(tuple(rows), end, spoiled)


def _next_record(content: bytes, at: int) -> int:
    while True:
        at = content.find(_MAGIC, at)
        if at < 0:
            return len(content)
        if _record_at(content, at) is not None:
            return at
        at += 1


def _record_at(content: bytes, at: int) -> tuple[LateRow, int] | None:
    """The record that begins at `at` and where it ends; None where there is no whole one."""
    if len(content) - at < _HEAD.size:
        return None
    magic, length, checksum = _HEAD.unpack_from(content, at)
    start = at + _HEAD.size
    body = content[start : start + length]
    if magic != _MAGIC or len(body) != length or checksum != _checksum(length, body):
        return None
    try:
        fields = json.loads(body)
        for pair in ("grant", "revoke"):
            fields[pair] = None if fields[pair] is None else tuple(fields[pair])
        return LateRow(**fields), start + length
    except (ValueError, TypeError, KeyError):
        # Whole, and yet unknown: written by a program of another version.
        return None


def _checksum(length: int, body: bytes) -> bytes:
    return hashlib.sha256(length.to_bytes(4, "little") + body).digest()[:16]


def _open_or_make(path: Path, size_bytes: int) -> int:
    """An open file of `size_bytes`; a new one appears under its name only when its space is on disk.

    Raises:
        OSError: it can't be.
    """
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        missing = size_bytes - os.fstat(fd).st_size
        if missing > 0:
            try:
                write_at(fd, bytes(missing), size_bytes - missing)
                os.fsync(fd)
            except BaseException:
                os.close(fd)
                raise
        return fd
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fd = create_private(fresh)
    try:
        write_at(fd, bytes(size_bytes), 0)
        os.fsync(fd)
        fresh.rename(path)
        fsync_directory(path.parent)
    except BaseException:
        os.close(fd)
        fresh.unlink(missing_ok=True)
        raise
    return fd


def _journal_error(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: the journal cannot be written ({error.strerror}): "
        "check the disk's health and its free space"
    )

"""Pictures and clips of PODs as files below one folder: whole or not there, within a quota for each POD.

<folder>/<pod>/<name>            whole, and in the table `media`
<folder>/<pod>/.coming/<name>    the bytes that came so far
<folder>/<pod>/.offered/<name>   what the POD said it is
"""

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from sync.cloud.api.problem import ProblemError
from sync.cloud.database import Connection, as_tenant
from sync.cloud.identity.private_files import sync_folder, write_private
from sync.cloud.identity.standing import Standing
from sync.protocol.portal import OfferedImage

MAX_IMAGE_BYTES = 64 * 1024 * 1024
MAX_COMING = 4
"""Uploads of one POD that are under way or broke off; the oldest makes room."""

_COMING, _OFFERED = ".coming", ".offered"
_BELIEVED = (timedelta(days=400), timedelta(days=1))
"""What a POD's clock says of a picture counts so far before and after now."""


@dataclass(slots=True)
class MediaCounters:
    """What became of pictures.

    Attributes:
        kept, kept_bytes: of whole ones.
        dropped: older ones that made room.
        unwanted: too large ones that were not taken.
        spoiled: whose digest was another than said.
        full: refused since the disk has no room.
    """

    kept: int = 0
    kept_bytes: int = 0
    dropped: int = 0
    unwanted: int = 0
    spoiled: int = 0
    full: int = 0


class MediaStore:
    """Takes what PODs upload.

    Args:
        quota_bytes: of one POD; its oldest make room.
        keep_free_bytes: of the disk; nothing is taken below.
    """

    def __init__(
        self, folder: Path, *, quota_bytes: int = 2 * 1024**3, keep_free_bytes: int = 1024**3
    ) -> None:
        self._folder = folder
        self._quota_bytes = quota_bytes
        self._keep_free_bytes = keep_free_bytes
        self._busy: set[tuple[str, str]] = set()
        self.counters = MediaCounters()

    async def offer(self, conn: Connection, standing: Standing, offer: OfferedImage) -> int | None:
        """From which byte on a picture is wanted; None: it is here, or is not wanted.

        Raises:
            ProblemError: the disk has no room.
        """
        if offer.size_bytes > min(MAX_IMAGE_BYTES, self._quota_bytes):
            self.counters.unwanted += 1
            return None
        async with as_tenant(conn, standing.community):
            cursor = await conn.execute(
                "SELECT 1 FROM platebridge.media WHERE pod = %s AND name = %s", (standing.pod, offer.name)
            )
            if await cursor.fetchone() is not None:
                return None
        with self.uploading(standing.pod, offer.name):
            return await asyncio.to_thread(self._note_offer, standing.pod, offer)

    @contextmanager
    def uploading(self, pod: str, name: str) -> Iterator[None]:
        """One upload of a picture at a time; a full disk is an answer, not a fault.

        Raises:
            ProblemError: another is under way, or the disk has no room.
        """
        if (pod, name) in self._busy:
            raise ProblemError(409, "busy", "This picture is being uploaded already: try again.")
        self._busy.add((pod, name))
        try:
            with self._room():
                yield
        finally:
            self._busy.discard((pod, name))

    async def take(self, pod: str, name: str, *, from_byte: int, parts: AsyncIterator[bytes]) -> int | None:
        """Take bytes of an offered picture as they come; how many there are then, None where it is whole.

        Raises:
            ProblemError: it was not offered, goes on from elsewhere, or is spoiled.
        """
        coming = self._coming(pod) / name
        offer = await asyncio.to_thread(_read_offer, coming)
        have = await self._append(coming, offer, from_byte=from_byte, parts=parts)
        if have < offer.size_bytes:
            return have
        if await asyncio.to_thread(_digest, coming) != offer.sha256:
            self.counters.spoiled += 1
            _forget(coming)
            raise ProblemError(
                422,
                "other_digest",
                "These are other bytes than were offered: offer it again, from the begin.",
            )
        return None

    async def _append(
        self, coming: Path, offer: OfferedImage, *, from_byte: int, parts: AsyncIterator[bytes]
    ) -> int:
        """How many bytes are there then."""
        with coming.open("ab") as file:
            have = file.tell()
            if from_byte != have:
                raise ProblemError(
                    409, "other_offset", f"The cloud has {have} bytes of it: offer it again, and go on there."
                )
            async for part in parts:
                have += len(part)
                if have > offer.size_bytes:
                    raise ProblemError(413, "too_large", "More bytes than were offered: offer it again.")
                await asyncio.to_thread(file.write, part)
            await asyncio.to_thread(_flush, file.fileno(), file.flush)
        return have

    async def keep(self, conn: Connection, standing: Standing, name: str, *, now: datetime) -> None:
        """Put a whole picture in its place: its row is there once its file is, and no sooner."""
        coming = self._coming(standing.pod) / name
        offer = await asyncio.to_thread(_read_offer, coming)
        folder = coming.parent.parent
        async with as_tenant(conn, standing.community):
            dropped = await self._make_room(conn, standing.pod, offer.size_bytes)
            await conn.execute(
                "INSERT INTO platebridge.media "
                "(community, pod, name, approach, media_type, digest, size_bytes, at) "
                "VALUES (%s, %s, %s, %s, %s, %b, %s, %b) ON CONFLICT (pod, name) DO NOTHING",
                (
                    standing.community,
                    standing.pod,
                    name,
                    offer.approach,
                    offer.media_type,
                    bytes.fromhex(offer.sha256),
                    offer.size_bytes,
                    _believed(offer.taken_s, now),
                ),
            )
            coming.replace(folder / name)
            await asyncio.to_thread(sync_folder, folder)
        _forget(coming)
        for old in dropped:
            (folder / old).unlink(missing_ok=True)
        self.counters.dropped += len(dropped)
        self.counters.kept += 1
        self.counters.kept_bytes += offer.size_bytes

    async def _make_room(self, conn: Connection, pod: str, size_bytes: int) -> list[str]:
        """The oldest pictures of a POD, whose rows go so that the new one fits into its quota."""
        cursor = await conn.execute(
            "DELETE FROM platebridge.media WHERE pod = %(pod)s AND name IN (SELECT name FROM ("
            "SELECT name, sum(size_bytes) OVER (ORDER BY at DESC, name) AS through "
            "FROM platebridge.media WHERE pod = %(pod)s) AS m WHERE through > %(room)s) RETURNING name",
            {"pod": pod, "room": self._quota_bytes - size_bytes},
        )
        return [str(name) for (name,) in await cursor.fetchall()]

    def _note_offer(self, pod: str, offer: OfferedImage) -> int:
        folder = self._coming(pod)
        coming = folder / offer.name
        for one in (folder, _sheet(coming).parent):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            known = _read_offer(coming)
            is_same = (known.sha256, known.size_bytes) == (offer.sha256, offer.size_bytes)
            if is_same and coming.stat().st_size <= offer.size_bytes:
                return coming.stat().st_size
        except (ProblemError, FileNotFoundError):
            pass  # a new one
        _forget(coming)
        others = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in others[: max(0, len(others) - MAX_COMING + 1)]:
            _forget(old)
        coming.touch(mode=0o600)
        write_private(_sheet(coming), offer.model_dump_json().encode())
        return 0

    def _coming(self, pod: str) -> Path:
        return self._folder / pod / _COMING

    @contextmanager
    def _room(self) -> Iterator[None]:
        full = ProblemError(507, "no_room", "The cloud has no room for pictures now: try again later.")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < self._keep_free_bytes:
                self.counters.full += 1
                raise full
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self.counters.full += 1
            raise full from None


def _read_offer(coming: Path) -> OfferedImage:
    try:
        return OfferedImage.model_validate_json(_sheet(coming).read_bytes())
    except (FileNotFoundError, ValidationError):
        raise ProblemError(404, "not_offered", "This picture was not offered: offer it first.") from None


def _sheet(coming: Path) -> Path:
    return coming.parent.parent / _OFFERED / coming.name


def _forget(coming: Path) -> None:
    coming.unlink(missing_ok=True)
    _sheet(coming).unlink(missing_ok=True)


def _flush(fd: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(fd)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _believed(taken_s: float, now: datetime) -> datetime:
    """When a picture was taken; when it came, where the POD's clock says what cannot be."""
    before, after = _BELIEVED
    if (now - before).timestamp() <= taken_s <= (now + after).timestamp():
        return datetime.fromtimestamp(taken_s, UTC)
    return now

"""Read the audit without blocking the event loop, beside the writer; for the local page."""

import asyncio
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

import aiosqlite

from pod.store.audit import LATEST_OF_CARS_SQL, AuditRow, row_from
from pod.store.connection import BUSY_TIMEOUT_S, check_readable, reader_uri, store_error
from pod.store.file_place import FileMovedError, FilePlace

MAX_ROWS = 1000
"""Most rows one call returns."""


class AuditReader:
    """A read-only connection of its own, from `open` to `close`."""

    def __init__(self, conn: aiosqlite.Connection, path: Path) -> None:
        self._conn = conn
        self._path = path
        self._place = FilePlace(path)
        self._place.remember()
        self._reopening = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Raises: StoreError: there is no such database, or it can't be read."""
        return cls(await _connect(path), path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._conn.close()

    async def latest_of_cars(self, limit: int) -> list[AuditRow]:
        """The newest decisions, intents and outcomes, newest first; at most `MAX_ROWS`.

        Raises:
            StoreError: the file can't be read.
        """
        return await self._rows(LATEST_OF_CARS_SQL, (min(max(limit, 0), MAX_ROWS),))

    async def _rows(self, sql: str, values: tuple[int, ...]) -> list[AuditRow]:
        async with self._reopening:
            await self._follow()
        try:
            found = await self._conn.execute_fetchall(sql, values)
        except sqlite3.Error as error:
            raise store_error(self._path, error) from error
        return [row_from(tuple(columns)) for columns in found]

    async def _follow(self) -> None:
        """Read the file that is under the name now: a recovery exchanges it.

        Raises:
            StoreError: it can't be read.
        """
        try:
            self._place.check()
        except FileMovedError:
            fresh = await _connect(self._path)
            await self._conn.close()
            self._conn = fresh
            self._place.remember()


async def _connect(path: Path) -> aiosqlite.Connection:
    check_readable(path)
    try:
        return await aiosqlite.connect(
            reader_uri(path), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
    except sqlite3.Error as error:
        raise store_error(path, error) from error

"""Find cars in the audit: one by its approach, or those of a plate, a day, a camera, an outcome."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord, AuditEvent, approaches
from pod.domain.plates import match_key, one_edit_apart
from pod.store.connection import connect_reader, store_error
from pod.store.moments import from_us, to_us

PAGE = 50
"""Cars on one page of results."""

MOST_EXAMINED = 3000
"""Cars whose outcome one search looks at; the next page goes on from there."""

SEARCH_TIMEOUT_S = 5.0

_NEAR_FROM = 4
"""Shorter texts match only as part of a plate: nearly every plate is near to two characters."""

_LATEST = 2**62

_OF_APPROACH_SQL = """
SELECT seq, ts_us, kind, payload FROM audit
WHERE CASE WHEN json_valid(payload) THEN json_extract(payload, '$.approach') END = ?
    AND kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL
ORDER BY seq LIMIT 200
"""
"""Its conditions are word for word those of the index `audit_of_approach`, which SQLite uses for no other."""

_GATE_FACTS_SQL = """
SELECT seq, ts_us, kind, payload FROM audit
WHERE ts_us >= ? AND ts_us < ? AND kind = 'gate_fact' AND payload IS NOT NULL
ORDER BY ts_us LIMIT 50
"""
"""Its conditions are those of the index `audit_of_gate_facts`."""

GATE_FACTS_S = 120
"""How long after an opening began what the gate did counts as its doing."""

_MATCHING_SQL = """
SELECT seq, json_extract(payload, '$.approach') FROM audit
WHERE kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL
    AND seq < ? AND ts_us >= ? AND ts_us < ?
    AND CASE WHEN json_valid(payload) THEN fits(
        json_extract(payload, '$.camera'), json_extract(payload, '$.plate'),
        json_extract(payload, '$.entry'), json_extract(payload, '$.read')) END
ORDER BY seq DESC
"""


@dataclass(frozen=True, slots=True)
class CarQuery:
    """What is looked for; empty fields ask for nothing.

    Attributes:
        plate: a plate or a part of one, in any writing; plates one character apart are found, too.
        since, until: aware; cars of which something was written down from then, to just before then.
        outcomes: of `ApproachRecord.outcome`, any of them.
        before: as `CarPage.next_before` had it; None for the newest.
    """

    plate: str = ""
    since: datetime | None = None
    until: datetime | None = None
    camera: str = ""
    outcomes: tuple[str, ...] = ()
    before: int | None = None


@dataclass(frozen=True, slots=True)
class CarPage:
    """Some of the cars found, newest first.

    Attributes:
        next_before: where older ones go on; None where there are none.
    """

    records: tuple[ApproachRecord, ...]
    next_before: int | None


def rows_of(path: Path, approach: str) -> tuple[AuditEvent, ...]:
    """Every row about one car, and what its gate did for a while after; none where it is unknown or erased.

    Oldest first. Blocks.

    Raises:
        StoreError: the file can't be read.
    """
    with closing(connect_reader(path)) as conn:
        try:
            rows = list(_rows_of(conn, approach))
            return tuple(sorted((*rows, *_gate_facts(conn, rows)), key=lambda row: row.seq))
        except sqlite3.Error as error:
            raise store_error(path, error) from error


def search(path: Path, query: CarQuery, *, page: int = PAGE) -> CarPage:
    """One page of what the query finds. Blocks, for `SEARCH_TIMEOUT_S` at most.

    Raises:
        StoreError: the file can't be read, or the search took too long.
    """
    over_s = time.monotonic() + SEARCH_TIMEOUT_S
    with closing(connect_reader(path)) as conn:
        conn.set_progress_handler(lambda: time.monotonic() > over_s, 1000)
        try:
            return _search(conn, query, page)
        except sqlite3.Error as error:
            if time.monotonic() > over_s:
                raise StoreError(
                    f"the search took longer than {SEARCH_TIMEOUT_S:.0f} s: ask for one day"
                ) from error
            raise store_error(path, error) from error


def _search(conn: sqlite3.Connection, query: CarQuery, page: int) -> CarPage:
    wanted = _Wanted(query)
    conn.create_function("fits", 4, wanted.fits, deterministic=True)
    before = _LATEST if query.before is None else query.before
    found: list[ApproachRecord] = []
    seen: set[str] = set()
    last = before
    for seq, approach in conn.execute(_MATCHING_SQL, (before, *wanted.span_us)):
        if approach is None or approach in seen:
            continue
        if len(found) >= page or len(seen) >= MOST_EXAMINED:
            return CarPage(tuple(found), last)
        seen.add(approach)
        last = seq
        rows = list(_rows_of(conn, approach))
        if any(row.seq >= before and wanted.matches(row) for row in rows):
            continue  # it stood on an earlier page
        found += [r for r in approaches(rows) if not query.outcomes or r.outcome in query.outcomes]
    return CarPage(tuple(found), None)


class _Wanted:
    """What a row must say to be found."""

    def __init__(self, query: CarQuery) -> None:
        self._key = match_key(query.plate)
        self._camera = query.camera
        start, end = query.since, query.until
        self.span_us = (-_LATEST if start is None else to_us(start), _LATEST if end is None else to_us(end))

    def matches(self, row: AuditEvent) -> bool:
        fact, (start_us, end_us) = row.payload or {}, self.span_us
        texts = [fact.get(name) for name in ("camera", "plate", "entry", "read")]
        return start_us <= to_us(row.at) < end_us and self.fits(*texts)

    def fits(self, camera: object, *plates: object) -> bool:
        """Whether a row of this camera and these plates is asked for."""
        if self._camera and camera != self._camera:
            return False
        return not self._key or any(isinstance(text, str) and _near(text, self._key) for text in plates)


@lru_cache(4096)
def _near(plate: str, key: str) -> bool:
    """Whether the plate holds what was asked for, or is one character from it."""
    own = match_key(plate)
    return key in own or (len(key) >= _NEAR_FROM and one_edit_apart(own, key))


def _gate_facts(conn: sqlite3.Connection, rows: Sequence[AuditEvent]) -> Iterator[AuditEvent]:
    began = [to_us(row.at) for row in rows if row.kind == "intent"]
    if began:
        yield from _events(conn, _GATE_FACTS_SQL, began[-1], began[-1] + GATE_FACTS_S * 1_000_000)


def _rows_of(conn: sqlite3.Connection, approach: str) -> Iterator[AuditEvent]:
    return _events(conn, _OF_APPROACH_SQL, approach)


def _events(conn: sqlite3.Connection, sql: str, *values: object) -> Iterator[AuditEvent]:
    rows: Sequence[tuple[int, int, str, str]] = conn.execute(sql, values).fetchall()
    for seq, ts_us, kind, payload in rows:
        yield AuditEvent(seq, from_us(ts_us), kind, json.loads(payload))

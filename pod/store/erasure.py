"""Erase what audit rows say and keep the chain: payload and salt go, digest and link stay.

Each erasure is first noted by a row of its own, which names the rows and never the plate: `audit.verify`
finds rows that were emptied without such a note.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pod.domain.errors import StoreError
from pod.domain.plates import match_key
from pod.store import audit
from pod.store.connection import connect_reader, store_error
from pod.store.media import MediaStore
from pod.store.store import Store

ROWS_A_JOB = 16
"""Rows emptied in one transaction: a decision that comes meanwhile waits for about one page each."""

ROWS_A_NOTE = 2000
"""Rows that one row of kind `erasure` names at most."""

MAX_LOOKS = 5
"""How often the audit is looked through for a plate of which rows go on coming."""

_TIMEOUT_S = 10.0

_PLATE_KEYS = frozenset({"plate", "plates", "entry", "read"})
"""Under which payloads of any kind name plates."""

_KEPT_SQL = (
    "SELECT seq, payload FROM audit WHERE seq > ? AND payload IS NOT NULL AND kind <> 'erasure' ORDER BY seq"
)
_KEPT_SEQS_SQL = (
    "SELECT seq FROM audit WHERE payload IS NOT NULL AND kind <> 'erasure' AND seq < ? ORDER BY seq"
)
_NOTES_SQL = "SELECT seq, payload FROM audit WHERE kind = 'erasure' AND payload IS NOT NULL ORDER BY seq"
_OF_APPROACH_SQL = """
SELECT seq FROM audit
WHERE CASE WHEN json_valid(payload) THEN json_extract(payload, '$.approach') END = ?
    AND kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL
"""
"""Its conditions are word for word those of the index `audit_of_approach`, which SQLite uses for no other."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What the store holds of one plate.

    Attributes:
        seqs: audit rows with a payload that names it, or that belongs to the same approach.
        approaches: cars that were read as it at least once.
    """

    seqs: tuple[int, ...]
    approaches: tuple[str, ...]


def traces_of(
    conn: sqlite3.Connection, plate: str, *, after_seq: int = 0, known: Collection[str] = ()
) -> Traces:
    """Everything kept about a plate, in any writing of it. Reads the whole audit.

    A car belongs to it with all its rows: a revision that misread the plate still tells of that car.

    Args:
        after_seq: rows up to there were looked through before.
        known: cars that were found then.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    key = match_key(plate)
    seqs: set[int] = set()
    approaches = set(known)
    for seq, text in conn.execute(_KEPT_SQL, (after_seq,)):
        try:
            payload = json.loads(text)
        except ValueError:
            seqs.add(seq)  # spoiled, so it may name any plate
            continue
        if names(payload, key):
            seqs.add(seq)
            if isinstance(approach := payload.get("approach"), str):
                approaches.add(approach)
    for approach in approaches:
        seqs.update(seq for (seq,) in conn.execute(_OF_APPROACH_SQL, (approach,)))
    return Traces(tuple(sorted(seqs)), tuple(sorted(approaches)))


def erase_plate(store: Store, media: MediaStore, plate: str, *, by: str) -> tuple[int, int]:
    """Erase every trace of a plate but its entry in the list; returns the rows and the pictures erased.

    Backups made earlier still hold it, until newer ones have taken their place; so does the journal, where a
    row waits in it.

    Args:
        by: who asked, for the audit.

    Raises:
        StoreError: not everything was erased; call it again.
    """
    key = match_key(plate)

    def forget_grants(conn: sqlite3.Connection) -> None:
        conn.execute("DELETE FROM last_grant WHERE key = ?", (key,))

    rows = pictures = seen_seq = 0
    known: tuple[str, ...] = ()
    with closing(connect_reader(store.path)) as conn:
        for _ in range(MAX_LOOKS):
            # Rows may come in meanwhile, above all late ones from the journal.
            try:
                end_seq = audit.read_head(conn).seq
                traces = traces_of(conn, plate, after_seq=seen_seq, known=known)
            except sqlite3.Error as error:
                raise store_error(store.path, error) from error
            seen_seq, known = end_seq, traces.approaches
            store.wait_for(store.submit(forget_grants), _TIMEOUT_S)
            erased = media.erase(traces.approaches)
            if not traces.seqs and not erased:
                return rows, pictures
            erase_rows(store, traces.seqs, note={"why": "on request", "by": by, "pictures": erased})
            rows, pictures = rows + len(traces.seqs), pictures + erased
    raise StoreError(
        f"{store.path}: {rows} rows and {pictures} pictures are erased, but new ones keep coming: "
        "run this again once the car is gone"
    )


def erase_rows(
    store: Store,
    seqs: Sequence[int],
    *,
    note: Mapping[str, object],
    between: Callable[[], bool] = lambda: True,
) -> int:
    """Note the erasure, then empty the rows in small transactions; returns how many were emptied.

    Args:
        seqs: ascending.
        note: what the noting rows say besides which rows; no plate.
        between: called between transactions, to wait or to end: False stops, and the rest stays.

    Raises:
        StoreError: some rows may still be full; call it again.
    """
    done = 0
    for i in range(0, len(seqs), ROWS_A_NOTE):
        some = seqs[i : i + ROWS_A_NOTE]
        noted = store.record("erasure", {**note, "rows": len(some), "seqs": audit.row_ranges(some)})
        store.wait_for(noted, _TIMEOUT_S)
        emptied = empty_rows(store, some, between)
        done += emptied
        if emptied < len(some):
            return done
    return done


def empty_rows(store: Store, seqs: Sequence[int], between: Callable[[], bool]) -> int:
    """Empty rows whose erasure is noted; else as `erase_rows`."""
    for i in range(0, len(seqs), ROWS_A_JOB):
        part = seqs[i : i + ROWS_A_JOB]
        store.wait_for(store.submit(partial(_empty, seqs=part)), _TIMEOUT_S)
        if not between():
            return i + len(part)
    return len(seqs)


def unfinished(conn: sqlite3.Connection) -> list[int]:
    """Rows whose erasure is noted and that have a payload all the same, ascending.

    An erasure that was cut off leaves such, and a database that was put back from a copy made before it.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    noted = bytearray()
    for seq, payload in conn.execute(_NOTES_SQL):
        noted.extend(bytes(seq - len(noted)))  # only rows before a note can be meant by it
        for low, high in audit.noted_rows(payload):
            noted[low : high + 1] = b"\1" * len(noted[low : high + 1])
    rows = conn.execute(_KEPT_SEQS_SQL, (len(noted),))
    return [seq for (seq,) in rows if noted[seq]]


def names(payload: object, key: str) -> bool:
    """Whether a payload names the plate of a match key, in any writing."""
    return any(match_key(named) == key for named in _plates_in(payload))


def _empty(conn: sqlite3.Connection, seqs: Sequence[int]) -> None:
    conn.executemany("UPDATE audit SET payload = NULL, salt = NULL WHERE seq = ?", [(seq,) for seq in seqs])


def _plates_in(value: object) -> Iterator[str]:
    """What a payload names as a plate, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _PLATE_KEYS and isinstance(inner, str):
                yield inner
            elif name in _PLATE_KEYS and isinstance(inner, list):
                yield from (plate for plate in inner if isinstance(plate, str))
                yield from _plates_in(inner)
            else:
                yield from _plates_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _plates_in(inner)

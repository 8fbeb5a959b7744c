"""`bridge`: audit rows a second into PostgreSQL, by two workers, against the bare insert of the same rows.

Each worker is a process with a session of its own. The intake gets frames as PODs send them, so unpacking
and checking chains are in its time; the bare insert gets columns that are ready, in the same table with the
same indexes; `stored` is the intake of messages that are unpacked already. They take turns, and the best turn
of each counts. No broker is between: the drain of a week is extrapolated from the intake alone.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psycopg

from benchmarks.prerequisites import CannotRunError
from sync.cloud.audit_intake import Heard, take_in
from sync.cloud.database import Dsn, connect
from sync.cloud.embedded import embedded_server
from sync.cloud.errors import CloudError
from sync.cloud.update import update
from sync.protocol.batch import SALT_BYTES, Batch
from sync.protocol.chain import START, Row, digest_of, link_of
from sync.protocol.lists import EMPTY
from sync.protocol.up import Hello, decode_up, encode_up

_WORKERS = 2
_PODS = 10
"""Of each worker; all send in each transaction."""
_BATCH_ROWS = 100
_FLEET_PODS, _WEEK_ROWS = 10_000, 7 * 1_000
"""A POD with some hundred decisions a day makes about a thousand rows."""
_PAYLOAD = b'{"plate":"B AB 123","verdict":"allow","reason":"listed","camera":"front","gate":"main","n":%d}'
_SALT = bytes(SALT_BYTES)
_COLUMNS = ("pods", "seqs", "times", "kinds", "salts", "payloads", "digests", "links")
_BARE = """
INSERT INTO platebridge.audit
    (community, pod, line, seq, at, ts_us, kind, absent, salt, payload, digest, link, received_at)
SELECT 'bench', pod, 1, seq, now(), ts_us, kind, '', salt, payload, digest, link, now()
FROM unnest(%(pods)b::text[], %(seqs)b::bigint[], %(times)b::bigint[], %(kinds)b::text[], %(salts)b::bytea[],
            %(payloads)b::bytea[], %(digests)b::bytea[], %(links)b::bytea[])
     AS r (pod, seq, ts_us, kind, salt, payload, digest, link)
"""


def measure(*, turns: int = 3, transactions: int = 30) -> dict[str, float]:
    """Rows a second of both, their ratio, and the hours that a week's backlog of 10,000 PODs would take."""
    rates: dict[str, list[float]] = {"intake": [], "stored": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as an account of its own
        try:
            with embedded_server(Path(folder) / "database") as dsn:
                asyncio.run(update(dsn, lambda said: None, keep_months_count=None))
                _make_pods(dsn)
                for turn in range(turns):
                    for way, found in rates.items():
                        found.append(_rate(dsn, way, turn, transactions=transactions))
        except CloudError as error:
            raise CannotRunError(f"needs a database of its own: {error}") from error
    intake, bare = max(rates["intake"]), max(rates["bare"])
    return {
        "intake_rows_per_s": intake,
        "bare_rows_per_s": bare,
        "intake_to_bare": intake / bare,
        "stored_to_bare": max(rates["stored"]) / bare,
        "week_of_fleet_extrapolated_h": _FLEET_PODS * _WEEK_ROWS / intake / 3600,
    }


def _pods(worker: int) -> Sequence[str]:
    return [f"pod-{worker}-{number}" for number in range(_PODS)]


def _make_pods(dsn: Dsn) -> None:
    with psycopg.connect(dsn.conninfo) as conn:
        conn.execute("INSERT INTO platebridge.company (id, name) VALUES ('b', 'B')")
        conn.execute("INSERT INTO platebridge.community (id, company, name) VALUES ('bench', 'b', 'B')")
        conn.execute(
            "INSERT INTO platebridge.site (community, id, name, time_zone) "
            "VALUES ('bench', 'site', 'Site', 'UTC')"
        )
        conn.execute(
            "INSERT INTO platebridge.pod (id, community, site, name) "
            "SELECT p, 'bench', 'site', p FROM unnest(%s::text[]) AS p",
            ([pod for worker in range(_WORKERS) for pod in _pods(worker)],),
        )


def _rate(dsn: Dsn, way: str, turn: int, *, transactions: int) -> float:
    """Rows a second of all workers together, from the moment that all are ready, into an empty table."""
    with psycopg.connect(dsn.conninfo, autocommit=True) as conn:
        conn.execute("TRUNCATE platebridge.audit, platebridge.pod_cursor")
        conn.execute("CHECKPOINT")
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_WORKERS + 1)
    workers = [
        context.Process(target=_work, args=(dsn.conninfo, way, number, transactions, barrier))
        for number in range(_WORKERS)
    ]
    for worker in workers:
        worker.start()
    barrier.wait(timeout=120)
    began_s = time.perf_counter()
    barrier.wait(timeout=600)
    took_s = time.perf_counter() - began_s
    for worker in workers:
        worker.join()
    rows = _WORKERS * transactions * _PODS * _BATCH_ROWS
    with psycopg.connect(dsn.conninfo) as conn:
        stored = conn.execute("SELECT count(*) FROM platebridge.audit").fetchone()
    if stored != (rows,):
        raise RuntimeError(f"turn {turn} of {way}: {stored} rows of {rows} were stored")
    return rows / took_s


def _work(conninfo: str, way: str, worker: int, transactions: int, barrier: Barrier) -> None:
    working = _insert if way == "bare" else partial(_take, is_unpacked=way == "stored")
    try:
        asyncio.run(working(Dsn.parse(conninfo), worker, transactions, barrier))
    except BaseException:
        barrier.abort()
        raise


async def _take(dsn: Dsn, worker: int, transactions: int, barrier: Barrier, *, is_unpacked: bool) -> None:
    sent = [
        [(pod, encode_up(part, pod=pod)) for pod, part in parts]
        for parts in _transactions(_pods(worker), transactions)
    ]
    known = [_unpacked(frames) if is_unpacked else None for frames in sent]
    async with connect(dsn) as conn:
        await conn.execute("SET ROLE platebridge_bridge")
        hello = Hello(session="s", number=0, head=START, oldest=START, listed=EMPTY)
        await take_in(conn, [(pod, hello) for pod in _pods(worker)], now=datetime.now(UTC))
        barrier.wait()
        for frames, heard in zip(sent, known, strict=True):
            await take_in(conn, _unpacked(frames) if heard is None else heard, now=datetime.now(UTC))
        barrier.wait()


async def _insert(dsn: Dsn, worker: int, transactions: int, barrier: Barrier) -> None:
    ready = [_columns(parts) for parts in _transactions(_pods(worker), transactions)]
    async with connect(dsn) as conn:
        barrier.wait()
        for columns in ready:
            await conn.execute(_BARE, columns)
        barrier.wait()


def _transactions(pods: Sequence[str], count: int) -> list[list[tuple[str, Batch]]]:
    """What all PODs send for each transaction."""
    audits = {pod: _audit(count * _BATCH_ROWS) for pod in pods}
    return [[(pod, _batch(audit, n * _BATCH_ROWS)) for pod, audit in audits.items()] for n in range(count)]


def _audit(rows: int) -> list[Row]:
    now_us = time.time_ns() // 1000
    made, link = [], START.link
    for seq in range(1, rows + 1):
        payload = _PAYLOAD % seq
        digest = digest_of(_SALT, payload)
        link = link_of(link, seq, ts_us=now_us, kind="decision", digest=digest)
        made.append(Row(seq, now_us, "decision", _SALT, payload, digest, link))
    return made


def _batch(audit: list[Row], after: int) -> Batch:
    prev = audit[after - 1].position if after else START
    return Batch("s", 1, prev, tuple(audit[after : after + _BATCH_ROWS]))


def _unpacked(frames: Sequence[tuple[str, bytes]]) -> list[tuple[str, Heard]]:
    return [(pod, _batch_in(pod, frame)) for pod, frame in frames]


def _batch_in(pod: str, frame: bytes) -> Batch:
    heard = decode_up(frame, pod=pod, channel="audit")
    if not isinstance(heard, Batch):
        raise RuntimeError("a batch came out as something else")
    return heard


def _columns(parts: list[tuple[str, Batch]]) -> dict[str, list[object]]:
    rows = [(pod, row) for pod, part in parts for row in part.rows]
    of_rows = [(pod, r.seq, r.ts_us, r.kind, r.salt, r.payload, r.digest, r.link) for pod, r in rows]
    return {name: list(values) for name, values in zip(_COLUMNS, zip(*of_rows, strict=True), strict=True)}

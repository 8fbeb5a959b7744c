"""The hash chain shows what was changed in the audit, and holds through erasures."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pod.store import audit
from pod.store.store import Store

ROWS = 10
Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pod.db"
    with Store.open(path, now_us=lambda: 1_700_000_000_000_000) as store:
        for n in range(ROWS):
            store.record("decision", {"n": n, "plate": "AB123CD"}).result(5)
    return path


@pytest.fixture
def conn(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def without_guards(conn: sqlite3.Connection) -> sqlite3.Connection:
    """As somebody who may write the file would begin."""
    conn.execute("DROP TRIGGER audit_keeps_rows")
    conn.execute("DROP TRIGGER audit_keeps_content")
    return conn


def sql(*statements: str) -> Tamper:
    return lambda conn: [conn.execute(statement) for statement in statements]


def swap_rows_4_and_5(conn: sqlite3.Connection) -> None:
    conn.execute("UPDATE audit SET seq = -1 WHERE seq = 4")
    conn.execute("UPDATE audit SET seq = 4 WHERE seq = 5")
    conn.execute("UPDATE audit SET seq = 5 WHERE seq = -1")


def cut_and_note_the_new_end(conn: sqlite3.Connection) -> None:
    conn.execute("DELETE FROM audit WHERE seq > 7")
    conn.execute("UPDATE audit_head SET seq = 7, link = (SELECT link FROM audit WHERE seq = 7)")


def write_the_chain_anew(conn: sqlite3.Connection) -> None:
    conn.execute("DELETE FROM audit")
    conn.execute("UPDATE audit_head SET seq = 0, link = zeroblob(32)")
    audit.append(conn, [audit.seal("decision", {"forged": n}, n) for n in range(ROWS)])


@pytest.mark.parametrize(
    ("tamper", "first_bad_seq", "reason"),
    [
        pytest.param(
            sql("UPDATE audit SET payload = replace(payload, 'AB123CD', 'XY999ZZ') WHERE seq = 4"),
            4,
            "the payload of row 4 was changed",
            id="payload",
        ),
        pytest.param(
            sql("UPDATE audit SET payload = CAST(x'ff00fe' AS TEXT) WHERE seq = 4"),
            4,
            "the payload of row 4 was changed",
            id="payload no longer text",
        ),
        pytest.param(
            sql("UPDATE audit SET salt = zeroblob(16) WHERE seq = 4"), 4, "payload of row 4", id="salt"
        ),
        pytest.param(
            sql("UPDATE audit SET payload_digest = zeroblob(32) WHERE seq = 4"),
            4,
            "does not follow",
            id="digest",
        ),
        pytest.param(
            sql("UPDATE audit SET ts_us = ts_us + 1 WHERE seq = 4"), 4, "does not follow", id="time"
        ),
        pytest.param(sql("UPDATE audit SET kind = 'outcome' WHERE seq = 4"), 4, "does not follow", id="kind"),
        pytest.param(sql("DELETE FROM audit WHERE seq = 4"), 4, "row 4 is missing", id="one row deleted"),
        pytest.param(
            sql("DELETE FROM audit WHERE seq BETWEEN 1 AND 3"),
            1,
            "rows 1 to 3 are missing",
            id="first rows deleted",
        ),
        pytest.param(
            sql("DELETE FROM audit WHERE seq = 4", "UPDATE audit SET seq = seq - 1 WHERE seq > 4"),
            4,
            "does not follow",
            id="one row deleted and the rest moved up",
        ),
        pytest.param(swap_rows_4_and_5, 4, "does not follow", id="two rows swapped"),
        pytest.param(sql("DELETE FROM audit WHERE seq > 7"), 8, "rows 8 to 10 were cut off", id="tail cut"),
        pytest.param(sql("DELETE FROM audit"), 1, "rows 1 to 10 were cut off", id="all rows deleted"),
        pytest.param(
            sql(
                "INSERT INTO audit SELECT 11, ts_us, kind, salt, payload, payload_digest, link "
                "FROM audit WHERE seq = 10"
            ),
            11,
            "does not follow",
            id="row put in at the end",
        ),
        pytest.param(
            sql("UPDATE audit_head SET seq = 9, link = (SELECT link FROM audit WHERE seq = 9)"),
            10,
            "not the one the store noted as its last",
            id="note of the end set back",
        ),
    ],
)
def test_verify_names_the_first_row_that_does_not_hold(
    conn: sqlite3.Connection, tamper: Tamper, first_bad_seq: int, reason: str
) -> None:
    assert audit.verify(conn).ok
    tamper(without_guards(conn))
    result = audit.verify(conn)
    assert (result.ok, result.first_bad_seq) == (False, first_bad_seq)
    assert reason in result.reason


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        pytest.param(cut_and_note_the_new_end, "rows 8 to 10 were cut off", id="tail cut with its note"),
        pytest.param(write_the_chain_anew, "the chain was written anew", id="chain written anew"),
    ],
)
def test_what_the_chain_alone_cannot_show_an_anchor_does(
    conn: sqlite3.Connection, tamper: Tamper, reason: str
) -> None:
    anchor = audit.verify(conn).head
    tamper(without_guards(conn))
    assert audit.verify(conn).ok
    result = audit.verify(conn, anchor)
    assert not result.ok
    assert reason in result.reason


def test_an_anchor_of_an_earlier_moment_still_holds_later(path: Path, conn: sqlite3.Connection) -> None:
    anchor = audit.verify(conn).head
    with Store.open(path) as store:
        store.record("decision", {}).result(5)
    assert audit.verify(conn, anchor).ok


def test_noted_erasures_leave_the_chain_whole(conn: sqlite3.Connection) -> None:
    audit.append(conn, [audit.seal("erasure", {"seqs": audit.row_ranges([1, 5, 6, 10])}, 0)])
    conn.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq IN (1, 5, 10)")
    result = audit.verify(conn)
    assert (result.ok, result.rows, result.erased) == (True, ROWS + 1, 3)


@pytest.mark.parametrize(
    ("seqs", "first_bad_seq"),
    [
        pytest.param("", 1, id="no row noted"),
        pytest.param("1-4,6-10", 5, id="one row not noted"),
        pytest.param("1-5,9-7,11-99999999999999999", 10, id="a run backwards, and one past the end"),
        pytest.param([1, 5, 10], 1, id="a note of another form"),
    ],
)
def test_an_erasure_that_no_row_notes_is_found(
    conn: sqlite3.Connection, seqs: object, first_bad_seq: int
) -> None:
    audit.append(conn, [audit.seal("erasure", {"seqs": seqs}, 0)])
    conn.execute("UPDATE audit SET payload = NULL, salt = NULL WHERE seq IN (1, 5, 10)")
    result = audit.verify(conn)
    assert (result.ok, result.first_bad_seq) == (False, first_bad_seq)
    assert "no erasure that was noted names it" in result.reason


def test_the_same_payload_never_has_the_same_digest_twice(conn: sqlite3.Connection) -> None:
    with_salt = {audit.seal("decision", {"plate": "AB123CD"}, 1).digest for _ in range(3)}
    assert len(with_salt) == 3


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DELETE FROM audit WHERE seq = 4", id="delete"),
        pytest.param("UPDATE audit SET payload = '{}' WHERE seq = 4", id="new payload"),
        pytest.param("UPDATE audit SET ts_us = 0, payload = NULL, salt = NULL WHERE seq = 4", id="new time"),
        pytest.param("UPDATE audit SET payload = NULL WHERE seq = 4", id="half an erasure"),
        pytest.param(
            "REPLACE INTO audit SELECT seq, 0, kind, salt, payload, payload_digest, link FROM audit",
            id="replace",
        ),
    ],
)
def test_the_file_itself_refuses_to_change_a_row_by_mistake(conn: sqlite3.Connection, statement: str) -> None:
    conn.execute("PRAGMA recursive_triggers = ON")
    with pytest.raises(sqlite3.IntegrityError):
        conn.execute(statement)
    assert audit.verify(conn).ok


def test_the_link_is_what_the_documentation_says() -> None:
    import hashlib

    def h(*fields: bytes) -> bytes:
        return hashlib.sha256(b"".join(len(f).to_bytes(8, "big") + f for f in fields)).digest()

    row = audit.seal("intent", {"b": 1, "a": "é"}, 1_700_000_000_000_000)
    assert row.payload == '{"a":"\\u00e9","b":1}'
    assert row.digest == h(row.salt, row.payload.encode())
    link = audit.chain_link(bytes(32), 1, ts_us=row.ts_us, kind=row.kind, digest=row.digest)
    assert link == h(bytes(32), (1).to_bytes(8, "big"), row.ts_us.to_bytes(8, "big"), b"intent", row.digest)

"""What the audit tells about the clock that wrote it, also where a row of it is spoiled."""

import sqlite3
from datetime import UTC, datetime

import pytest

from pod.store import audit
from pod.store.clock_rows import newest_believable
from pod.store.migrate import migrate
from pod.store.moments import to_us

SPOILED = '{"state"#"sure"}'
"""One flipped bit."""


@pytest.fixture
def conn() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    migrate(made)
    return made


def on_day(day: int) -> datetime:
    return datetime(2030, 1, day, tzinfo=UTC)


def write(conn: sqlite3.Connection, day: int, *, clock: str | None = None) -> None:
    """A row of that day; one that tells of the clock where `clock` gives its state or its spoiled payload."""
    if clock is None:
        sealed = audit.seal("decision", {}, to_us(on_day(day)))
    else:
        sealed = audit.seal("clock", {"state": clock}, to_us(on_day(day)))
    if clock == SPOILED:
        sealed = audit.Sealed(sealed.kind, sealed.ts_us, sealed.salt, SPOILED, sealed.digest)
    audit.append(conn, [sealed])


@pytest.mark.parametrize(
    ("states", "newest"),
    [
        pytest.param([None, None], 2, id="never in doubt"),
        pytest.param([None, "unsure", None], 1, id="in doubt since"),
        pytest.param([None, "unsure", None, "sure", None], 5, id="sure again"),
        pytest.param([None, "unsure", "unsure", "accepted", None], 5, id="accepted by a person"),
        pytest.param([None, SPOILED, None], 3, id="a spoiled row says nothing"),
        pytest.param([None, "unsure", None, SPOILED, None], 1, id="a spoiled row ends no doubt"),
    ],
)
def test_rows_count_up_to_the_doubt_that_has_not_ended(
    conn: sqlite3.Connection, states: list[str | None], newest: int
) -> None:
    for day, state in enumerate(states, start=1):
        write(conn, day, clock=state)
    assert newest_believable(conn) == on_day(newest)


def test_an_audit_without_rows_knows_no_time(conn: sqlite3.Connection) -> None:
    assert newest_believable(conn) is None

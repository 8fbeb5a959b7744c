"""What is kept of imports between their preview and the yes: few, and not for long."""

from pod.store.entries import make_entry
from pod.store.list_plan import ImportPlan, ImportRow
from pod.web.import_waiting import MOST_ROWS, MOST_WAITING, WAITING_S, WaitingImports

ROW = ImportRow(make_entry("AB123CD"), 2)
PLAN = ImportPlan((), (), 0)


def put(waiting: WaitingImports, rows: int) -> str:
    return waiting.put("session", "list.csv", rows=(ROW,) * rows, plan=PLAN)


def test_of_too_many_imports_that_wait_the_oldest_lapses() -> None:
    waiting = WaitingImports()
    tokens = [put(waiting, 1) for _ in range(MOST_WAITING + 1)]
    assert [waiting.take(token, "session") is not None for token in tokens] == [False] + [True] * MOST_WAITING


def test_long_imports_that_wait_take_no_more_memory_together_than_one() -> None:
    waiting = WaitingImports()
    first, second = put(waiting, 10), put(waiting, MOST_ROWS)
    assert waiting.take(first, "session") is None
    assert waiting.take(second, "session") is not None
    third, fourth = put(waiting, MOST_ROWS - 10), put(waiting, 10)
    assert waiting.take(third, "session") is not None
    assert waiting.take(fourth, "session") is not None


def test_an_import_waits_for_half_an_hour_and_for_its_own_session() -> None:
    now_s = 0.0
    waiting = WaitingImports(clock_s=lambda: now_s)
    kept, late = put(waiting, 1), put(waiting, 1)
    assert waiting.take(kept, "another session") is None
    now_s = WAITING_S
    assert waiting.take(kept, "session") is not None
    now_s += 1
    assert waiting.take(late, "session") is None

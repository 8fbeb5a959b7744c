"""The journal's file gives back every whole record, whatever else became of it."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import meet, spoilt
from promises import Prove
from running_pod import until

from pod.domain.errors import StoreError
from pod.store.journal import INTENT_SHARE, Journal, LateRow, encode, find_rows

SIZE_BYTES = 16 * 1024


def row(n: int, pad: str = "") -> LateRow:
    return LateRow(
        "intent", n, "00" * 16, f'{{"n":{n},"pad":"{pad}"}}', "11" * 32, n, ("north", "AB123CD"), None
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, size_bytes=SIZE_BYTES)
    yield opened
    opened.close()


def test_rows_wait_in_order_and_are_there_after_a_restart(tmp_path: Path, journal: Journal) -> None:
    for n in range(5):
        journal.append(row(n), awaited=True).result(5)
    journal.close()
    again = Journal.open(tmp_path, size_bytes=SIZE_BYTES)
    assert again.waiting() == tuple(row(n) for n in range(5))
    again.close()


def test_rows_that_were_imported_are_gone_for_good_and_make_room(tmp_path: Path, journal: Journal) -> None:
    for n in range(5):
        journal.append(row(n), awaited=True).result(5)
    journal.forget(5).result(5)
    journal.append(row(9), awaited=True).result(5)
    journal.close()
    content = (tmp_path / "rows.journal").read_bytes()
    assert find_rows(content).rows == (row(9),)
    assert content.find(b"PBJ1") == 0


def test_a_row_appended_while_others_are_imported_stays(journal: Journal) -> None:
    journal.append(row(1), awaited=True).result(5)
    journal.append(row(2), awaited=True).result(5)
    journal.forget(1).result(5)
    assert journal.waiting() == (row(2),)


def test_the_last_part_of_the_file_is_kept_for_rows_that_somebody_waits_for(journal: Journal) -> None:
    pad = "x" * 1000
    for n in range(100):
        future = journal.append(row(n, pad), awaited=False)
        if isinstance(future.exception(5), StoreError):
            break
    used = sum(len(encode(kept)) for kept in journal.waiting())
    assert used <= SIZE_BYTES * (1 - INTENT_SHARE)
    journal.append(row(200, pad), awaited=True).result(5)
    with pytest.raises(StoreError, match="the journal is full"):
        [journal.append(row(n, pad), awaited=True).result(5) for n in range(100)]
    assert journal.stats.refused == 2


def test_a_file_that_was_removed_is_made_anew_with_what_waits(tmp_path: Path, journal: Journal) -> None:
    journal.append(row(1), awaited=True).result(5)
    (tmp_path / "rows.journal").unlink()
    journal.append(row(2), awaited=True).result(5)
    assert find_rows((tmp_path / "rows.journal").read_bytes()).rows == (row(1), row(2))


def test_the_file_has_its_whole_size_from_the_start_and_is_its_owners_alone(
    tmp_path: Path, journal: Journal
) -> None:
    found = (tmp_path / "rows.journal").stat()
    assert found.st_size == SIZE_BYTES
    assert found.st_blocks * 512 >= SIZE_BYTES
    assert found.st_mode & 0o077 == 0


@given(seed=st.integers(0, 2**32 - 1), flips=st.integers(1, 4))
def test_a_flipped_bit_costs_the_record_it_hits_and_no_other(seed: int, flips: int) -> None:
    records = [row(n, "y" * (n * 7)) for n in range(6)]
    content = bytearray(b"".join(encode(record) for record in records) + bytes(500))
    dice = random.Random(seed)
    for _ in range(flips):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    found = find_rows(bytes(content))
    assert [record for record in records if record in found.rows] == list(found.rows)
    assert len(found.rows) >= len(records) - flips
    assert found.spoiled or found.rows == tuple(records)


@given(st.binary(max_size=400))
def test_no_bytes_whatever_are_taken_for_a_row(content: bytes) -> None:
    assert find_rows(content).rows == ()


def test_a_full_queue_refuses_at_once(journal: Journal) -> None:
    futures = [journal.append(row(n), awaited=True) for n in range(1000)]
    refused = [future for future in futures if future.done() and future.exception() is not None]
    assert refused or all(future.exception(10) is None for future in futures)
    until(lambda: all(future.done() for future in futures))


@pytest.mark.proof(21)
def test_a_spoilt_journal_gives_rows_that_were_written_and_no_others(
    prove: Prove, often: Callable[[int, int], int]
) -> None:
    records = [row(n, "y" * (n * 7)) for n in range(6)]
    whole = b"".join(encode(record) for record in records) + bytes(500)
    invented = 0

    def parse(data: bytes) -> None:
        nonlocal invented
        invented += not set(find_rows(data).rows) <= set(records)

    met = meet(parse, spoilt([whole], often(5_000, 200_000)), refusal=StoreError)
    prove(attempts=met.all, faults=met.all, losses=invented)

"""`decision`: time from a track's evidence to a verdict with 100,000 plates, by index and by linear scan.

Plates and readings are drawn from a fixed seed. A third of the readings are of listed plates, a third are in
doubt between a listed plate and its look-alike, a third are of strangers. The scan compares the reading with
every plate; both must decide alike.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from pod.domain.access import Decision, decide
from pod.domain.confusions import CONFUSED_WITH
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Consensus, Evidence
from pod.domain.index import AccessIndex
from pod.domain.matching import Matcher
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.domain.reads import ALPHABET, SLOTS, PlateRead
from pod.domain.schedule import parse_schedule
from pod.domain.situation import Situation

T = TypeVar("T")
R = TypeVar("R")

_CHANGES = 20
_NOW = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
_HERE = Situation(camera="front", gate="main", now=_NOW, zone=ZoneInfo("Europe/Berlin"))
_POLICY = Policy()
_OFFICE_HOURS = parse_schedule("mon-fri 08:00-18:00; sat 09:00-13:00")
_SCHEDULES = [None, None, _OFFICE_HOURS, parse_schedule("daily 22:00-06:00")]


def measure(*, plates: int = 100_000, readings: int = 3_000, scans: int = 30) -> dict[str, float]:
    """Wall ms of a decision by either way, their ratio, and how often they differ."""
    source = random.Random(20)
    entries = list(_entries(source, plates))
    started_s = time.perf_counter()
    index = AccessIndex(entries)
    build_s = time.perf_counter() - started_s
    drawn = [_reading(source, entries, of=i) for i in range(readings)]
    indexed, by_index_ms = _timed(lambda reading: _by_index(reading, index), drawn)
    scanned, by_scan_ms = _timed(lambda reading: _by_scan(reading, index), drawn[:scans])
    _, change_ms = _timed(lambda entry: index.replaced([entry], [replace(entry, id=0)]), entries[:_CHANGES])
    return {
        "p50_ms": float(np.percentile(by_index_ms, 50)),
        "p99_ms": float(np.percentile(by_index_ms, 99)),
        "worst_ms": max(by_index_ms),
        "scan_p50_ms": float(np.percentile(by_scan_ms, 50)),
        "index_to_scan": float(np.percentile(by_index_ms, 50) / np.percentile(by_scan_ms, 50)),
        "decided_differently": sum(a != b for a, b in zip(indexed, scanned, strict=False)),
        "opened_percent": 100 * sum(d.verdict is Verdict.ALLOW for d in indexed) / len(indexed),
        "near_match_percent": 100 * sum("near_match" in d.flags for d in indexed) / len(indexed),
        "change_of_one_entry_ms": float(np.percentile(change_ms, 50)),
        "index_build_s": build_s,
    }


def _by_index(reading: Consensus, index: AccessIndex) -> Decision:
    return decide(reading, index.candidates(reading), situation=_HERE, policy=_POLICY)


def _by_scan(reading: Consensus, index: AccessIndex) -> Decision:
    matcher = Matcher(reading, apart=False)
    candidates = [entry for entry in index.entries if matcher.match(entry) is not None]
    return decide(reading, candidates, situation=_HERE, policy=_POLICY)


def _timed(work: Callable[[T], R], inputs: Sequence[T]) -> tuple[list[R], list[float]]:
    """What the work gave for each input, and the ms it took."""
    results: list[R] = []
    times_ms: list[float] = []
    for given in inputs:
        started_s = time.perf_counter()
        results.append(work(given))
        times_ms.append((time.perf_counter() - started_s) * 1000)
    return results, times_ms


def _entries(source: random.Random, count: int) -> Iterator[Entry]:
    for number in range(count):
        plate = _plate(source)
        yield Entry(
            match_key(plate),
            plate,
            Verdict.DENY if source.random() < 0.02 else Verdict.ALLOW,
            source.choice(list(EntryType)),
            expires_at=_NOW + timedelta(days=source.randint(-10, 90)) if source.random() < 0.3 else None,
            schedule=source.choice(_SCHEDULES),
            id=number + 1,
        )


def _plate(source: random.Random) -> str:
    return "".join(source.choices(ALPHABET[10:-1], k=3) + source.choices(ALPHABET[:10], k=4))


def _reading(source: random.Random, entries: Sequence[Entry], *, of: int) -> Consensus:
    """Five frames of a listed plate, of one in doubt with a look-alike, or of a stranger."""
    key = match_key(_plate(source)) if of % 3 == 2 else source.choice(entries).key
    doubtful = [i for i, c in enumerate(key) if CONFUSED_WITH[c]] if of % 3 == 1 else []
    evidence = Evidence()
    for _ in range(5):
        slots = np.full((SLOTS, len(ALPHABET)), 1e-3, np.float32)
        for i, c in enumerate(key.ljust(SLOTS, "_")):
            slots[i, ALPHABET.index(c)] = source.uniform(0.9, 0.99)
        if doubtful:
            place = doubtful[of % len(doubtful)]
            slots[place, ALPHABET.index(CONFUSED_WITH[key[place]][0])] = source.uniform(0.6, 1.2)
        slots /= slots.sum(axis=1, keepdims=True)
        evidence.add(PlateRead((0, 0, 1, 1), 1.0, key, 1.0, slots))
    return evidence.consensus()

"""What the audit tells a pod that starts of earlier pulses: when a gate was asked, and which never ended."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pod.store import audit
from pod.store.moments import from_us

RECENT_ROWS = 5000
"""Rows from the end that are looked at: some hundred starts of a pod that dies again and again."""

_RECENT = (
    "SELECT ts_us, kind, payload FROM audit "
    "WHERE seq > ? AND kind IN ('intent', 'outcome') AND payload IS NOT NULL ORDER BY seq"
)

_NAMES = ("approach", "camera", "gate", "plate", "pulse", "source", "by")
"""What an outcome has in common with its intent, where the intent has it."""

_UNKNOWN = {
    "result": "unknown",
    "reason": "gate_failed",
    "error": "the POD ended before the end of the pulse was recorded: it is not known whether it opened",
}


@dataclass(frozen=True, slots=True)
class PulsesBefore:
    """The pulses of earlier runs.

    Attributes:
        asked: gate -> when its newest intent was written that may have moved it, aware UTC.
        unfinished: how many intents had no outcome, and have one now.
    """

    asked: Mapping[str, datetime]
    unfinished: int


def settle_pulses(conn: sqlite3.Connection, *, now_us: int) -> PulsesBefore:
    """Give each recent intent without an outcome one that says so; a job of the writer.

    Only for a pod that is alone on its data and has given no pulse yet. Once an intent has an outcome it is
    passed over, so that any number of starts writes one.

    Args:
        now_us: wall clock, microseconds since 1970 UTC.
    """
    intents: dict[str, tuple[int, dict[str, object]]] = {}
    outcomes: dict[str, dict[str, object]] = {}
    for ts_us, kind, payload in conn.execute(_RECENT, (audit.read_head(conn).seq - RECENT_ROWS,)):
        row = _object(payload)
        pulse = row.get("pulse")
        if isinstance(pulse, str):
            if kind == "intent":
                intents[pulse] = ts_us, row
            else:
                outcomes[pulse] = row
    asked: dict[str, int] = {}
    for pulse, (ts_us, row) in intents.items():
        if _may_have_moved(outcomes.get(pulse)):
            gate = str(row.get("gate"))
            asked[gate] = max(ts_us, asked.get(gate, ts_us))
    lost = [row for pulse, (_, row) in intents.items() if pulse not in outcomes]
    audit.append(conn, [audit.seal("outcome", _unknown(row), now_us) for row in lost])
    return PulsesBefore({gate: from_us(ts_us) for gate, ts_us in asked.items()}, len(lost))


def _object(payload: str) -> dict[str, object]:
    """A payload; empty where it is spoilt, for one bad row must not keep a pod from starting."""
    try:
        row = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _may_have_moved(outcome: Mapping[str, object] | None) -> bool:
    if outcome is None or outcome.get("result") in ("pulsed", "unknown"):
        return True
    return outcome.get("reason") == "gate_failed"


def _unknown(intent: Mapping[str, object]) -> dict[str, object]:
    return {name: intent[name] for name in _NAMES if name in intent} | _UNKNOWN

"""What PODs said and the database has yet to hear: bounded, written in one go, the latest counts."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from sync.cloud.database import Connection
from sync.cloud.dispatch.commands import settle_commands
from sync.cloud.dispatch.receipts import note_receipts
from sync.cloud.incidents import Incident, note_incidents
from sync.protocol.commands import settled
from sync.protocol.up import Answer, Receipt

MOST_RECEIPTS = 20_000
MOST_ANSWERS = 5_000
MOST_INCIDENTS = 200
INCIDENTS_EVERY_S = 5.0


class Notes:
    """What is written down next. Where it is full, what comes is dropped and counted: PODs say it again."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._receipts: dict[str, Receipt] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        self._incidents: dict[tuple[str, str, str], Incident] = {}
        self._is_there = asyncio.Event()

    def receipt(self, pod: str, receipt: Receipt) -> None:
        """A POD says which list it has."""
        if pod in self._receipts or len(self._receipts) < MOST_RECEIPTS:
            self._receipts[pod] = receipt
            self._is_there.set()
        else:
            self._counts["receipts_dropped"] += 1

    def answer(self, pod: str, answer: Answer) -> None:
        """A POD says what became of a command; the first of two stands, unless it knew nothing."""
        known = self._answers.get((pod, answer.id))
        if known is None and len(self._answers) >= MOST_ANSWERS:
            self._counts["answers_dropped"] += 1
            return
        self._answers[pod, answer.id] = settled(known, answer)
        self._is_there.set()

    def incident(self, incident: Incident) -> None:
        """Something that a person has to look at; the same one is written once for some seconds."""
        key = (incident.pod, incident.kind, incident.reason)
        if key in self._incidents or len(self._incidents) < MOST_INCIDENTS:
            self._incidents.setdefault(key, incident)
        else:
            self._counts["incidents_dropped"] += 1

    async def write(self, conn: Connection, lock: asyncio.Lock) -> None:
        """Write it all down as it comes, until cancelled; raises psycopg.Error."""
        clock_s = asyncio.get_running_loop().time
        incidents_s = clock_s()
        while True:
            try:
                async with asyncio.timeout_at(incidents_s):
                    await self._is_there.wait()
            except TimeoutError:
                incidents_s = clock_s() + INCIDENTS_EVERY_S
                incidents, self._incidents = list(self._incidents.values()), {}
                if incidents:
                    async with lock, conn.transaction():
                        await note_incidents(conn, incidents, now=datetime.now(UTC))
                continue
            self._is_there.clear()
            receipts, self._receipts = self._receipts, {}
            answers, self._answers = [(pod, answer) for (pod, _), answer in self._answers.items()], {}
            async with lock:
                if answers:
                    self._counts["answers"] += await settle_commands(conn, answers)
                if receipts:
                    await note_receipts(conn, receipts)
                    self._counts["receipts"] += len(receipts)

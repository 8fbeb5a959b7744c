"""The POD's side of the audit going up: what to send now, and what the cloud is known to have. Pure.

Nothing is kept that the audit itself does not keep: after a start the cloud says what it has, and the rest is
sent. Rows made since the connection came up go before the backlog, both within one window, and each batch
again until it is acknowledged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.protocol.batch import Batch
from sync.protocol.chain import START, Position, Row
from sync.protocol.cloud_time import CloudClock
from sync.protocol.down import Ack, Probe, Welcome
from sync.protocol.limits import BATCH_BYTES, MAX_SPANS
from sync.protocol.outgoing import provable
from sync.protocol.pace import Pace
from sync.protocol.up import Hello, ListState, Points
from sync.protocol.wire import Stretch

HELLO_EVERY_S = 25.0
"""So often the cloud is asked anew: for its time, which is good for a minute, and whether it forgot rows."""

ANSWER_S = 4.0
"""After so long without an answer a hello, or a comparison, is sent again; hellos ever more seldom."""

LIVE_S = 10.0
"""Rows older than this are history, whatever they tell."""

WINDOW = 4
"""Batches on their way at once; one place is kept for fresh rows, and one for the backlog."""

_ASKED_AGAIN_S = 1.0
_MOST_HELLOS = 16
_MADE_TOGETHER_S = 0.5


class AuditSource(Protocol):
    """The POD's audit, as the uplink reads it. Every call may read a disk."""

    def head(self) -> Position:
        """Where the audit stands now."""

    def oldest(self) -> Position:
        """The position before the first row that is still there."""

    def position(self, seq: int) -> Position | None:
        """The position of a row, `START` for 0; None where there is no such row."""

    def rows(self, after: int, *, most: int, most_bytes: int) -> Sequence[Row]:
        """Rows behind `after` in order, at least one where there are any; fewer than asked where large."""


@dataclass(frozen=True, slots=True)
class _Flight:
    first: int
    last: int
    sent_s: float
    is_fresh: bool


class Uplink:
    """One POD's audit on its way to the cloud. For one thread; `now_s` is always the same monotonic clock.

    Attributes:
        confirmed: rows up to there are in the cloud, as it signed; only behind this may a POD forget.
        withheld: rows sent without their payload because it was spoiled or too large.
        skipped: the last row that follows from nothing, so that the audit goes on behind it; else `START`.
        is_parted: whether the cloud holds another audit of this POD than the POD itself.
    """

    def __init__(self, source: AuditSource, *, session: str, clock: CloudClock) -> None:
        self._source = source
        self._session = session
        self._clock = clock
        self._pace = Pace()
        self._line: int | None = None
        self._held: list[Stretch] = []
        self._flights: list[_Flight] = []
        self._hellos: dict[int, float] = {}
        self._next_hello = 0
        self._welcomed = -1
        self._unanswered = 0
        self._hello_due_s = self._compare_due_s = float("inf")
        self._fresh_after = 0
        self._made: list[tuple[int, float]] = []
        self._history_to = 0
        self._is_connected = False
        self.confirmed = self.skipped = START
        self.withheld = 0
        self.is_parted = False

    @property
    def backlog(self) -> int:
        """Rows that the cloud is not known to have."""
        held = sum(stretch[2] - stretch[0] for stretch in self._held)
        return max(0, self._source.head().seq - held)

    def connected(self, now_s: float) -> None:
        """The broker is there: say hello. Rows made from now on are fresh."""
        self._flights.clear()
        self._made.clear()
        self._line = None
        self._unanswered = 0
        self._is_connected, self.is_parted = True, False
        self._hello_due_s, self._compare_due_s = now_s, float("inf")
        self._fresh_after = self._history_to = self._source.head().seq

    def disconnected(self) -> None:
        """The broker is gone: nothing is to be sent until it is back."""
        self._is_connected = False

    def appended(self, now_s: float) -> None:
        """Rows were just written."""
        if not self._is_connected:
            return
        seq = self._source.head().seq
        if self._made and now_s - self._made[-1][1] < _MADE_TOGETHER_S:
            self._made[-1] = (seq, self._made[-1][1])
        else:
            self._made.append((seq, now_s))
        while now_s - self._made[0][1] > LIVE_S:
            self._history_to, _ = self._made.pop(0)

    def due_s(self) -> float:
        """When `poll` is to be called next, at the latest; also after whatever else is called here."""
        if not self._is_connected:
            return float("inf")
        timeout_s = self._pace.timeout_s
        return min(
            self._hello_due_s, self._compare_due_s, *(flight.sent_s + timeout_s for flight in self._flights)
        )

    def poll(self, now_s: float, listed: ListState) -> list[Hello | Points | Batch]:
        """What is to be sent now.

        Args:
            listed: the list that is in force on the POD.
        """
        if not self._is_connected:
            return []
        out: list[Hello | Points | Batch] = []
        if now_s >= self._hello_due_s:
            out.append(self._say_hello(now_s, listed))
        if self.is_parted:
            if now_s >= self._compare_due_s and self._line is not None:
                self._compare_due_s = now_s + ANSWER_S
                out.append(Points(session=self._session, line=self._line, points=[]))
        elif self._line is not None:
            out += self._batches(self._line, now_s)
        return out

    def on_welcome(self, welcome: Welcome, now_s: float) -> bool:
        """Take in what the cloud has, also where that is less than it was; whether the answer counts."""
        sent_s = self._hellos.get(welcome.number)
        if welcome.session != self._session or sent_s is None or welcome.number <= self._welcomed:
            return False
        self._clock.learn(welcome.time_s, sent_s=sent_s, now_s=now_s)
        self._welcomed, self._unanswered = welcome.number, 0
        self._hello_due_s = now_s + HELLO_EVERY_S
        if welcome.line != self._line:
            self._flights.clear()
        self._line = welcome.line
        if self._agrees(welcome.spans, now_s):
            self._landed(welcome.spans, now_s)
            self.confirmed = Position(*welcome.spans[0][2:])
        return True

    def on_ack(self, ack: Ack, now_s: float) -> None:
        """Take in that rows are on the cloud's disk; what looks like less than before is asked about."""
        if self._line is None:
            return
        if ack.session != self._session or ack.line != self._line:
            self._ask_again(now_s)
        elif self._agrees(ack.spans, now_s):
            if all(any(s[0] <= mine[0] and mine[2] <= s[2] for s in ack.spans) for mine in self._held):
                self._landed(ack.spans, now_s)
            else:
                self._ask_again(now_s)

    def on_probe(self, probe: Probe, now_s: float) -> Points | None:
        """The links that the cloud asks for; None where the question is out of date."""
        if not self.is_parted or probe.line != self._line:
            return None
        self._compare_due_s = now_s + ANSWER_S
        found = [(seq, self._source.position(seq)) for seq in probe.seqs]
        points = [(seq, None if position is None else position.link) for seq, position in found]
        return Points(session=self._session, line=probe.line, points=points)

    def _say_hello(self, now_s: float, listed: ListState) -> Hello:
        number, self._next_hello = self._next_hello, self._next_hello + 1
        self._hellos[number] = now_s
        for old in list(self._hellos)[:-_MOST_HELLOS]:
            del self._hellos[old]
        self._hello_due_s = now_s + min(HELLO_EVERY_S, ANSWER_S * 2**self._unanswered)
        self._unanswered = min(self._unanswered + 1, 8)
        return Hello(
            session=self._session,
            number=number,
            head=self._source.head(),
            oldest=self._oldest(),
            listed=listed,
        )

    def _ask_again(self, now_s: float) -> None:
        said_s = max(self._hellos.values(), default=now_s)
        self._hello_due_s = min(self._hello_due_s, max(now_s, said_s + _ASKED_AGAIN_S))

    def _oldest(self) -> Position:
        return max(self._source.oldest(), self.skipped, key=lambda position: position.seq)

    def _agrees(self, spans: Sequence[Stretch], now_s: float) -> bool:
        """Whether this POD's audit has what the cloud holds; where not, the two are to be compared."""
        oldest = self._oldest().seq
        edges = [Position(*edge) for span in spans for edge in (span[:2], span[2:])]
        agrees = all(edge.seq < oldest or self._source.position(edge.seq) == edge for edge in edges)
        if not agrees and not self.is_parted:
            self._compare_due_s = now_s
        elif agrees:
            self._compare_due_s = float("inf")
        self.is_parted = not agrees
        return agrees

    def _landed(self, spans: Sequence[Stretch], now_s: float) -> None:
        self._held = list(spans)
        for flight in list(self._flights):
            if any(span[0] < flight.first and flight.last <= span[2] for span in spans):
                self._flights.remove(flight)
                self._pace.arrived(now_s - flight.sent_s)

    def _batches(self, line: int, now_s: float) -> list[Batch]:
        lost = [flight for flight in self._flights if now_s >= flight.sent_s + self._pace.timeout_s]
        if lost:
            self._flights = [flight for flight in self._flights if flight not in lost]
            self._pace.lost()
        out: list[Batch] = []
        head, oldest, fresh_after = self._source.head().seq, self._oldest().seq, self._fresh_from()
        for is_fresh, after, upto in ((True, fresh_after, head), (False, oldest, min(head, fresh_after))):
            while len(self._flights) < WINDOW:
                if sum(flight.is_fresh is is_fresh for flight in self._flights) >= WINDOW - 1:
                    break
                batch = self._next_batch(line, max(after, oldest), upto, now_s=now_s, is_fresh=is_fresh)
                if batch is None:
                    break
                out.append(batch)
        return out

    def _fresh_from(self) -> int:
        """Behind which row the fresh ones begin; with many spans they go on from the last."""
        if len(self._held) >= MAX_SPANS - 2:
            return min(self._fresh_after, self._held[-1][2])
        return self._fresh_after

    def _next_batch(self, line: int, after: int, upto: int, *, now_s: float, is_fresh: bool) -> Batch | None:
        first, last = self._missing(after, upto)
        if first > last:
            return None
        most = min(self._pace.rows, last - first + 1)
        prev = self._source.position(first - 1)
        found = provable(prev, self._source.rows(first - 1, most=most, most_bytes=BATCH_BYTES))
        if found.broken is not None and not found.rows:
            self.skipped = found.broken.position
            self._ask_again(now_s)
        if prev is None or not found.rows:
            return None
        self.withheld += found.withheld
        self._flights.append(_Flight(first, found.rows[-1].seq, now_s, is_fresh))
        live_s = self._clock.earliest_s(now_s) if is_fresh and self._is_live(first, now_s) else None
        return Batch(self._session, line, prev, found.rows, live_s)

    def _is_live(self, first: int, now_s: float) -> bool:
        made_s = next((made_s for seq, made_s in self._made if seq >= first), None)
        return first > self._history_to and made_s is not None and now_s - made_s <= LIVE_S

    def _missing(self, after: int, upto: int) -> tuple[int, int]:
        """First and last of the next rows that the cloud lacks and that are not on their way."""
        taken = [(span[0] + 1, span[2]) for span in self._held]
        taken += [(flight.first, flight.last) for flight in self._flights]
        first = after + 1
        for low, high in sorted(taken):
            if low > first:
                return first, min(upto, low - 1)
            first = max(first, high + 1)
        return first, upto


def is_live(batch: Batch, cloud_s: float) -> bool:
    """Whether the rows of a batch are news, for whoever acts on news; all others are history.

    Args:
        cloud_s: the cloud's clock when the batch came.
    """
    return batch.live_s is not None and cloud_s - batch.live_s <= LIVE_S

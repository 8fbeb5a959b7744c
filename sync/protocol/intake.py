"""The cloud's side of audits coming up: which rows are new, which contradict what is there. Pure.

The cloud keeps one `Line` a POD, in the transaction that inserts the rows. It may hold several stretches of
an audit at once, so that what happens now need not wait for last week's backlog; each stretch is proved in
itself, and where two meet their links must agree. Nothing is ever taken back: a POD whose audit goes on
differently than the cloud knows gets a new line, which shares the older one's rows up to where they part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sync.protocol.batch import Batch
from sync.protocol.chain import START, Position, Row
from sync.protocol.limits import MAX_LINES, MAX_POINTS, MAX_SPANS
from sync.protocol.up import Hello, Points
from sync.protocol.wire import Stretch

_POINTS_A_SPAN = MAX_POINTS // MAX_SPANS


@dataclass(frozen=True, slots=True)
class Span:
    """Rows that are held, one after the other.

    Attributes:
        base: the position before the first of them.
        head: that of the last.
    """

    base: Position
    head: Position

    @property
    def stretch(self) -> Stretch:
        """As messages write it."""
        return (*self.base, *self.head)


@dataclass(frozen=True, slots=True)
class Line:
    """Which rows of a POD's audit the cloud has, and which start of the POD's program it listens to.

    Attributes:
        number: rises each time the audit goes on differently.
        spans: ascending, apart from each other; the first begins with the audit.
        session, hellos: of the latest hello; what older sessions sent comes too late.
    """

    number: int = 1
    spans: tuple[Span, ...] = (Span(START, START),)
    session: str = ""
    hellos: int = -1

    @property
    def through(self) -> Position:
        """All rows up to there are held, or known to be gone."""
        return self.spans[0].head

    @property
    def stretches(self) -> list[Stretch]:
        """The spans as messages write them."""
        return [span.stretch for span in self.spans]

    def holds(self, seq: int) -> bool:
        """Whether a row is held."""
        return any(span.base.seq < seq <= span.head.seq for span in self.spans)


@dataclass(frozen=True, slots=True)
class Greeted:
    """A hello that counts; it is to be answered with a `Welcome`.

    Attributes:
        lost: first and last of rows that the POD has no more and the cloud never had: an incident.
    """

    line: Line
    lost: tuple[tuple[int, int], ...]


def greet(line: Line, hello: Hello) -> Greeted | None:
    """What a hello changes; None where it comes after a later one of its session."""
    if hello.session == line.session and hello.number < line.hellos:
        return None
    line = replace(line, session=hello.session, hellos=hello.number)
    oldest = Position(*hello.oldest)
    lost, seq = [], 0
    for span in line.spans:
        if seq < min(span.base.seq, oldest.seq):
            lost.append((seq + 1, min(span.base.seq, oldest.seq)))
        seq = span.head.seq
    if seq < oldest.seq:
        lost.append((seq + 1, oldest.seq))
    if not lost or _contradicts(line, {oldest.seq: oldest.link}):
        return Greeted(line, ())
    behind = [span for span in line.spans if span.head.seq > oldest.seq]
    return Greeted(replace(line, spans=_joined([Span(START, oldest), *behind])), tuple(lost))


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch that can be stored, and is then to be acknowledged.

    Attributes:
        line: what is held once `rows` are stored; both go in one transaction.
        rows: those of the batch that are new; none where all of it was held before.
    """

    line: Line
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A batch that cannot be stored. The POD is told what is held all the same.

    Attributes:
        why: `other_line`, `other_session`: from before the audit parted or the POD started; nothing is wrong.
            `fork`: the same rows with other links, an incident. `too_many_spans`: it fits once others met.
    """

    why: Literal["other_line", "other_session", "fork", "too_many_spans"]


def take(line: Line, batch: Batch) -> Taken | NotTaken:
    """What a batch adds to a line."""
    if batch.session != line.session:
        return NotTaken("other_session")
    if batch.line != line.number:
        return NotTaken("other_line")
    if _contradicts(line, dict([batch.prev, *(row.position for row in batch.rows)])):
        return NotTaken("fork")
    spans = _joined([*line.spans, Span(batch.prev, batch.end)])
    if len(spans) > MAX_SPANS:
        return NotTaken("too_many_spans")
    rows = tuple(row for row in batch.rows if not line.holds(row.seq))
    return Taken(replace(line, spans=spans), rows)


@dataclass(frozen=True, slots=True)
class Ask:
    """The search goes on: the POD is to tell the links of these rows."""

    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """Two audits part: an incident.

    Attributes:
        line: the new line, as `Taken.line`; None where the POD has as many as it may have.
        at: the last row that both share.
    """

    line: Line | None
    at: int


def compare(line: Line, points: Points, held: Mapping[int, bytes]) -> Ask | Fork | None:
    """Search for where a POD's audit parts from what is held; nothing is remembered between the rounds.

    Args:
        held: the line's links of those of the POD's points that it holds. A row that is lost counts as
            parted: what lies behind it is taken anew rather than believed.

    Returns:
        None where the audits do not part, or another session asks: the POD is to be told what is held.
    """
    if points.session != line.session or points.line != line.number:
        return None
    told = dict(points.points)
    shared = [_shared(span, told, held) for span in line.spans]
    if any(one.between for one in shared):
        return Ask(tuple(sorted({seq for one in shared for seq in one.next_seqs()})))
    if all(one.low == one.span.head for one in shared):
        return None
    at = shared[0].low.seq
    if line.number >= MAX_LINES:
        return Fork(None, at)
    kept = [Span(one.span.base, one.low) for one in shared if one.low.seq > one.span.base.seq]
    spans = _joined([Span(START, START), *kept])
    return Fork(replace(line, number=line.number + 1, spans=spans), at)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What is known of how far a span is shared.

    Attributes:
        low: the last row known to be shared; the span's base where none is.
        high: the first row known not to be; behind the span's head where none is.
    """

    span: Span
    low: Position
    high: int

    @property
    def between(self) -> range:
        return range(self.low.seq + 1, self.high)

    def next_seqs(self) -> list[int]:
        """Rows to compare next, the bounds among them, so that the answer says again what is known."""
        count = len(self.between)
        wanted = min(count, _POINTS_A_SPAN - 2)
        seqs = [self.between[(n + 1) * count // wanted - 1] for n in range(wanted)]
        first, last = self.span.base.seq + 1, self.span.head.seq
        return [seq for seq in (self.low.seq, *seqs, self.high) if first <= seq <= last]


def _shared(span: Span, told: Mapping[int, bytes | None], held: Mapping[int, bytes]) -> _Shared:
    seqs = sorted(seq for seq in told if span.base.seq < seq <= span.head.seq)
    same = [seq for seq in seqs if told[seq] is not None and told[seq] == _link(span, seq, held)]
    low = Position(same[-1], _link(span, same[-1], held) or b"") if same else span.base
    other = [seq for seq in seqs if seq > low.seq]
    return _Shared(span, low, other[0] if other else span.head.seq + 1)


def _link(span: Span, seq: int, held: Mapping[int, bytes]) -> bytes | None:
    return span.head.link if seq == span.head.seq else held.get(seq)


def _contradicts(line: Line, links: Mapping[int, bytes]) -> bool:
    edges = [edge for span in line.spans for edge in (span.base, span.head)]
    return any(links.get(edge.seq, edge.link) != edge.link for edge in edges)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch or overlap as one; their links are known to agree."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: one.base.seq):
        if joined and span.base.seq <= joined[-1].head.seq:
            farther = max(joined[-1].head, span.head, key=lambda head: head.seq)
            joined[-1] = Span(joined[-1].base, farther)
        else:
            joined.append(span)
    return tuple(joined)

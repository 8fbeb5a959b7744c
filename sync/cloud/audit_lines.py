"""The lines of PODs' audits in the database: which rows of each are held (`sync.protocol.intake.Line`)."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sync.cloud.database import Connection
from sync.protocol.chain import START, Position
from sync.protocol.intake import Line, Span
from sync.protocol.lists import EMPTY
from sync.protocol.up import ListState

_SPAN = struct.Struct(">q32sq32s")


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One POD's line as it was locked.

    Attributes:
        turn: the state that it was; one that changed since is not overwritten.
        listed: the list that the POD should have.
    """

    pod: str
    line: Line
    turn: int
    listed: ListState


async def lock_lines(conn: Connection, pods: Sequence[str]) -> Mapping[str, HeldLine]:
    """The lines of those PODs that are issued and not revoked, locked until the transaction ends.

    They are locked in the order of their ids: two bridges never wait for each other in a circle.
    """
    lines = await _locked(conn, pods)
    if len(lines) < len(pods):
        # Where another bridge makes them just now this waits for it and makes none: look them up either way.
        await conn.execute(
            "INSERT INTO platebridge.pod_cursor (pod, community) SELECT id, community FROM platebridge.pod "
            "WHERE id = ANY (%b::text[]) AND revoked_at IS NULL ORDER BY id ON CONFLICT DO NOTHING",
            ([pod for pod in pods if pod not in lines],),
        )
        lines = await _locked(conn, pods)
    return lines


def beyond_of(line: Line) -> bytes:
    """The spans behind the first, as `pod_cursor.beyond` keeps them."""
    return b"".join(
        _SPAN.pack(span.base.seq, span.base.link, span.head.seq, span.head.link) for span in line.spans[1:]
    )


async def _locked(conn: Connection, pods: Sequence[str]) -> Mapping[str, HeldLine]:
    found = await conn.execute(
        "SELECT c.pod, c.line, c.seq, c.head, c.beyond, c.session, c.hellos, c.turn, s.version, s.digest "
        "FROM platebridge.pod_cursor AS c JOIN platebridge.pod AS p ON p.id = c.pod "
        "LEFT JOIN platebridge.list_state AS s ON s.community = p.community "
        "WHERE c.pod = ANY (%b::text[]) AND p.revoked_at IS NULL ORDER BY c.pod FOR UPDATE OF c",
        (list(pods),),
        binary=True,
    )
    lines = [_held(str(pod), *columns) for pod, *columns in await found.fetchall()]
    return {one.pod: one for one in lines}


def line_of(number: int, seq: int, head: bytes, beyond: bytes, session: str, hellos: int) -> Line:
    """A line from the columns of `pod_cursor`."""
    spans = [Span(START, Position(seq, head))]
    for base_seq, base_link, head_seq, head_link in _SPAN.iter_unpack(beyond):
        spans.append(Span(Position(base_seq, base_link), Position(head_seq, head_link)))
    return Line(number, tuple(spans), session, hellos)


def _held(pod: str, *columns: object) -> HeldLine:
    *of_the_line, turn, version, digest = columns
    has_list = isinstance(version, int) and isinstance(digest, bytes)
    listed = ListState(version=version, digest=digest) if has_list else EMPTY  # type: ignore[arg-type]  # as looked
    return HeldLine(pod, line_of(*of_the_line), int(str(turn)), listed)  # type: ignore[arg-type]  # the columns' types

"""The audit as the sync agent sends it up, read beside the writer."""

from collections.abc import Sequence

from pod.store.following_reader import FollowingReader
from sync.protocol.chain import START, Position, Row

_ROWS_SQL = (
    "SELECT seq, ts_us, CAST(kind AS BLOB), salt, CAST(payload AS BLOB), payload_digest, link "
    "FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"
)


class SqliteAudit:
    """`sync.protocol.uplink.AuditSource` over a POD's database.

    Each call raises StoreError where it can't be read.
    """

    def __init__(self, reader: FollowingReader) -> None:
        self._reader = reader

    def head(self) -> Position:
        """Where the audit stands now."""
        ((seq, link),) = self._reader.ask("SELECT seq, link FROM audit_head")
        return Position(seq, link)

    def oldest(self) -> Position:
        """`START`; where the first rows are missing, the first one there: it can't be proved itself."""
        found = self._reader.ask("SELECT seq, link FROM audit ORDER BY seq LIMIT 1")
        if not found:
            return self.head()
        seq, link = found[0]
        return START if seq == 1 else Position(seq, link)

    def position(self, seq: int) -> Position | None:
        """The position of a row, `START` for 0; None where there is no such row."""
        if seq == 0:
            return START
        found = self._reader.ask("SELECT link FROM audit WHERE seq = ?", (seq,))
        return Position(seq, found[0][0]) if found else None

    def rows(self, after: int, *, most: int, most_bytes: int) -> Sequence[Row]:
        """Rows behind `after` in order, at least one where there are any; fewer than asked where large."""
        rows: list[Row] = []
        size_bytes = 0
        for columns in self._reader.ask(_ROWS_SQL, (after, most)):
            row = _row(*columns)
            size_bytes += len(row.payload)
            if rows and size_bytes > most_bytes:
                break
            rows.append(row)
        return rows


def _row(
    seq: int, ts_us: int, kind: bytes, salt: bytes | None, payload: bytes | None, digest: bytes, link: bytes
) -> Row:
    # A kind that is no text any more belongs to a row whose link does not hold: nobody can prove it.
    name = kind.decode(errors="replace")
    if salt is None or payload is None:
        return Row(seq, ts_us, name, b"", b"", digest, link, "erased")
    return Row(seq, ts_us, name, salt, payload, digest, link)

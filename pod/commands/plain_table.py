"""A table of plain texts for the terminal: what came from outside can neither style nor steer it."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text


def plain_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table without the columns that are empty in every row; the first column always stays."""
    table = Table()
    kept = [i for i in range(len(titles)) if i == 0 or not rows or any(row[i] for row in rows)]
    for i in kept:
        table.add_column(titles[i], overflow="fold")
    for row in rows:
        # Text, not str: a label may look like rich's markup.
        table.add_row(*(Text(_printable(row[i])) for i in kept))
    return table


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)

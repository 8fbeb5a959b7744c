"""The access list as CSV: read a file with every problem at once, write one that reads back the same.

Columns: plate (needed), verdict, type, label, from, until, gates (separated by spaces). The first line names
them, in any order. Spreadsheets write commas, semicolons and tabs, UTF-8 with or without BOM, and UTF-16 with
one, so all of these are read.
"""

import codecs
import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import TypeVar

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.plates import match_key
from pod.store.entries import check_span, contradicts, iso, parse_gates, parse_label, parse_written, repeats
from pod.store.list_times import parse_end, parse_start
from pod.store.plate_list import ImportRow

T = TypeVar("T")

COLUMNS = ("plate", "verdict", "type", "label", "from", "until", "gates")
MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
MAX_PER_PLATE = 50
MAX_PROBLEMS = 100
"""How many problems a message lists; it counts the rest."""

_DELIMITERS = ",;\t"
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
"""A spreadsheet would run a text that begins so, and hides a leading apostrophe."""


def read_csv(
    data: bytes, name: str, *, zone: tzinfo, known_gates: Collection[str] | None = None
) -> list[ImportRow]:
    """Every row of a file; the rows agree with each other.

    Args:
        data: the file's bytes.
        name: the file's name, for messages.
        zone: of times written without one.
        known_gates: the gates there are; None where that is not known.

    Raises:
        PlateListError: a line for each problem, `file:line: column: mend`; none of the file is usable.
    """
    text = _decode(data, name)
    lines = _Lines(text, name)
    problems: list[tuple[int, str]] = []
    rows: list[tuple[int, Entry]] = []
    try:
        header = lines.header()
        for line, fields in lines.records():
            if len(rows) + len(problems) >= MAX_ROWS:
                raise PlateListError(f"{name}:{line}: more than {MAX_ROWS} rows: split the file")
            row = _Row(header, fields)
            entry = row.entry(zone, known_gates)
            problems += [(line, problem) for problem in row.problems]
            if entry is not None:
                rows.append((line, entry))
    except _BrokenError as broken:
        # What follows a broken line can't be told apart; what came before can still be reported.
        problems.append((broken.line, str(broken)))
    problems += _disagreements(rows)
    if problems:
        raise PlateListError(_report(problems, name))
    return [ImportRow(entry, f"{name}:{line}") for line, entry in rows]


def write_csv(entries: Iterable[Entry]) -> str:
    """The entries as CSV that `read_csv` reads back the same; times in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for e in entries:
        label = f"'{e.label}" if e.label.startswith(_FORMULA_STARTS) else e.label
        start, end = iso(e.starts_at) or "", iso(e.expires_at) or ""
        writer.writerow((e.plate, e.verdict.value, e.type.value, label, start, end, " ".join(e.gates)))
    return out.getvalue()


class _BrokenError(Exception):
    """The text stops being CSV at a line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise PlateListError(f"{name}: larger than {MAX_BYTES // 2**20} MiB: split the file")
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PlateListError(
            f"{name}:{line}: holds a byte that is not {encoding.removesuffix('-sig').upper()}: "
            "save the file as 'CSV UTF-8'"
        ) from error
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise PlateListError(
            f"{name}:{line}: holds a NUL character, so it is no text: save the file as 'CSV UTF-8'"
        )
    return text


class _Lines:
    """The records of a CSV text, with the line each one begins at."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        first = next((line for line in text.splitlines() if line.strip()), "")
        self._delimiter = max(_DELIMITERS, key=first.count)
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True)

    def header(self) -> tuple[str, ...]:
        """The columns in the file's order.

        Raises:
            PlateListError: the first line is not a header of ours.
        """
        line, names = next(self.records(), (1, []))
        header = tuple(field.strip().lower() for field in names)
        known = ", ".join(COLUMNS)
        if "plate" not in header:
            raise PlateListError(f"{self._name}:{line}: plate: the first line must name the columns: {known}")
        problems = [
            f"{name[:40]!r}: unknown column; known are {known}" for name in header if name not in COLUMNS
        ]
        problems += [f"{name}: named twice: keep one" for name in COLUMNS if header.count(name) > 1]
        if problems:
            raise PlateListError(_report([(line, problem) for problem in problems], self._name))
        return header

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of each record that is not blank.

        Raises:
            _BrokenError: the text is not CSV from some line on.
        """
        while True:
            line = self._reader.line_num + 1
            try:
                fields = next(self._reader, None)
            except csv.Error as error:
                raise _BrokenError(
                    line, f"broken CSV ({error}): close the quotes, or double those inside a text"
                ) from error
            if fields is None:
                return
            if any(field.strip() for field in fields):
                yield line, fields


class _Row:
    """One record on its way to an entry; collects what is wrong with each column."""

    def __init__(self, header: tuple[str, ...], fields: list[str]) -> None:
        self.problems: list[str] = []
        self._fields: Mapping[str, str] = {}
        if len(fields) == len(header):
            self._fields = {name: field.strip() for name, field in zip(header, fields, strict=True)}
        else:
            self.problems.append(
                f"row: has {len(fields)} fields, the first line names {len(header)}: "
                "add what is missing, or quote a text that holds the separator"
            )

    def entry(self, zone: tzinfo, known_gates: Collection[str] | None) -> Entry | None:
        """The entry, or None with `problems` filled."""
        if self.problems:
            return None
        plate = self._take("plate", parse_written, "")
        verdict = self._take("verdict", lambda text: _choice(Verdict, text), Verdict.ALLOW)
        type_ = self._take("type", lambda text: _choice(EntryType, text), EntryType.RESIDENT)
        label = self._take("label", lambda text: parse_label(_unquoted(text)), "")
        start = self._take("from", lambda text: parse_start(text, zone, verdict=verdict), None)
        end = self._take("until", lambda text: parse_end(text, zone, verdict=verdict), None)
        gates = self._take("gates", lambda text: parse_gates(text.split(), known_gates), parse_gates(()))
        if not self.problems:
            end = self._take("until", lambda _: check_span(start, end), end)
        if not self._fields["plate"]:
            self.problems.append("plate: is empty: write the plate, or delete the line")
        if self.problems:
            return None
        return Entry(
            key=match_key(plate),
            plate=plate,
            verdict=verdict,
            type=type_,
            label=label,
            starts_at=start,
            expires_at=end,
            gates=gates,
        )

    def _take(self, column: str, parse: Callable[[str], T], default: T) -> T:
        text = self._fields.get(column, "")
        if not text:
            return default
        try:
            return parse(text)
        except PlateListError as error:
            self.problems.append(f"{column}: {error}")
            return default


Choice = TypeVar("Choice", Verdict, EntryType)


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text.lower())
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise PlateListError(f"{text[:40]!r} is unknown: use one of {known}") from None


def _unquoted(label: str) -> str:
    return label[1:] if label.startswith("'") and label[1:].startswith(_FORMULA_STARTS) else label


def _disagreements(rows: list[tuple[int, Entry]]) -> Iterator[tuple[int, str]]:
    """Rows that repeat or contradict an earlier one."""
    earlier: dict[str, list[tuple[int, Entry]]] = {}
    for line, entry in rows:
        of_key = earlier.setdefault(entry.key, [])
        if len(of_key) >= MAX_PER_PLATE:
            yield (
                line,
                f"plate: {entry.plate} has more than {MAX_PER_PLATE} rows: keep those that still matter",
            )
            continue
        for other_line, other in of_key:
            problem = _disagreement(entry, other, other_line)
            if problem:
                yield line, f"plate: {problem}"
                break
        of_key.append((line, entry))


def _disagreement(entry: Entry, other: Entry, other_line: int) -> str:
    plate = entry.plate
    if plate != other.plate:
        plate += f" (which a camera can't tell from {other.plate})"
    if repeats(entry, other):
        return f"{plate} is a duplicate of line {other_line}: delete one of them"
    if contradicts(entry, other):
        return f"{plate} is {entry.verdict} here but {other.verdict} in line {other_line}: keep one of them"
    return ""


def _report(problems: list[tuple[int, str]], name: str) -> str:
    lines = [f"{name}:{line}: {problem}" for line, problem in sorted(problems, key=lambda p: p[0])]
    more = len(lines) - MAX_PROBLEMS
    if more > 0:
        lines[MAX_PROBLEMS:] = [f"{name}: and {more} more problems"]
    return "\n".join(lines)

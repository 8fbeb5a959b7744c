"""The access list as CSV: read a file with every problem at once, write one that reads back the same.

Columns: plate (needed), verdict, type, label, from, until, gates, cameras, sites (names separated by spaces),
schedule, uses, exact_only (yes or no) and overruled (yes where a denial of the same plate is meant). The
first line names them, in any order. Spreadsheets write commas, semicolons and tabs, UTF-8 with or without
BOM, and UTF-16 with one, so all of these are read.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import TypeVar

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.index import MOST_OF_A_PLATE
from pod.domain.plates import match_key
from pod.domain.schedule import format_schedule, parse_schedule
from pod.store.entries import (
    check_span,
    contradicts,
    parse_label,
    parse_names,
    parse_uses,
    parse_written,
    repeats,
)
from pod.store.entry_rows import iso
from pod.store.list_plan import ImportRow, Problem
from pod.store.list_problems import report
from pod.store.list_times import parse_end, parse_start

T = TypeVar("T")

COLUMNS = (
    "plate",
    "verdict",
    "type",
    "label",
    "from",
    "until",
    "gates",
    "cameras",
    "sites",
    "schedule",
    "uses",
    "exact_only",
    "overruled",
)
MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000

_DELIMITERS = ",;\t"
_CELL_START = r"((?:^|;)\s*)"
"""Where a cell begins, in spreadsheets that part cells by semicolons, too."""

_FORMULA_START = "[=+\\-@'\uff1d\uff0b\uff0d\uff20]"
"""A spreadsheet would run a text that begins so, some in full width, too, and hides a leading apostrophe."""

_TO_QUOTE = re.compile(f"{_CELL_START}(?={_FORMULA_START})")
_QUOTED = re.compile(f"{_CELL_START}'(?={_FORMULA_START})")


@dataclass(frozen=True, slots=True)
class CsvReading:
    """What a file holds.

    Attributes:
        rows: those that make sense, agreeing with each other; not to be used while there are problems.
        problems: what is wrong with the others, sorted by line.
    """

    rows: tuple[ImportRow, ...]
    problems: tuple[Problem, ...]


def read_csv(
    data: bytes,
    name: str,
    *,
    zone: tzinfo,
    known_gates: Collection[str] | None = None,
    known_cameras: Collection[str] | None = None,
) -> tuple[ImportRow, ...]:
    """Every row of a file; the rows agree with each other.

    Args:
        data: the file's bytes.
        name: the file's name, for messages.
        zone: of times written without one.
        known_gates, known_cameras: those there are; None where that is not known.

    Raises:
        PlateListError: a line for each problem, `file:line: column: mend`; none of the file is usable.
    """
    reading = examine_csv(data, zone=zone, known_gates=known_gates, known_cameras=known_cameras)
    if reading.problems:
        raise PlateListError(report(reading.problems, name))
    return reading.rows


def examine_csv(
    data: bytes,
    *,
    zone: tzinfo,
    known_gates: Collection[str] | None = None,
    known_cameras: Collection[str] | None = None,
) -> CsvReading:
    """As `read_csv`, for a preview: the problems come as values beside the rows that make sense."""
    known = _Known(zone, known_gates, known_cameras)
    problems: list[Problem] = []
    rows: list[ImportRow] = []
    try:
        lines = _Lines(_decode(data))
        header = lines.header()
        for line, fields in lines.records():
            if len(rows) + len(problems) >= MAX_ROWS:
                raise _BrokenError(line, "", f"more than {MAX_ROWS} rows: split the file")
            row = _Row(header, fields)
            entry = row.entry(known)
            problems += [Problem(line, column, text) for column, text in row.problems]
            if entry is not None:
                rows.append(ImportRow(entry, line, frozenset(header), row.overruled))
    except _BrokenError as broken:
        # What follows a broken line can't be told apart; what came before can still be reported.
        problems.append(Problem(broken.line, broken.column, str(broken)))
    problems += _disagreements(rows)
    return CsvReading(tuple(rows), tuple(sorted(problems, key=lambda problem: problem.line)))


def write_csv(entries: Iterable[Entry]) -> str:
    """The entries as CSV that `read_csv` reads back the same; times in UTC."""
    entries = tuple(entries)
    denials: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.verdict is Verdict.DENY:
            denials.setdefault(entry.key, []).append(entry)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for e in entries:
        overruled = e.verdict is Verdict.ALLOW and any(contradicts(e, d) for d in denials.get(e.key, ()))
        writer.writerow(
            (
                e.plate,
                e.verdict.value,
                e.type.value,
                _TO_QUOTE.sub(r"\1'", e.label),
                iso(e.starts_at) or "",
                iso(e.expires_at) or "",
                " ".join(e.gates),
                " ".join(e.cameras),
                " ".join(e.sites),
                "" if e.schedule is None else format_schedule(e.schedule),
                "" if e.uses_left is None else e.uses_left,
                "yes" if e.exact_only else "",
                "yes" if overruled else "",
            )
        )
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Known:
    zone: tzinfo
    gates: Collection[str] | None
    cameras: Collection[str] | None


class _BrokenError(Exception):
    """The text stops being CSV at a line."""

    def __init__(self, line: int, column: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def _decode(data: bytes) -> str:
    """Raises: _BrokenError: it is no text of a kind that is read."""
    if len(data) > MAX_BYTES:
        raise _BrokenError(1, "", f"the file is larger than {MAX_BYTES // 2**20} MiB: split it")
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _BrokenError(
            line,
            "",
            f"holds a byte that is not {encoding.removesuffix('-sig').upper()}: save the file as 'CSV UTF-8'",
        ) from error
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise _BrokenError(line, "", "holds a NUL character, so it is no text: save the file as 'CSV UTF-8'")
    return text


class _Lines:
    """The records of a CSV text, with the line each one begins at."""

    def __init__(self, text: str) -> None:
        first = next((line for line in text.splitlines() if line.strip()), "")
        self._delimiter = max(_DELIMITERS, key=first.count)
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True)

    def header(self) -> tuple[str, ...]:
        """The columns in the file's order.

        Raises:
            _BrokenError: the first line is not a header of ours.
        """
        line, names = next(self.records(), (1, []))
        header = tuple(field.strip().lower() for field in names)
        known = ", ".join(COLUMNS)
        if "plate" not in header:
            raise _BrokenError(line, "plate", f"the first line must name the columns: {known}")
        for name in header:
            if name not in COLUMNS:
                raise _BrokenError(line, "", f"{name[:40]!r}: unknown column; known are {known}")
            if header.count(name) > 1:
                raise _BrokenError(line, name, "named twice: keep one")
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
                    line, "", f"broken CSV ({error}): close the quotes, or double those inside a text"
                ) from error
            if fields is None:
                return
            if any(field.strip() for field in fields):
                yield line, fields


class _Row:
    """One record on its way to an entry; collects what is wrong with each column."""

    def __init__(self, header: tuple[str, ...], fields: list[str]) -> None:
        self.problems: list[tuple[str, str]] = []
        self.overruled = False
        self._fields: Mapping[str, str] = {}
        if len(fields) == len(header):
            self._fields = {name: field.strip() for name, field in zip(header, fields, strict=True)}
        else:
            self.problems.append(
                (
                    "row",
                    f"has {len(fields)} fields, the first line names {len(header)}: "
                    "add what is missing, or quote a text that holds the separator",
                )
            )

    def entry(self, known: _Known) -> Entry | None:
        """The entry, or None with `problems` filled."""
        if self.problems:
            return None
        none: tuple[str, ...] = ()
        plate = self._take("plate", parse_written, "")
        verdict = self._take("verdict", lambda text: _choice(Verdict, text), Verdict.ALLOW)
        type_ = self._take("type", lambda text: _choice(EntryType, text), EntryType.RESIDENT)
        label = self._take("label", lambda text: parse_label(_QUOTED.sub(r"\1", text)), "")
        start = self._take("from", lambda text: parse_start(text, known.zone, verdict=verdict), None)
        end = self._take("until", lambda text: parse_end(text, known.zone, verdict=verdict), None)
        gates = self._take("gates", lambda text: parse_names(text.split(), "gate", known=known.gates), none)
        cameras = self._take(
            "cameras", lambda text: parse_names(text.split(), "camera", known=known.cameras), none
        )
        sites = self._take("sites", lambda text: parse_names(text.split(), "site"), none)
        schedule = self._take("schedule", parse_schedule, None)
        uses = self._take("uses", lambda text: parse_uses(text, verdict=verdict), None)
        exact_only = self._take("exact_only", _yes_or_no, default=False)
        self.overruled = self._take("overruled", _yes_or_no, default=False)
        if not self.problems:
            end = self._take("until", lambda _: check_span(start, end), end)
        if not self._fields["plate"]:
            self.problems.append(("plate", "is empty: write the plate, or delete the line"))
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
            cameras=cameras,
            sites=sites,
            schedule=schedule,
            uses_left=uses,
            exact_only=exact_only,
        )

    def _take(self, column: str, parse: Callable[[str], T], default: T) -> T:
        text = self._fields.get(column, "")
        if not text:
            return default
        try:
            return parse(text)
        except PlateListError as error:
            self.problems.append((column, str(error)))
            return default


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word in {"yes", "true", "1"}:
        return True
    if word in {"no", "false", "0"}:
        return False
    raise PlateListError(f"{text[:40]!r} is neither yes nor no: write one of them, or nothing for no")


Choice = TypeVar("Choice", Verdict, EntryType)


def _choice(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text.lower())
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise PlateListError(f"{text[:40]!r} is unknown: use one of {known}") from None


def _disagreements(rows: list[ImportRow]) -> Iterator[Problem]:
    """Rows that repeat or contradict an earlier one."""
    earlier: dict[str, list[ImportRow]] = {}
    for row in rows:
        of_key = earlier.setdefault(row.entry.key, [])
        if len(of_key) >= MOST_OF_A_PLATE:
            text = f"{row.entry.plate} has more than {MOST_OF_A_PLATE} rows: keep those that still matter"
            yield Problem(row.line, "plate", text)
            continue
        problem = next(filter(None, (_disagreement(row, other) for other in of_key)), None)
        if problem is not None:
            yield Problem(row.line, "plate", problem)
        of_key.append(row)


def _disagreement(row: ImportRow, other: ImportRow) -> str | None:
    plate = row.entry.plate
    both = ""
    if plate != other.entry.plate:
        both = "; if both plates exist, write yes under 'exact_only' of one"
        plate += f" (which a camera can't tell from {other.entry.plate})"
    if repeats(row.entry, other.entry):
        return f"{plate} is a duplicate of line {other.line}: delete one of them{both}"
    allowing = row if row.entry.verdict is Verdict.ALLOW else other
    if contradicts(row.entry, other.entry) and not allowing.overruled:
        return (
            f"{plate} is {row.entry.verdict} here but {other.entry.verdict} in line {other.line}: keep "
            "one of them, or write yes under 'overruled' of the allowed one"
        )
    return None

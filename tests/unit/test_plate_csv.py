"""The list as CSV: what spreadsheets write is read, what is broken is named by line, and nothing is lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import meet, spoilt
from promises import Prove

from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.errors import PlateListError
from pod.domain.index import MOST_OF_A_PLATE
from pod.domain.schedule import parse_schedule
from pod.store.entries import MAX_LABEL, MAX_USES, make_entry, parse_label
from pod.store.list_plan import Problem
from pod.store.list_problems import MAX_KINDS, report
from pod.store.list_times import parse_end, parse_start
from pod.store.plate_csv import COLUMNS, MAX_BYTES, examine_csv, read_csv, write_csv

BERLIN = ZoneInfo("Europe/Berlin")
SAMPLE = "plate,type,label,until\nAB 123-CD,visitor,Zoë & Söhne,2030-05-31\n\nXY99,,,\n"


def entries(data: bytes) -> list[Entry]:
    return [row.entry for row in read_csv(data, "list.csv", zone=BERLIN)]


def problems(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(PlateListError) as caught:
        read_csv(data, "list.csv", zone=BERLIN)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SAMPLE.encode(), id="utf-8"),
        pytest.param(SAMPLE.encode("utf-8-sig"), id="utf-8 with BOM"),
        pytest.param(SAMPLE.replace("\n", "\r\n").encode(), id="windows line ends"),
        pytest.param(SAMPLE.replace(",", ";").encode(), id="semicolons"),
        pytest.param(
            SAMPLE.replace(",", "\t").encode("utf-16"), id="utf-16 with tabs, as spreadsheets save 'text'"
        ),
        pytest.param(SAMPLE.replace("plate,", "Plate ,").encode(), id="a header in other case with a space"),
    ],
)
def test_what_spreadsheets_write_is_read(data: bytes) -> None:
    first, second = entries(data)
    assert (first.plate, first.type, first.label) == ("AB123CD", EntryType.VISITOR, "Zoë & Söhne")
    assert first.expires_at == datetime(2030, 5, 31, 22, tzinfo=UTC)  # the day's end in Berlin
    assert (second.plate, second.verdict, second.expires_at) == ("XY99", Verdict.ALLOW, None)


def test_every_bound_of_an_entry_has_its_column() -> None:
    (entry,) = entries(
        b"plate;cameras;sites;schedule;uses;exact_only\n"
        b'AB10;street exit;lake;"Sat,Sun 9:00-12:00; mon-fri 22:00-06:00";3;Yes\n'
    )
    assert entry == make_entry(
        "AB10",
        cameras=["exit", "street"],
        sites=["lake"],
        schedule=parse_schedule("mon-fri 22:00-06:00; sat,sun 09:00-12:00"),
        uses_left=3,
        exact_only=True,
    )


def test_every_problem_of_a_file_is_named_at_once_with_line_and_column() -> None:
    text = (
        "plate,verdict,type,label,from,until,gates\n"
        "AB12?,allow,resident,,,,\n"
        "AB12,perhaps,neighbour,,,,\n"
        "\n"
        "AB13,allow,visitor,,2030-02-30,31.05.2030,Main!\n"
        "AB14,allow,visitor,,2030-06-01,2030-05-01,\n"
        ",allow,resident,nobody,,,\n"
        "AB15,allow\n"
    )
    assert problems(text) == [
        "list.csv:2: plate: the plate holds '?': use letters A-Z, digits, spaces and dashes",
        "list.csv:3: verdict: 'perhaps' is unknown: use one of allow, deny",
        "list.csv:3: type: 'neighbour' is unknown: use one of "
        "resident, visitor, delivery, service, contractor, emergency, staff",
        "list.csv:5: from: '2030-02-30' is not a date there is (day is out of range for month): correct it",
        "list.csv:5: until: '31.05.2030' is not a date: "
        "write 2030-05-31, 2030-05-31T18:00 or 2030-05-31T18:00+02:00",
        "list.csv:5: gates: 'Main!' can't be a gate's name: use the name from the configuration "
        "(a-z, 0-9, dash, underscore, 32 at most)",
        "list.csv:6: until: the entry would end before it begins: put the later date in 'until'",
        "list.csv:7: plate: is empty: write the plate, or delete the line",
        "list.csv:8: row: has 2 fields, the first line names 7: "
        "add what is missing, or quote a text that holds the separator",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "plate\nAB10\nab 10\n",
            "list.csv:3: plate: AB10 is a duplicate of line 2: delete one of them",
            id="duplicate",
        ),
        pytest.param(
            "plate\nAB10\nXY99\nABIO\n",
            "list.csv:4: plate: ABIO (which a camera can't tell from AB10) is a duplicate of line 2: "
            "delete one of them; if both plates exist, write yes under 'exact_only' of one",
            id="duplicate that only a camera sees",
        ),
        pytest.param(
            "plate,verdict\nAB10,allow\nABIO,deny\n",
            "list.csv:3: plate: ABIO (which a camera can't tell from AB10) is deny here but allow in line 2: "
            "keep one of them, or write yes under 'overruled' of the allowed one",
            id="the same match key with the other verdict",
        ),
    ],
)
def test_rows_that_disagree_are_named_with_both_lines(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_a_plate_may_be_allowed_and_denied_at_times_or_gates_that_do_not_meet() -> None:
    text = (
        "plate,verdict,from,until,gates\n"
        "AB10,allow,,2030-05-31,\n"
        "AB10,deny,2030-06-01,,\n"
        "XY99,allow,,,north\n"
        "XY99,deny,,,south\n"
    )
    assert len(entries(text.encode())) == 4


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(
            b"", "list.csv:1: plate: the first line must name the columns: plate, verdict,", id="empty"
        ),
        pytest.param(
            b"AB10\nAB11\n", "list.csv:1: plate: the first line must name the columns", id="no header"
        ),
        pytest.param(
            b"plate,colour\n", "list.csv:1: 'colour': unknown column; known are plate,", id="unknown column"
        ),
        pytest.param(b"plate,plate\n", "list.csv:1: plate: named twice: keep one", id="column twice"),
        pytest.param(b"plate\nAB\x0010\n", "list.csv:2: holds a NUL character", id="NUL"),
        pytest.param(
            b"plate,label\nAB10,Zo\xeb\n", "list.csv:2: holds a byte that is not UTF-8: save", id="latin-1"
        ),
        pytest.param(b"\xff\xfea", "list.csv:1: holds a byte that is not UTF-16: save", id="broken UTF-16"),
        pytest.param(
            b'plate,label\nAB10,"never closed\nAB11,\n',
            "list.csv:2: broken CSV (unexpected end of data): close the quotes",
            id="quote never closed",
        ),
        pytest.param(
            b"plate,label\nAB10," + b"x" * 200_000 + b"\n",
            "list.csv:2: broken CSV (field larger",
            id="huge field",
        ),
        pytest.param(
            b"plate,label\nAB10," + b"x" * 5_000 + b"\n",
            "list.csv:2: label: the label has 5000 characters: shorten it to 80",
            id="long label",
        ),
        pytest.param(
            b"plate\n" + b"A" * 5_000 + b"\n",
            "list.csv:2: plate: the plate has 5000 characters: write the plate alone",
            id="long plate",
        ),
        pytest.param(
            b'plate,label\nAB10,"two\nlines"\n',
            "list.csv:2: label: the label holds line ends",
            id="line end",
        ),
        pytest.param(
            b"plate,label\nAB10,\x1b[31mred\n",
            "list.csv:2: label: the label holds line ends or invisible",
            id="escape",
        ),
        pytest.param(
            "plate,label\nAB10,a\u202eb\n".encode(),
            "list.csv:2: label: the label holds line ends or invisible",
            id="direction",
        ),
        pytest.param(
            b"x" * (MAX_BYTES + 1), "list.csv:1: the file is larger than 16 MiB: split it", id="huge file"
        ),
        pytest.param("plate\nAB10\n".encode("utf-16-le"), "list.csv:1: holds a NUL", id="utf-16 without BOM"),
        pytest.param("plate\nAB10\n".encode("utf-32"), "list.csv:1: holds a NUL", id="utf-32"),
        pytest.param(
            b"plate\n" + b'"' + b"AB10\n" * 50_000,
            "list.csv:2: broken CSV (field larger than field limit (131072))",
            id="a quote never closed in a long file",
        ),
        pytest.param(
            b"plate,schedule\nAB10,mon-fri 8-18\n",
            "list.csv:2: schedule: the schedule's part 'mon-fri 8-18' is not understood: write it like",
            id="schedule",
        ),
        pytest.param(
            b"plate,uses\nAB10,-1\n",
            "list.csv:2: uses: '-1' is no number of uses: write 1",
            id="uses below 0",
        ),
        pytest.param(
            b"plate,uses\nAB10,10001\n", "list.csv:2: uses: 10001 uses are out of range", id="too many uses"
        ),
        pytest.param(
            b"plate,verdict,uses\nAB10,deny,1\n",
            "list.csv:2: uses: a denial has no uses",
            id="uses of a denial",
        ),
        pytest.param(
            b"plate,exact_only\nAB10,maybe\n",
            "list.csv:2: exact_only: 'maybe' is neither yes",
            id="exact_only",
        ),
        pytest.param(
            b"plate,cameras\nAB10,<b>\n", "list.csv:2: cameras: '<b>' can't be a camera's name", id="camera"
        ),
        pytest.param(
            b"plate,gates\nAB10," + b" ".join(b"g%d" % n for n in range(51)) + b"\n",
            "list.csv:2: gates: 51 gates are named: name at most 50",
            id="very many gates",
        ),
    ],
)
def test_broken_files_are_named_with_the_mend(data: bytes, said: str) -> None:
    (problem,) = problems(data)
    assert problem.startswith(said)


def test_problems_before_a_broken_line_are_still_named() -> None:
    assert [p.split(" ")[0] for p in problems('plate,label\n?,\nAB10,"open\n')] == [
        "list.csv:2:",
        "list.csv:3:",
    ]


def test_ten_thousand_like_problems_are_summed_up_and_others_still_told() -> None:
    said = problems("plate,label\n" + "?,x\n" * 10_000 + f"AB10,{'y' * 99}\n")
    assert [line.split(": ")[0] for line in said[:3]] == ["list.csv:2", "list.csv:3", "list.csv:4"]
    assert said[3] == "list.csv:10002: label: the label has 99 characters: shorten it to 80"
    assert said[4] == "list.csv: plate: 9997 more problems like that of line 2, in lines 5-10001"
    assert len(said) == 5


def test_problems_that_differ_only_in_plates_numbers_and_quoted_texts_are_alike() -> None:
    said = problems("plate,type\n" + "".join(f"AB{n},{'abcdefgh'[n % 8]}\n" for n in range(10, 40)))
    assert len(said) == 4
    assert said[3] == "list.csv: type: 27 more problems like that of line 2, in lines 5-31"


def test_a_message_lists_a_bounded_number_of_kinds_and_counts_the_rest() -> None:
    said = report([Problem(n, f"column{n}", "wrong") for n in range(MAX_KINDS + 7)], "list.csv").splitlines()
    assert said[-1] == "list.csv: and 7 more problems of other kinds"
    assert len(said) == MAX_KINDS + 1


def test_what_makes_sense_is_previewed_beside_the_problems() -> None:
    reading = examine_csv(b"plate\nAB10\n?\nXY99\n", zone=BERLIN)
    assert [row.entry.plate for row in reading.rows] == ["AB10", "XY99"]
    assert [(problem.line, problem.column) for problem in reading.problems] == [(3, "plate")]


def test_one_plate_may_not_fill_the_list() -> None:
    days = "\n".join(f"AB10,2030-01-01T{n // 60:02}:{n % 60:02}" for n in range(MOST_OF_A_PLATE + 1))
    (problem,) = problems(f"plate,from\n{days}\n")
    assert (
        problem
        == f"list.csv:{MOST_OF_A_PLATE + 2}: plate: AB10 has more than 50 rows: keep those that still matter"
    )


def test_gates_that_the_configuration_does_not_have_are_named() -> None:
    with pytest.raises(
        PlateListError, match=r"list.csv:2: gates: no gate is named 'norht': .* has north, south"
    ):
        read_csv(b"plate,gates\nAB10,south norht\n", "list.csv", zone=BERLIN, known_gates=["south", "north"])


@pytest.mark.parametrize(
    "label", ["=1+1", "+49 30 1234", "-", "@SUM(A1)", "'quoted", "'=1", "=cmd|' /C calc'!A0", "\uff1d1+1"]
)
def test_a_label_that_a_spreadsheet_would_run_is_written_harmless_and_read_back_the_same(label: str) -> None:
    text = write_csv([make_entry("AB10", label=label)])
    assert text.splitlines()[1].split(",")[3].startswith("'")
    assert [e.label for e in entries(text.encode())] == [label]


@pytest.mark.parametrize("label", ["flat 3;=cmd()", "a; +1", "a;'b", ";;@x"])
def test_a_label_holds_nothing_to_run_for_spreadsheets_that_part_cells_by_semicolons(label: str) -> None:
    text = write_csv([make_entry("AB10", label=label)])
    cells = [cell.strip().strip('"') for cell in text.splitlines()[1].split(";")]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert [e.label for e in entries(text.encode())] == [label]


def test_a_plate_that_is_allowed_and_denied_is_exported_so_that_it_can_be_imported_again() -> None:
    listed = [make_entry("AB10"), make_entry("ABIO", Verdict.DENY), make_entry("XY99")]
    text = write_csv(listed)
    assert [line.rsplit(",", 1)[1] for line in text.splitlines()] == ["overruled", "yes", "", ""]
    assert entries(text.encode()) == listed


def is_label(text: str) -> bool:
    try:
        return parse_label(text) == text
    except PlateListError:
        return False


moments = st.datetimes(datetime(2001, 1, 1), datetime(2190, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
any_entry = st.builds(
    make_entry,
    st.text("ABCIOXYZ0189", min_size=2, max_size=10),
    st.sampled_from(Verdict),
    type=st.sampled_from(EntryType),
    label=st.text(max_size=MAX_LABEL).filter(is_label),
    starts_at=st.none() | moments.filter(lambda d: d.year < 2100),
    expires_at=st.none() | moments.filter(lambda d: d.year >= 2100),
    gates=st.sets(st.sampled_from(["north", "south", "yard-2"])),
    cameras=st.sets(st.sampled_from(["street", "exit"])),
    sites=st.sets(st.sampled_from(["lake", "hill-1"])),
    schedule=st.none()
    | st.sampled_from(["daily 22:00-06:00", "mon-fri 08:00-18:00; sat 09:00-13:00"]).map(parse_schedule),
    exact_only=st.booleans(),
)
counted = st.builds(replace, any_entry, uses_left=st.integers(0, MAX_USES), verdict=st.just(Verdict.ALLOW))


@given(any_entry | counted)
def test_what_is_exported_reads_back_the_same(entry: Entry) -> None:
    assert entries(write_csv([entry]).encode()) == [entry]


def test_an_export_has_every_column() -> None:
    assert write_csv([]).splitlines() == [",".join(COLUMNS)]


@given(
    st.binary(max_size=200)
    | st.text("plate,verdict;from\n\r\t\"'AB10 2030-01-01", max_size=200).map(str.encode)
)
def test_no_bytes_whatever_are_met_by_anything_but_rows_or_named_problems(data: bytes) -> None:
    said = "list.csv: rows"
    try:
        read_csv(data, "list.csv", zone=BERLIN)
    except PlateListError as error:
        said = str(error)
    assert said.startswith("list.csv:")


ALLOW, DENY = Verdict.ALLOW, Verdict.DENY


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        pytest.param("2030-05-31", "2030-05-30T22:00", "2030-05-31T22:00", id="a day"),
        pytest.param("2030-05-31T18:00", "2030-05-31T16:00", "2030-05-31T16:00", id="local time"),
        pytest.param("2030-05-31 18:00:30", "2030-05-31T16:00:30", "2030-05-31T16:00:30", id="with a space"),
        pytest.param("2030-05-31T18:00Z", "2030-05-31T18:00", "2030-05-31T18:00", id="UTC"),
        pytest.param("2030-05-31T18:00-05:00", "2030-05-31T23:00", "2030-05-31T23:00", id="offset"),
        pytest.param("2030-03-31", "2030-03-30T23:00", "2030-03-31T22:00", id="a day of 23 hours"),
    ],
)
def test_dates_mean_local_time_and_whole_days(text: str, start: str, end: str) -> None:
    assert parse_start(text, BERLIN, verdict=ALLOW) == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert parse_end(text, BERLIN, verdict=ALLOW) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_a_local_time_that_comes_twice_is_read_the_stricter_way() -> None:
    twice = "2030-10-27T02:30"
    first, second = datetime(2030, 10, 27, 0, 30, tzinfo=UTC), datetime(2030, 10, 27, 1, 30, tzinfo=UTC)
    assert (parse_start(twice, BERLIN, verdict=ALLOW), parse_end(twice, BERLIN, verdict=ALLOW)) == (
        second,
        first,
    )
    assert (parse_start(twice, BERLIN, verdict=DENY), parse_end(twice, BERLIN, verdict=DENY)) == (
        first,
        second,
    )


def test_a_day_begins_where_the_clocks_skip_midnight() -> None:
    beirut = ZoneInfo("Asia/Beirut")  # 2022-03-27: 00:00 became 01:00
    start = parse_start("2022-03-27", beirut, verdict=ALLOW)
    assert start.astimezone(beirut).hour == 1
    assert start - timedelta(seconds=1) < parse_end("2022-03-26", beirut, verdict=ALLOW) <= start


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("2030-03-31T02:30", "does not exist in Europe/Berlin", id="skipped by the clocks"),
        pytest.param("tomorrow", "is not a date: write 2030-05-31", id="a word"),
        pytest.param("2030-5-1", "is not a date: write 2030-05-31", id="short"),
        pytest.param("20300501", "is not a date: write 2030-05-31", id="no dashes"),
        pytest.param("2030-05-31T25:00", "is not a date there is", id="hour 25"),
        pytest.param("0001-01-01T00:00+14:00", "year 1 is out of range", id="year 1"),
        pytest.param("9999-12-31", "year 9999 is out of range", id="year 9999"),
        pytest.param("２０３０-05-31", "is not a date: write 2030-05-31", id="digits of another script"),
    ],
)
def test_what_is_no_date_is_named_with_the_form_to_use(text: str, said: str) -> None:
    with pytest.raises(PlateListError, match=said):
        parse_start(text, BERLIN, verdict=ALLOW)


@pytest.mark.proof(21)
def test_a_spoilt_file_of_plates_gives_rows_or_names_its_problems(
    prove: Prove, often: Callable[[int, int], int]
) -> None:
    full = write_csv(
        [
            make_entry("AB123CD", label="Zoë & Söhne", expires_at=datetime(2030, 5, 31, tzinfo=UTC)),
            make_entry("XY99", type=EntryType.VISITOR, gates=["north"], uses_left=3),
            make_entry("KL7", Verdict.DENY, schedule=parse_schedule("mon-fri 22:00-06:00")),
        ]
    )
    good = [full.encode(), SAMPLE.encode(), full.replace(",", ";").encode("utf-16")]
    met = meet(
        lambda data: read_csv(data, "list.csv", zone=BERLIN),
        spoilt(good, often(5_000, 200_000)),
        refusal=PlateListError,
    )
    prove(attempts=met.all, faults=met.refused)


@pytest.mark.proof(21)
@pytest.mark.parametrize("parse", [parse_start, parse_end])
def test_a_spoilt_date_gives_a_moment_or_is_refused_with_the_mend(
    parse: Callable[..., datetime], prove: Prove, often: Callable[[int, int], int]
) -> None:
    good = [b"2030-05-31", b"2030-05-31T18:00", b"2030-12-31T23:59:59.5+02:00", b"2000-01-01T00:00Z"]
    met = meet(
        lambda data: parse(data.decode("utf-8", "replace"), BERLIN, verdict=Verdict.ALLOW),
        spoilt(good, often(10_000, 500_000)),
        refusal=PlateListError,
    )
    prove(attempts=met.all, faults=met.refused)

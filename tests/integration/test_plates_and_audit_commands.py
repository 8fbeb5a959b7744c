"""`platebridge plates` and `platebridge audit` as people run them."""

import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pod.commands import audit, place, plates
from pod.domain.errors import ConfigError, PlateListError, StoreError
from pod.store.store import FILE_NAME, Grant, Store

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
data_dir: {data_dir}
site: {{time_zone: Asia/Tokyo}}
gates: [{{name: north}}, {{name: south}}]
cameras: [{{name: street, url: "rtsp://camera.invalid/stream", gate: north}}]
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEBRIDGE_CONFIG", raising=False)
    monkeypatch.setenv("TZ", "Europe/Berlin")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path, data: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(data_dir=data))
    return file


def run(*args: object) -> Result:
    """A verb in this process; a fault is raised, as `platebridge` itself meets it."""
    apps = {"plates": plates.app, "audit": audit.app}
    app, *rest = (str(arg) for arg in args)
    result = CliRunner().invoke(apps[app], rest)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def listed(data: Path) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in run("plates", "list", "--json", "--data-dir", data).stdout.splitlines()
    ]


def test_an_added_plate_is_listed_with_all_that_was_said_of_it(config: Path, data: Path) -> None:
    added = run(
        *("plates", "add", "b-ab 123", "--type", "visitor", "--label", "Flat 12"),
        *("--from", "2030-05-01", "--until", "2030-05-31", "--gate", "north", "--camera", "street"),
        *("--site", "lake", "--schedule", "Mon-Fri 8:00-18:00", "--uses", "3", "--exact-only"),
        *("--config", config),
    )
    assert added.stdout == (
        "BAB123 may pass from 2030-05-01 00:00 until 2030-06-01 00:00 mon-fri 08:00-18:00 at north "
        "seen by street at site lake 3 times if read exactly (Asia/Tokyo).\n"
    )
    assert listed(data) == [
        {
            "id": 1,
            "plate": "BAB123",
            "verdict": "allow",
            "type": "visitor",
            "label": "Flat 12",
            "from": "2030-04-30T15:00:00Z",
            "until": "2030-05-31T15:00:00Z",
            "gates": ["north"],
            "cameras": ["street"],
            "sites": ["lake"],
            "schedule": "mon-fri 08:00-18:00",
            "uses_left": 3,
            "exact_only": True,
            "owner": "pod",
        }
    ]


def test_an_installed_configuration_that_one_may_not_see_is_told_with_the_mend(monkeypatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "closed", "config.yaml")
        config.parent.mkdir(mode=0)
        monkeypatch.setattr(place, "DEFAULT_CONFIG", config)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            with pytest.raises(
                ConfigError, match=r"cannot be read \(Permission denied\): run this as the pod's"
            ):
                run("plates", "list")
        finally:
            os.seteuid(user)


def test_without_a_configuration_dates_are_read_in_the_systems_zone(data: Path) -> None:
    run("plates", "add", "AB10", "--until", "2030-05-31", "--data-dir", data)
    assert listed(data)[0]["until"] == "2030-05-31T22:00:00Z"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(["AB?"], "the plate holds '\\?'", id="strange character"),
        pytest.param(["<b>AB10</b>"], "the plate holds '<' '>': use letters", id="markup"),
        pytest.param(["AB10", "--until", "31.5.2030"], "is not a date: write 2030-05-31", id="date"),
        pytest.param(
            ["AB10", "--until", "2020-01-01"], "is over already: give --until a later date", id="past"
        ),
        pytest.param(["AB10", "--gate", "nroth"], "the configuration has north, south", id="gate"),
        pytest.param(["AB10", "--camera", "steet"], "the configuration has street", id="camera"),
        pytest.param(["AB10", "--label", "x" * 81], "shorten it to 80", id="label"),
        pytest.param(["AB10", "--schedule", "9 to 5"], "write it like 'mon-fri", id="schedule"),
        pytest.param(["AB10", "--deny", "--uses", "3"], "a denial has no uses to count", id="uses"),
    ],
)
def test_what_cannot_be_added_is_refused_with_the_mend(config: Path, args: list[str], said: str) -> None:
    with pytest.raises(PlateListError, match=said):
        run("plates", "add", *args, "--config", config)


def test_a_denial_over_an_allowed_plate_is_taken_and_says_so(data: Path) -> None:
    run("plates", "add", "AB10", "--data-dir", data)
    said = run("plates", "add", "ABIO", "--deny", "--data-dir", data).stdout
    assert said == "ABIO is denied.\nAB10 (resident) stays on the list, but the denial wins.\n"
    assert run("plates", "remove", "AB10", "--deny", "--data-dir", data).stdout == (
        "ABIO (deny, resident) was removed.\n`platebridge plates undo 3` brings it back.\n"
    )


def test_hostile_labels_are_shown_as_text(data: Path) -> None:
    run("plates", "add", "AB10", "--label", "[bold]x[/nope] <script>", "--data-dir", data)
    shown = run("plates", "list", "--data-dir", data).stdout
    assert "[bold]x[/nope]" in shown
    assert "<script>" in shown


def test_an_export_imports_into_another_pod_and_changes_nothing_the_second_time(
    tmp_path: Path, data: Path
) -> None:
    run("plates", "add", "AB10", "--label", "=1+1", "--until", "2030-05-31", "--data-dir", data)
    run("plates", "add", "XY99", "--deny", "--gate", "south", "--data-dir", data)
    file, other = tmp_path / "list.csv", tmp_path / "other"
    other.mkdir()
    assert run("plates", "export", file, "--data-dir", data).stdout == f"Wrote 2 entries to {file}.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    checked = run("plates", "import", file, "--check", "--data-dir", other).stdout
    assert checked == "Nothing was changed. The import would bring 2 new, 0 changed, 0 unchanged.\n"
    assert not (other / "pod.db").exists()
    said = [run("plates", "import", file, "--data-dir", other).stdout for _ in range(2)]
    assert said == ["Imported 2 new, 0 changed, 0 unchanged.\n", "Imported 0 new, 0 changed, 2 unchanged.\n"]
    assert listed(other) == listed(data)
    assert run("plates", "export", "--data-dir", other).stdout == file.read_text()


def test_an_import_changes_label_and_type_of_what_is_listed(tmp_path: Path, data: Path) -> None:
    run("plates", "add", "AB10", "--label", "old", "--data-dir", data)
    file = tmp_path / "list.csv"
    file.write_text("plate,label,type\nAB10,new,staff\n")
    assert (
        run("plates", "import", file, "--data-dir", data).stdout
        == "Imported 0 new, 1 changed, 0 unchanged.\n"
    )
    (entry,) = listed(data)
    assert (entry["label"], entry["type"]) == ("new", "staff")


def test_an_import_with_one_bad_row_brings_in_none(tmp_path: Path, data: Path) -> None:
    run("plates", "add", "XY99", "--deny", "--data-dir", data)
    file = tmp_path / "list.csv"
    file.write_text("plate\nAB10\nXY99\n")
    said = "list.csv:3: plate: XY99 stays out, the list denies XY99"
    with pytest.raises(PlateListError, match=said):
        run("plates", "import", file, "--data-dir", data)
    checked = run("plates", "import", file, "--check", "--data-dir", data)
    assert (checked.exit_code, said in checked.stdout) == (1, True)
    assert [entry["plate"] for entry in listed(data)] == ["XY99"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [pytest.param(os.mkfifo, id="pipe"), pytest.param(os.mkdir, id="folder")])
def test_an_import_from_what_is_no_file_is_refused_at_once(make, tmp_path: Path, data: Path) -> None:
    make(tmp_path / "list.csv")
    with pytest.raises(PlateListError, match=r"list.csv is no file: name the CSV file to import"):
        run("plates", "import", tmp_path / "list.csv", "--data-dir", data)


def test_an_undo_brings_back_what_was_removed_and_undone_twice_takes_it_away(data: Path) -> None:
    run("plates", "add", "AB10", "--label", "Flat 12", "--uses", "3", "--data-dir", data)
    before = listed(data)
    run("plates", "remove", "AB10", "--data-dir", data)
    assert (
        run("plates", "undo", "--data-dir", data).stdout == "AB10 (allow, resident) is on the list again.\n"
    )
    assert listed(data) == before
    assert run("plates", "undo", "--data-dir", data).stdout == "AB10 (allow, resident) was removed.\n"
    assert listed(data) == []


def test_what_cannot_be_undone_is_told_with_the_mend(data: Path) -> None:
    run("plates", "lockdown", "on", "--data-dir", data)
    for number, said in (
        ([], "the list was never changed"),
        (["1"], "no change of the list has the number 1"),
    ):
        with pytest.raises(PlateListError, match=said):
            run("plates", "undo", *number, "--data-dir", data)


def test_the_switches_of_the_site_are_set_told_and_audited(data: Path) -> None:
    def said(*args: str) -> str:
        return run("plates", *args, "--data-dir", data).stdout.splitlines()[0]

    assert said("lockdown", "on") == "Lockdown is on: only the types that lockdown spares are let in."
    assert said("auto-grant", "off").startswith("Auto-grant is off: listed plates are noted and shown")
    assert said("lockdown", "status").startswith("Lockdown is on")
    assert said("auto-grant", "off").endswith("It stood so already.")
    assert said("lockdown", "off") == "Lockdown is off."
    assert said("auto-grant", "status").startswith("Auto-grant is off")
    rows = [json.loads(line) for line in run("audit", "--json", "--data-dir", data).stdout.splitlines()]
    assert [(r["kind"], r["payload"]["lockdown"], r["payload"]["auto_grant"]) for r in rows] == [
        ("site_state", True, True),
        ("site_state", True, False),
        ("site_state", False, False),
    ]


def test_the_list_shows_when_an_entry_counts(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run("plates", "add", "AB10", "--schedule", "daily 00:00-24:00", "--uses", "2", "--data-dir", data)
    run("plates", "add", "XY99", "--from", "2090-01-01", "--camera", "street", "--data-dir", data)
    shown = run("plates", "list", "--data-dir", data).stdout.splitlines()
    counting, waiting = (next(line for line in shown if plate in line) for plate in ("AB10", "XY99"))
    assert "daily 00:00-24:00" in counting
    assert "counts" in counting
    assert "street" in waiting
    assert "not yet" in waiting


def test_a_file_far_too_large_is_refused_by_its_first_megabytes(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "list.csv"
    with file.open("wb") as out:
        out.write(b"plate\n")
        out.truncate(100 * 2**20)
    tracemalloc.start()
    with pytest.raises(PlateListError, match=r"list.csv:1: the file is larger than 16 MiB: split it"):
        run("plates", "import", file, "--data-dir", data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 50 * 2**20


def test_every_change_of_the_list_is_audited_with_who_made_it(data: Path) -> None:
    run("plates", "add", "AB10", "--data-dir", data)
    run("plates", "remove", "AB10", "--data-dir", data)
    rows = [json.loads(line) for line in run("audit", "--json", "--data-dir", data).stdout.splitlines()]
    assert [(r["seq"], r["kind"], r["payload"]["action"]) for r in rows] == [
        (1, "list_change", "added"),
        (2, "list_change", "removed"),
    ]
    assert all(r["payload"]["by"].startswith("command line, user ") for r in rows)


def test_the_audit_tells_people_when_which_plate_and_why(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with Store.open(data / "pod.db", now_us=lambda: 1_700_000_000_000_000) as store:
        payload = {"camera": "north", "plate": "AB10", "verdict": "deny", "reason": "expired"}
        store.record("decision", payload, grant=Grant("north", "AB10")).result(5)
        store.record(
            "camera_state", {"camera": "north", "state": "failed", "sentence": "No answer\x1b[2J"}
        ).result(5)
        store.record("pod_stopped", {"reason": "erase me"}).result(5)
        store.submit(
            lambda c: c.execute("UPDATE audit SET salt = NULL, payload = NULL WHERE seq = 3")
        ).result(5)
    shown = run("audit", "--data-dir", data).stdout.splitlines()
    decision, camera, erased = (next(line for line in shown if f"│ {n} " in line) for n in (1, 2, 3))
    for cell in ("2023-11-14 23:13:20", "decision", "north", "AB10", "deny", "its time is over."):
        assert cell in decision
    assert "No answer\ufffd[2J" in camera
    assert "(erased)" in erased


def test_verify_prints_a_head_that_later_anchors_the_chain(data: Path) -> None:
    run("plates", "add", "AB10", "--data-dir", data)
    said = run("audit", "verify", "--data-dir", data)
    assert said.exit_code == 0
    assert said.stdout.startswith("OK: 1 row verified; head 1:")
    head = said.stdout.split()[-1]
    run("plates", "add", "XY99", "--data-dir", data)
    assert run("audit", "--data-dir", data, "verify", "--head", head).exit_code == 0
    other = run("audit", "verify", "--head", "1:" + "0" * 64, "--data-dir", data)
    assert (other.exit_code, "written anew" in other.stdout) == (1, True)
    assert run("audit", "verify", "--head", "nonsense", "--data-dir", data).exit_code == 2


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["plates", "list"], id="plates list"),
        pytest.param(["plates", "export"], id="plates export"),
        pytest.param(["audit"], id="audit"),
        pytest.param(["audit", "verify"], id="audit verify"),
    ],
)
def test_reading_creates_no_database(data: Path, args: list[str]) -> None:
    with pytest.raises(StoreError, match=r"no database at .*pod.db: start the pod or add a plate"):
        run(*args, "--data-dir", data)
    assert list(data.iterdir()) == []


def test_without_a_place_the_options_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "DEFAULT_CONFIG", tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="name the pod by --config FILE or --data-dir DIR"):
        run("plates", "list")


@pytest.mark.parametrize(
    ("app", "verb"),
    [
        *(
            pytest.param("plates", v, id=f"plates {v}")
            for v in ("add", "list", "remove", "undo", "import", "export", "lockdown", "auto-grant")
        ),
        pytest.param("audit", "", id="audit"),
        pytest.param("audit", "verify", id="audit verify"),
    ],
)
def test_every_verb_shows_an_example(app: str, verb: str) -> None:
    shown = " ".join(run(app, *([verb] if verb else []), "--help").stdout.split())
    assert f"Example: platebridge {app} {verb}".strip() in shown


def test_exit_codes_tell_done_no_and_could_not(data: Path) -> None:
    def code(*args: str) -> int:
        program = "from pod.cli import main; main()"
        call = [sys.executable, "-c", program, *args, "--data-dir", str(data)]
        return subprocess.run(
            call, cwd=REPOSITORY, env=os.environ, capture_output=True, check=False
        ).returncode

    assert code("audit", "verify") == 2
    assert code("plates", "add", "AB10") == 0
    assert code("audit", "verify") == 0
    with Store.open(data / "pod.db") as store:
        store.submit(lambda conn: conn.execute("UPDATE audit_head SET seq = 2")).result(5)
    assert code("audit", "verify") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(
            ["plates", "add", "AB123CD", "--type", "king"],
            "'king' is none of them; write resident, visitor, delivery, service, contractor, emergency or",
            id="type",
        ),
        pytest.param(
            ["plates", "lockdown", "maybe"], "'maybe' is none of them; write on, off or status", id="switch"
        ),
    ],
)
def test_a_word_that_is_no_choice_is_refused_with_those_there_are(
    data: Path, args: list[str], said: str
) -> None:
    ran = run(*args, "--data-dir", data)
    told = " ".join(ran.output.replace("│", " ").split())
    assert ran.exit_code == 2
    assert said in told
    assert "Value error" not in told


def test_the_audit_tells_who_watched_which_camera_and_for_how_long(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    who = {"camera": "entry", "viewer": "resident 12 (portal)", "address": "192.0.2.7"}
    with Store.open(data / FILE_NAME) as store:
        store.record("watch_started", who).result(10)
        store.record("watch_ended", who | {"seconds": 12.3, "bytes": 5000, "why": "left"}).result(10)
    lines = run("audit", "--data-dir", data).stdout.splitlines()
    started, ended = (next(line for line in lines if what in line) for what in ("started", "ended"))
    assert "resident 12 (portal), at 192.0.2.7" in started
    assert "resident 12 (portal), at 192.0.2.7, after 12.3 s: left" in ended
    assert "entry" in started

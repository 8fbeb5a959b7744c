"""A community's list kept by hand: on a real PostgreSQL, through the shipped command."""

import json

import pytest
from cloud_database import Database
from typer.testing import CliRunner

from sync.cloud.cli import app
from sync.cloud.database import DSN_VARIABLE
from sync.cloud.errors import CloudError

RECEIPT_OF_AN_OLDER_LIST = """
INSERT INTO platebridge.receipt (pod, community, version, digest) VALUES ('pod-elm', 'elm', 0, sha256(''))
"""


@pytest.fixture
def cloud(cloud_database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv(DSN_VARIABLE, cloud_database.dsn("a_api").conninfo)
    return cloud_database


def told(*words: str) -> str:
    """What the command says where it does what it is asked."""
    done = CliRunner().invoke(app, ["plates", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: str) -> str:
    """What it says where it does not."""
    with pytest.raises(CloudError) as refusal:
        CliRunner().invoke(app, ["plates", *words], catch_exceptions=False)
    return str(refusal.value)


def test_a_plate_is_added_shown_and_removed(cloud: Database) -> None:
    assert "BAB123 may pass from version 1" in told("add", "elm", "b-ab 123", "--label", "Flat 12")
    assert "BAB123 is denied from version 2" in told("add", "elm", "BAB123", "--deny", "--type", "staff")
    shown = told("list", "elm")
    assert "BAB123  allow  resident  Flat 12" in shown
    assert "2 entries, version 2" in shown
    assert "BAB123 (allow, resident, Flat 12) was removed." in told("remove", "elm", "B AB I23")
    assert "0 entries, version 3" in told("list", "elm")


def test_the_plate_is_stored_under_the_key_that_pods_look_for(cloud: Database) -> None:
    told("add", "elm", "öo-il 10")
    assert cloud.run_as("postgres", "SELECT plate, key FROM platebridge.entry") == [("OOIL10", "001L10")]


def test_a_plate_is_removed_in_whatever_writing_it_is_named(cloud: Database) -> None:
    told("add", "elm", "OIL 10")
    assert "OIL10 (allow, resident) was removed." in told("remove", "elm", "0il-1o")


def test_the_owner_of_the_database_keeps_one_list_and_no_other(
    cloud: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN_VARIABLE, cloud.dsn("postgres").conninfo)
    told("add", "oak", "BAB123")
    assert "0 entries, version 0" in told("list", "elm")
    assert "is not on the list of elm" in refused("remove", "elm", "BAB123")


def test_a_list_is_applied_on_a_pod_only_once_the_pod_says_so(cloud: Database) -> None:
    told("add", "elm", "BAB123")
    assert "pod-elm (Elm): pending: it never said" in told("list", "elm")
    cloud.run_as("postgres", RECEIPT_OF_AN_OLDER_LIST)
    assert "pod-elm (Elm): pending: it has version 0" in told("list", "elm")
    cloud.run_as("postgres", "UPDATE platebridge.receipt SET version = 1")
    assert "pod-elm (Elm): applied\n" in told("list", "elm")
    cloud.run_as("postgres", "UPDATE platebridge.receipt SET refused_count = 2")
    assert "applied, but for 2 that it refused" in told("list", "elm")
    told("remove", "elm", "BAB123")
    assert "pending: it has version 1" in told("list", "elm")


def test_another_community_sees_nothing_of_it(cloud: Database) -> None:
    told("add", "elm", "BAB123")
    assert "BAB123" not in told("list", "oak")
    assert "is not on the list of oak" in refused("remove", "oak", "BAB123")
    lines = [json.loads(line) for line in told("list", "elm", "--json").splitlines()]
    assert [line.get("plate") for line in lines] == ["BAB123", None]


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        pytest.param(("add", "elm", "!!"), "use letters A-Z", id="no-plate"),
        pytest.param(("add", "elm", "B" * 11), "it must have 2 to 10", id="too-long"),
        pytest.param(("add", "elm", "BAB123", "--type", "king"), "write resident, visitor", id="type"),
        pytest.param(("add", "elm", "BAB123", "--label", "x" * 81), "at most 80", id="long-label"),
        pytest.param(("add", "elm", "BAB123", "--label", "a\nb"), "one line", id="two-lines"),
        pytest.param(("add", "ash", "BAB123"), "no community 'ash'", id="unknown-community"),
        pytest.param(("add", "", "BAB123"), "no community ''", id="no-community"),
    ],
)
def test_what_cannot_be_listed_is_told_with_the_mend(
    cloud: Database, words: tuple[str, ...], mend: str
) -> None:
    assert mend in refused(*words)
    assert cloud.run_as("postgres", "SELECT count(*) FROM platebridge.entry") == [(0,)]


def test_a_user_without_the_right_is_told_how_to_get_it(
    cloud_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DSN_VARIABLE, cloud_database.dsn("a_bridge").conninfo)
    assert "GRANT platebridge_api" in refused("add", "elm", "BAB123")

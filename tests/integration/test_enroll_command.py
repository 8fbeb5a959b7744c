"""`platebridge pod enroll`: what an installer sees, whether it works or not, and what is left on the disk."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloud_database import TWO_COMMUNITIES, CloudServer, a_database
from cloud_portal import BROKERS, LISTS, WELCOMES, Portal, running_portal
from faked_time import LIBRARY, needs_faketime

from sync.agent.enroll import certificate_request, enroll
from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import FOLDER, PENDING_KEY, Identity, load
from sync.agent.pod_jwt import read_key
from sync.agent.portal_client import PortalClient, PortalError
from sync.agent.renewal import client_of, keep_renewed, renew
from sync.cloud.identity.ca import CertificateAuthority
from sync.protocol.portal import Heartbeat, KeyText, Register, Registered


@pytest.fixture(scope="module")
def portal(cloud_server: CloudServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with (
        a_database(cloud_server, TWO_COMMUNITIES) as database,
        running_portal(database, tmp_path_factory.mktemp("portal")) as portal,
    ):
        yield portal


@pytest.fixture(autouse=True)
def on_time(portal: Portal) -> Iterator[None]:
    yield
    portal.ahead = timedelta(0)


def enrolled(portal: Portal, data_dir: Path, join: str | None = None, *, new_key: bool = False) -> Identity:
    return enroll(data_dir, join or portal.join(), name="Gate", new_key=new_key, say=lambda _: None)


def command(
    join: str, data_dir: Path, *more: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    words = ["pod", "enroll", join, "--data-dir", str(data_dir), *more]
    return subprocess.run(
        [sys.executable, "-m", "pod.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def test_the_command_tells_each_step_and_leaves_a_whole_identity(portal: Portal, tmp_path: Path) -> None:
    done = command(portal.join(), tmp_path, "--name", "North gate")
    assert done.returncode == 0, done.stderr
    identity = load(tmp_path)
    assert identity is not None
    assert done.stdout.splitlines() == [
        f"Asking {portal.url} ...",
        "It is the cloud that the join string is of.",
        f"The cloud knows this POD as {identity.pod}.",
        f"Done: {identity.pod}, called North gate, at North, Elm.",
        f"Its certificate holds until {identity.valid_until:%Y-%m-%d} and is renewed by itself.",
        "It connects when the POD is started next: sudo systemctl restart platebridge",
    ]
    assert identity.home.brokers == BROKERS
    assert identity.time_zone == "Europe/Berlin"
    assert identity.keys["bridge-1"].kinds == {"welcome"}
    assert identity.keys["bridge-1"].key == WELCOMES.public_key()
    assert identity.keys["dispatch-1"].key == LISTS.public_key()
    files = list((tmp_path / FOLDER).iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    assert len(files) == 4


def test_a_string_that_was_used_says_so_and_names_the_mend(portal: Portal, tmp_path: Path) -> None:
    join = portal.join()
    enrolled(portal, tmp_path, join)
    other = tmp_path / "other"
    other.mkdir()
    done = command(join, other)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "platebridge: not enrolled: This join string let a POD in already: ask for a new join string."
    )
    assert load(other) is None


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "\0"], ids=["lines", "escape", "NUL"])
def test_a_name_that_is_no_line_is_told_before_anything_is_asked(
    portal: Portal, tmp_path: Path, name: str
) -> None:
    with pytest.raises(IdentityError, match="one line of up to 200"):
        enroll(tmp_path, portal.join(), name=name, new_key=False, say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def cut(join: str) -> str:
    return join[:-5]


def mistyped(join: str) -> str:
    return join[:40] + ("A" if join[40] != "A" else "B") + join[41:]


@pytest.mark.parametrize(
    "spoil", [cut, mistyped, lambda _: "hello", lambda _: "PB1-"], ids=["cut", "mistyped", "none", "bare"]
)
def test_a_string_that_is_none_is_told_before_anything_is_asked(
    portal: Portal, tmp_path: Path, spoil
) -> None:
    with pytest.raises(IdentityError, match="copy the whole line that begins with PB1-"):
        enrolled(portal, tmp_path, spoil(portal.join()))
    assert list(tmp_path.iterdir()) == []


def test_a_string_with_line_breaks_and_small_letters_is_read(portal: Portal, tmp_path: Path) -> None:
    join = portal.join()
    assert enrolled(portal, tmp_path, f" {join[:30].lower()}\r\n  {join[30:]} ").pod


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


UNREACHABLE = {
    "nobody listens": (lambda: f"https://127.0.0.1:{free_port()}", "nobody listens at"),
    "no such name": (lambda: "https://cloud.invalid", "the name cloud.invalid leads nowhere"),
}


@pytest.mark.parametrize("what", UNREACHABLE)
def test_a_portal_that_cannot_be_reached_says_why(portal: Portal, tmp_path: Path, what: str) -> None:
    address, said = UNREACHABLE[what]
    with pytest.raises(PortalError, match=said):
        enrolled(portal, tmp_path, portal.join(portal=address()))


def test_a_server_that_speaks_no_tls_is_told(portal: Portal, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(PortalError, match="no secure connection"):
            enrolled(portal, tmp_path, portal.join(portal=f"https://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()


def test_another_cloud_than_the_string_is_of_gets_no_token(portal: Portal, tmp_path: Path) -> None:
    token = portal.token()
    with pytest.raises(PortalError, match="another cloud than the join string is of"):
        enrolled(portal, tmp_path, portal.join(token, ca_sha256=b"\1" * 32))
    assert portal.register(token)[0] == 200


def test_a_name_that_is_not_in_the_portals_certificate_gets_no_token(portal: Portal, tmp_path: Path) -> None:
    """Whoever answers shows the right authority, which is public; what counts is a certificate of it."""
    token = portal.token()
    with pytest.raises(PortalError, match="cannot prove that it is your cloud"):
        enrolled(portal, tmp_path, portal.join(token, portal=f"https://127.0.0.2:{portal.api.port}"))
    assert portal.register(token)[0] == 200


@needs_faketime
@pytest.mark.parametrize("clock", ["@1970-01-02 00:00:00", "@2099-06-01 00:00:00"], ids=["1970", "2099"])
def test_a_pod_whose_clock_is_wrong_is_told_its_time_and_keeps_its_token(
    portal: Portal, tmp_path: Path, clock: str
) -> None:
    token = portal.token()
    done = command(portal.join(token), tmp_path, env={"LD_PRELOAD": str(LIBRARY), "FAKETIME": clock})
    assert done.returncode == 2
    assert f"does not hold at this POD's time, {clock[1:5]}" in done.stderr
    assert "set the clock (timedatectl)" in done.stderr
    assert portal.register(token)[0] == 200


def test_an_enrolment_that_lost_its_answer_is_repeated_as_the_same_pod(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = portal.join()
    ask, lost = PortalClient.register, []

    def lose(self: PortalClient, asked: Register) -> Registered:
        lost.append(ask(self, asked))
        raise PortalError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(PortalClient, "register", lose)
        with pytest.raises(PortalError):
            enrolled(portal, tmp_path, join)
    assert load(tmp_path) is None
    assert enrolled(portal, tmp_path, join).pod == lost[0].pod
    assert not (tmp_path / FOLDER / PENDING_KEY).exists()


def test_a_pod_that_enrolls_again_keeps_its_id(portal: Portal, tmp_path: Path) -> None:
    first = enrolled(portal, tmp_path)
    second = enrolled(portal, tmp_path)
    assert (second.pod, second.key_path) == (first.pod, first.key_path)
    assert second.api_key != first.api_key
    assert len(list((tmp_path / FOLDER).iterdir())) == 4


def test_a_revoked_pod_comes_back_with_a_new_key_alone_and_as_another_pod(
    portal: Portal, tmp_path: Path
) -> None:
    first = enrolled(portal, tmp_path)
    revoke(portal, first.pod)
    with pytest.raises(IdentityError, match="--new-key"):
        enrolled(portal, tmp_path)
    still = load(tmp_path)
    assert still is not None
    assert still.pod == first.pod
    second = enrolled(portal, tmp_path, new_key=True)
    assert second.pod != first.pod
    assert not first.key_path.exists()


def revoke(portal: Portal, pod: str) -> None:
    portal.database.run_as(
        "a_api", f"UPDATE platebridge.pod SET revoked_at = now() WHERE id = '{pod}'", tenant="elm"
    )


def test_a_pod_of_one_community_is_not_moved_to_another_with_its_audit(
    portal: Portal, tmp_path: Path
) -> None:
    first = enrolled(portal, tmp_path)
    for new_key in (False, True):
        with pytest.raises(IdentityError, match="new data directory"):
            enrolled(portal, tmp_path, portal.join(portal.token("oak", "south")), new_key=new_key)
    still = load(tmp_path)
    assert still is not None
    assert (still.pod, still.community) == (first.pod, "elm")


def test_without_a_data_directory_it_is_told_which_to_name(portal: Portal, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="--data-dir"):
        enrolled(portal, tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_told(portal: Portal, tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file in its place")
    with pytest.raises(IdentityError, match="cloud"):
        enrolled(portal, tmp_path)


def test_a_certificate_is_renewed_for_the_same_key_and_names_follow(portal: Portal, tmp_path: Path) -> None:
    first = enrolled(portal, tmp_path)
    portal.database.run_as("postgres", f"UPDATE platebridge.pod SET name = 'South' WHERE id = '{first.pod}'")
    portal.ahead = timedelta(days=21)
    second = renew(tmp_path, first, portal=portal.url)
    assert second.valid_until - first.valid_until > timedelta(days=20)
    assert (second.key_path, second.pod) == (first.key_path, first.pod)
    assert second.names["pod"] == "South"
    assert not first.certificate_path.exists()


def test_a_pod_that_slept_past_its_certificate_renews_it(portal: Portal, tmp_path: Path) -> None:
    first = enrolled(portal, tmp_path)
    portal.ahead = timedelta(days=200)
    # The portal's own certificate is checked by the clock of this machine, which is not ahead.
    assert renew(tmp_path, first, portal=portal.url).valid_until > first.valid_until + timedelta(days=190)


def test_a_revoked_pod_gets_no_certificate_and_keeps_its_files(portal: Portal, tmp_path: Path) -> None:
    first = enrolled(portal, tmp_path)
    revoke(portal, first.pod)
    with pytest.raises(PortalError, match="was revoked"):
        renew(tmp_path, first, portal=portal.url)
    assert load(tmp_path) == first


def test_a_stolen_api_key_gets_no_certificate_for_another_key(portal: Portal, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    first, second = enrolled(portal, mine), enrolled(portal, theirs)
    csr = json.loads(second_request(second))
    status, told = portal.ask("POST", "/api/pods/renew", csr, bearer=first.api_key)
    assert (status, told["code"]) == (403, "other_key")


def second_request(identity: Identity) -> str:
    return json.dumps({"csr": certificate_request(read_key(identity)).decode()})


def test_renewal_is_due_at_two_thirds_and_before_the_begin(portal: Portal, tmp_path: Path) -> None:
    identity = enrolled(portal, tmp_path)
    life = identity.valid_until - identity.valid_from
    assert not identity.is_due(identity.valid_from + life * 0.6)
    assert identity.is_due(identity.valid_from + life * 0.67)
    assert identity.is_due(datetime(1970, 1, 1, tzinfo=UTC))
    assert identity.is_due(datetime(2099, 1, 1, tzinfo=UTC))


async def test_a_pod_keeps_its_certificate_fresh_and_tells_what_fails(portal: Portal, tmp_path: Path) -> None:
    first = await asyncio.to_thread(enrolled, portal, tmp_path)
    addresses = iter([f"https://127.0.0.1:{free_port()}", portal.url, portal.url])
    renewed: list[Identity] = []
    faults: list[IdentityError] = []
    done = asyncio.Event()

    def on_renewed(identity: Identity) -> None:
        renewed.append(identity)
        done.set()

    task = asyncio.create_task(
        keep_renewed(
            tmp_path,
            first,
            portal=lambda: next(addresses),
            on_renewed=on_renewed,
            on_fault=faults.append,
            look_s=0.01,
            now=lambda: first.valid_until if not renewed else datetime.now(UTC),
        )
    )
    async with asyncio.timeout(20):
        await done.wait()
    task.cancel()
    assert ["nobody listens" in str(fault) for fault in faults] == [True]
    assert load(tmp_path) == renewed[0]


def test_a_heartbeat_says_where_operators_reach_the_pod(portal: Portal, tmp_path: Path) -> None:
    identity = enrolled(portal, tmp_path)
    heard = client_of(identity, portal=portal.url).heartbeat(Heartbeat(tailscale_ip="100.64.1.2"))
    assert abs(heard.time_s - datetime.now(UTC).timestamp()) < 60
    kept = portal.database.run_as(
        "a_api",
        f"SELECT host(tailscale_ip) FROM platebridge.pod_heartbeat WHERE pod = '{identity.pod}'",
        tenant="elm",
    )
    assert kept == [("100.64.1.2",)]


def test_a_portal_behind_a_certificate_of_the_web_is_trusted_by_the_machines_authorities(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(portal.folder / "ca" / "ca.crt"))
    identity = enrolled(portal, tmp_path, portal.join(portal_trust="web"))
    assert identity.portal_trust == "web"
    monkeypatch.setenv("SSL_CERT_FILE", str(another_authority(tmp_path)))
    with pytest.raises(PortalError, match="cannot prove"):
        renew(tmp_path, identity, portal=portal.url)


def another_authority(folder: Path) -> Path:
    CertificateAuthority.create(folder / "other-ca", name="Another")
    return folder / "other-ca" / "ca.crt"


SPOILT_ANSWERS = {
    "no id": ({"pod": "bridge"}, "cannot be used"),
    "another's certificate": ({"pod": "pod-another"}, "not of this POD"),
    "no certificate": ({"certificate": "garbage"}, "not of this POD"),
    "a key that is none": ({"keys": {"k": KeyText(key="AAAA", kinds=[])}}, "cannot be used"),
}


@pytest.mark.parametrize("what", SPOILT_ANSWERS)
def test_an_answer_that_would_not_do_is_told_at_once_and_changes_nothing(
    portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    changes, said = SPOILT_ANSWERS[what]
    ask = PortalClient.register
    monkeypatch.setattr(
        PortalClient, "register", lambda self, asked: ask(self, asked).model_copy(update=changes)
    )
    with pytest.raises(IdentityError, match=said):
        enrolled(portal, tmp_path)
    assert load(tmp_path) is None

"""A POD's identity on its disk: whole or as it was, its owner's alone, and damage is told."""

import base64
import contextlib
import os
import pwd
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_disk import small_disk_at

from sync.agent import identity_files
from sync.agent.enroll import certificate_request, key_pem
from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import FILE, FOLDER, Enrolled, load, save, save_renewed
from sync.agent.pod_jwt import read_key
from sync.cloud.identity.ca import CertificateAuthority
from sync.protocol.homes import Home
from sync.protocol.portal import KeyText


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("authority") / "ca", name="PlateBridge test")


@pytest.fixture
def enrolled(authority: CertificateAuthority) -> Enrolled:
    return an_identity(authority, "pod-first")


def an_identity(authority: CertificateAuthority, pod: str) -> Enrolled:
    key = ec.generate_private_key(ec.SECP256R1())
    text = KeyText(
        key=base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode(),
        kinds=["welcome"],
    )
    return Enrolled(
        pod=pod,
        community="elm",
        home=Home("https://cloud.example", ("mqtts://broker.example:8883",)),
        portal_trust="ca",
        keys={"k1": text},
        names={"pod": "Gate"},
        time_zone="UTC",
        api_key="pbk_secret",
        key_pem=key_pem(key),
        certificate_pem=authority.sign_pod(certificate_request(key), pod=pod, now=datetime.now(UTC)),
        ca_pem=authority.certificate_pem,
    )


def test_a_pod_that_was_never_enrolled_has_no_identity(tmp_path: Path) -> None:
    assert load(tmp_path) is None


def test_what_was_saved_is_loaded(tmp_path: Path, enrolled: Enrolled) -> None:
    save(tmp_path, enrolled)
    identity = load(tmp_path)
    assert identity is not None
    assert (identity.pod, identity.home, identity.api_key) == ("pod-first", enrolled.home, "pbk_secret")
    assert identity.key_path.read_bytes() == enrolled.key_pem
    assert "pbk_secret" not in repr(identity) + repr(enrolled)


class _PowerCutError(BaseException):
    pass


def test_a_power_cut_between_any_two_writes_leaves_one_whole_identity(
    tmp_path: Path, authority: CertificateAuthority, enrolled: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, write = an_identity(authority, "pod-second"), identity_files.write_private
    for cut_after in range(4):
        folder = tmp_path / str(cut_after)
        folder.mkdir()
        save(folder, enrolled)
        left = iter(range(cut_after))

        def cut(path: Path, content: bytes, left=left) -> None:
            if next(left, None) is None:
                raise _PowerCutError
            write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(identity_files, "write_private", cut)
            with pytest.raises(_PowerCutError):
                save(folder, second)
        identity = load(folder)
        assert identity is not None
        assert identity.pod == "pod-first"
        assert read_key(identity)
        save(folder, second)
        assert len(list((folder / FOLDER).iterdir())) == 4


def test_a_full_disk_leaves_the_identity_as_it_was(
    tmp_path: Path, authority: CertificateAuthority, enrolled: Enrolled
) -> None:
    with small_disk_at(tmp_path / "disk", "size=64k") as disk:
        save(disk, enrolled)
        fill(disk / "filler")
        try:
            with pytest.raises(IdentityError, match="the disk has room"):
                save(disk, an_identity(authority, "pod-second"))
            identity = load(disk)
        finally:
            (disk / "filler").unlink()
    assert identity is not None
    assert identity.pod == "pod-first"


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_what_root_writes_belongs_to_the_pods_user(tmp_path: Path, enrolled: Enrolled) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away")
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    save(tmp_path, enrolled)
    owners = {path.stat().st_uid for path in (tmp_path / FOLDER, *(tmp_path / FOLDER).iterdir())}
    assert owners == {nobody.pw_uid}


SPOILS = {
    "garbage": lambda folder: (folder / FILE).write_bytes(b"\0\xff"),
    "half": lambda folder: (folder / FILE).write_bytes((folder / FILE).read_bytes()[:100]),
    "no certificate": lambda folder: [path.unlink() for path in folder.glob("*.crt")],
    "no key": lambda folder: [path.unlink() for path in folder.glob("*.key")],
    "a certificate of garbage": lambda folder: [path.write_bytes(b"x") for path in folder.glob("*.crt")],
    "a name that leads elsewhere": lambda folder: _replace(folder, '.key"', '/../../x.key"'),
    "another id": lambda folder: _replace(folder, "pod-first", "POD/1"),
    "a key of the cloud that is none": lambda folder: _replace(folder, '"key": "', '"key": "A'),
    "a giant file": lambda folder: (folder / FILE).write_bytes(b" " * 100_000),
    "a folder": lambda folder: ((folder / FILE).unlink(), (folder / FILE).mkdir()),
}


def _replace(folder: Path, old: str, new: str) -> None:
    text = (folder / FILE).read_text()
    assert old in text
    (folder / FILE).write_text(text.replace(old, new))


@pytest.mark.parametrize("what", SPOILS)
def test_a_damaged_identity_is_told_and_never_taken_for_none(
    tmp_path: Path, enrolled: Enrolled, what: str
) -> None:
    save(tmp_path, enrolled)
    SPOILS[what](tmp_path / FOLDER)
    with pytest.raises(IdentityError, match=str(tmp_path)):
        load(tmp_path)


def test_a_renewal_that_was_overtaken_by_an_enrolment_changes_nothing(
    tmp_path: Path, authority: CertificateAuthority, enrolled: Enrolled
) -> None:
    save(tmp_path, enrolled)
    before = load(tmp_path)
    save(tmp_path, an_identity(authority, "pod-second"))
    assert before is not None
    with pytest.raises(IdentityError, match="anew meanwhile"):
        save_renewed(tmp_path, before, enrolled.certificate_pem, names={}, time_zone="UTC")
    now = load(tmp_path)
    assert now is not None
    assert now.pod == "pod-second"


def test_a_key_that_is_damaged_is_told(tmp_path: Path, enrolled: Enrolled) -> None:
    save(tmp_path, enrolled)
    identity = load(tmp_path)
    assert identity is not None
    identity.key_path.write_bytes(b"garbage")
    with pytest.raises(IdentityError, match="--new-key"):
        read_key(identity)
    with pytest.raises(IdentityError, match="No such file"):
        read_key(replace(identity, key_path=tmp_path / "gone.key"))

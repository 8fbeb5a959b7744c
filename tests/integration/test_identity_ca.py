"""The authority: what real TLS makes of its certificates, and what is wrong with a folder."""

import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.agent.enroll import certificate_request, key_pem
from sync.cloud.errors import IdentityError
from sync.cloud.identity.ca import (
    CERTIFICATE_FILE,
    KEY_FILE,
    CertificateAuthority,
    Issued,
    Revoked,
    certifies,
)

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    CertificateAuthority.create(folder / "ca", name="PlateBridge test")
    (folder / "ca.crt").write_bytes((folder / "ca" / CERTIFICATE_FILE).read_bytes())
    return folder


@pytest.fixture(scope="module")
def authority(folder: Path) -> CertificateAuthority:
    return CertificateAuthority.load(folder / "ca")


def a_pod(authority: CertificateAuthority, pod: str = "pod-a", *, now: datetime = NOW) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    return Issued(key_pem(key), authority.sign_pod(certificate_request(key), pod=pod, now=now))


def shake_hands(authority: CertificateAuthority, folder: Path, mine: Issued, *, crl: bytes = b"") -> str:
    """The name that a server which asks for certificates finds in a POD's; raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs = authority.issue_server(["localhost"])
    server.load_cert_chain(*written(folder, "server", theirs))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authority.certificate_pem.decode())
    if crl:
        (folder / "crl.pem").write_bytes(crl)
        server.load_verify_locations(folder / "crl.pem")
        server.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    client = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    client.load_cert_chain(*written(folder, "pod", mine))
    ours, other = socket.socketpair()
    faults: list[Exception] = []

    def connect() -> None:
        try:
            with client.wrap_socket(ours, server_hostname="localhost") as tls:
                tls.recv(1)
        except OSError as error:
            faults.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        with server.wrap_socket(other, server_side=True) as tls:
            subject = dict(pair for part in tls.getpeercert()["subject"] for pair in part)
            return str(subject["commonName"])
    finally:
        other.close()
        thread.join()


def written(folder: Path, name: str, issued: Issued) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(issued.chain_pem)
    key.write_bytes(issued.key_pem)
    return certificate, key


def test_a_server_finds_the_pods_id_in_its_certificate(authority: CertificateAuthority, folder: Path) -> None:
    assert shake_hands(authority, folder, a_pod(authority)) == "pod-a"


def test_a_service_signs_in_by_its_name(authority: CertificateAuthority, folder: Path) -> None:
    assert shake_hands(authority, folder, authority.issue_service("bridge")) == "bridge"


def test_a_certificate_that_expired_is_refused(authority: CertificateAuthority, folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match="expired"):
        shake_hands(authority, folder, a_pod(authority, now=NOW - timedelta(days=31)))


def test_a_certificate_of_another_authority_is_refused(
    authority: CertificateAuthority, folder: Path, tmp_path: Path
) -> None:
    other = CertificateAuthority.create(tmp_path / "other", name="PlateBridge test")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake_hands(authority, folder, a_pod(other))


def test_a_servers_certificate_signs_nobody_in(authority: CertificateAuthority, folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)purpose|unsuitable"):
        shake_hands(authority, folder, authority.issue_server(["pod-a"]))


def test_a_revoked_certificate_is_refused_by_whoever_reads_the_list(
    authority: CertificateAuthority, folder: Path
) -> None:
    mine, other = a_pod(authority), a_pod(authority, "pod-b")
    serial = x509.load_pem_x509_certificate(mine.chain_pem).serial_number
    crl = authority.revocation_list([Revoked(serial, NOW)], now=NOW, valid_s=3600)
    with pytest.raises(ssl.SSLError, match="revoked"):
        shake_hands(authority, folder, mine, crl=crl)
    assert shake_hands(authority, folder, other, crl=crl) == "pod-b"


def test_a_pod_can_certify_nobody(authority: CertificateAuthority, folder: Path) -> None:
    """openssl verifies a chain through a POD's certificate, which is no authority's."""
    middle = a_pod(authority)
    written(folder, "middle", middle)
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "leaf.csr").write_bytes(certificate_request(key))
    subprocess.run(
        [
            "openssl",
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "middle.crt",
            "-CAkey",
            "middle.key",
            "-out",
            "leaf.crt",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    verify = ["openssl", "verify", "-CAfile", "ca.crt", "-untrusted", "middle.crt", "leaf.crt"]
    refused = subprocess.run(verify, cwd=folder, check=False, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "invalid CA" in refused.stderr + refused.stdout


def test_a_second_authority_does_not_replace_the_first(folder: Path) -> None:
    with pytest.raises(IdentityError, match="already"):
        CertificateAuthority.create(folder / "ca", name="Again")


def test_a_loaded_authority_is_the_same(authority: CertificateAuthority, folder: Path) -> None:
    der = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    assert authority.sha256 == der.fingerprint(der.signature_hash_algorithm)
    assert (folder / "ca" / KEY_FILE).stat().st_mode & 0o777 == 0o600


def spoil_nothing_there(folder: Path) -> None:
    (folder / KEY_FILE).unlink()


def spoil_open(folder: Path) -> None:
    (folder / KEY_FILE).chmod(0o640)


def spoil_garbage(folder: Path) -> None:
    (folder / KEY_FILE).write_bytes(b"\0\1")


def spoil_mixed(folder: Path) -> None:
    CertificateAuthority.create(folder / "x", name="x")
    (folder / KEY_FILE).write_bytes((folder / "x" / KEY_FILE).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(spoil_nothing_there, "name the authority's folder", id="missing"),
        pytest.param(spoil_open, "chmod 600", id="open to others"),
        pytest.param(spoil_garbage, "from a backup", id="garbage"),
        pytest.param(spoil_mixed, "do not belong together", id="mixed"),
    ],
)
def test_a_folder_that_is_damaged_is_told_with_its_mend(tmp_path: Path, spoil, said: str) -> None:
    CertificateAuthority.create(tmp_path / "ca", name="PlateBridge test")
    spoil(tmp_path / "ca")
    with pytest.raises(IdentityError, match=said):
        CertificateAuthority.load(tmp_path / "ca")


@pytest.mark.parametrize("names", [[], ["münchen"], [""]], ids=["none", "not ASCII", "empty"])
def test_a_server_without_a_name_gets_no_certificate(
    authority: CertificateAuthority, names: list[str]
) -> None:
    with pytest.raises(IdentityError):
        authority.issue_server(names)


def test_a_certificate_of_another_pod_or_key_is_told_from_the_right_one(
    authority: CertificateAuthority,
) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    made = authority.sign_pod(certificate_request(key), pod="pod-a", now=NOW)
    assert certifies(made, pod="pod-a", key=key.public_key()).serial_number
    for pod, public in (("pod-b", key.public_key()), ("pod-a", other.public_key())):
        with pytest.raises(IdentityError, match="another key or name"):
            certifies(made, pod=pod, key=public)
    with pytest.raises(IdentityError, match="PEM"):
        certifies(b"garbage", pod="pod-a", key=key.public_key())

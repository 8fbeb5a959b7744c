"""Who is let in as a POD: by a token, once, whatever is shown beside it."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cloud_database import TWO_COMMUNITIES, CloudServer, a_database
from cloud_portal import BROKERS, Portal, running_portal
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from sync.cloud.identity import registration
from sync.protocol.topics import check_pod


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


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pods(portal: Portal) -> int:
    return int(portal.database.run_as("postgres", "SELECT count(*) FROM platebridge.pod")[0][0])


def pem(builder: x509.CertificateSigningRequestBuilder, key: Any) -> str:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def named(name: str) -> x509.CertificateSigningRequestBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject)


def test_a_token_lets_a_pod_in_and_tells_it_all_that_it_needs(portal: Portal) -> None:
    key = new_key()
    status, told = portal.register(portal.token(), key)
    assert status == 200
    assert check_pod(told["pod"])
    assert told["community"] == "elm"
    assert told["brokers"] == list(BROKERS)
    assert told["names"] == {"pod": "Gate", "site": "North", "community": "Elm"}
    assert told["time_zone"] == "Europe/Berlin"
    assert told["keys"]["bridge-1"]["kinds"] == ["welcome"]
    certificate = x509.load_pem_x509_certificate(told["certificate"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(portal.authority.certificate_pem))
    assert certificate.public_key() == key.public_key()
    assert [a.value for a in certificate.subject] == [told["pod"]]
    assert timedelta(days=29) < certificate.not_valid_after_utc - certificate.not_valid_before_utc


def test_no_secret_of_a_pod_is_in_the_database(portal: Portal) -> None:
    token = portal.token()
    told = portal.register(token)[1]
    kept = portal.database.run_as("postgres", "SELECT encode(hash, 'hex') FROM platebridge.token")
    everything = str(kept)
    assert token not in everything
    assert told["api_key"].encode().hex() not in everything


def test_a_token_that_was_used_lets_no_other_pod_in(portal: Portal) -> None:
    token = portal.token()
    assert portal.register(token)[0] == 200
    before = pods(portal)
    status, told = portal.register(token)
    assert (status, told["code"]) == (409, "token_used")
    assert "new join string" in told["detail"]
    assert pods(portal) == before


def test_a_pod_that_lost_the_answer_asks_again_and_is_the_same_pod(portal: Portal) -> None:
    token, key = portal.token(), new_key()
    first = portal.register(token, key)[1]
    status, second = portal.register(token, key)
    assert status == 200
    assert second["pod"] == first["pod"]
    beat = {"tailscale_ip": "100.64.0.7"}
    assert portal.ask("POST", "/api/pods/heartbeat", beat, bearer=second["api_key"])[0] == 200
    assert portal.ask("POST", "/api/pods/heartbeat", beat, bearer=first["api_key"])[0] == 401


def test_a_pod_that_registers_again_with_its_key_keeps_its_id_and_moves_to_the_tokens_site(
    portal: Portal,
) -> None:
    portal.database.run_as(
        "postgres",
        "INSERT INTO platebridge.site (community, id, name, time_zone) VALUES ('elm', 'west', 'West', 'UTC') "
        "ON CONFLICT DO NOTHING",
    )
    key = new_key()
    first = portal.register(portal.token(), key)[1]
    status, second = portal.register(portal.token(site="west"), key, community="elm")
    assert status == 200
    assert second["pod"] == first["pod"]
    assert second["names"]["site"] == "West"
    assert second["time_zone"] == "UTC"


@pytest.mark.parametrize("racers", [2, 6])
def test_of_registrations_that_race_for_one_token_exactly_one_wins(portal: Portal, racers: int) -> None:
    token, before = portal.token(), pods(portal)
    start, answers = threading.Barrier(racers), []

    def race() -> None:
        start.wait()
        answers.append(portal.register(token))

    threads = [threading.Thread(target=race) for _ in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] + [409] * (racers - 1)
    assert pods(portal) == before + 1


def test_a_token_that_expired_lets_nobody_in(portal: Portal) -> None:
    token = portal.token(life_s=60)
    portal.ahead = timedelta(seconds=61)
    status, told = portal.register(token)
    assert (status, told["code"]) == (403, "token_expired")


def test_a_token_that_was_taken_back_lets_nobody_in(portal: Portal) -> None:
    token = portal.token()
    portal.database.run_as(
        "a_api",
        f"UPDATE platebridge.token SET revoked_at = now() WHERE hash = sha256('\\x{token}'::bytea)",
        tenant="elm",
    )
    assert portal.register(token)[1]["code"] == "token_revoked"


@pytest.mark.parametrize("token", ["00" * 20, "ff" * 20], ids=["zeros", "ones"])
def test_a_token_that_nobody_made_lets_nobody_in(portal: Portal, token: str) -> None:
    status, told = portal.register(token)
    assert (status, told["code"]) == (401, "token_unknown")


def test_an_api_key_is_no_join_token(portal: Portal) -> None:
    """Its digest is in the same table."""
    portal.database.run_as(
        "postgres",
        "INSERT INTO platebridge.token (hash, community, kind, pod) "
        "VALUES (sha256('\\x" + "ab" * 20 + "'::bytea), 'elm', 'api_key', 'pod-elm')",
    )
    assert portal.register("ab" * 20)[1]["code"] == "token_unknown"


def test_a_pod_with_the_audit_of_one_community_gets_into_no_other_and_spends_nothing(portal: Portal) -> None:
    token, key = portal.token("oak", "south"), new_key()
    status, told = portal.register(token, key, community="elm")
    assert (status, told["code"]) == (409, "other_community")
    assert "data directory" in told["detail"]
    assert portal.register(token, key)[0] == 200


def test_a_key_of_one_community_gets_into_no_other(portal: Portal) -> None:
    key = new_key()
    assert portal.register(portal.token(), key)[0] == 200
    assert portal.register(portal.token("oak", "south"), key)[1]["code"] == "other_community"


def test_a_revoked_pod_comes_back_neither_with_its_token_nor_with_a_new_one(portal: Portal) -> None:
    token, key = portal.token(), new_key()
    pod = portal.register(token, key)[1]["pod"]
    portal.database.run_as(
        "a_api", f"UPDATE platebridge.pod SET revoked_at = now() WHERE id = '{pod}'", tenant="elm"
    )
    assert portal.register(token, key)[1]["code"] == "token_used"
    status, told = portal.register(portal.token(), key)
    assert (status, told["code"]) == (403, "pod_revoked")
    assert "--new-key" in told["detail"]


def test_what_a_request_calls_itself_is_passed_over(portal: Portal) -> None:
    key = new_key()
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    hosts = x509.SubjectAlternativeName([x509.DNSName("bridge"), x509.DNSName("pod-oak")])
    builder = named("pod-oak").add_extension(constraints, True).add_extension(hosts, False)
    asked = {"token": portal.token(), "csr": pem(builder, key), "name": "Gate"}
    status, told = portal.ask("POST", "/api/pods/register", asked)
    assert status == 200
    certificate = x509.load_pem_x509_certificate(told["certificate"].encode())
    assert [a.value for a in certificate.subject] == [told["pod"]] != ["pod-oak"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def tampered() -> str:
    """A request whose names were changed after it was signed."""
    der = named("pod-mine").sign(new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    changed = x509.load_der_x509_csr(der.replace(b"pod-mine", b"pod-oaks"))
    return changed.public_bytes(serialization.Encoding.PEM).decode()


WEAK = {
    "RSA of 1024 bits": lambda: pem(named("p"), rsa.generate_private_key(65537, 1024)),
    "RSA": lambda: pem(named("p"), rsa.generate_private_key(65537, 2048)),
    "P-192": lambda: pem(named("p"), ec.generate_private_key(ec.SECP192R1())),
    "P-521": lambda: pem(named("p"), ec.generate_private_key(ec.SECP521R1())),
    "DSA": lambda: pem(named("p"), dsa.generate_private_key(1024)),
    "of another key": tampered,
    "garbage": lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "no PEM": lambda: "\0\1\2 {}",
    "empty": lambda: "",
    "a lone surrogate": lambda: "\udcff",
    "a certificate": lambda: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("what", WEAK)
def test_a_request_that_is_weak_or_none_is_refused_and_spends_nothing(portal: Portal, what: str) -> None:
    token, before = portal.token(), pods(portal)
    status, told = portal.ask(
        "POST", "/api/pods/register", {"token": token, "csr": WEAK[what](), "name": "Gate"}
    )
    assert (status, told["code"]) == (422, "bad_request")
    assert pods(portal) == before
    assert portal.register(token)[0] == 200


def test_an_ed25519_key_is_taken_as_well(portal: Portal) -> None:
    assert portal.register(portal.token(), ed25519.Ed25519PrivateKey.generate())[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 422, id="empty"),
        pytest.param(b"{", 422, id="cut off"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b"[" * 30_000, 400, id="very deep"),
        pytest.param(b'{"token": 7, "csr": {}, "name": null}', 422, id="other types"),
        pytest.param(
            b'{"token": "' + b"a" * 40 + b'", "csr": "x", "name": "' + b"n" * 201 + b'"}', 422, id="name"
        ),
        pytest.param(b'{"csr": "' + b"x" * 1_000_000 + b'"}', 413, id="1 MB"),
        pytest.param(
            b'{"token": "' + b"a" * 40 + b'", "csr": "x", "name": "a\\u0000b"}', 422, id="NUL in the name"
        ),
        pytest.param(b"\xff\xfe", 422, id="no UTF-8"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_without_being_repeated(
    portal: Portal, body: bytes, status: int
) -> None:
    answered, told = portal.ask("POST", "/api/pods/register", raw=body)
    assert answered == status
    assert set(told) == {"code", "detail"}
    assert "nnnn" not in told["detail"]


def test_a_pod_gets_a_bounded_number_of_certificates_a_day(portal: Portal) -> None:
    token, key = portal.token(), new_key()
    answers = [portal.register(token, key) for _ in range(22)]
    assert [status for status, _ in answers[:20]] == [200] * 20
    assert {told["code"] for _, told in answers[20:]} == {"too_often"}


class Failing:
    """An authority of somebody else's that certifies something else, or takes for ever."""

    def __init__(self, portal: Portal, *, waits: threading.Event | None = None) -> None:
        self._inner = portal.authority
        self._waits = waits
        self.certificate_pem = portal.authority.certificate_pem

    def sign_pod(self, csr_pem: bytes, *, pod: str, now: Any) -> bytes:
        if self._waits is not None:
            self._waits.wait(20)
        return self._inner.sign_pod(csr_pem, pod="pod-another", now=now)


def test_an_authority_that_does_not_answer_spends_nothing(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, answers = portal.token(), threading.Event()
    monkeypatch.setattr(registration, "SIGN_S", 0.2)
    monkeypatch.setattr(portal.desk, "signer", Failing(portal, waits=answers))
    try:
        assert portal.register(token)[1]["code"] == "no_authority"
    finally:
        answers.set()
    monkeypatch.undo()
    assert portal.register(token)[0] == 200


def test_a_certificate_that_names_another_pod_is_never_handed_out_and_spends_nothing(
    portal: Portal, tmp_path: Path
) -> None:
    token = portal.token()
    portal.desk.signer = Failing(portal)
    try:
        status, told = portal.register(token)
    finally:
        portal.desk.signer = portal.authority
    assert (status, told["code"]) == (503, "no_authority")
    assert portal.register(token)[0] == 200

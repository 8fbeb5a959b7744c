"""A gate behind a web address: asked once, believed only when it says yes, never asked again."""

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gate_device import (
    OK,
    GateDevice,
    Serve,
    answers,
    answers_after,
    answers_status,
    drips,
    hangs_up,
    resets,
)
from gate_fixtures import PULSE_MS, Recorder, a_gate, is_replaced, on_times_ms, until

from pod.config import GateConfig
from pod.domain.errors import GateError
from pod.domain.gate_facts import GateFact
from pod.gate.drivers.http import HttpDevice, is_local
from pod.gate.guard_client import GuardClient
from pod.gate.guard_gate import input_path
from pod.gate.pulse import NotPulsedError

TIMEOUT_MS = 400


def http_gate(url: str, **settings: object) -> GateConfig:
    http = {"url": url, "timeout_ms": TIMEOUT_MS, **settings}
    return GateConfig.model_validate(
        {"name": "web", "driver": "http", "pulse_ms": PULSE_MS, "pause_s": 1, "http": http}
    )


@contextmanager
def guarding(run_dir: Path, *gates: GateConfig, recorder: Recorder | None = None) -> Iterator[GuardClient]:
    client = (recorder or Recorder()).start(run_dir, *gates)
    try:
        yield client
    finally:
        client.close()


def test_one_pulse_is_one_request_with_its_length_and_its_id(tmp_path: Path) -> None:
    recorder = Recorder()
    path = "/relay?ms={pulse_ms}&s={pulse_s}&id={pulse_id}&gate={gate}"
    with GateDevice(OK) as device, guarding(tmp_path, http_gate(device.url(path))) as client:
        started = client.pulse("web", "a&b=ü".replace("ü", "%"), on_end=recorder.ends.append)
        until(lambda: bool(recorder.ends))
    (head,) = device.requests
    line, *headers = head.decode().split("\r\n")
    assert line == "GET /relay?ms=120&s=0.12&id=a%26b%3D%25&gate=web HTTP/1.1"
    assert f"Host: 127.0.0.1:{device.port}" in headers
    (end,) = recorder.ends
    assert (end.error, end.on_s) == (None, started.on_s)
    assert PULSE_MS - 1 <= end.on_for_ms <= PULSE_MS + 100


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"method": "POST"}, ["POST /pulse HTTP/1.1", "Content-Length: 0"], id="POST"),
        pytest.param({"method": "PUT"}, ["PUT /pulse HTTP/1.1", "Content-Length: 0"], id="PUT"),
        pytest.param(
            {"username": "u", "password": "p:q"}, ["Authorization: Basic dTpwOnE="], id="user-and-password"
        ),
        pytest.param({"token": "swordfish"}, ["Authorization: Bearer swordfish"], id="token"),
    ],
)
def test_the_device_is_asked_as_configured(
    tmp_path: Path, settings: dict[str, object], expected: list[str]
) -> None:
    with GateDevice(OK) as device, guarding(tmp_path, http_gate(device.url(), **settings)) as client:
        client.pulse("web", "p", on_end=lambda end: None)
    assert set(expected) <= set(device.requests[0].decode().split("\r\n"))


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        pytest.param(answers_after(5), "gave no answer|no answer in time", id="no-answer-in-time"),
        pytest.param(drips, "gave no answer|no answer in time", id="an-answer-byte-by-byte"),
        pytest.param(hangs_up, "hung up without an answer", id="cut-without-an-answer"),
        pytest.param(resets, "reset|hung up", id="reset-without-an-answer"),
        pytest.param(answers_status("302 Found", "Location: /other\r\n"), "not followed", id="a-redirect"),
        pytest.param(answers_status("401 Unauthorized"), "username, password or token", id="not-signed-in"),
        pytest.param(answers_status("404 Not Found"), "check the path", id="no-such-path"),
        pytest.param(answers_status("500 Oops"), "look at the device", id="a-fault-of-the-device"),
        pytest.param(answers_status("100 Continue"), "answered 100", id="no-final-answer"),
        pytest.param(answers("SSH-2.0-dropbear\r\n"), "is not HTTP", id="another-protocol"),
        pytest.param(answers("HTTP/1.1 ok\r\n"), "is not HTTP", id="no-status"),
        pytest.param(answers("x" * 100_000), "is not HTTP", id="a-line-without-end"),
        pytest.param(answers("\r\n\r\n"), "is not HTTP", id="empty-lines"),
    ],
)
def test_once_the_request_was_sent_the_pulse_may_have_been_given_and_is_never_repeated(
    tmp_path: Path, serve: Serve, words: str
) -> None:
    recorder = Recorder()
    with GateDevice(serve) as device, guarding(tmp_path, http_gate(device.url())) as client:
        with pytest.raises(GateError, match=words) as caught:
            client.pulse("web", "p", on_end=recorder.ends.append)
        assert not isinstance(caught.value, NotPulsedError)
        assert client.state("web").condition == "ready"
    assert (len(device.requests), device.connections) == (1, 1)
    assert recorder.ends == []


def test_the_time_limit_holds_for_the_whole_answer_however_slowly_it_drips() -> None:
    with GateDevice(drips) as server:
        device = HttpDevice({"url": server.url(), "method": "GET", "timeout_ms": 500}, pulse_ms=500, gate="g")
        began_s = time.monotonic()
        assert device.request("p").run()[0] == "unknown"
        assert time.monotonic() - began_s < 1.5


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_refused_connection_is_no_pulse(tmp_path: Path) -> None:
    with guarding(tmp_path, http_gate(f"http://127.0.0.1:{refused_port()}/")) as client:
        with pytest.raises(NotPulsedError, match=r"not reached.*refused") as caught:
            client.pulse("web", "p", on_end=lambda end: None)
        assert caught.value.reason == "gate_unavailable"


def test_a_name_that_is_not_known_is_no_pulse(tmp_path: Path) -> None:
    with (
        guarding(tmp_path, http_gate("http://relay.invalid/", timeout_ms=5000)) as client,
        pytest.raises(NotPulsedError, match=r"name is not known|not reached within"),
    ):
        client.pulse("web", "p", on_end=lambda end: None)


@contextmanager
def unreached_port() -> Iterator[int]:
    """A port where connections wait to be accepted, for ever."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # They fill the queue of connections to accept.
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()[1]
        for one in waiting:
            one.close()


def test_a_device_that_takes_no_connection_in_time_is_no_pulse(tmp_path: Path) -> None:
    with unreached_port() as port, guarding(tmp_path, http_gate(f"http://127.0.0.1:{port}/")) as client:
        began_s = time.monotonic()
        with pytest.raises(NotPulsedError, match=r"no answer in time|not reached within"):
            client.pulse("web", "p", on_end=lambda end: None)
        assert time.monotonic() - began_s < TIMEOUT_MS / 1000 + 0.5


def test_a_step_that_waits_for_its_device_is_taken_back_once_the_gate_moves(tmp_path: Path) -> None:
    contact = input_path(tmp_path, "web", "closed")
    contact.write_text("1")
    with unreached_port() as port:
        given = http_gate(f"http://127.0.0.1:{port}/", timeout_ms=5000).model_dump()
        closed = {"shows": "closed", "driver": "simulated"}
        gate = GateConfig.model_validate(given | {"input": "step", "inputs": (closed,)})
        with guarding(tmp_path, gate) as client, ThreadPoolExecutor(1) as caller:
            answer = caller.submit(client.pulse, "web", "p", on_end=lambda end: None)
            guard = psutil.Process(client.pid)
            until(lambda: any(one.status == psutil.CONN_SYN_SENT for one in guard.net_connections()))
            contact.write_text("0")
            with pytest.raises(NotPulsedError, match="not closed") as caught:
                answer.result(4)
            assert caught.value.reason == "gate_not_closed"


def test_plain_http_is_never_sent_to_an_address_of_the_internet() -> None:
    device = HttpDevice(
        {"url": "http://8.8.8.8/", "method": "GET", "timeout_ms": 500}, pulse_ms=500, gate="g"
    )
    assert device.request("p").run() == (
        "not_sent",
        "8.8.8.8:80 was not reached (plain http leaves the local network there; use https); "
        "check its address, power and network",
    )


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("192.168.1.2", True),
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("169.254.3.4", True),
        ("100.64.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:192.168.1.2", True),
        ("::ffff:8.8.8.8", False),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("2600::1", False),
    ],
)
def test_the_local_network_ends_where_the_internet_begins(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_a_request_given_up_before_it_was_sent_is_never_sent() -> None:
    with GateDevice(OK) as server:
        device = HttpDevice({"url": server.url(), "method": "GET", "timeout_ms": 500}, pulse_ms=500, gate="g")
        request = device.request("p")
        assert request.give_up()[0] == "not_sent"
        assert request.run()[0] == "not_sent"
        until(lambda: server.requests == [b""])


@contextmanager
def certified(folder: Path, host: str) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A server's context with a certificate of its own for this host, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "device.pem", folder / "device.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    yield context, certificate_file


def test_a_device_with_its_own_certificate_is_believed_when_that_is_named(tmp_path: Path) -> None:
    with certified(tmp_path, "127.0.0.1") as (tls, certificate), GateDevice(OK, tls=tls) as device:
        gate = http_gate(device.url(), certificate=str(certificate), timeout_ms=3000)
        with guarding(tmp_path, gate) as client:
            client.pulse("web", "p", on_end=lambda end: None)
        assert len(device.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9"], ids=["not-named", "for-another-host"])
def test_a_certificate_that_is_not_trusted_is_no_pulse(tmp_path: Path, host: str) -> None:
    with certified(tmp_path, host) as (tls, certificate), GateDevice(OK, tls=tls) as device:
        named = {} if host == "127.0.0.1" else {"certificate": str(certificate)}
        with (
            guarding(tmp_path, http_gate(device.url(), timeout_ms=3000, **named)) as client,
            pytest.raises(NotPulsedError, match="certificate is not trusted"),
        ):
            client.pulse("web", "p", on_end=lambda end: None)
        assert device.requests == []


def test_a_certificate_that_cannot_be_read_leaves_the_gate_unavailable(tmp_path: Path) -> None:
    (tmp_path / "device.pem").write_text("this is none")
    gate = http_gate("https://127.0.0.1/", certificate=str(tmp_path / "device.pem"))
    with guarding(tmp_path, gate) as client:
        assert client.state("web").condition == "unavailable"
        assert "no certificate in PEM form" in client.state("web").reason


def test_a_device_that_is_slow_delays_no_other_gate(tmp_path: Path) -> None:
    recorder = Recorder()
    failed = threading.Event()

    def ask(client: GuardClient) -> None:
        with pytest.raises(GateError):
            client.pulse("web", "slow", on_end=recorder.ends.append)
        failed.set()

    with GateDevice(answers_after(5)) as device:
        slow = http_gate(device.url(), timeout_ms=2000)
        with guarding(tmp_path, a_gate(), slow) as client:
            thread = threading.Thread(target=ask, args=(client,))
            thread.start()
            until(lambda: bool(device.requests))
            client.pulse("main", "p", on_end=recorder.ends.append)
            until(lambda: bool(recorder.ends))
            assert not failed.is_set(), "the slow device was still being asked"
            thread.join()
    assert recorder.ends[0].gate == "main"
    [on_ms] = on_times_ms(tmp_path, dead_ns=0)
    # The question is whether the other gate waits for the device; what a loaded machine adds is not.
    assert PULSE_MS <= on_ms <= PULSE_MS + 200


def test_of_a_request_under_way_nothing_is_known_when_the_guard_dies_and_the_next_one_repeats_nothing(
    tmp_path: Path,
) -> None:
    errors: list[GateError] = []

    def ask(client: GuardClient) -> None:
        try:
            client.pulse("web", "p", on_end=lambda end: None)
        except GateError as error:
            errors.append(error)

    with GateDevice(answers_after(5)) as device:
        with guarding(tmp_path, http_gate(device.url(), timeout_ms=4000)) as client:
            thread = threading.Thread(target=ask, args=(client,))
            thread.start()
            until(lambda: bool(device.requests))
            killed = client.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            thread.join()
            until(lambda: is_replaced(client, killed))
        assert len(device.requests) == 1
    assert not isinstance(errors[0], NotPulsedError)
    assert "before it answered" in str(errors[0])


def test_the_secrets_of_a_device_show_nowhere_but_in_its_request(
    tmp_path: Path, find_secret: Callable[[int], bool]
) -> None:
    with GateDevice(OK) as device, guarding(tmp_path, http_gate(device.url(), token="swordfish")) as client:
        client.pulse("web", "p", on_end=lambda end: None)
        assert client.pid is not None
        assert not find_secret(client.pid)


@pytest.fixture
def find_secret() -> Callable[[int], bool]:
    """Whether a process shows the secret to other users: in its arguments or its environment."""

    def shows(pid: int) -> bool:
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        return b"swordfish" in seen

    return shows


def test_a_device_that_answered_yes_was_commanded_and_one_that_did_not_was_not(tmp_path: Path) -> None:
    facts: list[GateFact] = []
    for serve in (OK, answers_status("500 Oops")):
        with GateDevice(serve) as device:
            client = GuardClient.start([http_gate(device.url())], tmp_path, on_fact=facts.append)
            try:
                client.pulse("web", "p", on_end=lambda end: None)
            except GateError:
                pass
            finally:
                client.close()
    assert [fact.fact for fact in facts] == ["commanded"]

"""Addresses of brokers, and the files that prove who is at either end."""

import ssl
from pathlib import Path

import pytest

from sync.mqtt import BrokerAddress, LinkError, TlsFiles


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        pytest.param("mqtts://hub.example", "mqtts://hub.example:8883", id="tls"),
        pytest.param("mqtts://hub.example:443/", "mqtts://hub.example:443", id="port"),
        pytest.param("MQTTS://Hub.Example", "mqtts://hub.example:8883", id="capitals"),
        pytest.param("wss://hub.example", "wss://hub.example:443/mqtt", id="websocket"),
        pytest.param("wss://hub.example:9001/a/b", "wss://hub.example:9001/a/b", id="path"),
        pytest.param("mqtts://[fd00::1]", "mqtts://[fd00::1]:8883", id="ipv6"),
        pytest.param("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883", id="this machine"),
        pytest.param("mqtt://[::1]:1884", "mqtt://[::1]:1884", id="this machine by ipv6"),
        pytest.param("mqtt://localhost", "mqtt://localhost:1883", id="this machine by name"),
    ],
)
def test_an_address_is_read_and_written_back_whole(text: str, whole: str):
    address = BrokerAddress.parse(text)
    assert str(address) == whole
    assert BrokerAddress.parse(whole) == address


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("hub.example:8883", id="no scheme"),
        pytest.param("https://hub.example", id="another scheme"),
        pytest.param("ws://127.0.0.1/mqtt", id="websocket without tls"),
        pytest.param("mqtts://", id="no host"),
        pytest.param("mqtts://hub.example:0", id="port 0"),
        pytest.param("mqtts://hub.example:70000", id="port too large"),
        pytest.param("mqtts://hub.example:x", id="port no number"),
        pytest.param("mqtts://hub.example/topic", id="a path where none can be"),
        pytest.param("mqtts://pod:secret@hub.example", id="a password in it"),
        pytest.param("wss://hub.example/mqtt?key=secret", id="a query"),
        pytest.param("wss://hub.example/mqtt#a", id="a fragment"),
        pytest.param("mqtts://[::1", id="half an ipv6"),
        pytest.param("mqtts://hub example", id="a blank"),
        pytest.param("wss://hub.example/a\r\nX-Own: 1", id="a line break"),
    ],
)
def test_what_is_no_address_of_a_broker_is_refused(text: str):
    with pytest.raises(LinkError, match="is no broker's address: write mqtts://") as refused:
        BrokerAddress.parse(text)
    assert refused.value.reason == "address"


@pytest.mark.parametrize("host", ["192.168.1.4", "hub.example", "localhost.example", "0.0.0.0"])
def test_without_tls_only_this_machine_is_an_address(host: str):
    with pytest.raises(LinkError, match="without TLS only a broker on this machine"):
        BrokerAddress.parse(f"mqtt://{host}")


def test_a_refusal_of_a_very_long_address_is_short():
    with pytest.raises(LinkError) as refused:
        BrokerAddress.parse("x" * 100_000)
    assert len(str(refused.value)) < 400


def test_a_certificate_that_is_missing_or_none_is_told_by_its_path(tmp_path: Path):
    with pytest.raises(LinkError, match=r"none\.crt: No such file"):
        TlsFiles(tmp_path / "none.crt").context()
    (tmp_path / "text.crt").write_text("no certificate")
    with pytest.raises(LinkError, match=r"text\.crt: no such PEM in it: see that all are there"):
        TlsFiles(tmp_path / "text.crt").context()


def test_a_connection_checks_the_name_and_takes_no_old_tls():
    context = TlsFiles(None).context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2

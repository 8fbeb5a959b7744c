"""The settings of who may show live video: origins and keys, in the forms that count."""

import base64

import pytest
from pydantic import ValidationError

from pod.config_live import LiveConfig

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://portal.example.org/", id="a path"),
        pytest.param("https://portal.example.org?x", id="a query"),
        pytest.param("portal.example.org", id="no scheme"),
        pytest.param("http://portal.example.org", id="no TLS"),
        pytest.param("https://user@portal.example.org", id="a user"),
        pytest.param("https://portal.example.org:443", id="the usual port"),
        pytest.param("https://portal.example.org:x", id="no port"),
        pytest.param("https://[", id="no host"),
        pytest.param("*", id="any"),
        pytest.param("null", id="null"),
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError):
        LiveConfig(origins=(origin,))


def test_an_origin_counts_as_browsers_write_it() -> None:
    assert LiveConfig(origins=("https://Portal.Example.org:8443", "http://localhost:5000")).origins == (
        "https://portal.example.org:8443",
        "http://localhost:5000",
    )


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"kid": "a b", "public_key": KEY}, id="a name with a space"),
        pytest.param({"kid": "", "public_key": KEY}, id="no name"),
        pytest.param({"kid": "portal", "public_key": KEY[:-4]}, id="too short"),
        pytest.param({"kid": "portal", "public_key": "ssh-ed25519 AAAA"}, id="another form"),
        pytest.param({"kid": "portal", "public_key": "ü" * 44}, id="no base64"),
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(key: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        LiveConfig.model_validate({"trusted_keys": [key]})
    assert key["public_key"] not in str(refused.value)


def test_a_key_may_be_written_in_either_base64() -> None:
    raw = b"\xff" * 32
    for text in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        config = LiveConfig.model_validate({"trusted_keys": [{"kid": "portal", "public_key": text.decode()}]})
        assert config.trusted_keys[0].raw == raw


def test_two_keys_of_one_name_are_refused() -> None:
    key = {"kid": "portal", "public_key": KEY}
    with pytest.raises(ValidationError, match="twice"):
        LiveConfig.model_validate({"trusted_keys": [key, key]})

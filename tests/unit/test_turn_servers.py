"""TURN servers of the configuration: what is refused, and what viewers are given of the rest."""

import base64
import hashlib
import hmac

import pytest
from pydantic import ValidationError

from pod.app_live import ice_servers
from pod.config_live import LiveConfig
from pod.media.live.server_address import ServerAddress, server_address
from pod.media.live.turn_credentials import LIFETIME_S, turn_credentials

URL = "turn:turn.example.org:3478"
SECRET = "shared with coturn alone"


def config(**turn: object) -> LiveConfig:
    return LiveConfig.model_validate({"turn": {"urls": [URL], "secret": SECRET} | turn})


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("stun:stun.example.org", id="STUN"),
        pytest.param("turn.example.org:3478", id="no scheme"),
        pytest.param("turn://turn.example.org", id="as a page's address"),
        pytest.param("turn:turn.example.org:70000", id="no port"),
        pytest.param("turn:turn.example.org?transport=sctp", id="another transport"),
        pytest.param("turn:user@turn.example.org", id="a user"),
        pytest.param('turn:x>; rel="x"', id="what would end a header"),
        pytest.param("turn:", id="no host"),
    ],
)
def test_what_is_no_address_of_a_turn_server_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValidationError, match="such as turn:"):
        config(urls=[url])


def test_turns_over_udp_is_refused_as_no_browser_can_do_it() -> None:
    with pytest.raises(ValidationError, match="goes over TCP"):
        config(urls=["turns:turn.example.org?transport=udp"])


@pytest.mark.parametrize(
    ("changed", "mend"),
    [
        pytest.param({"secret": None}, "needs the secret", id="nothing"),
        pytest.param({"secret": None, "username": "pod"}, "needs the secret", id="a name alone"),
        pytest.param({"secret": None, "password": "x"}, "needs the secret", id="a password alone"),
        pytest.param({"username": "pod", "password": "x"}, "takes one of them", id="both kinds"),
        pytest.param({"urls": []}, "at least 1", id="no address"),
        pytest.param({"secret": None, "username": "a b", "password": "x"}, "visible ASCII", id="a space"),
    ],
)
def test_credentials_that_cannot_work_are_refused_with_the_mend(
    changed: dict[str, object], mend: str
) -> None:
    with pytest.raises(ValidationError, match=mend) as refused:
        config(**changed)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        pytest.param("stun:192.0.2.1", ServerAddress("stun", "192.0.2.1", 3478, "udp"), id="STUN"),
        pytest.param("turn:a.example", ServerAddress("turn", "a.example", 3478, "udp"), id="TURN"),
        pytest.param("turn:a:80?transport=tcp", ServerAddress("turn", "a", 80, "tcp"), id="over TCP"),
        pytest.param("turns:a", ServerAddress("turns", "a", 5349, "tcp"), id="over TLS"),
        pytest.param("turn:[2001:db8::1]:443", ServerAddress("turn", "2001:db8::1", 443, "udp"), id="IPv6"),
    ],
)
def test_an_address_is_taken_apart_as_browsers_do(url: str, known: ServerAddress) -> None:
    assert server_address(url) == known


def test_credentials_are_those_that_coturn_computes_and_end_within_the_hour() -> None:
    username, credential = turn_credentials(SECRET, "gate", now_s=1_000.7)
    assert username == f"{1_000 + LIFETIME_S}:gate"
    proof = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(credential) == proof


def test_each_viewer_gets_credentials_of_their_own_time_for_every_address_and_never_the_secret() -> None:
    live = config(urls=[URL, "turns:turn.example.org"])
    live = live.model_copy(update={"stun": "stun:192.0.2.1"})
    first = ice_servers(live, site="gate", clock_s=lambda: 1_000.0)
    later = ice_servers(live, site="gate", clock_s=lambda: 2_000.0)
    assert [server.url for server in first] == ["stun:192.0.2.1", URL, "turns:turn.example.org"]
    assert first[0].username is None
    assert first[1].username != later[1].username
    assert first[1].credential != later[1].credential
    assert SECRET not in f"{first}{later}{live}"


def test_a_fixed_name_and_password_are_given_as_they_are() -> None:
    live = config(secret=None, username="pod", password="x")
    (server,) = ice_servers(live, site="gate")
    assert (server.username, server.credential) == ("pod", "x")


def test_the_log_knows_every_secret_of_a_turn_server_to_strike_it_out() -> None:
    assert config().turn.secrets() == (SECRET,)
    assert config(secret=None, username="pod", password="x").turn.secrets() == ("x",)

"""Addresses of cameras, with credentials in and out of them."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pod.media.faults import SessionError
from pod.media.location import FileLocation, StreamLocation, locate, redact
from pod.runtime.query_secrets import HARMLESS


def stream(url: str, username: str | None = None, password: str | None = None) -> StreamLocation:
    location = locate(url, username, password=password)
    assert isinstance(location, StreamLocation)
    return location


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        pytest.param("rtsp://camera/live", "camera", 554, id="default-port"),
        pytest.param("rtsps://camera/live", "camera", 322, id="default-tls-port"),
        pytest.param("RTSP://camera:8554/live", "camera", 8554, id="capitals"),
        pytest.param("rtsp://[fe80::1]:8554/live", "fe80::1", 8554, id="ipv6"),
        pytest.param("rtsp://user:secret@10.0.0.7", "10.0.0.7", 554, id="no-path"),
    ],
)
def test_host_and_port_are_read_from_the_address(url: str, host: str, port: int) -> None:
    location = stream(url)
    assert (location.host, location.port) == (host, port)


def test_configured_credentials_are_put_in_percent_encoded_over_those_in_the_url() -> None:
    location = stream("rtsp://old:older@camera:554/live?channel=1", "gate user", "p@ss:w/r%d")
    assert location.url == "rtsp://gate%20user:p%40ss%3Aw%2Fr%25d@camera:554/live?channel=1"
    assert location.shown == "rtsp://camera:554/live?channel=1"


def test_credentials_in_the_url_count_where_none_are_configured() -> None:
    location = stream("rtsp://user:secret@camera/live")
    assert location.url == "rtsp://user:secret@camera/live"
    assert location.shown == location.request_url == "rtsp://camera/live"


@pytest.mark.parametrize("url", ["clip.mp4", "/media/clips", "file:///media/clips"])
def test_what_has_no_scheme_is_a_file(url: str) -> None:
    assert locate(url, None, password=None) == FileLocation(url.removeprefix("file://"))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://user:secret@camera/video", id="other-scheme"),
        pytest.param("rtsp://", id="no-host"),
        pytest.param("rtsp://user:secret@/live", id="credentials-only"),
        pytest.param("rtsp://user:sec/ret@camera/live", id="slash-in-password"),
        pytest.param("rtsp://user:secret@camera:99999/live", id="port-out-of-range"),
        pytest.param("http://camera/video?tok=secret", id="token-in-the-query"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SessionError) as caught:
        locate(url, None, password=None)
    assert caught.value.reason == "bad_url"
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("at rtsp://u:p@cam/live now", "at rtsp://***@cam/live now", id="in-a-sentence"),
        pytest.param("rtsp://u:p@ss@cam/live", "rtsp://***@cam/live", id="at-sign-in-password"),
        pytest.param("rtsp://cam/?user=a&pwd=b&ch=1", "rtsp://cam/?user=***&pwd=***&ch=1", id="query"),
        pytest.param("rtsp://cam/user=a_password=b_ch=1", "rtsp://cam/user=***", id="in-the-path"),
        pytest.param(
            "rtsp://cam/x?tok=abc&channel=1;key=d", "rtsp://cam/x?tok=***&channel=1;key=***", id="any-name"
        ),
        pytest.param("rtsp://cam/x?abc: no answer", "rtsp://cam/x?*** no answer", id="without-a-name"),
        pytest.param("rtsp://cam/x?channel=1: no answer", "rtsp://cam/x?channel=1: no answer", id="harmless"),
        pytest.param("rtsp://cam/x?channel=1#tok=abc", "rtsp://cam/x?channel=1#tok=***", id="fragment"),
        pytest.param(
            "rtsp://cam/x?profile=1/abc", "rtsp://cam/x?profile=***", id="more-than-a-harmless-value"
        ),
        pytest.param("is it on? key=1", "is it on? key=1", id="no-address"),
        pytest.param("1rtsp://u:p@cam/live", "1rtsp://***@cam/live", id="behind-a-digit"),
        pytest.param("rtsp://cam/live", "rtsp://cam/live", id="nothing-to-hide"),
    ],
)
def test_credentials_are_struck_out_of_a_text(text: str, shown: str) -> None:
    assert redact(text) == shown


SECRETS = st.text(st.characters(blacklist_categories=["Z", "C"]), min_size=6).map(lambda s: f"Zq{s}qZ")


@given(password=SECRETS)
@example(password="Zq/@:?#%qZ")
def test_no_password_ever_reaches_a_shown_address(password: str) -> None:
    for url, username in ((f"rtsp://user:{password}@camera/live", None), ("rtsp://camera/live", "user")):
        try:
            shown = stream(url, username, password).shown
        except SessionError as error:
            shown = str(error)
        assert password not in shown


@given(
    name=st.from_regex(r"[A-Za-z_]{1,12}", fullmatch=True), token=st.from_regex(r"Zq\w{6,40}", fullmatch=True)
)
def test_no_token_in_a_query_ever_reaches_a_shown_address(name: str, token: str) -> None:
    assume(name.lower() not in HARMLESS)
    assert token not in stream(f"rtsp://camera/live?channel=1&{name}={token}").shown

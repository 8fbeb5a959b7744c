"""One RTSP conversation: what is asked, how a login is answered, what a camera may refuse or make up."""

import base64
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtsp_stream import answer, honest_answer, interleaved, pictures, rtp_of, sdp

from pod.media.faults import SessionError
from pod.media.rtp.authorization import Challenge, Login, challenges_in
from pod.media.rtp.rtsp_client import KEEP_ALIVE_RANGE_S, RtspClient, StreamPacket
from pod.media.rtp.sdp import NotNativeError

ADDRESS = "rtsp://camera:554/gate?channel=1"
PASSWORD = "Circle of Life"


def login(username: str = "Mufasa", password: str = PASSWORD) -> Login:
    return Login(username, password, client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")


def client(*, with_login: Login | None = None, address: str = ADDRESS) -> RtspClient:
    return RtspClient(address, "rtsp://camera/gate", login=with_login)


def requests_of(data: bytes) -> list[str]:
    return [head for head in data.decode().split("\r\n\r\n") if head]


def converse(
    talking: RtspClient, *, description: str = "", challenge: str = "", taken: str = "", rounds: int = 12
) -> list[str]:
    """Let an honest camera answer until there is nothing left to ask; what it was asked.

    Args:
        challenge: sent with 401 to whatever carries no Authorization with `taken` in it.
    """
    asked = []
    for _ in range(rounds):
        outgoing = requests_of(talking.outgoing())
        if not outgoing:
            return asked
        for request in outgoing:
            asked.append(request)
            given = re.search(r"Authorization: (.*)", request)
            if challenge and (given is None or taken not in given[1]):
                reply = answer(request, "401 Unauthorized", headers=f"WWW-Authenticate: {challenge}\r\n")
            else:
                reply = honest_answer(request, description or sdp(pictures()), session="7a;timeout=30")
            assert list(talking.receive(reply)) == []
    return asked


def answer_all(talking: RtspClient, reply: Callable[[str], bytes]) -> None:
    """Answer requests until there are none."""
    while asked := requests_of(talking.outgoing()):
        for request in asked:
            list(talking.receive(reply(request)))


def methods(requests: list[str]) -> list[str]:
    return [request.partition(" ")[0] for request in requests]


def addresses(requests: list[str]) -> list[str]:
    return [request.split(" ")[1] for request in requests]


def test_a_camera_is_described_set_up_over_tcp_and_played() -> None:
    talking = client()
    asked = converse(talking)
    assert methods(asked) == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert addresses(asked) == [ADDRESS, ADDRESS, f"{ADDRESS}/track1", ADDRESS]
    assert "Transport: RTP/AVP/TCP;unicast;interleaved=0-1" in asked[2]
    assert "Session: 7a" in asked[3]
    assert talking.playing


@pytest.mark.parametrize(
    ("headers", "control", "session_control", "track", "play"),
    [
        pytest.param("", "track1", "", f"{ADDRESS}/track1", ADDRESS, id="relative"),
        pytest.param("", "rtsp://camera/x", "", "rtsp://camera/x", ADDRESS, id="absolute"),
        pytest.param(
            "Content-Base: rtsp://camera/b/\r\n", "t", "*", "rtsp://camera/b/t", "rtsp://camera/b/", id="base"
        ),
        pytest.param(
            "", "t", "rtsp://camera/all", f"{ADDRESS}/t", "rtsp://camera/all", id="address-of-the-session"
        ),
        pytest.param("", "a b\tc", "", f"{ADDRESS}/a%20b%09c", ADDRESS, id="no-second-word-in-a-line"),
    ],
)
def test_the_parts_are_asked_for_where_the_camera_says(
    headers: str, control: str, session_control: str, track: str, play: str
) -> None:
    description = sdp(pictures()).replace("track1", control)
    if session_control:
        description = description.replace("m=video", f"a=control:{session_control}\r\nm=video", 1)
    talking, asked = client(), []
    for _ in range(4):
        (request,) = requests_of(talking.outgoing())
        asked.append(request)
        if request.startswith("DESCRIBE"):
            reply = answer(request, headers=headers, body=description)
        else:
            reply = honest_answer(request, description)
        list(talking.receive(reply))
    assert addresses(asked)[2:] == [track, play]


def test_packets_come_out_once_it_plays_and_only_of_the_channels_agreed_on() -> None:
    talking = client()
    packet = rtp_of(pictures())[0]
    converse(talking)
    data = interleaved(packet, 0) + interleaved(b"report..", 1) + interleaved(packet, 6)
    assert list(talking.receive(data)) == [StreamPacket(packet, False), StreamPacket(b"report..", True)]


def test_digest_is_answered_as_in_the_examples_of_its_standard() -> None:
    """RFC 7616, section 3.9.1."""
    nonce, opaque = (
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    )
    both = [
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{nonce}", opaque="{opaque}"'
        for algorithm in ("SHA-256", "MD5")
    ]
    expected = {
        both[0]: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        both[1]: "8ca523f5e9506fed4657c9700eebdbec",
    }
    for challenge, response in expected.items():
        answering = login()
        assert answering.accept([challenge])
        told = answering.answer("GET", "/dir/index.html") or ""
        assert f'response="{response}"' in told
        assert "nc=00000001, qop=auth" in told
    strongest = login()
    strongest.accept([both[1], both[0], 'Basic realm="x"'])
    assert strongest.challenge is not None
    assert strongest.challenge.algorithm == "SHA-256"


def test_digest_without_qop_is_answered_as_in_its_first_standard() -> None:
    """RFC 2069, section 2.4, with the response that its errata give."""
    answering = login(password="CircleOfLife")
    answering.accept(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    told = answering.answer("GET", "/dir/index.html") or ""
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in told
    assert "qop" not in told


@pytest.mark.parametrize(
    ("challenge", "taken"),
    [
        pytest.param('Basic realm="camera"', base64.b64encode(b"Mufasa:Circle of Life").decode(), id="basic"),
        pytest.param('Digest realm="camera", nonce="n1"', 'nonce="n1"', id="digest"),
        pytest.param('Digest realm="camera", nonce="n1", algorithm="SHA-256"', "SHA-256", id="sha-256"),
    ],
)
def test_a_camera_that_asks_for_a_login_plays_with_one_attempt(challenge: str, taken: str) -> None:
    talking = client(with_login=login())
    asked = converse(talking, challenge=challenge, taken=taken)
    assert methods(asked) == ["OPTIONS", "OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert talking.playing


@pytest.mark.parametrize("with_login", [login(), None], ids=["wrong", "none"])
def test_a_refused_login_is_tried_once_and_named(with_login: Login | None) -> None:
    talking = client(with_login=with_login)
    asked: list[str] = []

    def refuse(request: str) -> bytes:
        asked.append(request)
        return answer(request, "401 Unauthorized", headers='WWW-Authenticate: Basic realm="x"\r\n')

    with pytest.raises(SessionError, match="correct username and password"):
        answer_all(talking, refuse)
    assert len(asked) == (1 if with_login is None else 2)


def test_a_nonce_that_grew_old_while_it_plays_is_renewed() -> None:
    talking = client(with_login=login())
    converse(talking, challenge='Digest realm="x", nonce="n1"', taken='nonce="n1"')
    talking.keep_alive(0.0)
    talking.keep_alive(100.0)
    asked = converse(talking, challenge='Digest realm="x", nonce="n2", stale=true', taken='nonce="n2"')
    assert methods(asked) == ["GET_PARAMETER", "GET_PARAMETER"]


def test_a_login_of_an_unknown_kind_is_left_to_libav() -> None:
    talking = client(with_login=login())
    asked = talking.outgoing().decode()
    with pytest.raises(NotNativeError, match="login of an unknown kind"):
        list(talking.receive(answer(asked, "401 Unauthorized", headers="WWW-Authenticate: Negotiate\r\n")))


@pytest.mark.parametrize("with_login", [True, False], ids=["login", "no-login"])
@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param("", id="no-challenge"),
        pytest.param("WWW-Authenticate: Negotiate\r\n", id="unknown-kind"),
        pytest.param('WWW-Authenticate: Basic realm="x"\r\n', id="known-kind"),
    ],
)
def test_a_camera_that_refuses_to_be_asked_while_it_plays_goes_on_playing(
    challenge: str, with_login: bool
) -> None:
    """To end the session for it would darken the camera every half minute."""
    talking = client(with_login=login() if with_login else None)
    converse(talking)
    asked: list[str] = []
    for second in range(0, 1000, 30):
        talking.keep_alive(float(second))
        for request in requests_of(talking.outgoing()):
            asked.append(request)
            list(talking.receive(answer(request, "401 Unauthorized", headers=challenge)))
    assert talking.playing
    assert methods(asked)[-1] == "OPTIONS"
    assert len(asked) < 50
    assert len(list(talking.receive(interleaved(rtp_of(pictures())[0])))) == 1


def test_a_password_is_in_no_text_about_the_client() -> None:
    talking = login()
    talking.accept(['Basic realm="x"'])
    assert PASSWORD not in repr(talking)
    assert base64.b64encode(b"Mufasa:Circle of Life").decode() not in repr(talking)


@pytest.mark.parametrize(
    ("step", "status", "headers", "reason", "mend"),
    [
        pytest.param(
            "DESCRIBE",
            "302 Moved",
            "Location: rtsp://admin:secret@other/x\r\n",
            "redirected",
            r"redirects to rtsp://\*\*\*@other/x: set the camera's url",
            id="redirected",
        ),
        pytest.param(
            "DESCRIBE", "301 Moved", "", "redirected", "another address", id="redirected-to-nowhere"
        ),
        pytest.param(
            "DESCRIBE",
            "302 Moved",
            f"Location: {'rtsp://a:' * 1000}secret@other\r\n",
            "redirected",
            "redirects to another address:",
            id="redirected-to-an-address-without-end",
        ),
        pytest.param("DESCRIBE", "404 Not Found", "", "not_found", "correct the path", id="not-found"),
        pytest.param("DESCRIBE", "403 Forbidden", "", "wrong_password", "correct username", id="forbidden"),
        pytest.param(
            "SETUP", "461 Unsupported", "", "refused", r"allow RTP over RTSP \(TCP\)", id="udp-only"
        ),
        pytest.param("PLAY", "453 Not Enough", "", "refused", "end other clients", id="busy"),
        pytest.param("DESCRIBE", "200 OK", "", "no_video", "correct the path", id="no-description"),
        pytest.param(
            "SETUP",
            "200 OK",
            "Transport: RTP/AVP;unicast;client_port=1-2\r\n",
            "refused",
            "TCP",
            id="sets-up-udp",
        ),
    ],
)
def test_a_camera_that_refuses_is_named_with_its_mend(
    step: str, status: str, headers: str, reason: str, mend: str
) -> None:
    def reply(request: str) -> bytes:
        if request.startswith(step):
            return answer(request, status, headers=headers)
        return honest_answer(request, sdp())

    with pytest.raises(SessionError, match=mend) as caught:
        answer_all(client(), reply)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param("401 Unauthorized", f"WWW-Authenticate: Digest {'a' * 15_000}\r\n", id="challenge"),
        pytest.param("302 Moved", f"Location: {'a' * 15_000}\r\n", id="redirect"),
    ],
)
def test_a_word_without_end_holds_up_no_thread(status: str, headers: str) -> None:
    talking = client(with_login=login())
    reply = answer(talking.outgoing().decode(), status, headers=headers)
    begun_s = time.thread_time()
    with pytest.raises((SessionError, NotNativeError)):
        list(talking.receive(reply))
    assert time.thread_time() - begun_s < 0.5


def test_a_camera_that_knows_no_options_is_played_all_the_same() -> None:
    talking = client()
    list(talking.receive(answer(talking.outgoing().decode(), "501 Not Implemented")))
    assert methods(converse(talking)) == ["DESCRIBE", "SETUP", "PLAY"]


@pytest.mark.parametrize(
    ("timeout", "every_s"),
    [
        pytest.param(";timeout=30", 15.0, id="half-of-what-it-says"),
        pytest.param("", KEEP_ALIVE_RANGE_S[1], id="not-told"),
        pytest.param(";timeout=0", KEEP_ALIVE_RANGE_S[1], id="zero"),
        pytest.param(";timeout=1", KEEP_ALIVE_RANGE_S[0], id="in-no-time"),
        pytest.param(";timeout=999999999", KEEP_ALIVE_RANGE_S[1], id="a-lie"),
    ],
)
def test_a_session_is_kept_alive_as_often_as_the_camera_needs_it(timeout: str, every_s: float) -> None:
    talking = client()
    while not talking.playing:
        (request,) = requests_of(talking.outgoing())
        list(talking.receive(honest_answer(request, sdp(), session="7a" + timeout)))
    talking.keep_alive(0.0)
    talking.keep_alive(every_s - 0.1)
    assert talking.outgoing() == b""
    talking.keep_alive(every_s)
    assert methods(requests_of(talking.outgoing())) == ["GET_PARAMETER"]


def test_a_camera_that_plays_but_answers_no_more_gets_no_requests_without_end() -> None:
    talking = client()
    converse(talking)
    for second in range(0, 10_000, 30):
        talking.keep_alive(float(second))
    assert len(requests_of(talking.outgoing())) <= 4


def test_a_camera_that_forgot_the_session_has_ended_it() -> None:
    talking = client()
    converse(talking)
    talking.keep_alive(0.0)
    talking.keep_alive(100.0)
    with pytest.raises(SessionError, match="ended the stream"):
        list(talking.receive(answer(talking.outgoing().decode(), "454 Session Not Found")))


def test_a_camera_that_asks_gets_an_answer() -> None:
    talking = client()
    converse(talking)
    list(talking.receive(b"OPTIONS * RTSP/1.0\r\nCSeq: 5\r\n\r\nANNOUNCE x RTSP/1.0\r\nCSeq: 6\r\n\r\n"))
    assert talking.outgoing() == (
        b"RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\nRTSP/1.0 501 Not Implemented\r\nCSeq: 6\r\n\r\n"
    )


def test_nothing_that_a_camera_says_puts_a_line_into_a_request() -> None:
    talking = client(address="rtsp://camera/gate\r\nX: y")
    description = sdp().replace("track1", "a b\x0b\x85c")
    for request in converse(talking, description=description):
        assert all(re.fullmatch(r"[A-Z]+ \S+ RTSP/1\.0|[\w-]+: .*", line) for line in request.split("\r\n"))


def test_challenges_beside_each_other_are_told_apart() -> None:
    text = 'Digest realm="a, b", nonce="n", qop="auth", stale=TRUE, Basic realm="\\"c\\""'
    digest, basic = challenges_in(text)
    assert digest == Challenge("MD5", "a, b", "n", "", True, False, True)
    assert (basic.algorithm, basic.realm) == ("", '"c"')


@given(st.text(max_size=80))
def test_whatever_challenge_comes_it_is_answered_or_refused(text: str) -> None:
    answering = login()
    for challenge in (text, f"Digest {text}", f'Digest nonce="n", {text}'):
        if answering.accept([challenge]):
            assert "\n" not in (answering.answer("DESCRIBE", ADDRESS) or "")


SCRIPT = b"".join(
    f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    for number, body in enumerate(("", sdp(), "", ""), start=1)
) + interleaved(rtp_of(pictures())[0])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_rtsp_answers_cut_and_spoilt_anywhere_end_in_the_sessions_own_errors(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SCRIPT)))
    end = data.draw(st.integers(start, len(SCRIPT)))
    spoilt = SCRIPT[:start] + data.draw(st.binary(max_size=20)) + SCRIPT[end:]
    cut = data.draw(st.integers(0, len(spoilt)))
    talking = client(with_login=login())
    try:
        for part in (spoilt[:cut], spoilt[cut:]):
            list(talking.receive(part))
    except (SessionError, NotNativeError):
        return
    assert len(talking.outgoing()) < 20_000

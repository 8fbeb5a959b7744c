"""Cameras that cannot be used: each is named with its mend, and none holds up a stop."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from camera_fixtures import QUICK, Watched, scripted_server

SDP_OF_JPEG2000 = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 JPEG2000/90000\r\na=control:track1\r\n"
)
SDP_OF_SOUND = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=control:track1\r\n"
)


AT_ONCE_S = 10.0
"""Short of the minute that what is stopped would last otherwise, and long for a busy machine."""


def rtsp_answer(request: str, status: str = "200 OK", *, headers: str = "", body: str = "") -> bytes:
    sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"RTSP/1.0 {status}\r\n{sequence}\r\n{headers}{length}\r\n{body}".encode()


def camera_with(sdp: str) -> "object":
    """Answers as a camera that announces `sdp` and then plays nothing."""

    def answer(method: str, request: str) -> bytes:
        match method:
            case "DESCRIBE":
                return rtsp_answer(request, headers="Content-Type: application/sdp\r\n", body=sdp)
            case "SETUP":
                transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
                return rtsp_answer(request, headers=transport)
            case _:
                return rtsp_answer(request, headers="Session: 1\r\n")

    return answer


def refusing(status: str) -> "object":
    """Answers OPTIONS, and everything else with `status`."""
    return lambda method, request: rtsp_answer(request, "200 OK" if method == "OPTIONS" else status)


@pytest.mark.parametrize(
    ("answer", "reason", "mend"),
    [
        pytest.param(
            lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_rtsp", "correct the port", id="http"
        ),
        pytest.param(lambda *_: None, "unreachable", "restart the camera", id="never-answers"),
        pytest.param(refusing("503 Service Unavailable"), "refused", "end other clients", id="busy"),
        pytest.param(refusing("403 Forbidden"), "wrong_password", "correct username", id="forbidden"),
        pytest.param(camera_with(SDP_OF_JPEG2000), "unsupported_codec", "H.264 or H.265", id="jpeg-2000"),
        pytest.param(camera_with(SDP_OF_SOUND), "no_video", "correct the path", id="sound-only"),
        pytest.param(camera_with("no description"), "no_video", "correct the path", id="broken-description"),
    ],
)
def test_a_camera_that_cannot_be_used_is_named_with_its_mend(answer: object, reason: str, mend: str) -> None:
    with scripted_server(answer) as port, Watched(f"rtsp://127.0.0.1:{port}/gate") as watched:
        assert mend in watched.until_reason(f"failed:{reason}").text


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("camera.invalid", id="nobody-has-it"),
        pytest.param("camera..local", id="empty-part"),
        pytest.param("c" * 70, id="part-too-long"),
    ],
)
@pytest.mark.parametrize("transport", ["native", "libav"])
def test_a_host_without_an_address_is_named(host: str, transport: str) -> None:
    with Watched(f"rtsp://{host}/gate", transport=transport) as watched:
        assert "correct the url" in watched.until_reason("failed:unknown_host").text


def test_a_kind_of_address_that_this_kernel_has_no_network_for_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Name servers tell IPv6 addresses to machines without IPv6, too."""
    real, foreign = socket.getaddrinfo, (socket.AF_APPLETALK, socket.SOCK_STREAM, 0, "", ("", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **more: [foreign, *real(*asked, **more)])
    no_rtsp = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with scripted_server(lambda *_: no_rtsp) as port, Watched(f"rtsp://127.0.0.1:{port}/gate") as watched:
        watched.until_reason("failed:not_rtsp")


def test_a_port_nobody_listens_on_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Watched(f"rtsp://127.0.0.1:{port}/gate") as watched:
        assert "check address, port" in watched.until_reason("failed:unreachable").text


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port whose connections are never taken nor refused: its queue of one is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_black_hole_is_named(black_hole: int) -> None:
    with Watched(f"rtsp://127.0.0.1:{black_hole}/gate") as watched:
        assert "does not answer in 1 s" in watched.until_reason("failed:unreachable").text


def test_a_source_stops_at_once_while_it_connects_to_a_black_hole(black_hole: int) -> None:
    patient = replace(QUICK, rtsp=replace(QUICK.rtsp, connect_s=60.0))
    with Watched(f"rtsp://127.0.0.1:{black_hole}/gate", timing=patient) as watched:
        asked_s = time.monotonic()
        assert watched.source.stop(30.0)
        assert time.monotonic() - asked_s < AT_ONCE_S
    assert watched.states == []


def test_a_source_stops_at_once_while_it_waits_to_try_again() -> None:
    patient = replace(QUICK, first_retry_s=60.0, longest_retry_s=60.0)
    with Watched("rtsp://camera.invalid/gate", timing=patient) as watched:
        watched.until_reason("failed:unknown_host")
        asked_s = time.monotonic()
        assert watched.source.stop(30.0)
        assert time.monotonic() - asked_s < AT_ONCE_S


def test_a_source_whose_camera_plays_nothing_lets_go_of_its_thread_by_itself() -> None:
    silent = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
    )
    with scripted_server(camera_with(silent)) as port, Watched(f"rtsp://127.0.0.1:{port}/gate") as watched:
        watched.until_reason("failed:silent")
        asked_s = time.monotonic()
        watched.source.stop()
        assert time.monotonic() - asked_s < 2.2
        watched.source.stop(QUICK.rtsp.open_s + QUICK.rtsp.silence_s)
        assert not watched.source.alive

"""What cameras announce, and what is made of announcements that are odd, spoilt or hostile."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtsp_stream import parameter_sets, pictures, sdp

from pod.media.rtp.sdp import NotNativeError, NoVideoError, VideoOffer, video_offer


def offer(text: str) -> VideoOffer:
    return video_offer(text.encode())


def test_codec_address_and_parameter_sets_are_read() -> None:
    units = pictures()
    found = offer(sdp(units))
    assert (found.codec, found.payload_type, found.clock_hz, found.control) == ("h264", 96, 90_000, "track1")
    assert found.parameter_sets == parameter_sets(units)


def test_parameter_sets_of_h265_are_read() -> None:
    sets = parameter_sets(pictures(codec="hevc"), "hevc")
    names = ("sprop-vps", "sprop-sps", "sprop-pps")
    told = ";".join(f"{n}={base64.b64encode(nal).decode()}" for n, nal in zip(names, sets, strict=True))
    assert offer(sdp(codec="hevc", extra=f"a=fmtp:96 {told}\r\n")).parameter_sets == sets


def test_the_first_video_counts_and_sound_is_passed_over() -> None:
    sound = "m=audio 0 RTP/AVP 0\r\na=control:sound\r\n"
    text = sdp().replace("m=video", sound + "m=video") + "m=video 0 RTP/AVP 97\r\na=control:second\r\n"
    assert offer(text).control == "track1"


@pytest.mark.parametrize(
    "sets",
    [
        pytest.param("!!!,???", id="no-base64"),
        pytest.param("", id="empty"),
        pytest.param("AAAA,AA==", id="zeros"),
        pytest.param(base64.b64encode(b"\x65slice").decode(), id="a-slice"),
        pytest.param(base64.b64encode(b"\x67" + b"x" * 9000).decode(), id="too-long"),
    ],
)
def test_parameter_sets_that_are_none_are_left_out(sets: str) -> None:
    assert offer(sdp(extra=f"a=fmtp:96 sprop-parameter-sets={sets}\r\n")).parameter_sets == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(sdp().replace("H264", "JPEG"), "codec is JPEG", id="jpeg"),
        pytest.param(sdp().replace("H264", "\x1b[31mX"), "codec is ??31MX", id="steers-the-terminal"),
        pytest.param(sdp().replace("RTP/AVP", "RTP/SAVP"), "transport is RTP/SAVP", id="encrypted"),
        pytest.param(sdp().replace("/90000", "/0"), "clock runs at 0 Hz", id="clock-stands"),
        pytest.param(sdp().replace("RTP/AVP 96", "RTP/AVP 300"), "payload type", id="payload-type"),
        pytest.param(
            sdp(extra="a=fmtp:96 packetization-mode=2\r\n"), "interleaved", id="interleaved-packets"
        ),
        pytest.param(
            sdp(codec="hevc", extra="a=fmtp:96 sprop-max-don-diff=1\r\n"), "order", id="decoding-order"
        ),
    ],
)
def test_what_only_libav_may_know_is_said(text: str, why: str) -> None:
    with pytest.raises(NotNativeError, match=why.replace("?", r"\?")):
        offer(text)


@pytest.mark.parametrize("text", ["", "no description", "v=0\r\nm=audio 0 RTP/AVP 0\r\n"])
def test_a_description_without_video_is_said(text: str) -> None:
    with pytest.raises(NoVideoError):
        offer(text)


@given(st.data())
def test_a_spoilt_description_is_an_offer_or_refused_by_name(data: st.DataObject) -> None:
    whole = sdp(pictures()).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    spoilt = whole[:start] + data.draw(st.binary(max_size=30)) + whole[end:]
    try:
        found = video_offer(spoilt)
    except (NotNativeError, NoVideoError):
        return
    assert 0 <= found.payload_type <= 127

"""A viewer's offer is read with limits, and written anew with nothing in it that was not checked."""

import contextlib
import re
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pod.domain.errors import LiveError
from pod.media.live.candidates import MOST_CANDIDATES, candidate_of
from pod.media.live.offer import MOST_BYTES, Offer, read_fragment, read_offer

OFFERS = {path.stem: path.read_text() for path in (Path(__file__).parents[1] / "offers").glob("*.sdp")}
CHROMIUM = OFFERS["chromium"]
AUDIO_FIRST = OFFERS["chromium-audio-max-bundle"]
CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"


def changed(offer: str, pattern: str, to: str) -> str:
    """`offer` with every line that matches as a whole replaced; `to` empty leaves the lines out."""
    assert re.search(rf"(?m)^{pattern}$", offer), f"the offer has no line {pattern}"
    return re.sub(rf"(?m)^{pattern}\n", to + "\n" if to else "", offer)


def refusal(offer: str) -> LiveError:
    with pytest.raises(LiveError) as caught:
        read_offer(offer)
    return caught.value


def codecs(offer: Offer) -> list[str]:
    """Payload types and names of the video that was written anew, in order."""
    video = offer.sdp[offer.sdp.index("m=video") :]
    return re.findall(r"(?m)^a=rtpmap:(\d+ \w+)", video.partition("m=audio")[0])


@pytest.mark.parametrize(
    ("name", "first"),
    [("chromium", "108 H264"), ("chromium-audio-max-bundle", "108 H264"), ("firefox", "126 H264")],
    ids=["chromium", "chromium with audio first", "firefox"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_browsers_offer_is_read_and_constrained_baseline_comes_first(
    name: str, first: str, line_end: str
) -> None:
    offer = read_offer(OFFERS[name].replace("\n", line_end))
    assert codecs(offer)[0] == first
    assert {codec.split()[1] for codec in codecs(offer)} == {"H264", "rtx"}
    assert offer.candidates == (), "names under .local cost a second each and help nobody"
    assert offer.ufrag in OFFERS[name]
    assert offer.mid in ("0", "1")


def test_audio_is_answered_as_turned_down_and_shares_the_videos_connection() -> None:
    offer = read_offer(AUDIO_FIRST)
    described = SessionDescription.parse(offer.sdp)
    assert [media.kind for media in described.media] == ["audio", "video"]
    assert [media.direction for media in described.media] == ["inactive", "recvonly"]
    assert described.group[0].items == [offer.mid, "0"], "the video's connection is the one that stays"


def test_what_the_offer_says_beside_is_not_handed_on() -> None:
    sneaky = changed(CHROMIUM, "s=-", "s=<script>\na=sneaky:value\nb=AS:1")
    sneaky = changed(sneaky, "a=rtcp-mux", "a=rtcp-mux\na=ssrc:1 cname:sneaky\na=end-of-candidates\na=sneaky")
    written = read_offer(sneaky).sdp
    assert "sneaky" not in written
    assert "script" not in written
    assert "end-of-candidates" not in written, "a viewer found by its own checks alone would be given up"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "no SDP offer", id="empty"),
        pytest.param("\0" * 50, "no SDP offer", id="zeros"),
        pytest.param('{"type": "offer"}', "no SDP offer", id="JSON around it"),
        pytest.param("v=0\r\ns=-\r\n", "no media", id="no media"),
        pytest.param(
            CHROMIUM + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=rtcp-mux\n", "one video", id="two"
        ),
        pytest.param(
            changed(CHROMIUM, "m=video .*", "m=audio 9 UDP/TLS/RTP/SAVPF 96"), "one video", id="audio"
        ),
        pytest.param(changed(CHROMIUM, "m=video .*", "m=video x y"), "m= lines", id="an m= line of nonsense"),
        pytest.param(
            changed(CHROMIUM, "m=video .*", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"),
            "m= lines",
            id="a data channel",
        ),
        pytest.param(changed(CHROMIUM, "m=video .*", "m=video 9 RTP/AVP 96"), "encryption", id="plain RTP"),
        pytest.param(changed(CHROMIUM, "a=recvonly", "a=sendonly"), "recvonly", id="it sends"),
        pytest.param(changed(CHROMIUM, "a=mid:0", ""), "a=mid", id="no mid"),
        pytest.param(changed(CHROMIUM, "a=mid:0", "a=mid:a b"), "a=mid", id="a mid of two words"),
        pytest.param(changed(CHROMIUM, "a=rtcp-mux", ""), "rtcp-mux", id="RTCP apart"),
        pytest.param(changed(CHROMIUM, "a=ice-ufrag:.*", ""), "ice-ufrag", id="no ufrag"),
        pytest.param(changed(CHROMIUM, "a=ice-ufrag:.*", "a=ice-ufrag:a:b c"), "ice-ufrag", id="a bad ufrag"),
        pytest.param(changed(CHROMIUM, "a=ice-pwd:.*", "a=ice-pwd:short"), "ice-pwd", id="a short password"),
        pytest.param(changed(CHROMIUM, "a=fingerprint:.*", ""), "fingerprint", id="no fingerprint"),
        pytest.param(
            changed(CHROMIUM, "a=fingerprint:.*", "a=fingerprint:md5 00:11"), "fingerprint", id="MD5"
        ),
        pytest.param(changed(CHROMIUM, "a=setup:.*", "a=setup:holdconn"), "a=setup", id="an unknown setup"),
        pytest.param(changed(AUDIO_FIRST, "a=group:.*", ""), "BUNDLE", id="audio on another connection"),
        pytest.param(changed(AUDIO_FIRST, "a=mid:1", "a=mid:0"), "same a=mid", id="one mid for both"),
        pytest.param(
            changed(AUDIO_FIRST, "m=audio .*", "m=audio 9 UDP/TLS/RTP/SAVPF 126"), "Opus", id="unknown audio"
        ),
        pytest.param(CHROMIUM + "a=candidate:1 1 udp\n", "candidate", id="half a candidate"),
        pytest.param(
            CHROMIUM + CANDIDATE.replace(" 5000 ", " 70000 ") + "\n",
            "out of range",
            id="a port past the last",
        ),
    ],
)
def test_a_malformed_offer_is_refused_with_what_is_wrong_in_it(text: str, told: str) -> None:
    error = refusal(text)
    assert error.kind == "bad_offer"
    assert told in str(error)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("v=0\n" + "a=" + "x" * MOST_BYTES, id="one giant line"),
        pytest.param("v=0\n" + "a=x\n" * 2000, id="very many lines"),
        pytest.param("v=0\n" + "ü" * (MOST_BYTES // 2), id="few characters of many bytes"),
        pytest.param("v=0\n" * 1_000_000, id="four megabytes"),
    ],
)
def test_a_giant_offer_is_refused_before_it_is_read(text: str) -> None:
    assert refusal(text).kind == "too_large"
    with pytest.raises(LiveError) as caught:
        read_fragment(text)
    assert caught.value.kind == "too_large"


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(re.sub("H264", "H265", CHROMIUM), id="H.265 alone"),
        pytest.param(re.sub("H264", "VP8", CHROMIUM), id="VP8 alone"),
        pytest.param(re.sub("packetization-mode=1", "packetization-mode=0", CHROMIUM), id="mode 0 alone"),
        pytest.param(re.sub("42(00|e0)1f", "f4001f", CHROMIUM), id="no profile that every browser has"),
        pytest.param(re.sub("H264/90000", "H264/8000", CHROMIUM), id="another clock"),
        pytest.param(re.sub("(?m)^a=fmtp:.*\n", "", CHROMIUM), id="no parameters"),
    ],
)
def test_an_offer_of_the_wrong_codec_is_refused_as_such(offer: str) -> None:
    error = refusal(offer)
    assert error.kind == "no_h264"
    assert "H.264" in str(error)


@pytest.mark.parametrize(
    ("candidate", "is_taken"),
    [
        ("1 1 udp 2130706431 192.0.2.7 5000 typ host", True),
        ("1 1 UDP 2130706431 2001:db8::7 5000 typ host generation 0 network-id 1", True),
        ("1 1 udp 1677729535 100.64.1.7 5000 typ srflx raddr 192.168.1.7 rport 5000", True),
        ("1 1 udp 41885439 192.0.2.9 3478 typ relay raddr 0.0.0.0 rport 9", True),
        ("1 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active", False),
        ("1 2 udp 2130706430 192.0.2.7 5001 typ host", False),
        ("1 1 udp 2113937151 39be07ec-fe12-43ed-aed7-383d81503d55.local 5000 typ host", False),
        ("1 1 udp 2113937151 gate.example.org 5000 typ host", False),
        ("1 1 udp 2130706431 127.0.0.1 5000 typ host", False),
        ("1 1 udp 2130706431 ::1 5000 typ host", False),
        ("1 1 udp 2130706431 0.0.0.0 5000 typ host", False),
        ("1 1 udp 2130706431 224.0.0.251 5353 typ host", False),
        ("1 1 udp 2130706431 255.255.255.255 5000 typ host", False),
        ("1 1 udp 2130706431 fe80::1%eth0 5000 typ host", False),
        ("1 1 udp 2130706431 ::ffff:192.0.2.7 5000 typ host", False),
        ("1 1 udp 2130706431 192.0.2.7 5000 typ prflx", False),
    ],
)
def test_only_candidates_by_which_a_viewer_can_be_reached_are_taken(candidate: str, is_taken: bool) -> None:
    assert (candidate_of(f"candidate:{candidate}") is not None) == is_taken


def test_an_offer_brings_few_candidates_each_once() -> None:
    lines = [CANDIDATE.replace("5000", str(5000 + at // 2)) for at in range(400)]
    offer = read_offer(CHROMIUM + "\n".join(lines) + "\n")
    assert len(offer.candidates) == MOST_CANDIDATES
    assert len({candidate.port for candidate in offer.candidates}) == MOST_CANDIDATES


def test_a_trickled_fragment_tells_its_session_and_its_candidates() -> None:
    text = "a=ice-ufrag:8PeB\r\na=ice-pwd:7Gug+Sa6TnxlQenKoM06jYU1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
    fragment = read_fragment(f"{text}a=mid:0\r\n{CANDIDATE}\r\na=end-of-candidates\r\n")
    assert fragment.ufrag == "8PeB"
    assert [candidate.address for candidate in fragment.candidates] == ["192.0.2.7"]
    assert read_fragment("a=end-of-candidates\r\n").candidates == ()


@pytest.mark.parametrize(
    "text",
    ["", "hello", "a=candidate:nonsense", "a=ice-ufrag:x y\na=mid:0"],
    ids=["empty", "no SDP", "no candidate", "a bad ufrag"],
)
def test_a_malformed_fragment_is_refused(text: str) -> None:
    with pytest.raises(LiveError) as caught:
        read_fragment(text)
    assert caught.value.kind == "bad_offer"


@st.composite
def spoiled_offers(draw: st.DrawFn) -> str:
    """A browser's offer with some of its lines lost, doubled, swapped, cut or overwritten."""
    lines = draw(st.sampled_from(sorted(OFFERS.values()))).splitlines()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "cut", "write", "character"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "write":
                lines[at] = lines[at][:2] + draw(st.text(max_size=40))
            case _:
                place = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:place] + draw(st.characters()) + lines[at][place + 1 :]
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(spoiled_offers())
@example(CHROMIUM.replace("a=mid:0", "a=mid:0\u2028a=candidate:x"))
@example(CHROMIUM.replace("a=fmtp:108 ", "a=fmtp:١٠٨ "))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoiled_offer_is_refused_or_written_so_that_the_other_parser_takes_it(text: str) -> None:
    offer, kind = None, None
    try:
        offer = read_offer(text)
    except LiveError as error:
        kind = error.kind
    if offer is None:
        assert kind in ("bad_offer", "no_h264", "too_large")
        return
    described = SessionDescription.parse(offer.sdp)
    assert offer.sdp.isascii()
    assert all(
        media.ice.usernameFragment == offer.ufrag and media.dtls is not None for media in described.media
    )
    [video] = [media for media in described.media if media.kind == "video"]
    assert any(codec.mimeType == "video/H264" for codec in video.rtp.codecs)


@given(st.text(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_offer_a_fragment_or_an_error_that_is_known(text: str) -> None:
    for read in (read_offer, read_fragment):
        with contextlib.suppress(LiveError):
            assert read(text).candidates is not None

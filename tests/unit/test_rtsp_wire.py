"""What comes over an RTSP connection: the same, wherever it is cut."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.media.rtp.rtsp_wire import (
    MOST_GARBAGE_BYTES,
    MOST_HEAD_BYTES,
    Interleaved,
    Message,
    RtspWire,
    WireError,
)

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS\r\n\r\n"
BODY = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\n$body"
PACKET = b"$\x00\x00\x09" + b"\x80payload!"
REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"
CONVERSATION = ANSWER + BODY + PACKET + PACKET + REQUEST + PACKET + ANSWER
MESSAGES = 7


def fed(*parts: bytes, wire: RtspWire | None = None) -> list[Message | Interleaved]:
    wire = wire or RtspWire(channels=frozenset({0, 1}))
    return [found for part in parts for found in wire.feed(part)]


def test_answers_bodies_packets_and_requests_are_told_apart() -> None:
    found = fed(CONVERSATION)
    assert len(found) == MESSAGES
    assert found[1] == Message(200, "", {"cseq": ("2",), "content-length": ("5",)}, b"$body")
    assert found[2] == Interleaved(0, b"\x80payload!")
    assert isinstance(found[4], Message)
    assert found[4].method == "OPTIONS"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50], ids="in-pieces-of-{}".format)
def test_a_conversation_in_pieces_is_the_same(size: int) -> None:
    assert fed(*(CONVERSATION[at : at + size] for at in range(0, len(CONVERSATION), size))) == fed(
        CONVERSATION
    )


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=8))
def test_rtsp_answers_cut_anywhere_are_understood_as_if_they_were_whole(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    parts = [CONVERSATION[a:b] for a, b in pairwise(edges)]
    assert fed(*parts) == fed(CONVERSATION)


@given(st.integers(0, len(CONVERSATION)))
def test_a_conversation_that_breaks_off_gives_only_what_was_whole(end: int) -> None:
    whole = fed(CONVERSATION)
    found = fed(CONVERSATION[:end])
    assert found == whole[: len(found)]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x00\x01\x02" * 40, id="bytes"),
        pytest.param(b"$\x07\x00\x03abc" * 5, id="packets-of-no-channel-of-ours"),
        pytest.param(b"RTS", id="nearly-an-answer"),
        pytest.param(b"\xff$", id="a-lone-dollar-sign"),
    ],
)
def test_garbage_between_packets_is_passed_over_and_counted(garbage: bytes) -> None:
    wire = RtspWire(channels=frozenset({0, 1}))
    found = fed(ANSWER, b"\xff", garbage, PACKET, PACKET, ANSWER, wire=wire)
    assert found[-1] == fed(ANSWER)[0]
    assert Interleaved(0, b"\x80payload!") in found
    assert wire.garbage_bytes > 0


def test_a_length_that_lies_costs_the_packets_it_covers_and_no_more() -> None:
    found = fed(ANSWER, b"$\x00\x00\x0c" + b"\x80payload!", PACKET * 3, ANSWER)
    assert found.count(Interleaved(0, b"\x80payload!")) == 2
    assert isinstance(found[-1], Message)


@pytest.mark.parametrize(
    ("data", "greeted"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", False, id="http"),
        pytest.param(b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * MOST_HEAD_BYTES, False, id="endless-head"),
        pytest.param(b"RTSP/1.0 soon\r\n\r\n", False, id="no-status"),
        pytest.param(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", False, id="huge-body"),
        pytest.param(b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", False, id="negative-body"),
        pytest.param(
            b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", False, id="two-lengths"
        ),
        pytest.param(ANSWER + b"\x00" * (MOST_GARBAGE_BYTES + 1), True, id="garbage-without-end"),
    ],
)
def test_what_can_never_be_understood_is_an_error(data: bytes, greeted: bool) -> None:
    with pytest.raises(WireError) as caught:
        fed(data)
    assert caught.value.greeted == greeted


@given(st.lists(st.binary(max_size=200) | st.sampled_from([ANSWER, BODY, PACKET, REQUEST]), max_size=8))
def test_whatever_comes_is_messages_packets_or_the_wires_own_error(parts: list[bytes]) -> None:
    wire = RtspWire(channels=frozenset({0, 1}))
    try:
        fed(*parts, wire=wire)
    except WireError:
        return
    assert len(wire._buffer) <= sum(map(len, parts))


def worst_of_one_head() -> bytes:
    """As many headers as a head may hold, all of one name, and a body that is to come."""
    head = b"RTSP/1.0 200 OK\r\nContent-Length: 1000\r\n"
    return head + b"a:\n" * ((MOST_HEAD_BYTES - len(head) - 4) // 3) + b"\n"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([worst_of_one_head(), *[b"x"] * 300], id="a-body-byte-by-byte"),
        pytest.param([ANSWER, *[b"R" * 60_000 + PACKET] * 60], id="garbage-that-begins-like-a-message"),
    ],
)
def test_what_a_camera_makes_up_costs_little_time(parts: list[bytes]) -> None:
    begun_s = time.thread_time()
    fed(*parts)
    assert time.thread_time() - begun_s < 1.0

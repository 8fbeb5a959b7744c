"""RTP and RTCP fields: what they say, and what they cannot make anybody believe."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.media.rtp.rtcp import LONGEST_LAG_S, ReportedLag, SenderReport, receiver_report, sender_reports
from pod.media.rtp.rtp import MediaClock, RtpPacket, SequenceWatch, parse_rtp

HONEST = struct.pack("!BBHII", 0x80, 0x80 | 96, 7, 1000, 42)


def sender_report(timestamp: int, *, ssrc: int = 42, ntp: int = 5 << 32) -> bytes:
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, ntp, timestamp, 1, 1)


def test_an_honest_packet_is_read() -> None:
    assert parse_rtp(HONEST + b"payload") == RtpPacket(96, True, 7, 1000, 42, b"payload")


def test_sources_extension_and_padding_are_taken_off() -> None:
    header = bytes((0x80 | 0x20 | 0x10 | 2,)) + HONEST[1:]
    data = header + b"ssrcssrc" + struct.pack("!HH", 0xBEDE, 1) + b"extn" + b"payload" + b"\x00\x00\x03"
    packet = parse_rtp(data)
    assert packet is not None
    assert packet.payload == b"payload"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(HONEST[:11], id="cut-in-the-header"),
        pytest.param(HONEST, id="no-payload"),
        pytest.param(b"\x40" + HONEST[1:] + b"payload", id="version-1"),
        pytest.param(b"\x8f" + HONEST[1:] + b"payload", id="more-sources-than-bytes"),
        pytest.param(b"\x90" + HONEST[1:] + b"\x00", id="extension-cut"),
        pytest.param(b"\x90" + HONEST[1:] + b"\x00\x00\xff\xffpayload", id="extension-beyond-the-end"),
        pytest.param(b"\xa0" + HONEST[1:] + b"payload\x00", id="padding-of-nothing"),
        pytest.param(b"\xa0" + HONEST[1:] + b"payload\xff", id="padding-beyond-the-start"),
    ],
)
def test_a_packet_whose_fields_contradict_its_length_is_none(data: bytes) -> None:
    assert parse_rtp(data) is None


@given(st.binary(max_size=64))
def test_whatever_bytes_come_they_are_a_packet_with_a_payload_or_none(data: bytes) -> None:
    packet = parse_rtp(data)
    assert packet is None or packet.payload in data


def taken(*sequence: int) -> list[int | str]:
    watch = SequenceWatch()
    return [watch.take(number) for number in sequence]


def test_packets_in_order_miss_nothing_around_the_end_of_the_numbers_either() -> None:
    watch = SequenceWatch()
    assert [watch.take(number) for number in (65534, 65535, 0, 1)] == [0, 0, 0, 0]
    assert watch.highest == 1 | 1 << 16


def test_missing_packets_are_counted() -> None:
    assert taken(5, 6, 9) == [0, 0, 2]


def test_packets_that_come_twice_or_late_are_refused() -> None:
    assert taken(5, 6, 6, 5, 7) == [0, 0, "refuse", "refuse", 0]


def test_numbers_that_start_over_are_followed_once_a_second_packet_confirms_them() -> None:
    assert taken(5, 40000, 40001, 40002) == [0, "refuse", 1, 0]


def test_numbers_at_random_never_count_as_more_losses_than_a_stream_can_have() -> None:
    assert taken(5, 40000, 20000, 50000, 6) == [0, "refuse", "refuse", "refuse", 0]


def test_the_media_clock_goes_on_over_the_end_of_its_numbers_and_back() -> None:
    clock = MediaClock(90_000)
    first_s = clock.advance(0xFFFFFFFF - 89_999)
    assert clock.advance(0) - first_s == pytest.approx(1.0)
    assert clock.place(0xFFFFFFFF - 89_999) == first_s
    assert clock.advance(90_000) - first_s == pytest.approx(2.0)


def test_sender_reports_are_found_in_a_compound_packet() -> None:
    data = sender_report(1) + struct.pack("!BBHI", 0x80, 201, 1, 9) + sender_report(2)
    assert list(sender_reports(data)) == [SenderReport(42, 5 << 32, 1), SenderReport(42, 5 << 32, 2)]


@given(st.integers(0, 56), st.binary(max_size=4))
def test_reports_cut_anywhere_give_what_is_whole(end: int, more: bytes) -> None:
    whole = sender_report(1) + sender_report(2)
    found = list(sender_reports(whole[:end] + more))
    assert found[: end // 28] == [SenderReport(42, 5 << 32, number) for number in (1, 2)][: end // 28]


def test_our_report_is_well_formed_rtcp() -> None:
    data = receiver_report(own_ssrc=1, of_ssrc=2, highest=3, lost=1 << 30, last_ntp=5 << 32, since_last_s=0.5)
    lengths, at = [], 0
    while at < len(data):
        lengths.append((data[at + 1], 4 + 4 * int.from_bytes(data[at + 2 : at + 4])))
        at += lengths[-1][1]
    assert at == len(data)
    assert [kind for kind, _ in lengths] == [201, 202]
    assert struct.unpack("!I", data[28:32])[0] == 0x8000


def reported(*offsets_s: float) -> ReportedLag:
    """Reports that the media clock is so far ahead of pictures, which arrive 100 s after their media time."""
    lag = ReportedLag()
    for ahead_s in offsets_s:
        lag.report(50.0 + ahead_s, arrival_s=150.0, newest_s=50.0, newest_arrival_s=150.0)
    return lag


def test_two_reports_that_agree_make_pictures_as_old_as_the_camera_says() -> None:
    assert reported(0.5, 0.5).lag_s(50.0, 150.0) == pytest.approx(0.5)
    assert reported(0.5, 0.5).lag_s(50.0, 151.0) == pytest.approx(1.5, abs=0.001)


def test_what_clocks_drift_apart_after_the_last_report_makes_no_picture_old() -> None:
    """A camera may stop reporting; 100 parts in a million are 8.6 s a day."""
    lag, day_s = reported(0.0, 0.0), 86_400.0
    assert lag.lag_s(50.0 + day_s * (1 - 100e-6), 150.0 + day_s) == 0.0
    assert lag.lag_s(50.0 + 3.0, 150.0 + 5.0) == pytest.approx(2.0, abs=0.01)


def test_one_report_alone_changes_nothing() -> None:
    assert reported(0.5).lag_s(50.0, 150.0) == 0.0
    assert reported(0.0, 0.5).lag_s(50.0, 150.0) == 0.0


def test_reports_that_the_clock_stands_behind_its_pictures_change_nothing() -> None:
    assert reported(-5.0, -5.0).lag_s(50.0, 150.0) == 0.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=9))
def test_a_lie_in_a_report_makes_no_picture_younger(lies_s: list[float]) -> None:
    assert reported(*lies_s).lag_s(50.0, 150.0) >= 0.0


def test_a_lag_that_no_camera_has_is_not_believed() -> None:
    lag = reported(LONGEST_LAG_S * 2, LONGEST_LAG_S * 2, 0.2, 0.2)
    assert lag.unbelieved == 2
    assert lag.lag_s(50.0, 150.0) == pytest.approx(0.2)

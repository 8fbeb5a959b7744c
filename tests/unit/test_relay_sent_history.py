"""What is remembered for a viewer that lacks a packet."""

from hypothesis import given
from hypothesis import strategies as st

from pod.media.live.sent_history import KEPT, SentHistory
from pod.media.packets import VideoPacket


def packets(first: int, count: int) -> list[VideoPacket]:
    return [VideoPacket(str(first + at).encode(), False, 0, False) for at in range(count)]


def test_a_packet_is_found_by_its_number_with_the_moment_it_was_sent():
    history = SentHistory()
    history.add(100, packets(100, 5), sent_ntp=7)
    history.add(105, packets(105, 5), sent_ntp=8)
    sent = history.find(107)
    assert sent is not None
    assert (sent.packet.payload, sent.sent_ntp) == (b"107", 8)
    assert history.find(99) is None
    assert history.find(110) is None


def test_numbers_go_round():
    history = SentHistory()
    history.add(65_530, packets(0, 10), sent_ntp=1)
    found = [history.find(number) for number in (65_530, 65_535, 0, 3)]
    assert [one.packet.payload for one in found if one is not None] == [b"0", b"5", b"6", b"9"]
    assert history.find(4) is None


def test_at_least_a_thousand_packets_stay_known_and_older_ones_go():
    assert KEPT >= 1024
    history = SentHistory()
    for number in range(0, 20_000, 10):
        history.add(number, packets(number, 10), sent_ntp=0)
    assert history.find(19_999) is not None
    assert history.find(20_000 - KEPT) is not None
    assert history.find(20_000 - KEPT - 10) is None


@given(st.integers(0, 0xFFFF), st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_what_is_found_is_what_went_out_with_that_number_wherever_the_numbers_begin(first, lengths):
    history, sent = SentHistory(kept=100), 0
    for at, length in enumerate(lengths):
        history.add((first + sent) & 0xFFFF, packets(sent, length), sent_ntp=at)
        sent += length
    for number in range(-5, sent + 5):
        found = history.find((first + number) & 0xFFFF)
        if sent - 100 <= number < sent and number >= 0:
            assert found is not None
        if found is not None:
            assert found.packet.payload == str(number).encode()

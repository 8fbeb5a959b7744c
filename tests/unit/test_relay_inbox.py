"""From a camera's thread to the live loop: bounded, woken once, quiet while nobody watches."""

import pytest

from pod.media.live.inbox import GATHER_S, Inbox
from pod.media.packets import PacketBatch, VideoPacket


def batch(
    number: int, *, keyframe: bool = False, size: int = 10, marker: bool = True, arrival_s: float = 0.0
) -> PacketBatch:
    return PacketBatch((VideoPacket(bytes(size), marker, number, keyframe),), "h264", 1, arrival_s)


def numbers(inbox: Inbox) -> list[int]:
    return [one.packets[0].timestamp for one in inbox.take()[1]]


@pytest.fixture
def woken() -> list[int]:
    return []


@pytest.fixture
def inbox(woken: list[int]) -> Inbox:
    return Inbox(lambda: woken.append(1), most_bytes=10 * batch(0).packets[0].held_bytes)


def test_while_nobody_watches_only_what_follows_the_last_keyframe_is_kept(inbox, woken):
    for number in range(5):
        inbox.put(batch(number, keyframe=number % 3 == 0))
    assert not woken
    assert numbers(inbox) == [3, 4]


def test_who_watches_gets_everything_and_is_woken_once_until_it_takes(inbox, woken):
    inbox.rouse(True)
    inbox.put(batch(0))
    inbox.put(batch(1, keyframe=True))
    assert len(woken) == 1
    assert numbers(inbox) == [0, 1]
    inbox.put(batch(2))
    assert len(woken) == 2


def test_the_parts_of_a_picture_wait_for_its_end_and_go_together(inbox, woken):
    inbox.rouse(True)
    inbox.put(batch(0, marker=False, arrival_s=1.0))
    inbox.put(batch(1, marker=False, arrival_s=1.0 + GATHER_S / 2))
    assert not woken
    inbox.put(batch(2, arrival_s=1.0 + GATHER_S / 2))
    assert len(woken) == 1
    assert numbers(inbox) == [0, 1, 2]


def test_the_parts_of_a_large_picture_wait_no_longer_than_a_moment(inbox, woken):
    inbox.rouse(True)
    inbox.put(batch(0, marker=False, arrival_s=1.0))
    inbox.put(batch(1, marker=False, arrival_s=1.0 + 2 * GATHER_S))
    assert len(woken) == 1
    assert numbers(inbox) == [0, 1]
    inbox.put(batch(2, marker=False, arrival_s=1.0 + 2 * GATHER_S))
    assert len(woken) == 1


def test_a_loop_that_stands_still_loses_the_oldest_and_it_is_counted(inbox):
    inbox.rouse(True)
    for number in range(10):
        inbox.put(batch(number))
    inbox.put(batch(10, keyframe=True))
    assert numbers(inbox) == [10]
    assert inbox.dropped == 10


def test_without_a_keyframe_an_overfull_inbox_loses_everything(inbox):
    inbox.rouse(True)
    for number in range(11):
        inbox.put(batch(number))
    assert numbers(inbox) == []
    assert inbox.dropped == 11


@pytest.mark.parametrize("awake", [True, False], ids=["watched", "unwatched"])
def test_what_it_could_not_hold_is_told_once_to_whoever_takes_the_rest(inbox, awake):
    inbox.rouse(awake)
    inbox.put(batch(0, keyframe=True))
    assert not inbox.take()[0]
    for number in range(1, 13):
        inbox.put(batch(number))
    broken, batches = inbox.take()
    assert broken
    assert [one.packets[0].timestamp for one in batches] == [12]
    assert inbox.dropped == (11 if awake else 0)
    inbox.put(batch(13))
    assert not inbox.take()[0]


def test_packets_of_a_byte_count_with_what_they_take_in_memory():
    inbox = Inbox(lambda: None, most_bytes=100_000)
    for number in range(10_000):
        inbox.put(batch(number, size=1))
    assert len(inbox.take()[1]) < 1000


def test_a_closed_inbox_takes_nothing_and_wakes_nobody(inbox, woken):
    inbox.rouse(True)
    inbox.close()
    inbox.put(batch(0))
    assert not woken
    assert numbers(inbox) == []

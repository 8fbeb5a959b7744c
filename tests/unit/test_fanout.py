"""Access units to many readers, and one frame to one."""

import itertools
import threading
import time
import weakref

import av
from hypothesis import given
from hypothesis import strategies as st

from pod.media.fanout import AccessUnitFanout, Subscription
from pod.media.frame import AccessUnit, Frame
from pod.media.slot import LatestFrame


def unit(number: int, keyframe: bool = False) -> AccessUnit:
    return AccessUnit(str(number).encode(), "h264", keyframe, number / 25, number / 25)


def numbers(subscription: Subscription) -> list[int]:
    taken = []
    while (got := subscription.take(0)) is not None:
        taken.append(int(got.data))
    return taken


def frame(index: int) -> Frame:
    return Frame("gate", 1, index, 0.0, 0.0, av.VideoFrame(16, 16, "yuv420p"))


def test_every_reader_gets_every_unit_from_the_first_keyframe_on() -> None:
    fanout = AccessUnitFanout()
    readers = [fanout.subscribe(10) for _ in range(2)]
    for number in range(6):
        fanout.publish(unit(number, keyframe=number == 2))
    assert [numbers(reader) for reader in readers] == [[2, 3, 4, 5]] * 2
    assert [reader.dropped for reader in readers] == [0, 0]


def test_a_slow_reader_skips_to_the_newest_keyframe_and_the_loss_is_counted() -> None:
    fanout = AccessUnitFanout()
    slow, quick = fanout.subscribe(3), fanout.subscribe(100)
    for number in range(8):
        fanout.publish(unit(number, keyframe=number % 6 == 0))
    assert numbers(slow) == [6, 7]
    assert slow.dropped == 6
    assert numbers(quick) == list(range(8))
    assert quick.dropped == 0


def test_units_too_large_to_wait_count_as_too_many_and_the_loss_is_counted() -> None:
    fanout = AccessUnitFanout()
    slow = fanout.subscribe(100)
    giant = bytes(8 << 20)
    for number in range(10):
        fanout.publish(AccessUnit(giant, "h264", number == 0, number, number))
    held = 0
    while slow.take(0) is not None:
        held += 1
    assert (held, slow.dropped) == (3, 7)
    fanout.publish(unit(10, keyframe=True))
    assert numbers(slow) == [10]


@given(
    steps=st.lists(st.sampled_from(["keyframe", "delta", "take"]), max_size=60),
    bound=st.integers(1, 5),
)
def test_what_a_reader_gets_can_be_decoded_and_every_loss_is_counted(steps: list[str], bound: int) -> None:
    fanout = AccessUnitFanout()
    reader = fanout.subscribe(bound)
    sent, taken = [], []
    for step in steps:
        if step == "take":
            got = reader.take(0)
            taken += [] if got is None else [got]
        else:
            sent.append(unit(len(sent), keyframe=step == "keyframe"))
            fanout.publish(sent[-1])
    while (got := reader.take(0)) is not None:
        taken.append(got)
    started = [u for u in sent if any(k.keyframe for k in sent[: sent.index(u) + 1])]
    assert len(taken) + reader.dropped == len(started)
    for before, after in itertools.pairwise(taken):
        assert after.keyframe or int(after.data) == int(before.data) + 1
    assert not taken or taken[0].keyframe


def test_closing_wakes_a_waiting_reader_and_leaves_what_was_queued() -> None:
    fanout = AccessUnitFanout()
    reader = fanout.subscribe(5)
    got: list[AccessUnit | None] = []
    waiting = threading.Thread(target=lambda: got.append(reader.take(30)))
    waiting.start()
    reader.close()
    waiting.join(5)
    assert got == [None]
    fanout.publish(unit(1, keyframe=True))
    assert reader.take(0) is None


def test_a_closed_reader_is_forgotten() -> None:
    fanout = AccessUnitFanout()
    reader = fanout.subscribe(5)
    kept = weakref.ref(reader)
    reader.close()
    del reader
    assert kept() is None


def test_the_newest_frame_wins_and_what_it_overwrote_is_counted() -> None:
    slot = LatestFrame()
    for index in range(3):
        slot.put(frame(index))
    taken = slot.take(0)
    assert taken is not None
    assert taken.index == 2
    assert slot.dropped == 2
    assert slot.take(0) is None


def test_a_reader_that_waits_gets_the_next_frame_when_it_comes() -> None:
    slot = LatestFrame()
    later = threading.Timer(0.02, slot.put, (frame(7),))
    later.start()
    asked_s = time.monotonic()
    taken = slot.take(10)
    assert taken is not None
    assert taken.index == 7
    assert time.monotonic() - asked_s < 5

"""One viewer's pace: what is old is not thrown at it at once, what it cannot take is skipped, not kept."""

import heapq
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from pod.media.live import viewer as module
from pod.media.live.gop_cache import GopCache
from pod.media.live.viewer import (
    BETWEEN_KEYFRAMES_S,
    LEAST_PACE_BYTES,
    MOST_BEHIND_S,
    PACE,
    REPEATS_A_SECOND,
    TICK_S,
    Viewer,
)
from pod.media.packets import VideoPacket

PICTURE_BYTES = 16_000
"""At 25 pictures a second: 400 kB, or 3.2 Mbit, a second."""
STEP = 3600


class Timer:
    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due: list[tuple[float, int, Timer]] = []

    def call_later(self, delay_s: float, run: Callable[[], None]) -> Timer:
        timer = Timer(run)
        heapq.heappush(self._due, (self.now_s + delay_s, id(timer), timer))
        return timer

    def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._due and self._due[0][0] <= end_s:
            self.now_s, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.run()
        self.now_s = end_s

    @property
    def timers(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self._due)


class Sender:
    """Stands for aiortc: what is sealed is the packet's number, its timestamp and its payload."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.rtt_s = 0.02
        self.sent: list[tuple[float, int, VideoPacket]] = []
        self.room = 1_000_000_000
        self.way: object = ("transport", ("192.0.2.1", 9))
        self.refuse: Exception | None = None
        self.accounted: list[tuple[int, int, int]] = []

    def listen(self, listener: object) -> None:
        self.listener = listener

    def route(self) -> object:
        return self.way

    def seal(self, packets: Sequence[VideoPacket], first: int, *, offset: int, sent_ntp: int) -> list[object]:
        if self.refuse is not None:
            raise self.refuse
        return [(number & 0xFFFF, packet) for number, packet in enumerate(packets, first)]

    def seal_again(self, packets: Sequence[tuple[int, object]], *, offset: int) -> list[object]:
        return [(number, sent.packet) for number, sent in packets]

    def account(self, timestamp: int, sent_ntp: int, *, packets: int, payload_bytes: int) -> None:
        self.accounted.append((timestamp, packets, payload_bytes))

    @property
    def timestamps(self) -> list[int]:
        return list(dict.fromkeys(packet.timestamp for _, _, packet in self.sent))


class Rig:
    """A viewer, its camera and its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop, self.gop = Loop(), GopCache()
        self.sender = sender = Sender(self.loop)
        self.unreachable: OSError | None = None
        self.links: list[Any] = []
        rig = self

        class Link:
            offload = True

            def __init__(self, transport: object, address: object) -> None:
                self.transport, self.address = transport, address
                self.closed = False
                rig.links.append(self)

            def send(self, datagrams: Sequence[tuple[int, VideoPacket]]) -> int:
                if rig.unreachable is not None:
                    raise rig.unreachable
                taken = datagrams[: sender.room]
                sender.room -= len(taken)
                sender.sent += [(rig.loop.now_s, number, packet) for number, packet in taken]
                return len(taken)

            def close(self) -> None:
                self.closed = True

        monkeypatch.setattr(module, "link_to", Link)
        self.viewer = Viewer(
            sender, self.gop, loop=self.loop, on_started=lambda: None, clock_s=lambda: self.loop.now_s
        )

    def picture(self, at: int, *, keyframe: bool | None = None) -> list[VideoPacket]:
        keyframe = at % 25 == 0 if keyframe is None else keyframe
        count = PICTURE_BYTES // 1000
        return [
            VideoPacket(bytes(1000), part == count - 1, at * STEP, keyframe and part == 0)
            for part in range(count)
        ]

    def give(self, packets: list[VideoPacket]) -> None:
        self.gop.add(packets)
        self.viewer.give(packets)

    def play(self, *pictures: int) -> None:
        """Give pictures as the camera does, 40 ms apart."""
        for at in pictures:
            self.give(self.picture(at))
            self.loop.pass_s(0.04)

    @property
    def numbers_follow(self) -> bool:
        return all(later[1] == (one[1] + 1) & 0xFFFF for one, later in pairwise(self.sender.sent))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_nothing_goes_out_before_the_keys_are_there(rig):
    rig.play(0, 1)
    assert rig.viewer.stats().state == "connecting"
    assert not rig.sender.sent


def test_without_a_gop_a_viewer_waits_for_a_keyframe(rig):
    rig.viewer.started()
    rig.play(3, 4)
    assert rig.viewer.stats().state == "waiting"
    rig.play(25, 26)
    assert rig.viewer.stats().state == "sending"
    assert rig.sender.timestamps == [25 * STEP, 26 * STEP]


def test_the_start_is_paced_and_still_quicker_than_the_camera(rig):
    rig.play(*range(25))
    began_s = rig.loop.now_s
    rig.viewer.started()
    rig.loop.pass_s(2.0)
    times = [at_s for at_s, _, _ in rig.sender.sent]
    pace = max(LEAST_PACE_BYTES, PACE * 25 * PICTURE_BYTES / 1.0)
    most_in_a_tick = pace * TICK_S + 1000
    assert max(times.count(at_s) for at_s in times) * 1000 <= most_in_a_tick
    assert len(times) == 25 * PICTURE_BYTES // 1000
    assert times[-1] - began_s <= 1.2 * 25 * PICTURE_BYTES / pace
    assert rig.numbers_follow


def test_what_the_camera_sends_during_the_start_follows_it_in_order(rig):
    rig.play(*range(20))
    rig.viewer.started()
    rig.play(20, 21, 22, 23, 24, 25, 26, 27)
    rig.loop.pass_s(1.0)
    assert rig.numbers_follow
    assert rig.sender.timestamps[-8:] == [at * STEP for at in range(20, 28)]
    assert all(later > one for one, later in pairwise(rig.sender.timestamps))
    assert rig.viewer.stats().skips == 0
    assert rig.loop.timers == 0


def test_who_joins_right_before_a_keyframe_catches_up_as_soon_as_others(rig):
    rig.play(*range(25))
    rig.viewer.started()
    rig.play(*range(25, 38))
    assert rig.sender.timestamps[-1] == 37 * STEP
    assert rig.loop.timers == 0


def test_once_it_has_caught_up_packets_go_out_at_once(rig):
    rig.play(0)
    rig.viewer.started()
    rig.loop.pass_s(1.0)
    rig.give(rig.picture(1))
    assert rig.sender.sent[-1][0] == rig.loop.now_s
    assert rig.sender.sent[-1][2].timestamp == STEP
    assert rig.loop.timers == 0


def started(rig: Rig) -> Rig:
    rig.play(0)
    rig.viewer.started()
    rig.loop.pass_s(1.0)
    rig.sender.sent.clear()
    return rig


def test_what_a_full_socket_did_not_take_is_sent_when_it_has_room(rig):
    started(rig).sender.room = 5
    rig.give(rig.picture(1))
    assert len(rig.sender.sent) == 5
    rig.sender.room = 1000
    rig.loop.pass_s(0.1)
    assert len(rig.sender.sent) == 16
    assert rig.numbers_follow


def test_a_viewer_that_stays_full_skips_once_and_goes_on_with_the_next_keyframe(rig):
    started(rig).sender.room = 0
    pictures = round(MOST_BEHIND_S * 25) + 3
    rig.play(*range(1, pictures))
    assert rig.viewer.stats().skips == 1
    assert rig.viewer.stats().state == "waiting"
    rig.sender.room = 1_000_000
    rig.play(*range(pictures, 52))
    assert rig.sender.timestamps == [50 * STEP, 51 * STEP]
    assert rig.viewer.stats().skips == 1


def test_a_flood_that_waits_is_bounded_by_its_size_too(rig, monkeypatch):
    monkeypatch.setattr(module, "MOST_QUEUED_BYTES", 100_000)
    started(rig).sender.room = 0
    for at in range(1, 10):
        rig.give(rig.picture(at))
    assert rig.viewer.stats().skips == 1


def test_a_keyframe_that_is_wanted_comes_from_the_gop_between_two_pictures(rig):
    started(rig)
    rig.play(*range(1, 5))
    rig.sender.sent.clear()
    rig.viewer.keyframe_wanted()
    rig.loop.pass_s(0.5)
    rig.play(5)
    rig.loop.pass_s(0.5)
    assert rig.sender.sent[0][2].starts_keyframe
    assert len(rig.sender.timestamps) == 6
    assert rig.sender.timestamps[0] > 4 * STEP
    assert rig.sender.timestamps[-2] < 5 * STEP == rig.sender.timestamps[-1]
    assert rig.numbers_follow


def test_a_keyframe_wanted_in_the_middle_of_a_picture_waits_for_its_end(rig):
    started(rig)
    half, rest = rig.picture(1)[:7], rig.picture(1)[7:] + rig.picture(2)[:3]
    rig.give(half)
    rig.viewer.keyframe_wanted()
    assert [packet for _, _, packet in rig.sender.sent] == half
    rig.give(rest)
    rig.give(rig.picture(2)[3:])
    rig.loop.pass_s(1.0)
    shown = [packet for _, _, packet in rig.sender.sent]
    assert shown[:16] == rig.picture(1)
    assert shown[-16:] == rig.picture(2)
    assert shown[16].starts_keyframe
    assert len(shown) == 16 + 2 * 16 + 16
    assert rig.numbers_follow


def test_a_viewer_is_given_a_keyframe_at_most_twice_a_second(rig):
    started(rig)
    for _ in range(100):
        rig.viewer.keyframe_wanted()
        rig.loop.pass_s(0.02)
    keyframes = sum(packet.starts_keyframe for _, _, packet in rig.sender.sent)
    assert keyframes == 2.0 / BETWEEN_KEYFRAMES_S
    assert rig.viewer.stats().keyframes_wanted == 100


def test_missing_packets_are_sent_again_with_their_numbers(rig):
    started(rig)
    rig.give(rig.picture(1))
    wanted = [rig.sender.sent[2], rig.sender.sent[9]]
    rig.sender.sent.clear()
    rig.viewer.missing([number for _, number, _ in wanted])
    assert [sent[1:] for sent in rig.sender.sent] == [one[1:] for one in wanted]
    assert rig.viewer.stats().repeated == 2
    assert rig.viewer.stats().sent_packets == 32, "what is repeated is not counted again"


def test_a_peer_that_asks_for_everything_again_and_again_gets_a_bounded_part(rig):
    started(rig)
    rig.play(*range(1, 40))
    numbers = [number for _, number, _ in rig.sender.sent]
    rig.sender.sent.clear()
    for _ in range(50):
        rig.viewer.missing(numbers)
        rig.loop.pass_s(0.02)
    assert len(rig.sender.sent) <= 2 * REPEATS_A_SECOND
    assert rig.viewer.stats().missing == 50 * len(numbers)


def test_asking_for_what_was_never_sent_uses_up_what_a_peer_may_ask_for(rig):
    """Each look costs time on the one loop of all viewers, and in the interpreter that lets cars in."""
    started(rig)
    rig.play(1)
    sent = rig.sender.sent[-1][1]
    rig.loop.pass_s(1.0)
    rig.viewer.missing([sent + 9_999] * REPEATS_A_SECOND)
    rig.viewer.missing([sent])
    assert rig.viewer.stats().repeated == 0
    rig.loop.pass_s(0.1)
    rig.viewer.missing([sent])
    assert rig.viewer.stats().repeated == 1


def test_numbers_that_were_never_sent_are_no_bother(rig):
    started(rig)
    rig.viewer.missing([70_000, 3, 3, -1])
    assert rig.viewer.stats().repeated == 0


def test_a_viewer_out_of_reach_counts_a_skip_and_comes_back_with_a_keyframe(rig):
    started(rig).sender.way = None
    rig.play(1)
    assert rig.viewer.stats().state == "waiting"
    assert rig.viewer.stats().skips == 1
    rig.sender.way = ("another", ("192.0.2.2", 9))
    rig.play(2, 25)
    assert rig.sender.timestamps == [25 * STEP]


def test_a_viewer_that_gets_out_of_reach_while_it_waits_for_the_gop_again_gets_nothing_old(rig):
    packets = started(rig).picture(1)
    rig.give(packets[:8])
    rig.viewer.keyframe_wanted()
    way, rig.sender.way = rig.sender.way, None
    rig.give(packets[8:])
    assert rig.viewer.stats().state == "waiting"
    rig.sender.way = way
    rig.sender.sent.clear()
    rig.play(25, 26)
    assert rig.sender.timestamps == [25 * STEP, 26 * STEP]


def test_what_the_network_refuses_is_counted_and_the_viewer_goes_on(rig):
    started(rig)
    rig.unreachable = OSError("network is unreachable")
    rig.play(1)
    assert rig.viewer.stats().refused == 16
    rig.unreachable = None
    rig.play(2)
    assert rig.sender.timestamps == [2 * STEP]


def test_broken_keys_end_the_viewer(rig):
    started(rig).sender.refuse = ConnectionError("no keys")
    rig.play(1)
    assert rig.viewer.stats().state == "ended"
    rig.play(25)
    assert not rig.sender.sent


def test_an_ended_viewer_sends_nothing_and_leaves_no_timer(rig):
    rig.play(*range(20))
    rig.viewer.started()
    assert rig.loop.timers == 1
    rig.viewer.end()
    rig.viewer.end()
    assert rig.loop.timers == 0
    rig.loop.pass_s(1.0)
    rig.play(25)
    rig.viewer.started()
    rig.viewer.missing([1, 2])
    rig.viewer.keyframe_wanted()
    assert not rig.sender.sent
    assert rig.viewer.stats().state == "ended"


def test_each_way_to_a_peer_is_let_go_of_when_another_is_found_and_at_the_end(rig):
    started(rig).sender.way = ("another", ("192.0.2.2", 9))
    rig.play(1)
    assert [link.closed for link in rig.links] == [True, False]
    assert len(rig.sender.sent) == 16
    rig.viewer.end()
    assert all(link.closed for link in rig.links)


def test_another_stream_begins_with_its_own_keyframe(rig):
    started(rig).viewer.start_over()
    rig.play(1)
    assert not rig.sender.sent
    rig.play(25)
    assert rig.sender.timestamps == [25 * STEP]
    assert rig.viewer.stats().skips == 0


def test_sender_reports_are_told_the_newest_timestamp_and_all_that_was_sent(rig):
    started(rig).play(1)
    timestamp, packets, payload_bytes = rig.sender.accounted[-1]
    assert packets == rig.viewer.stats().sent_packets == 32
    assert payload_bytes == rig.viewer.stats().sent_bytes == 32_000
    assert (timestamp - rig.sender.accounted[-2][0]) % (1 << 32) == STEP


@pytest.mark.parametrize(("told", "lost"), [(5, 5), (-3, 0)], ids=["some", "more came than were sent"])
def test_what_the_peer_lost_is_known(rig, told, lost):
    rig.viewer.reported(told)
    assert rig.viewer.stats().lost == lost

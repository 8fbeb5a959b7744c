"""The relay and a real WebRTC receiver (aiortc's own), which reads the number drawn in every picture."""

import asyncio
import gc
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import pairwise

import psutil
import pytest
from camera_fixtures import FPS
from relay_fixtures import FACTS, LENGTH, MadeUpCamera, Receiver, a_relay, numbered_units, until_soon

from pod.config import CameraConfig
from pod.media.live.inbox import MOST_BYTES
from pod.media.live.relay import CameraRelay
from pod.media.live.udp_batch import UdpBatch
from pod.media.live.viewer import BETWEEN_KEYFRAMES_S, MOST_BEHIND_S
from pod.media.packetize import packetize


def follows(numbers: Sequence[int]) -> bool:
    """Whether each picture is the next of the clip."""
    return all(later == (one + 1) % LENGTH for one, later in pairwise(numbers))


async def until_pictures(receiver: Receiver, count: int) -> None:
    wanted = len(receiver.numbers) + count
    await until_soon(lambda: len(receiver.numbers) >= wanted)


class Network:
    """Stands between a viewer's packets and its socket; the packets themselves go the real way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.drop: Callable[[int], bool] = lambda at: False
        self.full: set[object] = set()
        self._at = 0
        real = UdpBatch.send

        def send(batch: UdpBatch, datagrams: Sequence[bytes]) -> int:
            if batch.address in self.full:
                return 0
            passed = []
            for datagram in datagrams:
                self._at += 1
                self.sizes.append(len(datagram))
                if not self.drop(self._at):
                    passed.append(datagram)
            real(batch, passed)
            return len(datagrams)

        monkeypatch.setattr(UdpBatch, "send", send)

    def block(self, receiver: Receiver) -> None:
        """From now on the socket towards `receiver` is full."""
        route = receiver.sender.route()
        assert route is not None
        self.full.add(route[1])


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


async def test_a_viewer_gets_every_picture_in_turn_as_the_camera_numbered_them():
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        assert relay.mode == "as_sent"
        async with Receiver(relay) as receiver:
            await until_pictures(receiver, 30)
            assert follows(receiver.numbers)
        relay.close()


async def test_who_joins_in_the_middle_of_a_gop_sees_a_picture_before_the_next_keyframe():
    camera = MadeUpCamera()
    relay = a_relay(camera)
    for number in range(10):
        camera.publish(number)
    async with Receiver(relay) as receiver:
        camera.publish(10)
        camera.publish(11)
        await until_soon(lambda: 9 in receiver.numbers)
        assert follows(receiver.numbers)
        assert receiver.numbers[0] == 0
    relay.close()


async def test_who_joins_sees_the_present_and_not_a_gop_ago():
    camera = MadeUpCamera()
    relay = a_relay(camera)
    for number in range(20):
        camera.publish(number)
    async with Receiver(relay) as receiver:
        camera.publish(20)
        await until_soon(lambda: 19 in receiver.numbers)
        times = [(picture.pts or 0) / 90_000 for picture in receiver.pictures]
        assert times[-1] - times[0] < 0.1, "19 pictures of 40 ms each are hurried through"
    relay.close()


async def test_no_datagram_is_longer_than_every_path_takes(network):
    camera = MadeUpCamera(numbered_units(size=(1280, 720)))
    assert max(len(one.payload) for one in packetize(camera.clip[0], most_bytes=1400)) > 1300
    relay = a_relay(camera)
    camera.publish(0)
    async with Receiver(relay) as receiver:
        for number in range(1, 5):
            camera.publish(number)
        await until_pictures(receiver, 3)
        assert max(network.sizes) <= 1200
    relay.close()


@pytest.mark.parametrize("rtx", [True, False], ids=["as a stream of its own", "as the packet itself"])
async def test_packets_lost_on_the_way_are_sent_again_and_no_picture_is_missing(network, rtx):
    network.drop = lambda at: at % 17 == 0
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay, rtx=rtx) as receiver:
            await until_pictures(receiver, 35)
            stats = receiver.viewer.stats()
            assert stats.repeated > 0
            assert stats.missing >= stats.repeated
            assert follows(receiver.numbers)
        relay.close()


async def test_a_peer_that_asks_for_a_keyframe_gets_the_gop_again_at_most_twice_a_second():
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            await until_pictures(receiver, 10)
            began_s = time.monotonic()
            while time.monotonic() < began_s + 3 * BETWEEN_KEYFRAMES_S:
                await receiver.want_keyframe()
                await asyncio.sleep(0.02)
            await until_pictures(receiver, 5)
            repeated = sum((later - one) % LENGTH > LENGTH // 2 for one, later in pairwise(receiver.numbers))
            assert receiver.viewer.stats().keyframes_wanted > 20
            assert 1 <= repeated <= (time.monotonic() - began_s) / BETWEEN_KEYFRAMES_S + 1
        relay.close()


async def test_a_viewer_whose_socket_is_full_skips_to_a_keyframe_and_slows_nobody(network):
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as slow, Receiver(relay) as quick:
            await until_pictures(slow, 5)
            await until_pictures(quick, 5)
            network.block(slow)
            before_s = time.monotonic()
            await until_soon(lambda: slow.viewer.stats().skips == 1)
            assert time.monotonic() - before_s < MOST_BEHIND_S + 5.0
            assert slow.viewer.stats().state == "waiting"
            assert quick.viewer.stats().skips == 0
            network.full.clear()
            await until_soon(lambda: not follows(slow.numbers))
            await until_pictures(slow, 5)
            leaps = [later for one, later in pairwise(slow.numbers) if later != (one + 1) % LENGTH]
            assert [number % FPS for number in leaps] == [0], "it goes on with a keyframe"
            assert follows(quick.numbers)
        relay.close()


async def test_a_reconnected_camera_goes_on_in_the_same_view_with_times_that_only_grow():
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            await until_pictures(receiver, 5)
            camera.session, camera.shift_s = 2, -40_000.0
            await until_pictures(receiver, 25)
            times = [picture.pts or 0 for picture in receiver.pictures]
            assert all(0 < later - one < 90_000 for one, later in pairwise(times))
        relay.close()


async def test_who_joins_a_camera_that_reconnected_sees_nothing_of_the_session_before():
    """A new session may begin within a GOP; its pictures mean nothing on top of the former one's."""
    camera = MadeUpCamera()
    relay = a_relay(camera)
    for number in range(5):
        camera.publish(number)
    camera.session = 2
    for number in range(10, 15):
        camera.publish(number)
    async with Receiver(relay) as receiver:
        assert receiver.viewer.stats().state == "waiting"
        for number in range(15, 30):
            camera.publish(number)
        await until_pictures(receiver, 3)
        assert receiver.numbers[0] == FPS
        assert follows(receiver.numbers)
    relay.close()


async def test_what_the_loop_was_too_slow_for_is_skipped_up_to_a_keyframe():
    camera = MadeUpCamera()
    relay = a_relay(camera)
    async with Receiver(relay) as receiver:
        camera.publish(0)
        camera.publish(1)
        await until_pictures(receiver, 1)
        relay._inbox._most_bytes = 0
        camera.publish(2)
        relay._inbox._most_bytes = MOST_BYTES
        for number in range(3, 2 * FPS):
            camera.publish(number)
            await asyncio.sleep(0)
        await until_pictures(receiver, 5)
        leaps = [later for one, later in pairwise(receiver.numbers) if later != (one + 1) % LENGTH]
        assert [leap % FPS for leap in leaps] == [0]
    relay.close()


async def test_a_live_loop_that_has_ended_breaks_no_camera():
    loop = asyncio.new_event_loop()
    camera = MadeUpCamera()
    relay = CameraRelay(
        CameraConfig(name="gate", url="rtsp://192.0.2.1/", gate="main"),
        camera.packets,
        units=camera.units,
        facts=lambda: FACTS,
        loop=loop,
    )
    relay._inbox.rouse(True)
    loop.close()
    camera.publish(0)
    assert camera.sent == 1


async def test_a_camera_that_changes_its_resolution_is_followed_as_it_is_sent():
    larger = numbered_units(size=(640, 480))
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            await until_pictures(receiver, 5)
            camera.clip = larger
            await until_soon(lambda: receiver.pictures[-1].width == 640)
            await until_pictures(receiver, 10)
            assert follows(receiver.numbers[-10:])
        relay.close()


async def test_a_viewer_that_leaves_gets_nothing_more(network):
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            await until_pictures(receiver, 3)
            await receiver.peer.close()
            await until_soon(lambda: receiver.viewer.stats().state == "ended")
            sent, number = len(network.sizes), camera.sent
            await until_soon(lambda: camera.sent >= number + 5)
            assert len(network.sizes) == sent
        relay.close()


async def test_the_sender_reports_count_what_was_sent():
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            everything = receiver.sender_reports()

            def after_the_start():
                """Without those of a time before any packet, and the next one, which may be of the burst."""
                return [report for report in everything if report.sender_info.packet_count][1:]

            await until_soon(lambda: len(after_the_start()) >= 2)
            reports = after_the_start()
            newest = reports[-1].sender_info
            stats = receiver.viewer.stats()
            assert 0 < newest.packet_count <= stats.sent_packets
            assert 0 < newest.octet_count <= stats.sent_bytes
            passed_s = (newest.ntp_timestamp - reports[-2].sender_info.ntp_timestamp) / (1 << 32)
            shown_s = (newest.rtp_timestamp - reports[-2].sender_info.rtp_timestamp) % (1 << 32) / 90_000
            assert abs(passed_s - shown_s) < 0.3
        relay.close()


async def test_what_is_missing_in_the_camera_s_stream_takes_nothing_else_from_the_viewer():
    camera = MadeUpCamera()
    relay = a_relay(camera)
    for number in range(5):
        camera.publish(number)
    async with Receiver(relay) as receiver:
        camera.publish(6, lost=3)
        for number in range(25, 30):
            camera.publish(number)
        await until_soon(lambda: 28 in receiver.numbers)
        assert receiver.viewer.stats().state == "sending"
    relay.close()


async def test_a_bug_in_one_viewer_ends_that_viewer_alone(monkeypatch, caplog):
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as broken, Receiver(relay) as whole:
            await until_pictures(whole, 3)
            monkeypatch.setattr(broken.viewer, "give", lambda packets: 1 // 0)
            await until_soon(lambda: broken.viewer.stats().state == "ended")
            await until_pictures(whole, 5)
            assert "a viewer met a bug" in caplog.text
        relay.close()


async def test_nobody_watching_means_the_loop_is_never_woken(monkeypatch):
    woken = []
    loop = asyncio.get_running_loop()
    camera = MadeUpCamera()
    real = loop.call_soon_threadsafe
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *a, **k: (woken.append(a), real(*a, **k))[1])
    relay = a_relay(camera)
    viewer = Receiver(relay)
    camera.publish(0)
    assert len(woken) == 1
    await until_soon(lambda: relay._gop.packets)
    await viewer.close()
    del woken[:]
    for number in range(60):
        camera.publish(number)
    assert not woken
    relay.close()


async def test_viewers_that_come_and_go_leave_nothing_behind():
    process = psutil.Process()
    with MadeUpCamera() as camera:
        relay = a_relay(camera)

        async def visit() -> None:
            async with Receiver(relay) as receiver:
                await until_pictures(receiver, 1)

        for _ in range(3):
            await visit()
        gc.collect()
        tasks, files, threads = len(asyncio.all_tasks()), process.num_fds(), threading.active_count()
        tracemalloc.start()
        try:
            await visit()
            gc.collect()
            before_bytes = tracemalloc.get_traced_memory()[0]
            for _ in range(8):
                await visit()
            gc.collect()
            grown_bytes = tracemalloc.get_traced_memory()[0] - before_bytes
        finally:
            tracemalloc.stop()
        assert relay.viewers == 0
        await until_soon(lambda: len(asyncio.all_tasks()) <= tasks)
        await until_soon(lambda: process.num_fds() <= files)
        assert threading.active_count() <= threads
        assert grown_bytes < 8 * 20_000, f"{grown_bytes / 8:.0f} bytes a visit stay behind"
        relay.close()

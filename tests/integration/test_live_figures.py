"""What live video leaves out, or sends once more, is counted where an operator looks."""

import threading

from aiortc import RTCRtpReceiver
from live_fixtures import Watcher, live_camera, live_video
from prometheus_client import CollectorRegistry
from relay_fixtures import MadeUpCamera, until_soon

from pod.media.live.figures import LiveFigures
from pod.media.live.gop_cache import MOST_PICTURES
from pod.media.live.inbox import MOST_BYTES
from pod.media.live.service import LiveVideo
from pod.media.packets import PacketBatch, VideoPacket
from pod.services.probes import live_probe


def counted(live: LiveVideo, name: str) -> float:
    registry = CollectorRegistry()
    registry.register(LiveFigures(live))
    found = registry.get_sample_value(f"platebridge_live_{name}_total", {"camera": "gate"})
    assert found is not None, f"there is no figure {name}"
    return found


async def test_what_a_viewer_asks_for_again_is_counted() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            await viewer.watch(live)
            receiver: RTCRtpReceiver = viewer.peer.getReceivers()[0]
            (ssrc,) = [source.source for source in receiver.getSynchronizationSources()]
            newest = vars(receiver)["_RTCRtpReceiver__remote_streams"][ssrc].max_seq
            await receiver._send_rtcp_nack(ssrc, [newest])
            await until_soon(lambda: counted(live, "repeated_packets") == counted(live, "nacks") == 1)
            await receiver._send_rtcp_pli(ssrc)
            await until_soon(lambda: counted(live, "keyframes_wanted") == 1)
        await until_soon(lambda: not live.sessions())
        assert counted(live, "keyframes_wanted") == 1, "what was counted stays"
        assert counted(live, "refused_packets") == 0


async def test_what_the_live_loop_was_too_slow_for_is_counted_and_told_by_health() -> None:
    go_on = threading.Event()
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            await viewer.watch(live)
            assert counted(live, "dropped_packets") == 0
            live._thread.loop.call_soon_threadsafe(go_on.wait)
            packet = VideoPacket(bytes(60_000), True, 0, False)
            for _ in range(MOST_BYTES // 60_000 + 2):
                camera.packets.publish(PacketBatch((packet,), "h264", 1, 0.0, 0))
            go_on.set()
            await until_soon(lambda: counted(live, "dropped_packets") > 200)
            assert "too slow" in live_probe(live)().sentence


async def test_a_camera_without_keyframes_for_long_is_counted() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            await viewer.watch(live)
            packets = [VideoPacket(b"\x01\x02", True, 3600 * n, False) for n in range(MOST_PICTURES + 1)]
            camera.packets.publish(PacketBatch(tuple(packets), "h264", 1, 0.0, 0))
            await until_soon(lambda: counted(live, "long_gops") == 1)

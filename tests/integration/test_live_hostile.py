"""Live video under attack or fault: bounded work, everything freed, and real viewers still served."""

import asyncio
import contextlib
import gc
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection
from live_fixtures import CHROMIUM, Ends, Watcher, live_camera, live_video, refusal
from relay_fixtures import MadeUpCamera, until_soon

from pod.domain.errors import LiveError
from pod.media.live import service
from pod.media.live.limits import LiveLimits
from pod.media.live.service import LiveVideo

LEASE_S = 60.0

MADE_FOR_VIEWERS = ("aiortc", "aioice", "pyee", "pylibsrtp", "OpenSSL", "ifaddr", "pod.media.live")
"""Packages that make objects for each viewer."""


def sockets() -> int:
    """Sockets of this process now."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found += str(descriptor.readlink()).startswith("socket:")
    return found


def connections() -> int:
    """Connections of aiortc that something still holds."""
    gc.collect()
    return sum(isinstance(one, RTCPeerConnection) for one in gc.get_objects())


async def outcomes(live: LiveVideo, offers: int, *, viewers: int) -> Counter[str]:
    """Post many offers, some at a time; how each ended."""
    seen: Counter[str] = Counter()
    waiting = iter(range(offers))

    async def post() -> None:
        for number in waiting:
            try:
                await live.offer("gate", CHROMIUM, viewer=f"viewer {number % viewers}", lease_s=LEASE_S)
                seen["answered"] += 1
            except LiveError as error:
                seen[error.kind] += 1

    async with asyncio.TaskGroup() as posting:
        for _ in range(20):
            posting.create_task(post())
    return seen


async def test_a_peer_that_never_answers_ice_is_given_up_and_all_it_held_is_freed() -> None:
    limits = LiveLimits(connect_within_s=0.4)
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        ends = Ends(live)
        before = sockets()
        silent = CHROMIUM + "a=candidate:1 1 udp 2130706431 192.0.2.77 5000 typ host\n"
        for number in range(3):
            await live.offer("gate", silent, viewer=f"viewer {number}", lease_s=LEASE_S)
        assert sockets() > before
        await until_soon(lambda: len(ends.all) == 3)
        assert ends.reasons == ["no_connection"] * 3
        assert all(end.seconds < 5 for end in ends.all)
        await until_soon(lambda: sockets() == before)
        await until_soon(lambda: not connections())


async def test_ten_thousand_offers_cost_bounded_work_and_leave_room_for_a_viewer_after_them() -> None:
    limits = LiveLimits(per_camera=8, in_all=8, connect_within_s=0.5, setups_at_once=16, setups_per_s=20.0)
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        ends = Ends(live)
        before, most = sockets(), 0
        started_s = time.monotonic()
        posting = asyncio.create_task(outcomes(live, 10_000, viewers=1_000))
        while not posting.done():
            most = max(most, len(live.sessions()))
            await asyncio.sleep(0.01)
        seen = posting.result()
        took_s = time.monotonic() - started_s
        assert sum(seen.values()) == 10_000
        assert most <= limits.in_all
        assert 8 <= seen["answered"] <= 16 + 20 * took_s + 1
        opened = seen["answered"] + seen["gone"]  # gone: given up before this busy machine had answered
        assert set(seen) <= {"answered", "gone", "too_many", "too_many_for_camera", "too_fast"}
        await until_soon(lambda: len(ends.all) == opened)
        await until_soon(lambda: sockets() == before)
        async with Watcher() as viewer:
            await viewer.watch(live)


async def test_one_who_tries_again_and_again_takes_no_other_viewers_place() -> None:
    limits = LiveLimits(per_camera=4, in_all=4, unconnected=2, setups_at_once=100)
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        ends = Ends(live)
        async with Watcher() as watching, Watcher() as other:
            await watching.watch(live, viewer="restless")
            for _ in range(10):
                await live.offer("gate", CHROMIUM, viewer="restless", lease_s=LEASE_S)
            states = Counter(session.state for session in live.sessions())
            assert states == {"connecting": 2, "playing": 1}, "what plays is not given up"
            await other.watch(live, viewer="other")
        assert ends.reasons[:8] == ["no_connection"] * 8


async def test_hostile_offers_are_refused_one_by_one_and_hold_nothing() -> None:
    limits = LiveLimits(setups_at_once=100)
    offers = {
        "bad_offer": "v=0\r\nm=video\r\n" * 10,
        "too_large": "v=0\r\n" + "a=candidate:x\r\n" * 100_000,
        "no_h264": CHROMIUM.replace("H264", "VP8"),
    }
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        before = sockets()
        for kind, offer in offers.items():
            assert (await refusal(live.offer("gate", offer, viewer="x", lease_s=LEASE_S))).kind == kind
        assert live.sessions() == ()
        assert sockets() == before


async def test_viewers_who_come_and_go_leave_nothing_behind_that_the_first_ones_did_not() -> None:
    limits = LiveLimits(setups_at_once=100)
    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        ends = Ends(live)

        async def come_and_go(sessions: int) -> Counter[str]:
            """What is held once they have gone; every other one vanishes, or asks for the end."""
            for number in range(sessions):
                async with Watcher() as viewer:
                    answer = await viewer.watch(live, viewer=f"viewer {number}")
                    if number % 2:
                        await live.end(answer.session_id)
                del viewer
            await until_soon(lambda: len(ends.all) == sessions)
            ends.all.clear()
            await until_soon(lambda: not connections() and not live._ending)
            return held(live)

        first = await come_and_go(3)
        assert await come_and_go(8) - first == Counter()


def held(live: LiveVideo) -> Counter[str]:
    """What this process and the live thread hold: descriptors, threads, tasks, objects made for viewers."""
    gc.collect()
    modules = (str(type(one).__module__) for one in gc.get_objects())
    return Counter(module for module in modules if module.startswith(MADE_FOR_VIEWERS)) + Counter(
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks(live._thread.loop)),
    )


async def test_a_hanging_live_thread_is_said_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "WORK_WITHIN_S", 0.5)
    go_on = threading.Event()
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        live._thread.loop.call_soon_threadsafe(go_on.wait)
        try:
            error = await refusal(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
            assert error.kind == "fault"
            await until_soon(lambda: live.fault)
            assert "hangs" in str(live.fault)
            sent = camera.sent
            await until_soon(lambda: camera.sent > sent + 10)  # the camera's thread does not wait for it
            asked = [
                asyncio.create_task(refusal(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S)))
                for _ in range(service.MOST_ASKED + 10)
            ]
            kinds = Counter([(await one).kind for one in asked])
            assert kinds == {"fault": service.MOST_ASKED, "too_fast": 10}
        finally:
            go_on.set()
        await until_soon(lambda: live.fault is None)


async def test_a_live_thread_that_broke_is_said_and_asks_nobody_to_wait() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        live._thread.loop.call_soon_threadsafe(live._thread.loop.stop)
        await until_soon(lambda: live.fault)
        assert "Restart the POD" in str(live.fault)
        error = await refusal(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
        assert error.kind == "fault"

"""Sessions of live video: from the offer to each way they end, with aiortc as the viewer."""

import asyncio
import itertools
import re
import socket
import threading

import aioice.ice
import pytest
from live_fixtures import (
    CHROMIUM,
    PLAYING,
    Ends,
    Watcher,
    live_camera,
    live_video,
    refusal,
    without_candidates,
)
from relay_fixtures import LENGTH, MadeUpCamera, until_soon

from pod.media.live.limits import LiveLimits
from pod.media.live.sessions import CameraTotals, EndedSession, EndReason, IceServer, LiveSession
from pod.media.state import CameraState

LEASE_S = 60.0


async def test_a_viewer_sees_the_cameras_own_pictures() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            answer = await viewer.watch(live)
            await until_soon(lambda: len(viewer.numbers) >= 10)
            session = live.session(answer.session_id)
            assert session is not None
            assert (session.camera, session.viewer, session.state) == ("gate", "anna", "playing")
            assert session.sent_packets >= 10
            assert session.mode == "as_sent"
            assert LEASE_S - 20 < session.left_s <= LEASE_S
        steps = {(later - number) % LENGTH for number, later in itertools.pairwise(viewer.numbers[-8:])}
        assert steps == {1}, "pictures are missing or doubled"


async def test_what_a_camera_s_viewers_had_is_never_less_than_before_while_one_of_them_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who reads counters takes one that shrinks for a restart, and what is left for all new."""
    counted: list[int] = []
    reading: list[threading.Thread] = []
    real = CameraTotals.with_session

    def with_session(totals: CameraTotals, session: LiveSession, **ended: EndReason) -> CameraTotals:
        if ended:  # in the midst of the end, while somebody else counts
            reader = threading.Thread(target=lambda: counted.append(live.totals()["gate"].sent_bytes))
            reader.start()
            reader.join(0.2)
            reading.append(reader)
        return real(totals, session, **ended)

    monkeypatch.setattr(CameraTotals, "with_session", with_session)
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            answer = await viewer.watch(live)
            before = live.totals()["gate"].sent_bytes
            await live.end(answer.session_id)
            for reader in reading:
                await asyncio.to_thread(reader.join)
    assert len(counted) == 1
    assert counted[0] >= before > 0


async def test_a_viewer_that_offers_audio_first_sees_pictures_and_hears_nothing() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher(audio_first=True) as viewer:
            answer = await viewer.watch(live)
        audio, video = re.findall(r"m=(?:audio|video)[^m]*?a=(inactive|sendonly|sendrecv)", answer.sdp)
        assert (audio, video) == ("inactive", "sendonly")


async def test_a_viewer_is_found_by_its_own_checks_where_its_offer_has_no_candidates() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            offer = without_candidates(await viewer.offer())
            await viewer.take(await live.offer("gate", offer, viewer="anna", lease_s=LEASE_S))
            await until_soon(lambda: viewer.numbers)


async def test_a_viewer_that_cannot_reach_the_pod_is_reached_at_what_it_trickles() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer:
            offer = await viewer.offer()
            answer = await live.offer("gate", without_candidates(offer), viewer="anna", lease_s=LEASE_S)
            blind = answer.__class__(
                session_id=answer.session_id,
                sdp=without_candidates(answer.sdp),
                etag=answer.etag,
                lease_s=answer.lease_s,
            )
            await viewer.take(blind)
            found = re.findall(r"a=(?:ice-ufrag|candidate):[^\r]*", offer)
            await live.trickle(answer.session_id, "\r\n".join(sorted(found, reverse=True)), etag=answer.etag)
            await until_soon(lambda: viewer.numbers)


async def test_candidates_of_another_session_are_not_taken() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        answer = await live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S)
        one = "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"
        assert (await refusal(live.trickle(answer.session_id, one, etag="another"))).kind == "bad_etag"
        restart = f"a=ice-ufrag:other\r\n{one}"
        error = await refusal(live.trickle(answer.session_id, restart, etag=answer.etag))
        assert error.kind == "no_restart"
        assert (await refusal(live.trickle("unknown", one, etag=answer.etag))).kind == "gone"
        await live.trickle(answer.session_id, one, etag=answer.etag)


async def test_a_viewer_who_closes_its_side_has_left() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        async with Watcher() as viewer:
            await viewer.watch(live)
        await until_soon(lambda: ends.all)
        assert ends.reasons == ["left"]
        assert ends.all[0].sent_bytes > 0
        assert live.sessions() == ()


async def test_a_viewer_who_vanishes_is_lost_and_its_place_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.05)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        async with Watcher() as viewer:
            await viewer.watch(live)
            viewer.pull_the_plug()
            await until_soon(lambda: ends.all)
        assert ends.reasons == ["lost"]
        assert live.sessions() == ()


async def test_a_session_ends_with_its_lease_unless_it_is_renewed() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        async with Watcher() as first, Watcher() as second:
            kept = await first.watch(live, viewer="kept", lease_s=2.0)
            await second.watch(live, viewer="forgotten", lease_s=2.0)
            await live.renew(kept.session_id, LEASE_S)
            await until_soon(lambda: ends.all)
            assert [(end.viewer, end.reason) for end in ends.all] == [("forgotten", "lease_over")]
            assert [session.viewer for session in live.sessions()] == ["kept"]
            seen = len(first.numbers)
            await until_soon(lambda: len(first.numbers) > seen)


async def test_a_session_that_is_ended_is_gone_at_once_and_its_viewer_is_told() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        async with Watcher() as viewer:
            answer = await viewer.watch(live)
            await live.end(answer.session_id, "revoked")
            assert ends.reasons == ["revoked"]
            assert live.session(answer.session_id) is None
            for asked in (live.end(answer.session_id), live.renew(answer.session_id, LEASE_S)):
                assert (await refusal(asked)).kind == "gone"
            await until_soon(lambda: viewer.peer.connectionState == "closed")


async def test_a_camera_that_does_not_play_or_exist_is_not_shown() -> None:
    state = CameraState("failed", "unreachable", "the camera cannot be reached: check its power")
    with MadeUpCamera() as camera, live_video(live_camera(camera, state=lambda: state)) as live:
        error = await refusal(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
        assert (error.kind, error.retry_after_s) == ("not_playing", 5.0)
        assert "check its power" in str(error)
        error = await refusal(live.offer("garden", CHROMIUM, viewer="anna", lease_s=LEASE_S))
        assert error.kind == "no_camera"
        state = PLAYING
        await live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S)
        assert live.offers() == {"not_playing": 1, "no_camera": 1, "answered": 1}


async def test_viewers_are_capped_for_each_camera_and_for_the_pod() -> None:
    limits = LiveLimits(per_camera=2, in_all=3)
    with MadeUpCamera() as camera:
        cameras = live_camera(camera), live_camera(camera, "garden")
        with live_video(*cameras, limits=limits) as live:
            asked = ["gate", "gate", "gate", "garden", "garden"]
            answered, refused = [], []
            for number, name in enumerate(asked):
                try:
                    offer = live.offer(name, CHROMIUM, viewer=f"viewer {number}", lease_s=LEASE_S)
                    answered.append((await offer).session_id)
                except Exception as error:
                    refused.append(error)
            assert [error.kind for error in refused] == ["too_many_for_camera", "too_many"]
            assert all(error.retry_after_s for error in refused)
            await live.end(answered[0])
            await live.offer("garden", CHROMIUM, viewer="next", lease_s=LEASE_S)


async def test_an_offer_whose_asker_went_away_leaves_no_session() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, MadeUpCamera() as camera:
        silent.bind(("127.0.0.1", 0))
        slow = (IceServer(url=f"stun:127.0.0.1:{silent.getsockname()[1]}"),)  # the answer takes a second
        with live_video(live_camera(camera), ice_servers=slow) as live:
            ends = Ends(live)
            asking = asyncio.create_task(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
            await until_soon(live.sessions)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until_soon(lambda: not live.sessions())
            assert ends.reasons == ["left"]


async def test_an_offer_cancelled_in_the_moment_of_its_answer_leaves_no_session() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        asking = asyncio.create_task(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
        await asyncio.sleep(0)  # it is asked now
        # This loop stands still: the answer is made, and nobody here has heard of it.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.5), live._thread.loop).result(10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until_soon(lambda: not live.sessions())
        assert ends.reasons == ["left"]


async def test_a_wall_of_screens_that_opens_many_cameras_at_once_gets_each_of_them() -> None:
    names = [f"gate-{number}" for number in range(8)]
    with MadeUpCamera() as camera, live_video(*(live_camera(camera, name) for name in names)) as live:
        ends = Ends(live)
        for name in names:
            await live.offer(name, CHROMIUM, viewer="local page, from 192.0.2.7", lease_s=LEASE_S)
        assert [session.camera for session in live.sessions()] == names
        for _ in range(5):
            await live.offer(names[0], CHROMIUM, viewer="local page, from 192.0.2.7", lease_s=LEASE_S)
        assert ends.reasons == ["no_connection"] * 2, "of one camera four may wait for their connection"


async def test_viewers_connected_at_the_stop_are_told_and_nothing_is_left() -> None:
    with MadeUpCamera() as camera:
        async with Watcher() as first, Watcher() as second:
            with live_video(live_camera(camera)) as live:
                ends = Ends(live)
                await first.watch(live)
                await second.watch(live)
                assert await asyncio.to_thread(live.close)
                assert ends.reasons == ["stopped", "stopped"]
                assert not camera.packets.has_listeners
                error = await refusal(live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S))
                assert error.kind == "stopping"
            await until_soon(lambda: {first.peer.connectionState, second.peer.connectionState} == {"closed"})


async def test_who_listens_to_ends_badly_disturbs_nobody() -> None:
    def listens_badly(end: EndedSession) -> None:
        raise RuntimeError(f"cannot note {end}")

    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        live.on_ended(listens_badly)
        ends = Ends(live)
        for _ in range(2):
            answer = await live.offer("gate", CHROMIUM, viewer="anna", lease_s=LEASE_S)
            await live.end(answer.session_id)
        assert ends.reasons == ["ended", "ended"]


async def test_a_page_may_begin_with_all_cameras_of_a_site_at_once() -> None:
    names = [f"gate-{number}" for number in range(8)]
    with MadeUpCamera() as camera, live_video(*(live_camera(camera, name) for name in names)) as live:
        ends = Ends(live)
        for name in names:
            await live.offer(name, CHROMIUM, viewer="the page", lease_s=LEASE_S)
        assert [session.camera for session in live.sessions()] == names
        assert ends.reasons == []


async def test_one_broken_session_leaves_the_others_and_new_ones_alone() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        async with Watcher() as viewer, Watcher() as later:
            await viewer.watch(live)
            live._thread.loop.call_soon_threadsafe(lambda: 1 // 0)  # as a bug in a callback of aiortc would
            await until_soon(lambda: live.faults)
            assert live.fault is None
            await later.watch(live, viewer="berta")
            seen = len(viewer.numbers)
            await until_soon(lambda: len(viewer.numbers) > seen)


async def test_sessions_are_opened_and_ended_from_many_threads_at_once() -> None:
    limits = LiveLimits(per_camera=64, in_all=64, setups_at_once=64, unconnected=64)

    async def open_and_end(viewer: str) -> None:
        for _ in range(4):
            answer = await live.offer("gate", CHROMIUM, viewer=viewer, lease_s=LEASE_S)
            await live.renew(answer.session_id, LEASE_S)
            live.sessions(), live.totals()
            await live.end(answer.session_id)

    with MadeUpCamera() as camera, live_video(live_camera(camera), limits=limits) as live:
        ends = Ends(live)
        async with asyncio.TaskGroup() as threads:
            for number in range(4):
                threads.create_task(asyncio.to_thread(asyncio.run, open_and_end(f"viewer {number}")))
        assert ends.reasons == ["ended"] * 16
        assert live.totals()["gate"].ended == {"ended": 16}

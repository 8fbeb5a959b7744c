"""Sessions of live video: from the offer to each way they end, with aiortc as the viewer."""

import itertools

from live_fixtures import Ends, Watcher, live_camera, live_video
from relay_fixtures import LENGTH, MadeUpCamera, until_soon


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
        steps = {(later - number) % LENGTH for number, later in itertools.pairwise(viewer.numbers[-8:])}
        assert steps == {1}, "pictures are missing or doubled"


async def test_a_viewer_who_closes_its_side_has_left() -> None:
    with MadeUpCamera() as camera, live_video(live_camera(camera)) as live:
        ends = Ends(live)
        async with Watcher() as viewer:
            await viewer.watch(live)
        await until_soon(lambda: ends.all)
        assert ends.reasons == ["left"]
        assert ends.all[0].sent_bytes > 0
        assert live.sessions() == ()

"""Live video of a whole POD: a camera nobody here wrote, viewers at its stop, places that are taken."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import gate_clips
import httpx
from camera_fixtures import FPS, needs_gstreamer, write_clip
from live_fixtures import Watcher
from relay_fixtures import numbered_units, until_soon
from rtsp_stream import WrittenCamera, playing_on, sdp
from running_pod import RunningPod, until

from models.render.camera_process import CameraProcess
from pod.media.frame import AccessUnit
from pod.media.live.sessions import LiveAnswer

LENGTH = 100


def ready(pod: RunningPod) -> None:
    until(lambda: pod.address, what="the start")
    until(lambda: "playing" in [row["state"] for row in pod.payloads("camera_state")], what="the camera")


@contextlib.asynccontextmanager
async def page_of(pod: RunningPod) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the local page, signed in."""
    async with httpx.AsyncClient(base_url=str(pod.address), timeout=20) as client:
        assert (await client.get(pod.sign_in_link())).status_code == 303
        client.headers["x-csrf-token"] = (await client.get("/api/session")).json()["csrf"]
        yield client


async def watch(client: httpx.AsyncClient, viewer: Watcher) -> None:
    """Wait for the first picture that `viewer` gets of the POD's camera."""
    ticket = (await client.post("/api/cameras/entry/watch")).json()
    head = {"authorization": f"Bearer {ticket['token']}", "content-type": "application/sdp"}
    opened = await client.post(ticket["whep"], content=await viewer.offer(), headers=head)
    assert opened.status_code == 201, opened.text
    await viewer.take(LiveAnswer(session_id="", sdp=opened.text, etag="", lease_s=0))
    await until_soon(lambda: viewer.numbers, timeout_s=30)


@needs_gstreamer
async def test_a_viewer_sees_each_picture_that_the_camera_sends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "numbered.mp4", LENGTH)
    with (
        CameraProcess({"gate": [clip]}) as camera,
        RunningPod(tmp_path / "pod", camera.url("gate"), detect_fps=0.5) as pod,
    ):
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client, Watcher() as viewer:
            await watch(client, viewer)
            await until_soon(lambda: len(viewer.numbers) >= 40, timeout_s=30)
        figures = pod.get("metrics").decode().splitlines()
        assert pod.stop() == 0
    steps = {(later - number) % LENGTH for number, later in itertools.pairwise(viewer.numbers[-25:])}
    assert steps == {1}, f"pictures are missing or doubled: {viewer.numbers[-25:]}"
    assert 'platebridge_live_offers_total{outcome="answered"} 1.0' in figures
    sent = next(line for line in figures if line.startswith("platebridge_live_sent_bytes_total"))
    assert float(sent.split()[1]) > 1000


@needs_gstreamer
async def test_a_viewer_follows_a_camera_that_changes_its_resolution(tmp_path: Path) -> None:
    sizes = [(320, 240), (640, 480)]
    clips = [write_clip(tmp_path / f"{size[0]}.mp4", 2 * FPS, size=size) for size in sizes]
    with (
        CameraProcess({"gate": clips}) as camera,
        RunningPod(tmp_path / "pod", camera.url("gate"), detect_fps=0.5) as pod,
    ):
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client, Watcher() as viewer:
            await watch(client, viewer)
            await until_soon(lambda: viewer.sizes == set(sizes), timeout_s=20)
            seen = len(viewer.numbers)
            await until_soon(lambda: len(viewer.numbers) > seen + 2 * FPS, timeout_s=20)
        assert {row["state"] for row in pod.payloads("camera_state")} == {"playing"}
        assert pod.stop() == 0
    assert [row["why"] for row in pod.payloads("watch_ended")] == ["left"]


class CountingCamera(WrittenCamera):
    """Knows how many pictures it has sent."""

    sent = 0

    def play(self, units: Iterable[AccessUnit], *, fps: float = FPS, sequence: int = 0) -> int:
        self.sent += 1
        return super().play(units, fps=fps, sequence=sequence)


async def test_a_viewer_of_a_camera_that_sends_one_picture_a_second_sees_each_before_the_next_comes(
    tmp_path: Path,
) -> None:
    units = numbered_units()
    with (
        CountingCamera(sdp(units)) as camera,
        playing_on(camera, units, fps=1),
        RunningPod(tmp_path, camera.url, detect_fps=0.5, freshness_limit_s=2) as pod,
    ):
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client, Watcher() as viewer:
            await watch(client, viewer)
            in_time, began = 0, camera.sent
            while in_time < 3:
                assert camera.sent < began + 20, (
                    "one picture after the other came late: no busy machine does that"
                )
                before = camera.sent
                await until_soon(lambda before=before: camera.sent > before)
                # aiortc shows a picture when the next one begins.
                await until_soon(
                    lambda before=before: (
                        viewer.numbers[-1] == (before - 1) % len(units) or camera.sent > before + 1
                    )
                )
                in_time += camera.sent == before + 1
        assert pod.stop() == 0
    assert {row["state"] for row in pod.payloads("camera_state")} == {"playing"}


async def test_a_pod_that_stops_tells_its_viewers_and_writes_down_that_they_left(tmp_path: Path) -> None:
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True, detect_fps=0.5) as pod:
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client, Watcher() as first, Watcher() as second:
            await watch(client, first)
            await watch(client, second)
            assert await asyncio.to_thread(pod.stop) == 0
            await until_soon(lambda: {first.peer.connectionState, second.peer.connectionState} == {"closed"})
    assert [row["why"] for row in pod.payloads("watch_ended")] == ["stopped", "stopped"]
    assert "Traceback" not in pod.log.read_text()


async def test_a_pod_that_shows_no_live_video_says_so(tmp_path: Path) -> None:
    sections = {"live": {"max_viewers": 0}}
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True, sections=sections) as pod:
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client:
            answer = await client.post("/api/cameras/entry/watch")
            assert answer.status_code == 503
            assert "max_viewers" in answer.json()["detail"]
        assert "live video" not in pod.get("healthz").decode()


async def test_a_full_pod_refuses_one_viewer_more_and_says_when_to_ask_again(tmp_path: Path) -> None:
    sections = {"live": {"max_viewers": 1, "stun": "stun:127.0.0.1:9"}}
    with RunningPod(tmp_path, str(gate_clips.standing()), loop=True, sections=sections) as pod:
        await asyncio.to_thread(ready, pod)
        async with page_of(pod) as client, Watcher() as first, Watcher() as second:
            await watch(client, first)
            ticket = (await client.post("/api/cameras/entry/watch")).json()
            assert ticket["ice_servers"][0]["urls"] == ["stun:127.0.0.1:9"]
            head = {"authorization": f"Bearer {ticket['token']}", "content-type": "application/sdp"}
            refused = await client.post(ticket["whep"], content=await second.offer(), headers=head)
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many")
            assert int(refused.headers["retry-after"]) > 0

"""Cameras whose stream no browser shows as it is: encoded anew, once for all, while somebody watches."""

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from relay_fixtures import FACTS, LENGTH, MadeUpCamera, Receiver, a_relay, numbered_units, until_soon

from pod.config import CameraConfig

MASK = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
HIDING = CameraConfig(name="gate", url="rtsp://192.0.2.1/", gate="main", masks=(MASK,), live_masks=True)


def encoders() -> int:
    return sum(thread.name.startswith("transcode-") for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("codec", "b_frames", "facts", "mode"),
    [
        pytest.param("libx265", 0, replace(FACTS, codec="hevc"), "transcoded: H.265", id="H.265"),
        pytest.param("libx264", 2, replace(FACTS, has_b_frames=True), "transcoded: B-frames", id="B-frames"),
    ],
)
async def test_what_no_browser_shows_is_encoded_once_for_all_viewers(codec, b_frames, facts, mode):
    with MadeUpCamera(numbered_units(codec, b_frames)) as camera:
        relay = a_relay(camera, facts=facts)
        assert relay.mode == mode
        assert encoders() == 0
        async with Receiver(relay) as one, Receiver(relay) as other:
            assert encoders() == 1
            await until_soon(lambda: len(one.numbers) >= 20 and len(other.numbers) >= 20)
            assert all(later == (first + 1) % LENGTH for first, later in pairwise(one.numbers))
            assert all(later == (first + 1) % LENGTH for first, later in pairwise(other.numbers))
        await until_soon(lambda: encoders() == 0)
        relay.close()


async def test_masks_are_burnt_into_live_video_where_that_is_set():
    with MadeUpCamera() as camera:
        relay = a_relay(camera, config=HIDING)
        assert relay.mode == "transcoded: masks"
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.pictures) >= 5)
            for picture in receiver.pictures:
                shown = picture.to_ndarray(format="rgb24")
                assert np.max(shown[130:]) < 40
                assert np.mean(shown[40:110]) > 60
        relay.close()


async def test_a_masked_camera_never_shows_a_packet_as_it_was_sent(monkeypatch):
    camera = MadeUpCamera()
    relay = a_relay(camera, config=HIDING, facts=None)
    for number in range(5):
        camera.publish(number)
    async with Receiver(relay) as receiver:
        for number in range(5, 30):
            camera.publish(number)
        assert receiver.viewer.stats().state == "waiting"
        assert receiver.viewer.stats().sent_packets == 0
    relay.close()


async def test_masks_stay_off_live_video_where_that_is_not_set():
    camera = MadeUpCamera()
    relay = a_relay(camera, config=HIDING.model_copy(update={"live_masks": False}))
    assert relay.mode == "as_sent"
    relay.close()


async def test_a_viewer_that_joins_later_does_not_wait_for_the_encoders_next_keyframe():
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as one:
            await until_soon(lambda: len(one.numbers) >= 5)
            sent = camera.sent
            async with Receiver(relay) as other:
                await until_soon(lambda: other.viewer.stats().sent_packets > 0)
                assert camera.sent - sent < 30
                await until_soon(lambda: len(other.numbers) >= 5)
        relay.close()


async def test_a_camera_that_changes_its_codec_goes_on_in_the_same_view():
    facts = [FACTS]
    camera = MadeUpCamera()
    relay = a_relay(camera, facts=lambda: facts[0])
    with camera:
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 5)
            camera.clip, camera.session = numbered_units("libx265"), 2
            facts[0] = replace(FACTS, codec="hevc")
            await until_soon(lambda: encoders() == 1)
            shown = len(receiver.numbers)
            await until_soon(lambda: len(receiver.numbers) >= shown + 10)
            camera.clip, camera.session = numbered_units(), 3
            facts[0] = FACTS
            await until_soon(lambda: encoders() == 0)
            shown = len(receiver.numbers)
            await until_soon(lambda: len(receiver.numbers) >= shown + 10)
    relay.close()


async def test_a_resolution_that_changes_is_followed():
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 3)
            camera.clip = numbered_units("libx265", size=(640, 480))
            await until_soon(lambda: receiver.pictures[-1].width == 640)
        relay.close()


async def test_an_encoder_that_fails_is_said_and_tried_again_by_the_next_viewer(monkeypatch, caplog):
    class NoEncoder:
        def __init__(self, size: tuple[int, int]) -> None:
            raise RuntimeError("no libx264 here")

    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        with monkeypatch.context() as patched:
            patched.setattr("pod.media.live.transcode._Encoder", NoEncoder)
            async with Receiver(relay):
                await until_soon(lambda: relay.mode.startswith("unplayable: "))
                assert "no libx264 here" in relay.mode
        async with Receiver(relay) as receiver:
            assert relay.mode == "transcoded: H.265"
            await until_soon(lambda: receiver.numbers)
        relay.close()

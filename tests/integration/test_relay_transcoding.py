"""Cameras whose stream no browser shows as it is: encoded anew, once for all, while somebody watches."""

import errno
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from camera_fixtures import FPS
from relay_fixtures import FACTS, LENGTH, MadeUpCamera, Receiver, a_relay, numbered_units, until_soon
from rtsp_stream import pictures

from pod.config import CameraConfig
from pod.media.live import relay as relay_module
from pod.media.live import transcode as transcode_module
from pod.media.live.transcode import WAITING_UNITS

MASK = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
HIDING = CameraConfig(name="gate", url="rtsp://192.0.2.1/", gate="main", masks=(MASK,), live_masks=True)


def true_to_time(receiver: Receiver, newest: int) -> bool:
    """Whether the newest pictures follow as their times say: none twice, and what a busy machine left out is
    left out of the times, too."""
    seen = list(zip(receiver.numbers, receiver.pictures, strict=True))[-newest:]
    return all(
        (later - one) % LENGTH == round(((after.pts or 0) - (before.pts or 0)) * FPS / 90_000) % LENGTH
        for (one, before), (later, after) in pairwise(seen)
    )


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
            await until_soon(lambda: len(one.numbers) >= 12 and len(other.numbers) >= 12, timeout_s=20.0)
            assert true_to_time(one, 8)
            assert true_to_time(other, 8)
        await until_soon(lambda: encoders() == 0)
        relay.close()


async def test_an_encoder_that_may_not_lower_its_priority_encodes_all_the_same_and_says_so(
    monkeypatch, caplog
):
    """What a service's filter of system calls answers, which cannot be had here."""

    def refuse(which, who, priority):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.setpriority", refuse)
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 3, timeout_s=20.0)
        relay.close()
    assert "may not lower its priority" in caplog.text


async def test_a_stream_without_keyframes_is_encoded_for_browsers_which_wait_for_one():
    # As libav reads it: each point where decoding may begin is marked like a keyframe.
    units = [
        replace(unit, keyframe=at % 10 == 0)
        for at, unit in enumerate(pictures(60, gop=10, intra_refresh=True))
    ]
    with MadeUpCamera(units[10:]) as camera:
        relay = a_relay(camera, facts=replace(FACTS, has_keyframes=False))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.pictures) >= 30)
            assert relay.mode == "transcoded: no keyframes"
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
            async with Receiver(relay) as other:
                assert other.viewer.stats().state == "sending"
                await until_soon(lambda: len(other.numbers) >= 5)
        relay.close()


async def test_a_keyframe_that_is_wanted_is_ordered_from_the_encoder_and_nothing_is_shown_twice(
    monkeypatch,
):
    monkeypatch.setattr("pod.media.live.transcode.KEYFRAME_EVERY", 100_000)
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 10)
            length_s = relay._gop.length_s
            await receiver.want_keyframe()
            await until_soon(lambda: relay._gop.length_s < length_s)
            shown = len(receiver.numbers)
            await until_soon(lambda: len(receiver.numbers) >= shown + 5)
            assert true_to_time(receiver, 12)
        relay.close()


async def test_a_camera_that_reconnects_is_encoded_on_with_times_that_only_grow():
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 3)
            camera.session, camera.shift_s = 2, -40_000.0
            shown = len(receiver.numbers)
            await until_soon(lambda: len(receiver.numbers) >= shown + 12)
            times = [picture.pts or 0 for picture in receiver.pictures]
            assert all(0 < later - one < 10 * 90_000 for one, later in pairwise(times))
            assert relay.mode == "transcoded: H.265"
        relay.close()


async def test_pictures_that_encoding_skipped_or_could_not_use_stay_counted_when_it_ends():
    with MadeUpCamera(numbered_units("libx264", 2)) as camera:
        relay = a_relay(camera, facts=replace(FACTS, has_b_frames=True))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: receiver.numbers)
            spoilt = replace(camera.clip[0], data=b"\0\0\1\x65" + bytes(40))
            camera.units.publish(spoilt)
            await until_soon(lambda: relay.counts.encode_corrupt_units)
            for number in range(5 * WAITING_UNITS):
                camera.units.publish(camera.clip[number % LENGTH])
            await until_soon(lambda: relay.counts.encode_skipped_units)
            most = relay.counts
        left = relay.counts
        assert left.encode_skipped_units >= most.encode_skipped_units
        assert left.encode_corrupt_units >= most.encode_corrupt_units
        relay.close()


async def test_nothing_encoded_is_shown_before_packets_of_the_camera_s_own_stream():
    facts = [replace(FACTS, codec="hevc")]
    camera = MadeUpCamera(numbered_units("libx265"))
    relay = a_relay(camera, facts=lambda: facts[0])
    receiver = Receiver(relay)
    camera.publish(0)
    await until_soon(lambda: relay._gop.packets)
    facts[0] = FACTS
    await until_soon(lambda: encoders() == 0)
    assert not relay._gop.packets
    await receiver.close()
    relay.close()


async def test_a_camera_that_changes_its_codec_goes_on_in_the_same_view():
    facts, encoded_otherwise = [FACTS], numbered_units("libx265")
    camera = MadeUpCamera()
    relay = a_relay(camera, facts=lambda: facts[0])
    with camera:
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 5)
            camera.clip, camera.session = encoded_otherwise, 2
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
    larger = numbered_units("libx265", size=(480, 320))
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 3)
            camera.clip = larger
            await until_soon(lambda: receiver.pictures[-1].width == 480)
        relay.close()


async def test_an_encoder_that_fails_is_tried_again_for_whoever_goes_on_watching(monkeypatch, caplog):
    monkeypatch.setattr(relay_module, "ENCODE_AGAIN_S", 0.5)
    made: list[tuple[int, int]] = []

    class FailingOnce(transcode_module._Encoder):
        def __init__(self, size: tuple[int, int]) -> None:
            made.append(size)
            if len(made) == 1:
                raise RuntimeError("this picture broke it")
            super().__init__(size)

    monkeypatch.setattr(transcode_module, "_Encoder", FailingOnce)
    with MadeUpCamera(numbered_units("libx265")) as camera:
        relay = a_relay(camera, facts=replace(FACTS, codec="hevc"))
        async with Receiver(relay) as receiver:
            await until_soon(lambda: receiver.numbers)
            assert relay.mode == "transcoded: H.265"
        relay.close()
    assert len(made) == 2
    assert "ended by a fault" in caplog.text


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

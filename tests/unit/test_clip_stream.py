"""Clips of coded pictures: the same bytes, the right times, playable however far they got."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from clip_files import (
    FPS,
    VideoCodec,
    encoded,
    slices,
    slices_of_clip,
    times_shown,
    write_clip,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod.domain.errors import CameraError
from pod.media.clips.boxes import INDEX_ROOM_BYTES, MOST_INDEXED, Fragment, index_box, index_room
from pod.media.clips.seal import seal
from pod.media.clips.stream import ClipStream
from pod.media.clips.timeline import reordering
from pod.media.frame import AccessUnit

CAMERAS = {
    "h264": encoded("h264", 80),
    "h264 with b-frames": encoded("h264", 80, b_frames=3),
    "h265": encoded("hevc", 80),
    "h265 with b-frames": encoded("hevc", 80, b_frames=3),
    "a keyframe in ten seconds": encoded("h264", 80, gop=250),
    "a keyframe in ten seconds, with b-frames": encoded("h264", 80, gop=250, b_frames=3),
}


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_clip_holds_the_cameras_own_slices_byte_for_byte(camera: str, tmp_path: Path) -> None:
    units, clip = CAMERAS[camera], tmp_path / "clip.mp4"
    write_clip(clip, units)
    assert seal(clip) is not None
    assert slices_of_clip(clip) == slices(units)


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_picture_is_shown_once_and_at_its_time(camera: str, tmp_path: Path) -> None:
    units, clip = CAMERAS[camera], tmp_path / "clip.mp4"
    write_clip(clip, units)
    assert seal(clip) == (clip.stat().st_size, 80 * 1000 // FPS)
    shown = times_shown(clip)
    assert len(shown) == 80
    assert all(abs(later - earlier - 1 / FPS) < 0.002 for earlier, later in pairwise(shown))
    assert shown[0] <= 3 / FPS  # so much later are pictures shown where B-frames come before them


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_crash_costs_no_more_than_about_a_second(camera: str, tmp_path: Path) -> None:
    ends = write_clip(tmp_path / "clip.mp4", CAMERAS[camera])
    assert len(ends) >= 3


WHOLE = CAMERAS["h264"][:60]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A clip and where its fragments end."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ends = write_clip(clip, WHOLE)
    return clip.read_bytes(), ends


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_clip_cut_anywhere_plays_up_to_its_last_whole_fragment(
    data: st.DataObject, whole: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    content, ends = whole
    cut = data.draw(
        st.integers(0, len(content)) | st.sampled_from([e + d for e in ends for d in (-1, 0) if e])
    )
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content[:cut])
    kept = [end for end in ends if end <= cut]
    sealed = seal(clip)
    assert (sealed is None) == (not kept)
    if kept:
        assert clip.stat().st_size == kept[-1]
        held = slices_of_clip(clip)
        assert held == slices(WHOLE)[: len(held)]
        assert held
        assert seal(clip) == sealed  # once more changes nothing


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=40))
def test_a_spoilt_clip_is_cut_before_the_damage_or_is_none_and_never_an_error(
    at: float, junk: bytes, whole: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    content, _ = whole
    clip, place = tmp_path / "clip.mp4", int(at * (len(content) - len(junk)))
    clip.write_bytes(content[:place] + junk + content[place + len(junk) :])
    sealed = seal(clip)
    assert sealed is None or sealed[0] == clip.stat().st_size <= len(content)


def test_the_index_always_fills_the_room_that_was_left_for_it() -> None:
    for count in range(1, MOST_INDEXED + 1):
        assert (
            len(index_box([Fragment(1000, n * 90_000, 90_000, True) for n in range(count)]))
            == len(index_room())
            == INDEX_ROOM_BYTES
        )


def moved(units: list[AccessUnit], by_s: float, *, arrival_by_s: float = 0.0) -> list[AccessUnit]:
    return [replace(u, rtp_time_s=u.rtp_time_s + by_s, arrival_s=u.arrival_s + arrival_by_s) for u in units]


@pytest.mark.parametrize(
    "jump_s",
    [pytest.param(s, id=f"{s:+g} s") for s in (-1e9, -40.0, -2.0, 60.0, 1e9)],
)
def test_a_camera_whose_clock_jumps_goes_on_by_this_machines_clock(jump_s: float, tmp_path: Path) -> None:
    units, clip = CAMERAS["h264"], tmp_path / "clip.mp4"
    write_clip(clip, units[:50] + moved(units[50:], jump_s))
    shown = times_shown(clip)
    assert all(0 < later - earlier < 0.1 for earlier, later in pairwise(shown))


def test_units_that_the_network_held_back_keep_the_cameras_times(tmp_path: Path) -> None:
    units, clip = CAMERAS["h264"], tmp_path / "clip.mp4"
    held = [replace(u, arrival_s=3.0) for u in units[25:]]
    write_clip(clip, units[:25] + held)
    assert all(abs(b - a - 1 / FPS) < 0.002 for a, b in pairwise(times_shown(clip)))


def test_a_reconnect_leaves_the_gap_in_the_clip_that_there_was(tmp_path: Path) -> None:
    units, clip = CAMERAS["h264"], tmp_path / "clip.mp4"
    write_clip(clip, units[:25] + moved(units[25:], 1000.0, arrival_by_s=2.0))
    steps = [later - earlier for earlier, later in pairwise(times_shown(clip))]
    assert max(steps) == pytest.approx(2.0 + 1 / FPS, abs=0.01)
    assert sorted(steps)[-2] < 0.05


@pytest.mark.parametrize("lie", ["always the same", "backwards"])
def test_a_camera_that_lies_about_every_time_costs_no_picture_and_no_memory(lie: str, tmp_path: Path) -> None:
    units, clip = CAMERAS["h264"], tmp_path / "clip.mp4"
    lying = [replace(u, rtp_time_s=7.0 if lie == "always the same" else -u.rtp_time_s) for u in units]
    write_clip(clip, lying)
    assert seal(clip) is not None
    assert len(slices_of_clip(clip)) >= len(slices(units[:25]))


def test_each_unit_is_told_when_it_is_shown() -> None:
    units = CAMERAS["h264 with b-frames"]
    late = reordering(units)
    assert late > 0
    stream = ClipStream(units[0], late=late)
    expected = [round(unit.rtp_time_s * 90_000) + late for unit in units]
    assert [stream.add(unit)[1] for unit in units] == expected
    assert reordering(CAMERAS["h264"]) == 0


def test_pictures_of_another_size_or_codec_do_not_fit_on_a_clip() -> None:
    stream = ClipStream(CAMERAS["h264"][0])
    assert all(stream.fits(unit) for unit in CAMERAS["h264"])
    assert not stream.fits(encoded("h264", 1, width=480)[0])
    assert not stream.fits(CAMERAS["h265"][0])


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        pytest.param(
            AccessUnit(b"\xff\xd8", "mjpeg", True, 0, 0), "no clip can be made of mjpeg", id="mjpeg"
        ),
        pytest.param(AccessUnit(b"\0\0\1\x65\x88", "h264", True, 0, 0), "without parameter sets", id="none"),
        pytest.param(
            AccessUnit(b"\0\0\1\x67\xff\0\0\1\x68\xff\0\0\1\x65\x88", "h264", True, 0, 0),
            "make no sense",
            id="spoilt",
        ),
    ],
)
def test_what_no_clip_can_be_made_of_is_named_with_its_mend(unit: AccessUnit, why: str) -> None:
    with pytest.raises(CameraError, match=why):
        ClipStream(unit)


def test_both_codecs_of_cameras_are_tried() -> None:
    codecs: set[VideoCodec] = {"h264", "hevc"}
    assert {units[0].codec for units in CAMERAS.values()} == codecs

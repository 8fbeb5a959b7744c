"""The demo clip: its story, its encoding, and its place on disk."""

import itertools

import av
import numpy as np
import pytest

from models.render import clip, story


@pytest.fixture(scope="module")
def noisy_clip(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("clip") / "noise.mp4", np.random.default_rng(1)
    clip.encode((rng.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(48)), path, fps=15)
    return path


def test_the_clip_is_h264_baseline_at_its_rate_and_size(noisy_clip):
    with av.open(str(noisy_clip)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.profile) == ("h264", "Constrained Baseline")
        assert (video.width, video.height) == (160, 96)
        assert video.average_rate == 15
        assert video.duration * video.time_base == pytest.approx(3.2)


def test_the_clip_has_no_b_frames_and_a_keyframe_each_second(noisy_clip):
    with av.open(str(noisy_clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets]
    assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == [0, 15, 30, 45]


def test_the_story_lasts_about_a_minute_and_has_every_kind_of_visitor_by_day_dusk_and_night():
    assert 45 <= story.duration_s() <= 60
    assert [visit.role for visit in story.STORY] == ["resident", "unlisted", "expired", "visitor", "resident"]
    assert [visit.light for visit in story.STORY] == ["day", "day", "dusk", "dusk", "night"]
    assert len({visit.plate for visit in story.STORY}) == len(story.STORY)


@pytest.mark.parametrize("visit", story.STORY, ids=lambda visit: visit.plate)
def test_a_visit_begins_and_ends_with_an_empty_view_and_stands_still_at_the_line(visit):
    assert visit.pose_at(0.0) is not None or visit.pose_at(0.1) is not None
    assert visit.pose_at(visit.duration_s) is None
    middle_s = visit.arrives_s + visit.stays_s - 0.3
    assert visit.pose_at(middle_s).z_m == visit.pose_at(middle_s + 0.2).z_m
    assert visit.stays_s >= 2


@pytest.mark.parametrize("visit", story.STORY, ids=lambda visit: visit.plate)
def test_a_car_moves_without_jumps(visit):
    poses = [visit.pose_at(i / 100) for i in range(int(visit.duration_s * 100))]
    seen = [(pose.x_m, pose.z_m) for pose in poses if pose is not None]
    assert np.abs(np.diff(seen, axis=0)).max() < 0.12  # 12 m/s


def test_the_pictures_are_the_same_on_every_run():
    one, again = (list(itertools.islice(story.frames(story.STORY[:1]), 8)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one[0].shape == (720, 1280, 3)
    assert (one[6] != one[7]).any()


def test_an_interrupted_encoding_leaves_no_file(tmp_path):
    def broken():
        yield from (np.zeros((64, 64, 3), np.uint8) for _ in range(90))
        assert list(tmp_path.iterdir()), "the interruption must come while a file is being written"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip.encode(broken(), tmp_path / "clip.mp4", fps=15)
    assert list(tmp_path.iterdir()) == []


def test_a_rendered_clip_is_used_again_and_one_of_another_version_is_dropped(tmp_path, monkeypatch):
    rendered = []

    def frames(tick):
        rendered.append(1)
        for _ in range(3):
            yield np.zeros((64, 64, 3), np.uint8)
            tick()

    monkeypatch.setattr(story, "frames", frames)  # the real ones take half a minute
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "gate-of-yesterday.mp4").touch()
    done = []
    first = clip.demo_clip(folder, progress=lambda now, total: done.append(now))
    assert clip.demo_clip(folder) == first
    assert list(folder.iterdir()) == [first]
    assert (len(rendered), done) == (1, [1, 2, 3])

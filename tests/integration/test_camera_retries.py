"""How soon a camera that broke is tried again: a real clip, cut short by a session that breaks on purpose."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_fixtures import FPS, Watched, until, write_clip

from pod.media.clip import ClipSession
from pod.media.faults import SessionError
from pod.media.frame import AccessUnit
from pod.media.timing import SourceTiming

TIMING = SourceTiming(settled_s=0.4, first_retry_s=0.15)
FIFTH_BOUND_S = TIMING.first_retry_s * 2**4


def gaps_s(folder: Path, monkeypatch: pytest.MonkeyPatch, *, lasts_s: float) -> list[float]:
    """Seconds without a frame between the sessions of a camera that breaks each time after `lasts_s`."""

    class Dropping(ClipSession):
        def units(self) -> Iterator[AccessUnit]:
            yield from itertools.islice(super().units(), round(lasts_s * FPS))
            raise SessionError("closed", "the camera closed the connection")

    monkeypatch.setattr("pod.media.source.ClipSession", Dropping)
    with Watched(write_clip(folder / "clip.mp4", 50), timing=TIMING) as watched:
        until(lambda: watched.frames and watched.frames[-1].session > 5, timeout_s=30)
        seen = list(zip(watched.frames, watched.taken_s, strict=False))
    return [
        then_s - now_s
        for (now, now_s), (then, then_s) in itertools.pairwise(seen)
        if now.session != then.session
    ]


def test_a_camera_that_drops_often_but_plays_well_between_is_tried_again_soon_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = gaps_s(tmp_path, monkeypatch, lasts_s=0.8)
    assert len(gaps) == 5
    assert gaps[-1] < FIFTH_BOUND_S / 2


def test_a_camera_that_breaks_as_soon_as_it_plays_is_tried_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = gaps_s(tmp_path, monkeypatch, lasts_s=0.2)
    assert gaps[-1] >= FIFTH_BOUND_S / 2

"""How often a camera's frames are searched for plates."""

import pytest

from pod.services.pace import SearchPace

CAMERA_FPS = 25
NEAR, FAR = 0.08, 0.03


def searched_frames(
    pace: SearchPace, frames: int, *, reads: dict[int, float] | None = None, fps: float = CAMERA_FPS
) -> list[int]:
    """Which frames are searched; in each of them, plates of these tracks and widths are read in vain."""
    found = []
    for frame in range(frames):
        if pace.is_due(frame / fps):
            pace.searched(frame / fps)
            found.append(frame)
            for track_id, share in (reads or {}).items():
                pace.read_in_vain(track_id, share)
    return found


@pytest.mark.parametrize(
    ("detect_fps", "expected"),
    [
        pytest.param(25, list(range(10)), id="every frame"),
        pytest.param(10, [0, 3, 6, 9], id="not more often than asked"),
        pytest.param(13, [0, 2, 4, 6, 8], id="a frame that comes a little early is taken"),
    ],
)
def test_searches_keep_the_set_rate_on_the_cameras_grid(detect_fps, expected):
    assert searched_frames(SearchPace(detect_fps), 10) == expected


def test_a_near_car_that_is_not_let_in_is_looked_at_in_every_frame_for_a_moment():
    found = searched_frames(SearchPace(10), 40, reads={1: NEAR})
    assert found[:13] == list(range(13))
    assert found[13:] == [15, 18, 21, 24, 27, 30, 33, 36, 39]


def test_even_in_a_hurry_the_rate_at_most_triples():
    found = searched_frames(SearchPace(2), 25, reads={1: NEAR})
    assert found[:5] == [0, 4, 8, 12, 16]


@pytest.mark.parametrize("reads", [{}, {1: FAR}], ids=["nothing was read", "only a plate far away was read"])
def test_without_a_near_car_there_is_no_hurry(reads):
    assert searched_frames(SearchPace(10), 10, reads=reads) == [0, 3, 6, 9]


def test_a_far_plate_keeps_its_hurry_for_when_it_is_near():
    pace = SearchPace(10)
    searched_frames(pace, 100, reads={1: FAR})
    pace.restart()
    assert searched_frames(pace, 10, reads={1: NEAR}) == list(range(10))


def test_a_car_that_was_let_in_needs_no_hurry():
    pace = SearchPace(10)
    pace.let_in(1)
    assert searched_frames(pace, 10, reads={1: NEAR}) == [0, 3, 6, 9]


def test_the_next_car_has_a_hurry_of_its_own():
    pace = SearchPace(10)
    searched_frames(pace, 40, reads={1: NEAR})
    pace.restart()
    assert searched_frames(pace, 5, reads={1: NEAR, 2: NEAR}) == list(range(5))


def test_the_hurry_ends_with_the_search_that_reads_nothing():
    pace = SearchPace(10)
    pace.searched(0.0)
    pace.read_in_vain(1, NEAR)
    assert pace.is_due(0.04)
    pace.searched(0.04)
    assert not pace.is_due(0.08)


def test_a_session_starts_with_a_search():
    pace = SearchPace(10)
    pace.searched(1000.0)
    pace.restart()
    assert pace.is_due(3.0)


def test_a_forgotten_track_holds_nothing():
    pace = SearchPace(10)
    pace.let_in(1)
    pace.forget(1)
    pace.forget(2)
    assert searched_frames(pace, 3, reads={1: NEAR}) == [0, 1, 2]

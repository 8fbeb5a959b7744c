import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod.domain.reads import Box
from pod.domain.tracking import Direction, Tracker, TrackUpdate

FRAME = {"frame_width_px": 1920, "frame_height_px": 1080}
STEP_S = 0.1


def plate(x: float, y: float, width: float) -> Box:
    return (x - width / 2, y - width / 8, x + width / 2, y + width / 8)


def follow(tracker: Tracker, frames: list[list[Box]], *, from_s: float = 100.0) -> list[TrackUpdate]:
    return [tracker.update(from_s + i * STEP_S, boxes, **FRAME) for i, boxes in enumerate(frames)]


def ids(updates: list[TrackUpdate]) -> list[list[int]]:
    return [[t.id for t in u.assigned] for u in updates]


def driving_up(frames: int, *, growth: float = 1.04, jitter: float = 0.0, seed: int = 1) -> list[list[Box]]:
    noise = random.Random(seed)
    return [
        [plate(900 + noise.gauss(0, jitter) * 60, 300 + 8 * i, 60 * growth**i * (1 + noise.gauss(0, jitter)))]
        for i in range(frames)
    ]


def test_a_car_that_drives_up_keeps_its_track_and_is_seen_nearing():
    updates = follow(Tracker(), driving_up(20))
    assert {i for frame in ids(updates) for i in frame} == {1}
    assert updates[-1].assigned[0].direction is Direction.APPROACHING
    assert updates[-1].assigned[0].moved


def test_one_sighting_says_nothing_about_the_direction_and_three_do():
    directions = [u.assigned[0].direction for u in follow(Tracker(), driving_up(4, growth=1.06))]
    assert directions[0] is Direction.UNKNOWN
    assert directions[2] is Direction.APPROACHING


def test_a_car_that_drives_off_is_seen_leaving():
    updates = follow(Tracker(), driving_up(20)[::-1])
    assert updates[-1].assigned[0].direction is Direction.LEAVING


def test_a_reversing_car_is_first_nearing_then_leaving_on_one_track():
    frames = driving_up(20)
    updates = follow(Tracker(), frames + frames[::-1])
    assert {i for frame in ids(updates) for i in frame} == {1}
    assert [updates[n].assigned[0].direction for n in (18, 38)] == [Direction.APPROACHING, Direction.LEAVING]


def test_a_parked_car_whose_box_jitters_stands_and_never_moved():
    updates = follow(Tracker(), [driving_up(1, jitter=0.02, seed=s)[0] for s in range(300)])
    last = updates[-1].assigned[0]
    assert (last.id, last.direction, last.moved) == (1, Direction.STILL, False)
    assert last.still_for_s(129.9) > 20
    assert {u.assigned[0].direction for u in updates} <= {Direction.STILL, Direction.UNKNOWN}


def test_one_stray_box_on_a_parked_car_is_no_movement():
    frames = [[plate(900, 500, 100)] for _ in range(30)]
    frames[15] = [plate(950, 500, 80)]
    assert not follow(Tracker(), frames)[-1].assigned[0].moved


def test_a_car_that_stops_stands_from_then_on():
    stop = driving_up(20)[-1]
    updates = follow(Tracker(), driving_up(20) + [stop] * 40)
    last = updates[-1].assigned[0]
    assert last.direction is Direction.STILL
    assert 3 < last.still_for_s(105.9) < 4.5
    assert last.moved


@pytest.mark.parametrize("missed", [1, 5, 9], ids=["one frame", "half a second", "almost a second"])
def test_a_track_survives_missed_detections(missed):
    frames = driving_up(30, growth=1.02)
    frames[10 : 10 + missed] = [[]] * missed
    updates = follow(Tracker(), frames)
    assert {i for frame in ids(updates) for i in frame} == {1}
    assert all(not u.ended for u in updates)


def test_a_track_unseen_for_more_than_a_second_ends_once():
    updates = follow(Tracker(), driving_up(5) + [[]] * 15)
    assert [t.id for u in updates for t in u.ended] == [1]


def test_a_camera_read_once_in_two_seconds_still_follows_and_notices_movement():
    tracker = Tracker()
    updates = [tracker.update(2.0 * i, [plate(900 + 20 * i, 500, 100)], **FRAME) for i in range(12)]
    last = updates[-1].assigned[0]
    assert (last.id, last.moved) == (1, True)


def test_a_gap_without_frames_ends_the_track_even_if_a_car_stands_in_the_same_place_afterwards():
    tracker = Tracker()
    tracker.update(0.0, [plate(900, 500, 100)], **FRAME)
    after = tracker.update(6.0, [plate(900, 500, 100)], **FRAME)
    assert ([t.id for t in after.ended], [t.id for t in after.assigned]) == ([1], [2])


def test_two_cars_side_by_side_keep_their_tracks_in_whatever_order_the_boxes_come():
    left, right = (
        [plate(500 + 2 * i, 400 + 4 * i, 80 + i) for i in range(40)],
        [plate(700 - i, 420, 70) for i in range(40)],
    )
    frames = [[a, b] if i % 3 else [b, a] for i, (a, b) in enumerate(zip(left, right, strict=True))]
    updates = follow(Tracker(), frames)
    of_left = {t.id for u in updates for t in u.assigned if t.box in left}
    of_right = {t.id for u in updates for t in u.assigned if t.box in right}
    assert (len(of_left), len(of_right), of_left & of_right) == (1, 1, set())


def test_a_standing_car_that_is_hidden_is_not_taken_for_one_that_stops_beside_it():
    stands, beside = plate(900, 500, 100), plate(1060, 560, 110)
    found = ids(follow(Tracker(), [[stands]] * 20 + [[]] * 6 + [[beside]]))
    assert (found[0], found[-1]) == ([1], [2])


def test_a_car_that_crosses_ever_faster_is_found_where_it_was_heading():
    found = ids(follow(Tracker(), [[plate(100 + 10 * i * i, 500, 100)] for i in range(13)]))
    assert {i for frame in found for i in frame} == {1}


def test_a_car_far_from_another_that_just_vanished_gets_a_track_of_its_own():
    found = ids(follow(Tracker(), [[plate(300, 300, 80)], [plate(300, 300, 80)], [plate(1200, 700, 150)]]))
    assert found == [[1], [1], [2]]


def test_a_box_of_quite_another_size_in_the_same_place_is_another_plate():
    found = ids(follow(Tracker(), [[plate(900, 500, 60)], [plate(900, 500, 160)]]))
    assert found == [[1], [2]]


def test_cars_present_when_the_session_starts_are_marked_and_later_ones_are_not():
    tracker = Tracker(still_after_start_s=3.0)
    tracker.session_started(100.0)
    updates = follow(tracker, [[plate(300, 300, 80)]] * 40 + [[plate(300, 300, 80), plate(1500, 800, 80)]])
    assert [t.session_born for t in updates[-1].assigned] == [True, False]


def test_a_new_session_ends_every_track():
    tracker = Tracker()
    follow(tracker, driving_up(5))
    assert [t.id for t in tracker.session_started(101.0)] == [1]
    assert tracker.tracks == ()
    assert ids(follow(tracker, driving_up(2), from_s=101.0)) == [[2], [2]]


def test_a_change_of_resolution_in_flight_keeps_the_track():
    tracker = Tracker()
    follow(tracker, [[plate(900, 500, 100)]] * 10)
    half = tracker.update(101.0, [plate(450, 250, 50)], frame_width_px=960, frame_height_px=540)
    assert [(t.id, t.moved) for t in half.assigned] == [(1, False)]


def test_more_plates_than_any_gate_has_do_not_pile_up():
    tracker = Tracker()
    ended = 0
    for n in range(10):
        boxes = [plate(20 + 40 * i, 30 + 100 * n, 12) for i in range(40)]
        ended += len(tracker.update(100 + n * STEP_S, boxes, **FRAME).ended)
        assert len(tracker.tracks) <= 64
    assert ended + len(tracker.tracks) == 400


positions = st.tuples(st.floats(50, 1800), st.floats(50, 1000), st.floats(15, 300))


@given(st.lists(st.tuples(st.floats(0, 2), st.lists(positions, max_size=5)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_every_box_gets_one_track_and_every_track_ends_at_most_once(frames):
    tracker, now_s, ended = Tracker(), 0.0, []
    for wait_s, seen in frames:
        now_s += wait_s
        boxes = [plate(*p) for p in seen]
        update = tracker.update(now_s, boxes, **FRAME)
        assert [t.box for t in update.assigned] == boxes
        assert len({t.id for t in update.assigned}) == len(boxes)
        ended += [t.id for t in update.ended]
        assert not {t.id for t in update.assigned} & set(ended)
    assert len(ended) == len(set(ended))

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from pod.domain.access import Decision
from pod.domain.approach import Action, Approaches, Step
from pod.domain.entry import Verdict
from pod.domain.reads import Box
from pod.domain.tracking import Direction, Track

HERE: Box = (900, 500, 1000, 525)
ELSEWHERE: Box = (200, 300, 300, 325)
FURTHER_ON: Box = (900, 600, 1040, 635)


def allow(plate: str = "AB123CD") -> Decision:
    return Decision(Verdict.ALLOW, "listed", plate, 0.97, None)


def deny(reason: str = "not_listed", plate: str = "AB123CD") -> Decision:
    return Decision(Verdict.DENY, reason, plate, 0.5 if reason == "low_confidence" else 0.97, None)


WEAK = deny("low_confidence", "A8I23CO")


class Scene:
    """A camera and its clock; `see` shows one car for some frames and collects the steps."""

    def __init__(self, direction="both", *, last_grants=None):
        self.now_s = 1000.0
        self.approaches = Approaches(
            "gate", direction, deny_after_s=1.5, reapproach_s=60, last_grants=last_grants or {}
        )
        self.tracks: dict[int, Track] = {}
        self.steps: list[Step] = []

    def see(self, decision=None, *, track=1, frames=1, every_s=0.1, answer="opened", **changes) -> list[Step]:
        happened: list[Step] = []
        for _ in range(frames):
            self.now_s += every_s
            known = self.tracks.get(track) or Track(
                track, HERE, self.now_s, self.now_s, 0, False, Direction.UNKNOWN, False, self.now_s
            )
            known = replace(known, last_seen_s=self.now_s, hits=known.hits + 1, **changes)
            self.tracks[track] = known
            happened += self.approaches.observe(self.now_s, known, decision)
        for step in happened:
            if step.action is Action.OPEN and answer == "opened":
                self.approaches.gate_opened(step.approach_id, self.now_s)
        self.steps += happened
        return happened

    def lose(self, track=1) -> list[Step]:
        happened = list(self.approaches.ended(self.now_s, self.tracks.pop(track)))
        self.steps += happened
        return happened

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def wants_read(self, track=1) -> bool:
        return self.approaches.wants_read(self.tracks[track], self.now_s)

    @property
    def opened(self) -> int:
        return sum(s.action is Action.OPEN for s in self.steps)


def told(steps: Iterable[Step]) -> list[tuple[str, str]]:
    return [(s.action.value, s.decision.reason) for s in steps]


OPEN = [("open", "listed")]
SERVED = [("record", "just_served")]


class TestGrants:
    def test_the_first_clear_frame_of_a_listed_car_opens_at_once(self):
        assert told(Scene().see(allow())) == OPEN

    def test_a_grant_is_final_whatever_is_read_later(self):
        scene = Scene()
        scene.see(allow())
        scene.see(allow(), frames=50)
        scene.see(deny("expired"), frames=50)
        scene.see(deny("deny_listed"), frames=5)
        scene.see(WEAK, frames=50)
        scene.lose()
        assert told(scene.steps) == OPEN

    def test_a_weak_read_waits_and_a_later_clear_one_opens_once(self):
        scene = Scene()
        assert scene.see(WEAK, frames=10) == []
        assert told(scene.see(allow(), frames=10)) == OPEN

    def test_until_the_gate_answers_nothing_more_is_asked(self):
        scene = Scene()
        scene.see(allow(), frames=100, answer="none")
        assert scene.opened == 1


class TestDenials:
    def test_a_denial_is_written_down_once_after_its_time(self):
        scene = Scene()
        assert scene.see(deny(), frames=15) == []
        assert told(scene.see(deny(), frames=30)) == [("record", "not_listed")]
        assert scene.lose() == []

    def test_a_car_that_goes_before_that_is_written_down_when_it_is_gone(self):
        scene = Scene()
        scene.see(deny(), frames=5)
        assert told(scene.lose()) == [("record", "not_listed")]

    def test_a_deny_list_hit_is_written_down_at_once(self):
        assert told(Scene().see(deny("deny_listed"))) == [("record", "deny_listed")]

    def test_a_denial_turns_into_exactly_one_grant_as_a_revision_of_the_same_approach(self):
        scene = Scene()
        scene.see(deny("expired"), frames=30)
        scene.see(allow(), frames=30)
        assert told(scene.steps) == [("record", "expired"), ("open", "listed")]
        assert [(s.approach_id, s.revision) for s in scene.steps] == [("gate-1", 1), ("gate-1", 2)]

    def test_a_better_reason_revises_a_record_and_a_poorer_one_does_not(self):
        scene = Scene()
        for decision in (WEAK, deny(), WEAK, deny("expired"), deny("deny_listed"), WEAK):
            scene.see(decision, frames=20, moved=True)
        scene.lose()
        assert told(scene.steps) == [
            ("record", "low_confidence"),
            ("record", "not_listed"),
            ("record", "deny_listed"),
        ]

    def test_a_car_still_driving_up_is_not_refused_for_being_too_far_to_read(self):
        scene = Scene()
        assert scene.see(WEAK, frames=50, direction=Direction.APPROACHING, moved=True) == []
        assert told(scene.see(WEAK, direction=Direction.STILL)) == [("record", "low_confidence")]

    def test_a_window_that_passes_for_a_plate_is_not_written_down_as_a_car(self):
        scene = Scene()
        assert scene.see(WEAK, frames=100) == []
        assert scene.lose() == []

    def test_a_reflection_of_one_frame_is_not_written_down(self):
        scene = Scene()
        scene.see(WEAK)
        assert scene.lose() == []

    def test_after_a_deny_list_hit_a_near_copy_of_that_plate_does_not_open(self):
        scene = Scene()
        scene.see(deny("deny_listed", "AB123CD"))
        assert scene.see(allow("AB128CD"), frames=20) == []

    def test_a_car_taken_off_the_deny_list_while_it_waits_is_let_in(self):
        scene = Scene()
        scene.see(deny("deny_listed"), frames=10)
        assert told(scene.see(allow())) == OPEN


class TestTheSameCar:
    def test_a_track_that_breaks_is_the_same_approach_by_its_plate_wherever_it_is_found(self):
        scene = Scene()
        scene.see(allow())
        scene.lose()
        scene.wait(20)
        assert scene.see(allow(), track=2, box=ELSEWHERE, frames=10) == []

    def test_a_track_that_breaks_before_a_plate_was_read_is_the_same_approach_by_its_place(self):
        scene = Scene()
        scene.see(WEAK, frames=30, moved=True)
        scene.lose()
        scene.see(allow("AB123CD"), track=2)
        assert [(s.approach_id, s.action) for s in scene.steps] == [
            ("gate-1", Action.RECORD),
            ("gate-1", Action.OPEN),
        ]

    def test_a_misread_after_the_break_does_not_open_again(self):
        scene = Scene()
        scene.see(allow())
        scene.lose()
        scene.see(WEAK, track=2, frames=3)
        scene.see(deny(plate="AB128CD"), track=2, frames=30)
        scene.see(allow(), track=2, frames=5)
        scene.see(allow("AB128CD"), track=2, frames=5)
        assert told(scene.steps) == OPEN

    def test_a_plate_unseen_for_long_enough_approaches_anew(self):
        scene = Scene()
        scene.see(allow())
        scene.lose()
        scene.wait(59)
        scene.see(allow(), track=2)
        scene.lose(2)
        assert scene.opened == 1
        scene.wait(61)
        scene.see(allow(), track=3)
        assert scene.opened == 2

    @pytest.mark.parametrize(("unseen_s", "steps"), [(59, SERVED), (61, OPEN)], ids=["soon", "later"])
    def test_a_grant_from_before_a_restart_holds_for_its_time_only(self, unseen_s, steps):
        scene = Scene(last_grants={"AB123CD": 1000.0})
        scene.wait(unseen_s)
        assert told(scene.see(allow(), frames=10)) == steps

    def test_a_car_let_in_before_a_restart_opens_nothing_more_while_it_stays_in_view(self):
        scene = Scene(last_grants={"AB123CD": 990.0})
        scene.see(allow(), frames=3000)
        assert told(scene.steps) == SERVED

    def test_a_car_let_in_before_a_restart_that_left_for_long_enough_approaches_anew(self):
        scene = Scene(last_grants={"AB123CD": 990.0})
        scene.see(allow(), frames=10)
        scene.lose()
        scene.wait(59)
        assert scene.see(allow(), track=2) == []
        scene.lose(2)
        scene.wait(61)
        assert told(scene.see(allow(), track=3)) == OPEN

    def test_a_car_let_in_before_a_restart_and_denied_now_is_written_down_as_denied(self):
        scene = Scene(last_grants={"AB123CD": 990.0})
        scene.see(deny("expired"), frames=10)
        scene.see(allow(), frames=10)
        assert told(scene.steps) == [("record", "expired")]

    def test_the_same_plate_twice_in_one_frame_opens_once(self):
        scene = Scene()
        for _ in range(20):
            scene.see(allow(), track=1)
            scene.see(allow(), track=2, box=ELSEWHERE)
        assert scene.opened == 1


class TestTheNextCar:
    def test_two_cars_in_the_frame_each_get_their_own_approach(self):
        scene = Scene()
        scene.see(allow("AB123CD"), track=1)
        scene.see(allow("XY999ZZ"), track=2, box=ELSEWHERE)
        assert len({s.approach_id for s in scene.steps}) == scene.opened == 2

    def test_a_car_that_takes_the_place_of_another_opens_for_itself(self):
        scene = Scene()
        scene.see(allow("AB123CD"), frames=5)
        scene.lose()
        scene.see(WEAK, track=2, frames=3)
        assert told(scene.see(allow("XY999ZZ"), track=2)) == OPEN

    def test_the_neighbour_with_almost_the_same_plate_is_not_taken_for_the_first(self):
        scene = Scene()
        scene.see(allow("AB123CD"), frames=5)
        scene.lose()
        assert told(scene.see(allow("AB124CD"), track=2)) == OPEN

    def test_the_owner_of_a_plate_that_a_granted_car_was_first_misread_as_is_let_in(self):
        scene = Scene()
        scene.see(deny(plate="AB128CD"))
        scene.see(allow("AB123CD"))
        assert told(scene.see(allow("AB128CD"), track=2, box=ELSEWHERE)) == OPEN

    def test_a_car_that_comes_to_the_same_place_later_is_another_car(self):
        scene = Scene()
        scene.see(WEAK, frames=5, moved=True)
        scene.lose()
        scene.wait(5)
        scene.see(allow(), track=2)
        assert [s.approach_id for s in scene.steps] == ["gate-1", "gate-2"]

    def test_a_car_that_comes_to_another_place_at_once_is_another_car(self):
        scene = Scene()
        scene.see(WEAK, frames=5, moved=True)
        scene.lose()
        scene.see(allow(), track=2, box=ELSEWHERE)
        assert [s.approach_id for s in scene.steps] == ["gate-1", "gate-2"]

    def test_a_track_that_passes_to_another_plate_gets_a_fresh_approach(self):
        scene = Scene()
        scene.see(deny(plate="AB123CD"), frames=5)
        steps = scene.see(allow("XY999ZZ"))
        assert told(steps) == [("record", "not_listed"), ("open", "listed")]
        assert len({s.approach_id for s in steps}) == 2

    def test_an_unlisted_car_on_the_track_of_a_granted_one_is_denied_and_never_opens(self):
        scene = Scene()
        scene.see(allow("AB123CD"), frames=5)
        scene.see(deny(plate="XY999ZZ"), frames=40)
        assert told(scene.steps) == [*OPEN, ("record", "not_listed")]

    def test_two_tracks_that_swap_their_plates_open_once_for_each(self):
        scene = Scene()
        for plates in [("AB123CD", "XY999ZZ")] * 5 + [("XY999ZZ", "AB123CD")] * 5:
            scene.see(allow(plates[0]), track=1)
            scene.see(allow(plates[1]), track=2, box=ELSEWHERE)
        assert scene.opened == 2


class TestDirection:
    @pytest.mark.parametrize("way", ["in", "out"])
    def test_where_one_way_opens_a_leaving_car_is_denied_as_leaving(self, way):
        scene = Scene(way)
        scene.see(allow(), frames=30, direction=Direction.LEAVING)
        assert told(scene.steps) == [("record", "leaving")]

    def test_where_both_ways_open_a_leaving_car_opens(self):
        assert told(Scene("both").see(allow(), direction=Direction.LEAVING)) == OPEN

    def test_where_one_way_opens_the_first_frame_waits_until_the_direction_is_known(self):
        scene = Scene("in")
        assert scene.see(allow(), frames=2) == []
        assert told(scene.see(allow(), direction=Direction.APPROACHING)) == OPEN

    def test_a_direction_that_never_shows_does_not_keep_a_listed_car_out(self):
        scene = Scene("in")
        scene.see(allow(), frames=6)
        assert scene.opened == 1

    def test_a_car_gone_before_its_direction_was_known_is_written_down_as_that(self):
        scene = Scene("in")
        scene.see(allow(), frames=3)
        assert told(scene.lose()) == [("record", "direction_unknown")]

    @pytest.mark.parametrize("way", ["in", "both"])
    def test_a_granted_car_that_reverses_away_and_comes_back_is_let_in_again(self, way):
        scene = Scene(way)
        scene.see(allow(), frames=10, direction=Direction.APPROACHING)
        scene.see(allow(), frames=20, direction=Direction.LEAVING)
        assert scene.opened == 1
        scene.see(allow(), frames=20, direction=Direction.APPROACHING)
        assert scene.opened == 2

    def test_a_jolt_backwards_is_not_leaving(self):
        scene = Scene("in")
        for direction in (Direction.APPROACHING, Direction.LEAVING, Direction.STILL) * 10:
            scene.see(allow(), frames=3, direction=direction)
        assert scene.opened == 1

    def test_where_both_ways_open_a_visitor_who_comes_out_again_soon_is_let_out(self):
        scene = Scene("both")
        scene.see(allow(), frames=10, direction=Direction.APPROACHING)
        scene.lose()
        scene.wait(20)
        scene.see(allow(), track=2, frames=3, box=ELSEWHERE, direction=Direction.LEAVING)
        assert scene.opened == 2


STANDS = {"session_born": True, "direction": Direction.STILL}


class TestStandingAtTheStart:
    def test_a_listed_car_that_stands_there_at_the_start_is_not_let_in(self):
        scene = Scene()
        scene.see(allow(), frames=100, **STANDS)
        assert told(scene.steps) == [("record", "not_moved")]

    def test_it_is_let_in_once_it_moves(self):
        scene = Scene()
        scene.see(allow(), frames=30, **STANDS)
        scene.see(allow(), moved=True, box=FURTHER_ON)
        assert told(scene.steps) == [("record", "not_moved"), ("open", "listed")]

    @pytest.mark.parametrize("hidden_s", [2, 20, 600], ids=["a moment", "a while", "ten minutes"])
    def test_a_parked_car_hidden_by_another_is_not_let_in_when_it_shows_again(self, hidden_s):
        scene = Scene()
        scene.see(allow(), frames=30, **STANDS)
        scene.lose()
        scene.wait(hidden_s)
        scene.see(allow(), track=2, frames=30)
        assert scene.opened == 0

    def test_a_track_that_strayed_to_a_passing_car_and_back_is_no_movement_of_the_parked_one(self):
        scene = Scene()
        scene.see(allow(), frames=30, **STANDS)
        scene.see(deny(plate="XY999ZZ"), frames=5, moved=True, box=ELSEWHERE)
        scene.see(allow(), frames=30, box=HERE)
        assert scene.opened == 0

    def test_an_unreadable_moment_elsewhere_is_no_movement_of_the_parked_car_either(self):
        scene = Scene()
        scene.see(allow(), frames=30, **STANDS)
        scene.see(WEAK, frames=5, moved=True, box=ELSEWHERE)
        scene.see(allow(), frames=30, box=HERE)
        assert scene.opened == 0

    def test_a_parked_car_that_was_never_legible_is_known_again_by_its_place(self):
        scene = Scene()
        scene.see(WEAK, frames=30, **STANDS)
        scene.lose()
        scene.wait(20)
        scene.see(allow(), track=2, frames=30)
        assert scene.opened == 0

    def test_a_parked_car_whose_plate_is_misread_beyond_recognition_stays_parked(self):
        scene = Scene()
        scene.see(allow(), frames=3, **STANDS)
        scene.lose()
        scene.see(deny(plate="KB128GD"), track=2, frames=5)
        scene.see(allow("KB123CD"), track=2, frames=5)
        assert scene.opened == 0

    def test_a_car_seen_to_arrive_before_the_camera_came_back_needs_no_more_movement(self):
        scene = Scene()
        scene.see(WEAK, frames=3)
        scene.see(deny(), frames=1)
        scene.lose()
        scene.wait(10)
        assert told(scene.see(allow(), track=2, **STANDS)) == OPEN


class TestTheGate:
    def test_in_the_pause_a_car_waits_and_is_let_in_once_at_its_end(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none")
        scene.approaches.gate_busy(step.approach_id, scene.now_s + 5)
        assert scene.see(allow(), frames=48) == []
        assert told(scene.see(allow(), frames=50)) == OPEN
        assert [s.revision for s in scene.steps] == [1, 2]

    def test_a_car_that_drove_on_during_the_pause_costs_no_pulse(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none")
        scene.approaches.gate_busy(step.approach_id, scene.now_s + 5)
        scene.see(allow(), frames=10)
        scene.lose()
        scene.wait(6)
        scene.see(deny(plate="XY999ZZ"), track=2, frames=30)
        assert scene.opened == 1

    def test_at_the_end_of_the_pause_only_a_fresh_look_at_that_plate_opens(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none")
        scene.approaches.gate_busy(step.approach_id, scene.now_s + 1)
        scene.wait(2)
        assert scene.see(None, frames=10) == []
        assert scene.see(WEAK, frames=10) == []
        assert scene.see(deny("expired"), frames=3) == []
        assert told(scene.see(allow())) == OPEN

    def test_at_the_end_of_the_pause_a_car_that_turned_away_is_not_let_in(self):
        scene = Scene("in")
        (step,) = scene.see(allow(), answer="none", direction=Direction.APPROACHING)
        scene.approaches.gate_busy(step.approach_id, scene.now_s + 1)
        scene.see(allow(), frames=30, direction=Direction.LEAVING)
        assert scene.opened == 1

    def test_towards_the_end_of_the_pause_the_waiting_car_is_read_again(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none", still_since_s=900.0)
        scene.approaches.gate_busy(step.approach_id, scene.now_s + 1.9)
        scene.see(None, frames=12)
        assert not scene.wants_read()
        scene.see(None, frames=5)
        assert scene.wants_read()

    @pytest.mark.parametrize("reason", ["stale_frame", "store_failed"])
    def test_after_a_failure_before_the_guard_was_asked_the_car_is_tried_again_ever_more_rarely(self, reason):
        scene = Scene()
        tries_s = []
        for _ in range(1200):
            for step in scene.see(allow(), answer="none"):
                tries_s.append(scene.now_s)
                scene.approaches.gate_failed(step.approach_id, reason)
        gaps_s = [b - a for a, b in pairwise(tries_s)]
        assert 3 <= len(gaps_s) <= 12
        assert all(b >= a - 0.11 for a, b in pairwise(gaps_s))

    def test_a_gate_that_did_not_answer_is_not_asked_twice_for_one_car(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none")
        scene.approaches.gate_failed(step.approach_id, "gate_failed")
        scene.see(allow(), frames=600)
        assert scene.opened == 1

    def test_a_refusal_after_the_intent_and_the_next_try_have_revisions_of_their_own(self):
        scene = Scene()
        (step,) = scene.see(allow(), answer="none")
        refusal = scene.approaches.superseding(step)
        scene.approaches.gate_failed(step.approach_id, "gate_unavailable")
        steps = scene.see(allow(), frames=30, answer="none")
        assert [s.revision for s in (step, refusal, *steps)] == [1, 2, 3]

    @pytest.mark.parametrize("reason", ["stale_frame", "gate_failed"])
    def test_an_answer_for_an_approach_long_forgotten_is_harmless(self, reason):
        approaches = Scene().approaches
        approaches.gate_opened("gate-77", 1.0)
        approaches.gate_busy("gate-77", 1.0)
        approaches.gate_failed("gate-77", reason)
        assert approaches.superseding(Step("gate-77", 4, Action.OPEN, allow())).revision == 5


class TestReading:
    def test_an_undecided_car_is_read_in_every_frame(self):
        scene = Scene()
        scene.see(WEAK, frames=3)
        assert scene.wants_read()

    @pytest.mark.parametrize(
        ("decision", "most"),
        [
            pytest.param(allow(), 20, id="granted"),
            pytest.param(deny(), 60, id="denied"),
            pytest.param(WEAK, 100, id="illegible"),
        ],
    )
    def test_a_car_that_stands_and_is_decided_is_read_rarely_but_not_never(self, decision, most):
        scene = Scene()
        reads = 0
        for _ in range(300):
            wanted = 1 not in scene.tracks or scene.wants_read()
            reads += wanted
            scene.see(decision if wanted else None, still_since_s=990.0)
        assert 10 <= reads <= most

    def test_a_doubt_on_a_granted_track_is_looked_into_soon(self):
        scene = Scene()
        scene.see(allow(), still_since_s=900.0)
        scene.see(WEAK)
        scene.see(None, frames=5)
        assert scene.wants_read()


def test_the_memory_of_cars_is_bounded_and_says_what_it_forgot():
    scene = Scene()
    for n in range(700):
        scene.see(allow(f"AB{n:04d}"), track=n, box=(50.0 * n, 0.0, 50.0 * n + 10, 3.0), every_s=0.01)
        scene.lose(n)
    assert scene.opened == 700
    assert scene.approaches.forgotten >= 700 - 513

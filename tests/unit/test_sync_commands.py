import pytest
from sync_messages import COMMAND

from sync.protocol.cloud_time import GOOD_FOR_S, KEPT_S, CloudClock
from sync.protocol.commands import AHEAD_S, ASKED_FOR_S, MOST_LIFE_S, CarryOut, Pending, judge, settled
from sync.protocol.up import Answer


class Spent:
    """Ids in memory."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = {one.id: one for one in answers}

    def answer(self, command_id):
        return self.answers.get(command_id)

    def refuse(self, answer):
        self.answers[answer.id] = answer


def told(result: str, reason: str = "by_hand") -> Answer:
    return Answer(id="c1", result=result, reason=reason)


def judged(
    latest_s: float | None = 1010.0, *, session: str = "s1", spent: Spent | None = None, **change: float
):
    command = COMMAND.model_copy(update=change)
    return judge(command, spent or Spent(), session=session, cloud_latest_s=latest_s)


def test_a_command_in_its_time_is_to_be_carried_out():
    assert judged() == CarryOut(COMMAND)
    assert judged(COMMAND.expires_s - 0.001) == CarryOut(COMMAND)


@pytest.mark.parametrize(
    ("latest_s", "change", "reason"),
    [
        pytest.param(COMMAND.expires_s, {}, "command_expired", id="at its end"),
        pytest.param(9e9, {}, "command_expired", id="long after"),
        pytest.param(None, {}, "clock_unsure", id="nobody knows the time"),
        pytest.param(COMMAND.issued_s - AHEAD_S - 0.1, {}, "clock_unsure", id="issued in the future"),
        pytest.param(1010.0, {"session": "s0"}, "other_session", id="for a start before this one"),
        pytest.param(1010.0, {"expires_s": 1000.1 + MOST_LIFE_S}, "command_too_long", id="good for too long"),
        pytest.param(1010.0, {"expires_s": 900.0}, "command_expired", id="over before it began"),
    ],
)
def test_what_is_wrong_with_a_command_refuses_it_for_good(latest_s, change, reason):
    spent = Spent()
    assert judged(latest_s, spent=spent, **change) == told("refused", reason)
    assert judged(spent=spent) == told("refused", reason), "a copy that comes in time changes nothing"


@pytest.mark.parametrize("before", ["commanded", "refused", "failed", "unknown"])
def test_a_command_that_is_spent_is_answered_and_never_carried_out_again(before):
    spent = Spent(told(before))
    for latest_s in (1010.0, 9e9, None):
        assert judged(latest_s, spent=spent, session="s9") == told(before)


def test_a_command_is_sent_until_it_is_answered_ever_more_seldom_then_given_up():
    pending, now_s, sent = Pending(COMMAND), 0.0, []
    for _ in range(10):
        now_s = max(now_s, pending.due_s)
        sent.append(now_s)
        pending = pending.sent(now_s)
    assert sent == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert not pending.is_over(COMMAND.expires_s + ASKED_FOR_S)
    assert pending.is_over(COMMAND.expires_s + ASKED_FOR_S + 1)


def test_the_first_answer_stands_unless_it_was_that_nobody_knows():
    assert settled(None, told("commanded")) == told("commanded")
    assert settled(told("commanded"), told("refused")) == told("commanded")
    assert settled(told("unknown"), told("commanded")) == told("commanded")


def test_the_clouds_time_lies_between_what_passed_since_asking_and_since_the_answer():
    clock = CloudClock()
    assert (clock.latest_s(0.0), clock.earliest_s(0.0)) == (None, None)
    clock.learn(1000.0, sent_s=50.0, now_s=53.0)
    assert (clock.latest_s(60.0), clock.earliest_s(60.0)) == (1010.0, 1007.0)


@pytest.mark.parametrize(
    "now_s", [50.0 + GOOD_FOR_S + 0.1, 49.0], ids=["too long ago", "a clock that ran back"]
)
def test_a_round_trip_that_is_too_old_tells_no_time(now_s):
    clock = CloudClock()
    clock.learn(1000.0, sent_s=50.0, now_s=50.2)
    assert (clock.latest_s(now_s), clock.earliest_s(now_s)) == (None, None)


def test_a_cloud_clock_that_is_set_back_makes_no_command_younger():
    clock = CloudClock()
    clock.learn(1000.0, sent_s=0.0, now_s=0.1)
    clock.learn(1000.0 + 25 - 3600, sent_s=25.0, now_s=25.1)
    assert clock.latest_s(30.0) == 1030.0
    clock.learn(1000.0 + 50 - 3600, sent_s=50.0, now_s=50.1)
    assert clock.latest_s(25.1 + KEPT_S - 0.1) == pytest.approx(1000 + 25.1 + KEPT_S - 0.1)
    assert clock.latest_s(25.1 + KEPT_S + 0.1) == pytest.approx(1000 + 25.1 + KEPT_S + 0.1 - 3600)


def test_a_cloud_clock_that_is_set_forward_counts_at_once():
    clock = CloudClock()
    clock.learn(1000.0, sent_s=0.0, now_s=0.1)
    clock.learn(4000.0, sent_s=10.0, now_s=10.1)
    assert clock.latest_s(11.0) == 4001.0

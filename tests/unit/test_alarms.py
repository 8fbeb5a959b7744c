"""Alarms: raised once, shown until cleared, told both times."""

from datetime import UTC, datetime, timedelta

from pod.services.alarms import Alarms

START = datetime(2030, 1, 1, tzinfo=UTC)


def test_an_alarm_is_told_once_when_raised_and_once_when_cleared() -> None:
    told: list[dict[str, object]] = []
    alarms = Alarms(told.append, now=lambda: START)
    alarms.begin("gate_forced", "main", "look at it")
    alarms.begin("gate_forced", "main", "again")
    alarms.end("gate_forced", "main")
    alarms.end("gate_forced", "main")
    assert [(row["state"], row["text"]) for row in told] == [("raised", "look at it"), ("cleared", "")]
    assert alarms.standing() == ()


def test_standing_alarms_come_oldest_first_and_apart_by_subject() -> None:
    times = iter([START + timedelta(seconds=5), START])
    alarms = Alarms(lambda row: None, now=lambda: next(times))
    alarms.begin("gate_held", "main", "a")
    alarms.begin("gate_held", "side", "b")
    assert [alarm.subject for alarm in alarms.standing()] == ["side", "main"]

"""When an open session is given up."""

import math

import pytest

from pod.media.faults import SessionError
from pod.media.frame import AccessUnit
from pod.media.stream_facts import SessionPath
from pod.media.watch import SessionWatch


def a_watch(path: SessionPath = "native") -> SessionWatch:
    return SessionWatch("gate", 100.0, path, freshness_limit_s=2.0, late_s=4.0, no_picture_s=10.0)


def unit(arrival_s: float, lag_s: float = 0.0) -> AccessUnit:
    return AccessUnit(b"", "h264", False, arrival_s, arrival_s, lag_s)


def judge(watch: SessionWatch, one: AccessUnit, last_picture_s: float | None) -> None:
    """As of a camera that sends no reports."""
    watch.judge(one, last_picture_s, arrival_lag_s=one.lag_s)


@pytest.mark.parametrize("lag_s", [2.5, math.inf], ids=["late", "age-unknown"])
def test_a_session_whose_units_stay_late_is_given_up(lag_s: float) -> None:
    watch = a_watch()
    for arrival_s in (101, 102, 105):
        judge(watch, unit(arrival_s, lag_s), arrival_s)
    with pytest.raises(SessionError, match="mend the network") as caught:
        judge(watch, unit(105.1, lag_s), 105.1)
    assert caught.value.reason == "late"
    assert watch.late == (4 if math.isfinite(lag_s) else 0)


def test_one_punctual_unit_starts_the_patience_anew() -> None:
    watch = a_watch()
    for arrival_s, lag_s in ((101, 3.0), (104, 1.9), (105, 3.0), (108.9, 3.0)):
        judge(watch, unit(arrival_s, lag_s), arrival_s)
    assert watch.late == 3


def test_a_session_that_is_late_by_its_cameras_reports_alone_goes_on() -> None:
    """A new one would be believed for as long as it has brought no reports, over and over again."""
    watch = a_watch()
    for arrival_s in range(101, 130):
        reported = AccessUnit(b"", "h264", False, arrival_s, arrival_s, lag_s=7.0, reported_lag_s=7.0)
        watch.judge(reported, arrival_s, arrival_lag_s=0.1)
    assert watch.late == 29


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("native", ", read natively: .*, or set its transport to libav$", id="native"),
        pytest.param("libav", ", read through libav: use H.264 or H.265 with 8 bits$", id="libav"),
        pytest.param("file", "decoded: use .*, or another file$", id="file"),
    ],
)
def test_a_session_that_gives_no_picture_is_given_up_and_how_it_was_read_is_told(
    path: SessionPath, words: str
) -> None:
    watch = a_watch(path)
    for arrival_s in range(101, 110):
        judge(watch, unit(arrival_s), None)
    judge(watch, unit(109.9), None)
    with pytest.raises(SessionError, match=words) as caught:
        judge(watch, unit(110.1), None)
    assert caught.value.reason == "undecodable"


def test_a_machine_that_stood_still_blames_no_camera_for_pictures_it_did_not_decode() -> None:
    watch = a_watch()
    judge(watch, unit(101.0), 101.0)
    judge(watch, unit(161.0), 101.0)
    judge(watch, unit(161.04), 101.0)
    judge(watch, unit(162.0), 161.1)


def test_pictures_of_the_session_before_do_not_count_against_this_one() -> None:
    watch = a_watch()
    judge(watch, unit(105.0), 20.0)

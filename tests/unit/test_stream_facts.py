"""What is learned about a stream, and which way it is read."""

from dataclasses import replace

import pytest
from rtsp_stream import parameter_sets, pictures

from pod.media.facts_watch import JUDGED_UNITS, REFRESHES_AFTER_ONE, FactsWatch
from pod.media.frame import AccessUnit
from pod.media.live.mode import mode_of
from pod.media.transport import Transport, TransportChoice


def watched(*times_s: float, sps: bytes = b"\x67\x64\x00\x1f") -> FactsWatch:
    watch = FactsWatch("native")
    data = b"\x00\x00\x01" + sps + b"\x00\x00\x01\x65x"
    for at_s in times_s:
        watch.take(AccessUnit(data, "h264", True, at_s, at_s))
    return watch


def b_frames(watch: FactsWatch) -> bool | None:
    assert watch.facts is not None
    return watch.facts.has_b_frames


def test_nothing_is_known_before_the_first_unit() -> None:
    assert FactsWatch("libav").facts is None


def test_codec_profile_and_size_are_told() -> None:
    watch = FactsWatch("libav")
    watch.take(pictures()[0])
    watch.show(160, 120)
    facts = watch.facts
    assert facts is not None
    assert facts.profile_level_id == parameter_sets(pictures())[0][1:4].hex()
    assert (facts.codec, facts.width, facts.height, facts.path) == ("h264", 160, 120, "libav")


def test_a_profile_that_changes_in_flight_is_the_new_one() -> None:
    watch = watched(0.0)
    watch.take(replace(pictures()[0], rtp_time_s=1.0))
    assert watch.facts is not None
    assert watch.facts.profile_level_id == parameter_sets(pictures())[0][1:4].hex()


@pytest.mark.parametrize(
    ("times_s", "expected"),
    [
        pytest.param([0.0, 0.04], None, id="too-soon-to-tell"),
        pytest.param([at / 25 for at in range(JUDGED_UNITS)], False, id="in-order"),
        pytest.param([0.0, 0.16, 0.08, 0.04, 0.12], True, id="out-of-order"),
        pytest.param(
            [0.1] + [at / 25 for at in range(JUDGED_UNITS)], False, id="a-clock-that-was-set-a-little"
        ),
        pytest.param([9.0] + [at / 25 for at in range(JUDGED_UNITS)], False, id="a-clock-that-was-set"),
        pytest.param(
            [day * 1000 + at / 25 - 0.1 * day for day in range(3) for at in range(25_000)],
            False,
            id="a-clock-that-is-set-every-day",
        ),
    ],
)
def test_b_frames_are_known_by_the_order_of_pictures(times_s: list[float], expected: bool | None) -> None:
    assert b_frames(watched(*times_s)) == expected


def test_baseline_has_no_b_frames_from_the_first_picture_on() -> None:
    assert b_frames(watched(0.0, sps=b"\x67\x42\xc0\x1e")) is False


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        pytest.param([5, 1, 5], True, id="keyframes"),
        pytest.param([1, 1, 1], False, id="only points where decoding may begin"),
        pytest.param([1, 1, 1, 5], True, id="one at last"),
        pytest.param([1], True, id="too few to tell"),
        pytest.param([5, 1, 1, 1, 1, 5], True, id="few"),
        pytest.param([5] + [1] * REFRESHES_AFTER_ONE, False, id="no more after the first"),
    ],
)
def test_a_stream_in_which_nothing_but_refreshes_come_has_no_keyframes(
    kinds: list[int], expected: bool
) -> None:
    watch = FactsWatch("libav")
    for at_s, kind in enumerate(kinds):
        watch.take(AccessUnit(b"\x00\x00\x01" + bytes([0x60 | kind]) + b"x", "h264", True, at_s, at_s))
    assert watch.facts is not None
    assert watch.facts.has_keyframes == expected
    assert mode_of(watch.facts, masked=False) == ("as_sent" if expected else "transcoded: no keyframes")


def test_auto_reads_natively_until_the_native_session_cannot() -> None:
    choice = TransportChoice("auto")
    assert choice.way == "native"
    choice.leave_native("its codec is JPEG")
    assert (choice.way, choice.why_libav) == ("libav", "its codec is JPEG")


def test_auto_changes_over_where_one_way_shows_nothing_and_back_again() -> None:
    choice = TransportChoice("auto")
    choice.showed_nothing("undecodable")
    assert choice.way == "libav"
    assert "gave no picture (undecodable)" in choice.why_libav
    choice.showed_nothing("silent")
    assert (choice.way, choice.why_libav) == ("native", "")


@pytest.mark.parametrize("reason", ["closed", "late", "wrong_password"])
def test_a_fault_of_network_or_login_changes_nothing(reason: str) -> None:
    choice = TransportChoice("auto")
    choice.showed_nothing(reason)
    assert choice.way == "native"


@pytest.mark.parametrize("wanted", ["native", "libav"])
def test_a_way_that_was_asked_for_is_kept(wanted: Transport) -> None:
    choice = TransportChoice(wanted)
    choice.showed_nothing("undecodable")
    assert choice.way == wanted
    assert choice.why_libav == ""

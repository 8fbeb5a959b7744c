"""What the benchmark of live video computes: numbers in pixels, latency, freezes, loss, load and leaks."""

import numpy as np
import pytest

from benchmarks.lossy_path import LossyPath
from benchmarks.numbered_clip import BITS, BLOCK_PX, BRIGHT, DARK, FRAMES, number_in, with_number
from benchmarks.webrtc_detour import Detour
from benchmarks.webrtc_leak import Held
from benchmarks.webrtc_leak import figures_of as leak_figures
from benchmarks.webrtc_load import Load
from benchmarks.webrtc_load import figures_of as load_figures
from benchmarks.webrtc_timing import Sent, Shown, freezes, gaps_s, latencies_s, percentiles_ms
from pod.media.motion import MotionGate

GREY = np.full((1080, 1920, 3), 128, np.uint8)


def levels_in(number: int) -> list[float]:
    row = with_number(GREY, number)[BLOCK_PX // 2, BLOCK_PX // 2 :: BLOCK_PX, 0]
    return [float(level) for level in row[: BITS + 1]]


def test_every_frame_says_its_own_number():
    assert [number_in(levels_in(number)) for number in range(FRAMES)] == list(range(FRAMES))


@pytest.mark.parametrize("level", [DARK, BRIGHT], ids=["all dark", "all bright"])
def test_a_row_without_a_number_says_none(level: int):
    assert number_in([level] * (BITS + 1)) is None


@pytest.mark.parametrize("block", range(BITS + 1))
def test_a_number_with_one_block_misread_says_none(block: int):
    levels = levels_in(42)
    levels[block] = DARK + BRIGHT - levels[block]
    assert number_in(levels) is None


def test_the_numbers_are_no_motion_for_the_pod():
    gate = MotionGate()
    moving = [gate.is_moving(with_number(GREY, number % FRAMES)[..., 0]) for number in range(2 * FRAMES)]
    assert not any(moving[FRAMES:])


def sent_every_40_ms(frames: int) -> list[Sent]:
    return [Sent(number % FRAMES, 100 + number / 25) for number in range(frames)]


def test_latency_is_told_by_the_number_even_where_the_clip_began_anew():
    sent = sent_every_40_ms(FRAMES + 10)
    shown = [Shown(number=3, at_s=100 + (FRAMES + 3) / 25 + 0.055)]
    assert latencies_s(sent, shown) == [pytest.approx(0.055)]


def test_a_frame_that_was_not_sent_yet_has_no_latency_and_too_many_of_them_are_a_fault():
    sent = sent_every_40_ms(10)
    with pytest.raises(ValueError, match="of 1 frames shown only 0"):
        latencies_s(sent, [Shown(number=9, at_s=100.1)])


def test_frames_whose_number_cannot_be_read_are_left_out_while_they_are_few():
    sent = sent_every_40_ms(50)
    shown = [Shown(frame.number, frame.at_s + 0.03) for frame in sent]
    shown[7] = Shown(None, shown[7].at_s)
    assert latencies_s(sent, shown) == [pytest.approx(0.03)] * 49


def test_a_picture_that_is_shown_again_does_not_end_a_freeze():
    shown = [Shown(1, 0.0), Shown(1, 0.2), Shown(2, 0.4), Shown(3, 0.44)]
    assert gaps_s(shown) == [pytest.approx(0.4), pytest.approx(0.04)]
    assert freezes(gaps_s(shown)) == 1


def test_percentiles_of_nothing_are_a_fault():
    with pytest.raises(ValueError, match="native: nothing was measured"):
        percentiles_ms([], "native")


def test_the_same_seed_loses_the_same_datagrams_and_delays_the_others():
    runs = [
        [path.arrival_s(float(at)) for at in range(5000)]
        for path in (LossyPath(7, loss=0.02, delay_s=0.02) for _ in range(2))
    ]
    assert runs[0] == runs[1]
    assert 60 < runs[0].count(None) < 140
    assert all(due is None or due == at + 0.02 for at, due in enumerate(runs[0]))


def test_behind_the_relay_a_viewer_knows_no_other_way_to_the_pod():
    answer = (
        "v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 4444 typ host\r\n"
        "a=candidate:2 1 udp 2130706430 ::1 4445 typ host\r\na=end-of-candidates\r\n"
    )
    with Detour() as detour:
        candidates = [line for line in detour.rewritten(answer).splitlines() if "candidate:" in line]
    assert len(candidates) == 1
    assert "4444" not in candidates[0]


def test_an_answer_without_an_address_of_the_pod_cannot_go_over_the_relay():
    with Detour() as detour, pytest.raises(RuntimeError, match="no IPv4 candidate"):
        detour.rewritten("v=0\r\n")


def a_load(viewers: int, percent: float) -> Load:
    return Load(viewers, percent, receivers_percent=9.0, delivered_percent=100.0, packets=viewers * 1000)


def test_viewers_are_compared_by_what_they_add():
    figures = load_figures([a_load(0, 10), a_load(64, 24)], [a_load(0, 1), a_load(64, 36)])
    assert figures["pod_to_janus_64"] == pytest.approx(14 / 35)
    assert figures["pod_64_and_decoding_percent"] == 24


def test_a_window_too_short_to_see_janus_is_a_fault():
    with pytest.raises(ValueError, match="too short"):
        load_figures([a_load(0, 10), a_load(1, 11)], [a_load(0, 1), a_load(1, 1)])


def test_memory_is_told_by_session_and_the_rest_as_it_is():
    before = Held(tasks=10, sockets=20, threads=5, rss_bytes=100 * 1024)
    after = Held(tasks=11, sockets=22, threads=5, rss_bytes=164 * 1024)
    assert leak_figures(before, after, sessions=32) == {
        "leak_sessions": 32,
        "leaked_tasks": 1,
        "leaked_sockets": 2,
        "leaked_threads": 0,
        "leaked_kb_per_session": 2,
    }


def test_no_session_is_no_proof_that_nothing_leaks():
    held = Held(1, 1, 1, 1)
    with pytest.raises(ValueError, match="no viewer came"):
        leak_figures(held, held, sessions=0)

"""The small computations of the benchmarks: when cars come, what a lock asks for, what files weigh."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import isolation
from benchmarks.camera_cpu import compared
from benchmarks.drive_up import EMPTY_S, FPS, schedule
from benchmarks.footprint import disk_bytes, installed_bytes, locked_names
from benchmarks.gate_latency import sent_times_s, what_was_written
from pod.store.audit import AuditRow

LOCK = """\
# made by uv
aiosqlite==0.22.1 \\
    --hash=sha256:aa
av==18.1.0 ; python_full_version < '3.12' \\
    --hash=sha256:bb
    # via platebridge (pyproject.toml)
av==19.0.2 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
colorama==0.4.6 ; sys_platform == 'win32'
"""


def test_cars_come_one_after_the_other_with_an_empty_view_between_them():
    first, second = schedule(["A", "B"], first_empty_s=2.0)
    assert first.first == 2 * FPS
    assert second.first - first.last - 1 == round(EMPTY_S * FPS)


def test_a_car_nears_until_it_stands():
    (car,) = schedule(["A"])
    shares = [car.share(frame) for frame in range(car.first, car.last + 1)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(car.first_share)
    assert shares[-2:] == [pytest.approx(0.13)] * 2


def test_some_cars_come_into_view_legible_and_some_do_not():
    legible = {car.first_share >= 0.067 for car in schedule(["A", "B", "C", "D"])}
    assert legible == {True, False}


def test_the_lock_asks_for_what_its_markers_allow_here():
    system = {"python_full_version": "3.11.7", "sys_platform": "linux"}
    assert locked_names(LOCK, system) == ["aiosqlite", "av"]


def test_a_file_weighs_its_blocks_and_counts_once(tmp_path: Path):
    file = tmp_path / "a"
    file.write_bytes(b"x")
    whole = 512 * file.stat().st_blocks
    assert disk_bytes([file, file, tmp_path, tmp_path / "absent"]) == whole


def test_the_install_names_every_part_and_none_of_them_is_empty():
    sizes = installed_bytes()
    assert {"platebridge", "numpy", "onnxruntime", "av", "pip"} <= sizes.keys()
    assert "ruff" not in sizes
    assert min(sizes.values()) > 0


def test_idle_is_a_ratio_and_busy_a_difference():
    found = compared(idle_pod=6.0, idle_decoding=5.0, busy_pod=20.0, busy_decoding=6.0)
    assert found == {"idle_to_decoding": pytest.approx(1.2), "busy_extra_percent": pytest.approx(14.0)}


def test_a_stream_that_was_not_played_gives_no_ratio():
    with pytest.raises(ValueError, match="not played"):
        compared(idle_pod=6.0, idle_decoding=0.0, busy_pod=20.0, busy_decoding=6.0)


def sent(tmp_path: Path, *frames: int, cut: str = "") -> Path:
    log = tmp_path / "sent.jsonl"
    lines = [
        json.dumps({"mount": "gate", "frame": frame, "sent_mono_ns": at * 1_000_000_000})
        for at, frame in enumerate(frames)
    ]
    log.write_text("".join(f"{line}\n" for line in lines) + cut)
    return log


def test_the_send_log_gives_a_time_for_each_frame_and_none_for_a_line_half_written(tmp_path: Path):
    assert sent_times_s(sent(tmp_path, 0, 1, 2, cut='{"mount": "ga')) == [0, 1, 2]


def test_a_camera_that_was_not_asked_yet_sent_nothing(tmp_path: Path):
    assert sent_times_s(tmp_path / "absent") == []


def test_a_camera_played_anew_on_the_way_spoils_the_run(tmp_path: Path):
    with pytest.raises(RuntimeError, match="lost the camera"):
        sent_times_s(sent(tmp_path, 0, 1, 2, 3, 4, 0, 1))


def row(seq: int, kind: str, **payload: object) -> AuditRow:
    return AuditRow(seq, datetime.fromtimestamp(1000 + seq, UTC), kind, payload, b"")


def test_the_audit_tells_grants_by_pulse_and_refusals_with_their_reason():
    rows = [
        row(1, "pod_started"),
        row(2, "intent", plate="AB12OCD", pulse="p1", reason="listed"),
        row(3, "outcome", pulse="p1", result="pulsed"),
        row(4, "decision", plate="ZZ", reason="not_listed"),
        row(5, "outcome", pulse="p2", result="refused", reason="stale_frame"),
    ]
    granted, refusals = what_was_written(rows, wall_to_monotonic_s=-1000.0)
    assert granted == {"p1": "AB120CD"}
    assert [(r.at_s, r.reason) for r in refusals] == [(4, "not_listed"), (5, "stale_frame")]


def test_isolation_compares_the_medians_of_trouble_with_the_calm() -> None:
    figures = isolation.figures_of({"calm": [100, 120], "storm": [130], "blocked": [90, 110, 250]})
    assert figures["storm_adds_p50_ms"] == 20
    assert figures["blocked_adds_p50_ms"] == 0
    assert figures["blocked_worst_ms"] == 250


def test_isolation_measures_nothing_where_a_phase_saw_no_pulse() -> None:
    with pytest.raises(RuntimeError, match="storm"):
        isolation.figures_of({"calm": [100], "storm": [], "blocked": [100]})

"""Each benchmark of a whole pod, cut short: it runs the shipped command and gives what targets ask for."""

import subprocess
import sys
from pathlib import Path

import pytest
from camera_fixtures import needs_gstreamer

from benchmarks import camera_cpu, footprint, gate_latency, prerequisites
from benchmarks.targets import load_targets

needs_go = pytest.mark.skipif(
    not prerequisites.PION.exists(), reason="needs Go and pion, see benchmarks/prerequisites.py"
)
ROOT = Path(__file__).parents[2]
TARGETS, _ = load_targets()


@pytest.fixture(autouse=True)
def clips_of_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for benchmark in (camera_cpu, footprint, gate_latency):
        monkeypatch.setattr(benchmark, "CACHE", tmp_path)


def assert_covers(figures: dict[str, float], benchmark: str) -> None:
    assert {target.metric for target in TARGETS[benchmark]} <= figures.keys()


@needs_gstreamer
@needs_go
def test_the_gate_opens_for_a_real_picture_and_its_latency_is_of_this_world(shared: Path) -> None:
    figures = gate_latency.measure(cars=1)
    assert_covers(figures, "gate-latency")
    assert figures["legible_cars"] == figures["cars"] == 1
    assert figures["opened_for_nobody"] == 0
    assert 10 < figures["p50_ms"] < 3000
    assert 10 < figures["storm_p50_ms"] < 3000


@needs_gstreamer
def test_processor_time_is_compared_on_one_stream(tmp_path: Path) -> None:
    figures = camera_cpu.measure(window_s=2.0, cars=1)
    assert_covers(figures, "camera-cpu")
    assert 0.5 < figures["idle_to_decoding"] < 5
    assert figures["busy_searches_per_s"] > figures["idle_searches_per_s"]


@needs_gstreamer
def test_the_footprint_is_weighed_and_the_first_car_is_decided(tmp_path: Path) -> None:
    figures = footprint.measure(cars=1, watched_s=0.5)
    assert_covers(figures, "footprint")
    assert 100 < figures["installed_mb"] < 2000
    assert 50 < figures["rss_two_cameras_mb"] < 1000
    assert 0.5 < figures["first_decision_s"] < 30


def test_without_the_real_pictures_gate_latency_says_so_and_exits_with_2(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "benchmarks").symlink_to(ROOT / "benchmarks")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "gate-latency"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "gate-latency cannot run here: needs ../shared" in ran.stderr


def test_without_gstreamer_a_benchmark_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites.camera_process, "available", lambda: "install python3-gi")
    with pytest.raises(prerequisites.CannotRunError, match="install python3-gi"):
        camera_cpu.measure()

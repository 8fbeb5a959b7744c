"""Promises 13 and 14 on the shipped POD: its disk fills up, its database is spoiled; the gate works on."""

import errno
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, list_plates, until

from pod.store.audit import verify
from pod.store.connection import connect_reader
from pod.store.recovery import QUARANTINE

MIB = 1024 * 1024
DISK_BYTES = 64 * MIB
PAGE_BYTES = 4096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real ext4 of its own."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    for command in (
        ["mkfs.ext4", "-q", "-m", "0", str(image)],
        ["mount", "-o", "loop", str(image), str(place)],
    ):
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("needs a file system to be mountable")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(folder: Path) -> int:
    """Take every byte that is free; returns how many that were."""
    taken = 0
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (MIB, PAGE_BYTES, 1):
            try:
                while written := filler.write(b"\xff" * size):
                    taken += written
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return taken


def visits(pod: RunningPod) -> int:
    return len(pod.pulses())


def alarms(pod: RunningPod) -> dict[object, object]:
    """How each alarm stands, by its code."""
    return {row["alarm"]: row["state"] for row in pod.payloads("alarm")}


def assert_every_pulse_has_its_intent(pod: RunningPod) -> None:
    intents = {row.get("pulse") for row in pod.payloads("intent")}
    assert {edge.pulse for edge in pod.pulses()} <= intents
    with closing(connect_reader(pod.data_dir / "pod.db")) as conn:
        result = verify(conn)
    assert result.ok, result.reason


@pytest.mark.proof(13)
@pytest.mark.proof(4)
def test_a_full_disk_still_decides_and_audits_and_the_pictures_go_first(
    small_disk: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    wanted = often(2, 5)
    list_plates(small_disk / "data", [gate_clips.PLATE])
    pod = RunningPod(
        small_disk,
        str(gate_clips.drive_up()),
        sections={"media": {"quota_mb": 20, "min_free_mb": 1}},
        loop=True,
    )
    media = pod.data_dir / "media"
    with pod:
        until(pod.pulses, 60, what="a pulse before the disk is full")
        until(lambda: list(media.rglob("*.jpg")), what="pictures")
        filled = fill(small_disk)
        before = visits(pod)
        # Pictures and clips give way first, so it may take one visit more until the database itself is short.
        while visits(pod) < before + wanted or "disk_full" not in alarms(pod):
            seen = visits(pod)
            until(lambda seen=seen: visits(pod) > seen, 60, what="a pulse while the disk is full")
            filled += fill(small_disk)  # what was given up for the row is taken, too
        assert alarms(pod)["disk_full"] == "raised"
        pictures_left = len(list(media.rglob("*.jpg")))
        (small_disk / "filler").unlink()
        until(
            lambda: (
                {row["alarm"]: row["state"] for row in pod.payloads("alarm")}.get("disk_full") == "cleared"
            ),
            60,
            what="the alarm to be over",
        )
        assert pod.stop() == 0
    assert pictures_left == 0, "pictures stayed on the full disk"
    opened = visits(pod) - before
    unrecorded = {edge.pulse for edge in pod.pulses()} - {r.get("pulse") for r in pod.payloads("intent")}
    assert_every_pulse_has_its_intent(pod)
    prove(attempts=opened, faults=wanted, losses=len(unrecorded), filled_mb=filled // MIB)


def test_a_pod_that_restarts_on_a_disk_without_a_byte_to_spare_opens(small_disk: Path) -> None:
    list_plates(small_disk / "data", [gate_clips.PLATE])
    clip = str(gate_clips.drive_up())
    with RunningPod(small_disk, clip, loop=True) as pod:
        until(pod.pulses, 60, what="a pulse before the restart")
        before = visits(pod)
        assert pod.stop() == 0
    for name in ("pod.db-wal", "pod.db-shm"):
        (pod.data_dir / name).unlink(missing_ok=True)
    fill(small_disk)
    with RunningPod(small_disk, clip, loop=True) as pod:
        until(lambda: visits(pod) > before, 60, what="a pulse on the full disk")
        assert alarms(pod)["disk_full"] == "raised"
        assert pod.stop() == 0
    assert_every_pulse_has_its_intent(pod)


@pytest.mark.proof(14)
def test_a_database_spoiled_between_two_starts_is_put_aside_and_the_gate_works(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    trials = often(2, 6)
    noise = random.Random(14)
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    pod = RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True)
    recovered = opened = 0
    with pod:
        until(pod.pulses, 60, what="a pulse before any damage")
        assert pod.stop() == 0
        for _ in range(trials):
            spoil(pod.data_dir / "pod.db", noise)
            seen, known = visits(pod), len(set((pod.data_dir / QUARANTINE).glob("*")))
            pod.start()
            until(lambda seen=seen: visits(pod) > seen, 90, what="a pulse after the damage")
            opened += 1
            until(lambda: pod.payloads("outcome"), what="the outcome")
            recovered += len(set((pod.data_dir / QUARANTINE).glob("*"))) > known
            assert pod.stop() == 0
    assert recovered == trials, "the damage was not found"
    assert len(pod.payloads("recovery")) >= 1
    assert "store_corrupt" in alarms(pod)
    prove(attempts=opened, faults=trials, losses=trials - opened, recovered=recovered)


@pytest.mark.proof(14)
def test_a_database_spoiled_while_the_pod_runs_is_recovered_and_the_next_car_is_let_in(
    tmp_path: Path, prove: Prove
) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True) as pod:
        until(pod.pulses, 60, what="a pulse before the damage")
        spoil(pod.data_dir / "pod.db", random.Random(41))
        seen = visits(pod)
        until(lambda: visits(pod) > seen, 90, what="a pulse after the damage")
        until(lambda: list((pod.data_dir / QUARANTINE).glob("*")), 60, what="the damaged file in quarantine")
        assert pod.stop() == 0
    assert pod.payloads("recovery")
    prove(attempts=visits(pod) - seen, faults=1, losses=0)


def spoil(database: Path, noise: random.Random) -> None:
    """Write noise over the head of every page but the first."""
    with database.open("r+b") as file:
        for page in range(1, database.stat().st_size // PAGE_BYTES):
            file.seek(page * PAGE_BYTES)
            file.write(noise.randbytes(64))

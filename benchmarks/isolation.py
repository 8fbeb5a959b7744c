"""`isolation`: from frame to relay's edge in calm, in a storm of viewers, and with the event loop blocked.

One POD, in this process, so that its event loop can be held up; its camera plays a clip of listed cars from a
file, in real time. The phases take turns, so whatever else the machine does meets all of them.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.drive_up import drive_up_clip
from benchmarks.prerequisites import CACHE
from benchmarks.rendered_visitors import rendered_visitors
from pod.app import SWITCH_INTERVAL_S, Pod
from pod.config import AccessConfig, CameraConfig, PodConfig, SiteConfig, WebConfig
from pod.config_gates import GateConfig
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.plates import match_key
from pod.runtime.broadcast import Event

CARS = 12
PHASE_S = 40.0
ROUNDS = 3
VIEWERS = 32
BLOCK_S = 2.0
_BREATH_S = 0.05
"""The blocked loop runs so long between two blocks: the watchdog's heart must beat."""

PHASES = ("calm", "storm", "blocked")


def measure(*, phase_s: float = PHASE_S, rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds by phase, and what the troubles add to the calm.

    Raises:
        RuntimeError: a phase saw no pulse, so nothing was measured.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as `platebridge pod run` does
    visitors, empty = rendered_visitors(CARS)
    clip = drive_up_clip(visitors, empty, folder=CACHE, name="isolation")
    latencies = asyncio.run(_measure(clip, [v.plate for v in visitors], phase_s=phase_s, rounds=rounds))
    return figures_of(latencies)


def figures_of(latencies: dict[str, list[float]]) -> dict[str, float]:
    """Pure: counts, medians and worst cases by phase, in milliseconds, and the differences to the calm.

    Raises:
        RuntimeError: a phase saw no pulse.
    """
    silent = [phase for phase in PHASES if not latencies[phase]]
    if silent:
        raise RuntimeError(f"no pulse while {' and '.join(silent)}: nothing was measured")
    figures: dict[str, float] = {}
    for phase in PHASES:
        figures |= {
            f"{phase}_pulses": float(len(latencies[phase])),
            f"{phase}_p50_ms": statistics.median(latencies[phase]),
            f"{phase}_worst_ms": max(latencies[phase]),
        }
    for phase in PHASES[1:]:
        figures[f"{phase}_adds_p50_ms"] = figures[f"{phase}_p50_ms"] - figures["calm_p50_ms"]
    return figures


async def _measure(clip: Path, plates: list[str], *, phase_s: float, rounds: int) -> dict[str, list[float]]:
    latencies: dict[str, list[float]] = {phase: [] for phase in PHASES}
    with tempfile.TemporaryDirectory() as folder:
        config = PodConfig(
            data_dir=folder,
            site=SiteConfig(clock="rtc"),
            cameras=(CameraConfig(name="gate", url=str(clip), gate="gate", loop=True),),
            gates=(GateConfig(name="gate", pulse_ms=200, pause_s=1),),
            access=AccessConfig(reapproach_s=5),
            web=WebConfig(port=0),
        )
        async with Pod(config) as pod:
            for plate in plates:
                entry = Entry(match_key(plate), plate, Verdict.ALLOW, EntryType.RESIDENT, "benchmark")
                pod.store.plates.add(entry, by="benchmark").result(10)
            with pod.listen() as events:
                heard: list[float] = []
                first = asyncio.Event()
                listener = asyncio.create_task(_listen(events, heard, first), name="listen")
                await first.wait()
                for number in range(rounds * len(PHASES)):
                    phase = PHASES[number % len(PHASES)]
                    print(
                        f"phase {number + 1} of {rounds * len(PHASES)}: {phase}", file=sys.stderr, flush=True
                    )
                    heard.clear()
                    await _trouble(phase, pod, phase_s)
                    await asyncio.sleep(_BREATH_S)  # what was published is still to be heard
                    latencies[phase] += heard
                listener.cancel()
    return latencies


async def _trouble(phase: str, pod: Pod, phase_s: float) -> None:
    end_s = time.monotonic() + phase_s
    if phase == "blocked":
        while time.monotonic() < end_s:
            time.sleep(BLOCK_S)  # noqa: ASYNC251  # what is measured: a loop that does not turn
            await asyncio.sleep(_BREATH_S)
        return
    storm = None
    if phase == "storm":
        arguments = [pod.address, pod.sign_in_link(), str(VIEWERS), str(phase_s)]
        storm = subprocess.Popen([sys.executable, "-m", "benchmarks.viewer_storm", *arguments])  # noqa: ASYNC220  # a process of its own, waited for in a thread
    await asyncio.sleep(end_s - time.monotonic())
    if storm is not None:
        status = await asyncio.to_thread(storm.wait, 30)
        if status:
            raise RuntimeError(f"the storm of viewers ended with status {status}: nothing was measured")


async def _listen(events: AsyncIterator[Event], heard: list[float], first: asyncio.Event) -> None:
    async for event in events:
        if event["kind"] == "intent" and "latency_ms" in event:
            heard.append(float(str(event["latency_ms"])))
            first.set()

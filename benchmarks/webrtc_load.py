"""What one, 16 and 64 viewers cost a server: our POD and Debian's Janus, one camera, the same viewers."""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pod_process import PodProcess, wait_until
from benchmarks.webrtc_janus import JanusProcess
from benchmarks.webrtc_peer import Server
from benchmarks.webrtc_receivers import Receivers
from benchmarks.webrtc_whep import ViewingKey, WhepCamera

_CAMERA = "gate"
_SETTLE_S = 3.0
"""From the last viewer's first packet until the burst at its start is over."""

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen in one window.

    Attributes:
        server_percent, receivers_percent: of one core.
        delivered_percent: packets that came, of those that the sequence numbers tell of.
        packets: that came to all viewers.
    """

    viewers: int
    server_percent: float
    receivers_percent: float
    delivered_percent: float
    packets: int


def measure_load(
    camera_url: str, program: Path, *, viewers: Sequence[int], window_s: float
) -> dict[str, float]:
    """Percent of one core by server and number of viewers, each above what the server costs without any.

    A POD also decodes and searches its camera; that is what it costs without viewers, so only the viewers'
    part compares with Janus. One server runs at a time: two would take each other's cores.

    Args:
        viewers: how many at once, rising.

    Raises:
        CannotRunError: Janus is missing.
        RuntimeError: a viewer got nothing.
    """
    with tempfile.TemporaryDirectory() as folder, JanusProcess(Path(folder) / "janus", camera_url) as janus:
        janus_loads = _loads("Janus", janus, janus.cpu_s, program=program, viewers=viewers, window_s=window_s)
    key = ViewingKey()
    with (
        tempfile.TemporaryDirectory() as folder,
        PodProcess(Path(folder), {_CAMERA: camera_url}, transport="native", live=key.settings) as pod,
    ):
        pod.wait_until_playing()
        camera = WhepCamera.of(pod, _CAMERA, key=key)
        pod_loads = _loads("POD", camera, pod.cpu_s, program=program, viewers=viewers, window_s=window_s)
    return figures_of(pod_loads, janus_loads)


def figures_of(pod: Sequence[Load], janus: Sequence[Load]) -> dict[str, float]:
    """Pure.

    Args:
        pod, janus: without viewers first, then with ever more; the same numbers of them.

    Raises:
        ValueError: Janus's viewers cost nothing, so nothing was measured.
    """
    figures = {"pod_0_percent": pod[0].server_percent, "janus_0_percent": janus[0].server_percent}
    for ours, theirs in zip(pod[1:], janus[1:], strict=True):
        count = ours.viewers
        added, janus_added = (
            load.server_percent - idle.server_percent for load, idle in ((ours, pod[0]), (theirs, janus[0]))
        )
        if janus_added <= 0:
            raise ValueError(f"{count} viewers cost Janus no processor time: the window is too short")
        figures |= {
            f"pod_{count}_adds_percent": added,
            f"janus_{count}_adds_percent": janus_added,
            f"pod_to_janus_{count}": added / janus_added,
            f"pod_{count}_and_decoding_percent": ours.server_percent,
            f"pod_{count}_delivered_percent": ours.delivered_percent,
            f"janus_{count}_delivered_percent": theirs.delivered_percent,
            f"receivers_{count}_percent": max(ours.receivers_percent, theirs.receivers_percent),
            f"pod_to_janus_{count}_packets": ours.packets / theirs.packets,
        }
    return figures


def _loads(
    name: str,
    server: Server,
    cpu_s: Callable[[], float],
    *,
    program: Path,
    viewers: Sequence[int],
    window_s: float,
) -> list[Load]:
    loads = []
    with Receivers(program) as receivers:
        watching: list[str] = []
        for count in (0, *viewers):
            while len(watching) < count:
                viewer = receivers.new()
                server.connect(viewer)
                watching.append(viewer.name)
            wait_until(
                lambda: all(seen.packets for seen in receivers.counts().values()),
                _PATIENCE_S,
                what=f"video of {name} for {count} viewers",
            )
            time.sleep(_SETTLE_S)
            loads.append(_window(receivers, cpu_s, viewers=count, window_s=window_s))
            print(f"{name}: {loads[-1]}", file=sys.stderr, flush=True)
    return loads


def _window(receivers: Receivers, cpu_s: Callable[[], float], *, viewers: int, window_s: float) -> Load:
    before, receivers_s, server_s, started_s = (
        receivers.counts(),
        receivers.cpu_s(),
        cpu_s(),
        time.monotonic(),
    )
    time.sleep(window_s)
    server_s, passed_s = cpu_s() - server_s, time.monotonic() - started_s
    receivers_s, after = receivers.cpu_s() - receivers_s, receivers.counts()
    came = {name: after[name].packets - before[name].packets for name in after}
    starved = [name for name, packets in came.items() if packets == 0]
    if starved:
        raise RuntimeError(f"of {viewers} viewers {len(starved)} got nothing any more: nothing was measured")
    packets = sum(came.values())
    lost = sum(max(0, after[name].lost - before[name].lost) for name in after)
    return Load(
        viewers=viewers,
        server_percent=100 * server_s / passed_s,
        receivers_percent=100 * receivers_s / passed_s,
        delivered_percent=100 * packets / (packets + lost) if packets else 100.0,
        packets=packets,
    )

"""The way of a decision never crosses the event loop: the gate opens while the loop stands still."""

import asyncio
import time
from pathlib import Path

import gate_clips
from running_pod import RunningPod, list_plates

from pod.app import Pod
from pod.config_load import load_config
from pod.gate.edge_trace import read_edges, trace_path

BLOCK_S = 2.0
GIVE_UP_S = 60.0


async def test_a_listed_car_is_let_in_while_the_event_loop_is_blocked_for_two_seconds(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    settings = RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True)
    trace = trace_path(tmp_path / "data" / "run", "main")
    opened_in_a_block = False
    async with Pod(load_config(settings.config)) as pod:
        began_s = time.monotonic()
        while not opened_in_a_block and time.monotonic() - began_s < GIVE_UP_S:
            blocked_ns = time.monotonic_ns()
            time.sleep(BLOCK_S)  # the loop does not turn: no page, no watchdog, no event
            freed_ns = time.monotonic_ns()
            edges = [edge for edge in read_edges(trace) if edge.state == "on"]
            opened_in_a_block = any(blocked_ns < edge.t_mono_ns < freed_ns for edge in edges)
            await asyncio.sleep(0.02)
        assert opened_in_a_block
        kinds = pod.store.submit(
            lambda conn: [kind for (kind,) in conn.execute("SELECT kind FROM audit ORDER BY seq")]
        ).result(10)
    assert "intent" in kinds

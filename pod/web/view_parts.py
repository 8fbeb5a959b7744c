"""The POD's parts as the page shows them: gates, cameras, and where each setting comes from."""

import time

from pod.config import PodConfig
from pod.gate.controller import GateController
from pod.web.view import CameraView, GateView


def camera_views(config: PodConfig) -> tuple[CameraView, ...]:
    """The cameras in the order of the configuration."""
    return tuple(
        CameraView(camera.name, camera.gate, camera.direction, camera.regions, camera.masks)
        for camera in config.cameras
    )


def gate_view(gate: GateController) -> GateView:
    """One gate as it is now."""
    state, facts, now_s = gate.state, gate.facts, time.monotonic()
    times = {
        "commanded": facts.commanded_at_s,
        "moved": facts.moved_at_s,
        "opened": facts.opened_at_s,
        "closed": facts.closed_at_s,
    }
    return GateView(
        name=gate.name,
        condition=state.condition,
        sentence=state.reason,
        pause_left_s=gate.pause_left_s(),
        position=facts.position,
        presence=facts.presence,
        ages_s={fact: now_s - at_s for fact, at_s in times.items() if at_s is not None},
    )

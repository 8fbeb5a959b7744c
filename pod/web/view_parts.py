"""The POD's parts as the page shows them: gates, cameras, and where each setting comes from."""

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
    state, facts = gate.state, gate.facts
    return GateView(
        name=gate.name,
        condition=state.condition,
        sentence=state.reason,
        pause_left_s=gate.pause_left_s(),
        position=facts.position,
        presence=facts.presence,
    )

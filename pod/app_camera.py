"""Join the parts that one camera needs, from its session to its decisions. No rules live here."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pod.config import CameraConfig, PodConfig
from pod.domain.approach import Approaches
from pod.domain.policy import Policy
from pod.domain.tracking import Tracker
from pod.gate.controller import GateController
from pod.media.fanout import AccessUnitFanout
from pod.media.slot import LatestFrame
from pod.media.source import CameraSource
from pod.media.state import CameraState
from pod.runtime.metrics import PodMetrics
from pod.services.access_control import AccessControl, Site
from pod.services.camera_loop import CameraLoop
from pod.services.clips import Clips
from pod.services.clock_watch import ClockWatch
from pod.services.pictures import Pictures
from pod.services.served_cars import ServedCars
from pod.store.store import Store
from pod.vision.pipeline import Models


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraParts:
    """What every camera of a POD shares.

    Attributes:
        opens_unrecorded: by gate, whether some types of entry open while nothing can be written down.
        pictures: keeps pictures of what was decided; None where none is wanted.
        clips: records clips of it; None where none is wanted.
        publish: told of decisions, intents and outcomes; must not block.
        on_fault: told the bug that ended a part, on its thread.
    """

    config: PodConfig
    models: Models
    store: Store
    site: Site
    clock: ClockWatch
    policy: Policy
    opens_unrecorded: Mapping[str, bool]
    metrics: PodMetrics
    pictures: Pictures | None
    clips: Clips | None
    publish: Callable[[Mapping[str, object]], None]
    on_fault: Callable[[Exception], None]


def camera_parts(
    parts: CameraParts,
    camera: CameraConfig,
    slot: LatestFrame,
    *,
    gate: GateController,
    served: ServedCars,
    beat: Callable[[], None],
    on_state: Callable[[CameraState], None],
) -> tuple[CameraSource, CameraLoop]:
    """A camera's session and its decision loop, ready to be started."""
    access_config = parts.config.access
    approaching = Approaches(
        camera.name,
        camera.direction,
        deny_after_s=access_config.deny_after_s,
        reapproach_s=access_config.reapproach_s,
        last_grants=_monotonic(parts.store.last_grants(camera.name)),
        id_prefix=f"{camera.name}-{time.time_ns() // 1_000_000:x}",
    )
    access = AccessControl(
        camera.name,
        gate,
        served=served,
        approaches=approaching,
        store=parts.store,
        site=parts.site,
        clock=parts.clock,
        policy=parts.policy,
        opens_unrecorded=parts.opens_unrecorded[camera.gate],
        freshness_limit_s=camera.freshness_limit_s,
        commit_timeout_s=parts.config.store.commit_timeout_ms / 1000,
        metrics=parts.metrics,
        publish=parts.publish,
    )
    loop = CameraLoop(
        camera.name,
        slot,
        reader=parts.models.reader(camera),
        tracker=Tracker(still_after_start_s=access_config.still_after_start_s),
        approaches=approaching,
        access=access,
        detect_fps=camera.detect_fps,
        freshness_limit_s=camera.freshness_limit_s,
        metrics=parts.metrics,
        beat=beat,
        on_fault=parts.on_fault,
        pictures=parts.pictures,
        clips=parts.clips,
    )
    source = CameraSource(camera, slot, AccessUnitFanout(), on_state=on_state, on_fault=parts.on_fault)
    if parts.clips is not None and not camera.masks:  # a clip is the camera's own picture, without them
        parts.clips.watch(camera.name, source.units)
    parts.metrics.watch_source(
        camera.name,
        lambda: (
            asdict(source.counters)
            | {"approaches_forgotten": approaching.forgotten}
            | {"best_frames_dropped": loop.best_frames_dropped}
        ),
    )
    return source, loop


def _monotonic(grants: dict[str, datetime]) -> dict[str, float]:
    """Wall-clock grants as monotonic times; one from the future counts as just now."""
    now, now_s = datetime.now(UTC), time.monotonic()
    return {key: now_s - max(0.0, (now - at).total_seconds()) for key, at in grants.items()}

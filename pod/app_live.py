"""Join the cameras to the live video that the page shows. No rules live here."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack

from pod.config import LiveConfig, PodConfig
from pod.media.live.figures import LiveFigures
from pod.media.live.service import LiveCamera, LiveLimits, LiveVideo
from pod.media.live.sessions import IceServer
from pod.media.source import CameraSource
from pod.runtime.metrics import PodMetrics

log = logging.getLogger(__name__)

WHY_NONE = "Live video is off on this POD: max_viewers of live is 0."


def start_live(
    config: PodConfig, sources: Sequence[CameraSource], *, metrics: PodMetrics, stack: AsyncExitStack
) -> LiveVideo | None:
    """Live video of these cameras, running until `stack` ends it; None where the configuration wants none.

    Args:
        sources: one for each camera of `config`, in its order.
    """
    if config.live.max_viewers == 0:
        return None
    cameras = [_live_camera(config, number, source) for number, source in enumerate(sources)]
    limits = LiveLimits(in_all=config.live.max_viewers, per_camera=config.live.max_viewers_per_camera)
    servers = ice_servers(config.live)
    live = LiveVideo(cameras, limits=limits, ice_servers=lambda: servers)
    metrics.registry.register(LiveFigures(live))
    live.start()

    async def stop() -> None:
        if not await asyncio.to_thread(live.close):
            log.error("live video did not end in time, it is left behind; the gates are not touched")

    stack.push_async_callback(stop)
    return live


def ice_servers(config: LiveConfig) -> tuple[IceServer, ...]:
    """The STUN server that the configuration names, if it does."""
    return () if config.stun is None else (IceServer(url=config.stun),)


def _live_camera(config: PodConfig, number: int, source: CameraSource) -> LiveCamera:
    return LiveCamera(
        config=config.cameras[number],
        packets=source.packets,
        units=source.units,
        facts=lambda: source.facts,
        state=lambda: source.state,
    )

"""Join the cameras to the live video that the page shows. No rules live here."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from pod.config import LiveConfig, PodConfig
from pod.config_live import TurnConfig
from pod.media.live.figures import LiveFigures
from pod.media.live.limits import LiveLimits
from pod.media.live.service import LiveCamera, LiveVideo
from pod.media.live.sessions import IceServer
from pod.media.live.turn_credentials import turn_credentials
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
    live = LiveVideo(
        cameras,
        limits=limits,
        ice_servers=lambda: ice_servers(config.live, site=config.site.id),
        pod_relays=config.live.turn is not None and config.live.turn.pod_relays,
    )
    metrics.registry.register(LiveFigures(live))
    live.start()

    async def stop() -> None:
        if not await asyncio.to_thread(live.close):
            log.error("live video did not end in time, it is left behind; the gates are not touched")

    stack.push_async_callback(stop)
    return live


def ice_servers(
    config: LiveConfig, *, site: str, clock_s: Callable[[], float] = time.time
) -> tuple[IceServer, ...]:
    """The STUN and TURN servers of the configuration, with credentials that are good from now.

    Args:
        site: by which the TURN server counts what it relays.
        clock_s: Unix time.
    """
    stun = () if config.stun is None else (IceServer(url=config.stun),)
    return stun if config.turn is None else stun + _turn_servers(config.turn, site, now_s=clock_s())


def _turn_servers(turn: TurnConfig, site: str, *, now_s: float) -> tuple[IceServer, ...]:
    if turn.secret is not None:
        username, credential = turn_credentials(turn.secret.get_secret_value(), site, now_s=now_s)
    else:
        assert turn.username is not None
        assert turn.password is not None
        username, credential = turn.username, turn.password.get_secret_value()
    return tuple(IceServer(url=url, username=username, credential=credential) for url in turn.urls)


def _live_camera(config: PodConfig, number: int, source: CameraSource) -> LiveCamera:
    return LiveCamera(
        config=config.cameras[number],
        packets=source.packets,
        units=source.units,
        facts=lambda: source.facts,
        state=lambda: source.state,
    )

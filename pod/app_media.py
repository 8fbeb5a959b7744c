"""Start what keeps pictures and clips of cars, and what lets go of them in time. No rules live here."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pod.config import PodConfig
from pod.media.clips.seal import seal
from pod.media.snapshot import Masks
from pod.runtime.metrics import PodMetrics
from pod.services.clips import Clips, clips_of
from pod.services.clock_watch import ClockWatch
from pod.services.health import HealthProbe
from pod.services.pictures import Pictures
from pod.services.retention import Retention
from pod.store.media import FOLDER_NAME, MediaStore
from pod.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPart:
    """What keeps pictures and clips.

    Attributes:
        kept: their files and index; None where the configuration wants none, and then nothing else is there.
        clips: None where no clips are wanted, too.
    """

    kept: MediaStore | None = None
    pictures: Pictures | None = None
    clips: Clips | None = None
    probes: tuple[HealthProbe, ...] = ()

    def make_room(self, need_bytes: int) -> int:
        """Delete the oldest files for so many bytes; what that freed, in bytes."""
        return 0 if self.kept is None else self.kept.make_room(need_bytes)


def start_media(
    config: PodConfig, store: Store, masks: Mapping[str, Masks], *, metrics: PodMetrics, stack: AsyncExitStack
) -> MediaPart:
    """Pictures and clips of cars, kept until `stack` ends it.

    Args:
        masks: by camera: parts of the view that no kept picture may show.
    """
    limits = config.media
    if limits.quota_mb == 0:
        return MediaPart()
    kept = MediaStore(
        Path(config.data_dir) / FOLDER_NAME,
        store,
        quota_bytes=limits.quota_mb * 1024 * 1024,
        min_free_bytes=limits.min_free_mb * 1024 * 1024,
        seal=seal,
    )
    metrics.watch_media(lambda: kept.kept_bytes, lambda: kept.evicted)
    pictures = Pictures(kept, masks, metrics=metrics)
    stack.callback(pictures.close)
    clips = clips_of(config, kept, metrics=metrics)
    if clips is None:
        return MediaPart(kept=kept, pictures=pictures, probes=(pictures.probe,))
    stack.callback(clips.close)
    return MediaPart(kept=kept, pictures=pictures, clips=clips, probes=(pictures.probe, clips.probe))


def start_retention(
    config: PodConfig,
    store: Store,
    media: MediaPart,
    *,
    clock: ClockWatch,
    has_cloud: bool,
    metrics: PodMetrics,
    on_fault: Callable[[Exception], None],
    stack: AsyncExitStack,
) -> HealthProbe:
    """Forget what is older than the configuration keeps, until `stack` ends it.

    Args:
        on_fault: told the bug that ended it, on its thread.
    """
    retention = Retention(
        store,
        media.kept,
        of_audit=config.audit,
        of_media=config.media,
        clock=clock,
        has_cloud=has_cloud,
        metrics=metrics,
        on_fault=on_fault,
    )
    retention.start()
    stack.callback(retention.stop)
    return retention.probe

"""What a POD tells its cloud of its own state, out of what it knows already."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pod.media.source import CameraSource
from pod.services.clock_watch import ClockWatch
from pod.services.health import Health as PodHealth
from pod.services.health import Status
from pod.store.audit import LATEST_OF_CARS_SQL
from pod.store.following_reader import FollowingReader
from pod.store.moments import to_us
from pod.store.plate_list import PlateList
from sync.protocol.health import CameraHealth, Health

_MOST_ROWS = 2000
"""Of the last hour's cars; at a gate with more the figures are those of the newest."""

_MOST_TEXT = 200
_MOST_PROBLEMS = 32
_MOST_CAMERAS = 64
_UNREAD = frozenset({"low_confidence", "unsure_match", "ambiguous"})
_HOUR = timedelta(hours=1)
_THERMAL = Path("/sys/class/thermal")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthParts:
    """The parts of a running POD that its health is made of.

    Attributes:
        versions: of the program and its models.
        viewers: how many watch, by camera.
    """

    health: Callable[[], PodHealth]
    cameras: Mapping[str, CameraSource]
    viewers: Callable[[], Mapping[str, int]]
    clock: ClockWatch
    plates: PlateList
    reader: FollowingReader
    data_dir: Path
    versions: Mapping[str, str]


class PodHealthSource:
    """`sync.agent.ports.HealthSource` of a POD. For one thread; reads the disk, and waits for nobody."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts
        self._frames: dict[str, tuple[int, float]] = {}

    def health(self, *, session: str, backlog_rows: int) -> Health:
        """As of now."""
        parts = self._parts
        moment = parts.clock.look()
        disk = shutil.disk_usage(parts.data_dir)
        cars, unread = self._cars(to_us(moment.now - _HOUR))
        confirmed_at = parts.plates.current.confirmed_at
        age_s = None if confirmed_at is None else (moment.now - confirmed_at).total_seconds()
        told = [part for part in parts.health().parts if part.status is not Status.OK]
        viewers = parts.viewers()
        return Health(
            session=session,
            versions={name: text[:_MOST_TEXT] for name, text in parts.versions.items()},
            cameras=[
                CameraHealth(
                    name=name,
                    state=source.state.kind,
                    fps=self._fps(name, source),
                    viewers=viewers.get(name, 0),
                )
                for name, source in list(parts.cameras.items())[:_MOST_CAMERAS]
            ],
            detections_per_hour=float(cars),
            unread_approaches=unread,
            backlog_rows=backlog_rows,
            disk_free_bytes=disk.free,
            disk_used=min(1.0, disk.used / disk.total) if disk.total else 1.0,
            temperature_c=_temperature_c(),
            clock_doubt=moment.doubt[:_MOST_TEXT],
            list_age_s=age_s,
            tailscale_state="",
            tailscale_ip="",
            problems=[f"{one.part}: {one.sentence}"[:_MOST_TEXT] for one in told[:_MOST_PROBLEMS]],
        )

    def _fps(self, name: str, source: CameraSource) -> float:
        """Frames a second since the last question."""
        frames, now_s = source.counters.frames, time.monotonic()
        before, asked_s = self._frames.get(name, (frames, now_s))
        self._frames[name] = frames, now_s
        return round((frames - before) / (now_s - asked_s), 1) if now_s > asked_s else 0.0

    def _cars(self, since_us: int) -> tuple[int, int]:
        """Cars of the last hour, and how many of them could not be read for sure."""
        reasons: dict[str, str] = {}
        for _, ts_us, kind, payload, _ in self._parts.reader.ask(LATEST_OF_CARS_SQL, (_MOST_ROWS,)):
            if ts_us < since_us:
                break
            row = json.loads(payload)
            if kind in ("decision", "intent") and isinstance(approach := row.get("approach"), str):
                reasons.setdefault(approach, str(row.get("reason")))
        return len(reasons), sum(reason in _UNREAD for reason in reasons.values())


def _temperature_c() -> float | None:
    """Of the hottest place that the kernel tells of."""
    found = []
    for zone in _THERMAL.glob("thermal_zone*/temp"):
        with suppress(OSError, ValueError):
            found.append(int(zone.read_text()) / 1000)
    return max(found, default=None)

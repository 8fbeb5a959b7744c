"""Join the POD's parts to what its local page may see and do. No rules live here."""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pod.config import PodConfig
from pod.config_load import Origin
from pod.domain.history import ApproachRecord, AuditEvent, approaches
from pod.gate.controller import GateController
from pod.runtime.broadcast import Event
from pod.runtime.metrics import PodMetrics
from pod.runtime.time_zone import zone_of
from pod.services.alarms import Alarms
from pod.services.health import Health
from pod.services.open_command import OpenCommands
from pod.services.stills import Stills
from pod.services.watching import Watching
from pod.store.car_search import rows_of, search
from pod.store.media import MediaStore
from pod.store.reader import AuditReader
from pod.store.store import FILE_NAME, Store
from pod.web.settings_words import settings_of
from pod.web.shared_links import SharedLinks
from pod.web.tls import Certificate
from pod.web.view import PodView
from pod.web.view_parts import camera_views, gate_view

ROWS_PER_APPROACH = 4
"""Rows about cars to read for one approach on the page: a denial or two, an intent, an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """The parts of a running POD that the page shows or asks.

    Attributes:
        origin: where each setting was given; None where no file was read.
        listen: what happens, for those who watch.
        now: the time, aware UTC; None while the clock is in doubt.
        watching: who may watch live video; None where nobody can, and `why_not_watching` says why.
        note: records and publishes something that somebody did; must not block.
    """

    config: PodConfig
    origin: Origin | None
    store: Store
    gates: Mapping[str, GateController]
    opener: OpenCommands
    alarms: Alarms
    health: Callable[[], Health]
    listen: Callable[[], AbstractContextManager[AsyncIterator[Event]]]
    metrics: PodMetrics
    media: MediaStore | None
    stills: Stills
    now: Callable[[], datetime | None]
    watching: Watching | None
    why_not_watching: str
    note: Callable[[str, Mapping[str, object]], None]


def version() -> str:
    """The installed version of PlateBridge."""
    return importlib.metadata.version("platebridge")


def page_view(parts: PageParts, reader: AuditReader, certificate: Certificate | None) -> PodView:
    """What the page may see and do of these parts.

    Args:
        reader: of the audit; open as long as the page is.
    """
    config, database = parts.config, Path(parts.config.data_dir) / FILE_NAME

    async def recent(limit: int) -> Sequence[ApproachRecord]:
        rows = await reader.latest_of_cars(limit * ROWS_PER_APPROACH)
        events = [AuditEvent(r.seq, r.at, r.kind, r.payload) for r in rows if r.payload is not None]
        return approaches(events)[:limit]

    return PodView(
        site=config.site.name,
        time_zone=zone_of(config.site.time_zone),
        version=version(),
        health=parts.health,
        alarms=parts.alarms.standing,
        recent=recent,
        approach=lambda approach: asyncio.to_thread(rows_of, database, approach),
        search=lambda query: asyncio.to_thread(search, database, query),
        listen=parts.listen,
        registry=parts.metrics.registry,
        plates=parts.store.plates,
        gates=lambda: {gate.name: gate_view(gate) for gate in parts.gates.values()},
        opener=parts.opener,
        cameras=camera_views(config),
        still=lambda camera: asyncio.to_thread(parts.stills.jpeg, camera),
        media=parts.media,
        links=None if parts.media is None else SharedLinks(Path(config.data_dir), now=parts.now),
        record=parts.note,
        settings=settings_of(config, parts.origin),
        certificate=certificate,
        watching=parts.watching,
        why_not_watching=parts.why_not_watching,
    )

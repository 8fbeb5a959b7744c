"""What the page may see and do of the POD, and how it waits for it without blocking the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord, AuditEvent
from pod.runtime.broadcast import Event
from pod.services.alarms import Alarm
from pod.services.health import Health
from pod.services.open_command import OpenResult
from pod.services.watching import Watching
from pod.store.car_search import CarPage, CarQuery
from pod.store.plate_list import PlateList
from pod.web.settings_words import SettingGroup
from pod.web.shared_links import SharedLinks
from pod.web.tls import Certificate

CHANGE_TIMEOUT_S = 10.0

T = TypeVar("T")
Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CameraView:
    """A camera as the page shows it; corners are fractions of width and height."""

    name: str
    gate: str
    direction: str
    regions: tuple[Corners, ...] = ()
    masks: tuple[Corners, ...] = ()


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate as the page shows it.

    Attributes:
        condition: ready, down, unavailable or latched; the sentence says why and what mends it.
        pause_left_s: until it may be asked again.
        position: as in `domain.gate_facts.Position`: only an input that is wired tells where it is.
        ages_s: how long ago each fact was last true: commanded, moved, opened, closed.
        presence: something stands on the loop; None where no loop is wired.
    """

    name: str
    condition: str
    sentence: str = ""
    pause_left_s: float = 0.0
    position: str = "not_wired"
    presence: bool | None = None
    ages_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_wired(self) -> bool:
        return self.position != "not_wired"


class GateOpener(Protocol):
    """Opens by hand; `services.open_command.OpenCommands` is one. Both calls are for a thread."""

    def issue(self, gate: str) -> str: ...
    def open(self, command_id: str, gate: str, *, by: str, confirmed: bool = False) -> OpenResult: ...


class MediaFiles(Protocol):
    """Kept pictures and clips; each call looks into a database, so make it through `asyncio.to_thread`."""

    def find(self, approach: str) -> Sequence["MediaFile"]: ...
    def find_all(self, approaches: Iterable[str]) -> Mapping[str, Sequence["MediaFile"]]: ...
    def clips(self, approach: str) -> Sequence["ClipFile"]: ...
    def place(self, media_id: int) -> "MediaPlace | None": ...


class MediaFile(Protocol):
    """One kept picture; `kind` is scene or plate."""

    @property
    def id(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def kind(self) -> Literal["scene", "plate"]: ...


class ClipFile(Protocol):
    """One clip of an approach.

    Attributes:
        plate_at_s: when in it the plate was seen best.
        duration_s: None while it is recorded; what is there can be played all the same.
    """

    @property
    def id(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def camera(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def bytes(self) -> int: ...
    @property
    def codec(self) -> Literal["h264", "hevc"]: ...
    @property
    def plate_at_s(self) -> float: ...
    @property
    def duration_s(self) -> float | None: ...


class MediaPlace(Protocol):
    """Where a picture or clip is, and of what."""

    @property
    def path(self) -> Path: ...
    @property
    def approach(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def kind(self) -> Literal["scene", "plate", "clip"]: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """What the page may see and do of the pod.

    Attributes:
        recent: the newest approaches, newest first, at most as many as asked for.
        approach: the audit rows of one approach, oldest first; empty where there are none.
        search: one page of the approaches that a query finds.
        still: the current picture of a camera as JPEG; None while there is none.
        links: to pictures and clips, for those who have no password; None where nothing is kept.
        certificate: what the page is served with; None over plain HTTP on loopback.
        watching: who may watch live video; None where it is off, and `why_not_watching` says why.
    """

    site: str
    time_zone: ZoneInfo
    version: str
    health: Callable[[], Health]
    alarms: Callable[[], Sequence[Alarm]]
    recent: Callable[[int], Awaitable[Sequence[ApproachRecord]]]
    approach: Callable[[str], Awaitable[Sequence[AuditEvent]]]
    search: Callable[[CarQuery], Awaitable[CarPage]]
    listen: Callable[[], AbstractContextManager[AsyncIterator[Event]]]
    registry: CollectorRegistry
    plates: PlateList
    gates: Callable[[], Mapping[str, GateView]]
    opener: GateOpener
    cameras: Sequence[CameraView] = ()
    still: Callable[[str], Awaitable[bytes | None]]
    media: MediaFiles | None = None
    links: SharedLinks | None = None
    settings: Sequence[SettingGroup] = ()
    certificate: Certificate | None = None
    watching: Watching | None = None
    why_not_watching: str = "Live video is off on this POD."
    record: Callable[[str, Mapping[str, object]], None]


async def done(change: Future[T]) -> T:
    """What a change of the store came to, without blocking the event loop.

    Raises:
        PlateBridgeError: the store refused or failed.
        StoreError: it did not answer in time; the change may still happen.
    """
    try:
        return await asyncio.wait_for(asyncio.wrap_future(change), CHANGE_TIMEOUT_S)
    except TimeoutError:
        raise StoreError(
            "the database did not answer in time; the change may still happen: look again in a moment"
        ) from None

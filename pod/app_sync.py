"""Keep a POD that was enrolled in touch with its cloud; one that was not runs as if there were none."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pod.media.live.service import LiveVideo
from pod.media.source import CameraSource
from pod.runtime.metrics import PodMetrics, SyncFigures
from pod.services.clock_watch import ClockWatch
from pod.services.health import Health, HealthProbe, PartHealth, Status
from pod.services.open_command import OpenCommands
from pod.services.sync_health import HealthParts, PodHealthSource
from pod.services.sync_notes import SyncNotes
from pod.services.sync_opens import RemoteOpens
from pod.store.following_reader import FollowingReader
from pod.store.store import Store
from pod.store.sync_audit import SqliteAudit
from pod.store.sync_commands import SqliteSpentCommands
from pod.store.sync_home import SqliteHomes
from pod.store.sync_list import SqliteReplica
from sync.agent.agent import Agent
from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import Identity, load
from sync.agent.ports import LinkState, PodPorts

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncParts:
    """What of a POD its sync reads, changes and tells.

    Attributes:
        note: records and publishes a change; must not block.
        live: None where nobody can watch.
    """

    data_dir: Path
    store: Store
    opener: OpenCommands
    clock: ClockWatch
    cameras: Mapping[str, CameraSource]
    health: Callable[[], Health]
    live: LiveVideo | None
    versions: Mapping[str, str]
    note: Callable[[str, Mapping[str, object]], None]
    metrics: PodMetrics


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Whether the POD has a cloud.

    Attributes:
        identity: None where it was never enrolled, or `fault` says why it cannot be used.
    """

    identity: Identity | None = None
    fault: str = ""

    @property
    def has_cloud(self) -> bool:
        """Whether a cloud waits for the audit, reached or not."""
        return self.identity is not None or bool(self.fault)


def enrolment_of(data_dir: Path) -> Enrolment:
    """Who the POD is to its cloud. An identity that cannot be used keeps no gate closed."""
    try:
        return Enrolment(load(data_dir))
    except IdentityError as error:
        log.error("the POD does not sync: %s", error)
        return Enrolment(None, str(error))


def start_sync(enrolment: Enrolment, parts: SyncParts, *, stack: AsyncExitStack) -> tuple[HealthProbe, ...]:
    """Sync until `stack` ends it; how it fares."""
    if enrolment.fault:
        broken = PartHealth("cloud", Status.FAILING, enrolment.fault)
        return (lambda: broken,)
    if enrolment.identity is None:
        return ()
    identity, store = enrolment.identity, parts.store
    reader = FollowingReader(store.path)
    stack.callback(reader.close)
    notes = SyncNotes(store, note=parts.note)
    health = HealthParts(
        health=parts.health,
        cameras=parts.cameras,
        viewers=lambda: _viewers(parts.live),
        clock=parts.clock,
        plates=store.plates,
        reader=reader,
        data_dir=parts.data_dir,
        versions=parts.versions,
    )
    ports = PodPorts(
        audit=SqliteAudit(reader),
        replica=SqliteReplica(store.plates.cloud, reader),
        spent=SqliteSpentCommands(store, reader),
        commands=RemoteOpens(parts.opener),
        homes=SqliteHomes(store, reader, enrolled=identity.home),
        health=PodHealthSource(health),
        images=NoImages(),
        on_confirmed=notes.on_confirmed,
        on_list_confirmed=notes.on_list_confirmed,
        on_state=lambda state: _tell(notes, state),
        on_fault=notes.on_fault,
    )
    agent = Agent(identity, ports, data_dir=parts.data_dir)
    parts.metrics.watch_sync(lambda: _figures(agent))
    agent.start()
    store.watch_rows(agent.appended)

    async def stop() -> None:
        store.watch_rows(lambda: None)
        if not await asyncio.to_thread(agent.stop, STOP_TIMEOUT_S):
            log.warning("the sync agent did not stop in time")

    stack.push_async_callback(stop)
    return (notes.probe,)


class NoImages:
    """`sync.agent.ports.ImageSource` of a POD that offers none."""

    def read(self, name: str, from_byte: int, *, most_bytes: int) -> bytes | None:
        """None: there is no such picture."""
        return None


def _figures(agent: Agent) -> SyncFigures:
    figures = agent.figures
    return SyncFigures(
        is_reached=agent.state.phase == "welcomed",
        confirmed_row=figures.confirmed_seq,
        connections=figures.connections,
        unusable=figures.dropped_frames + figures.retained + figures.strange + figures.inbox_dropped,
    )


def _viewers(live: LiveVideo | None) -> Mapping[str, int]:
    return Counter(session.camera for session in live.sessions()) if live is not None else {}


def _tell(notes: SyncNotes, state: LinkState) -> None:
    notes.on_state(state.phase == "welcomed", state.broker, state.trouble)

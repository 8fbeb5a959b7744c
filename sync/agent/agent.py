"""Keeps a POD in touch with its cloud, on a thread of its own: whoever decides waits for nothing here."""

import asyncio
import random
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sync.agent.broker_order import in_order, is_worth_a_move, round_trips_s
from sync.agent.command_desk import CommandDesk
from sync.agent.credentials import credentials
from sync.agent.identity_files import Identity
from sync.agent.image_uploader import ImageUploader
from sync.agent.portal_client import PortalClient
from sync.agent.portal_heartbeat import PortalHeartbeat
from sync.agent.ports import LinkState, Phase, PodPorts
from sync.agent.renewal import client_of, keep_renewed
from sync.agent.visit import Leaving, Tallies, Visit, presence
from sync.mqtt import BrokerAddress, LinkError, Will, connect
from sync.protocol import topics
from sync.protocol.health import Health
from sync.protocol.homes import Home
from sync.protocol.pod_side import PodSide
from sync.protocol.portal import OfferedImage
from sync.protocol.up import Answer


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the agent is, seconds.

    Attributes:
        again_s, again_at_most_s: before brokers are tried again, doubled each time, less by chance.
        silent_s, silent_at_most_s: a cloud that does not answer is looked for at another broker.
        nearer_s: so often a nearer broker, or one that is back, is looked for.
        heartbeat_s: so often the portal is told by HTTPS that the POD is alive, while no broker is connected.
    """

    again_s: float = 2.0
    again_at_most_s: float = 60.0
    silent_s: float = 60.0
    silent_at_most_s: float = 900.0
    nearer_s: float = 600.0
    heartbeat_s: float = 60.0


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """For metrics; counted since the start.

    Attributes:
        confirmed_seq: through which row the cloud signed to have the audit.
        withheld_rows: sent without a payload that was spoiled or too large.
        is_parted: whether the cloud holds another audit of this POD.
        connections, by_api_key, retained, strange, busy, inbox_dropped: as in `Tallies`.
        dropped_frames: messages that could not be used.
        spoiled_lists: that had another digest than was signed.
        dropped_commands, late_commands: as in `CommandDesk`.
        sent_images, dropped_images: as in `ImageUploader`.
        heartbeats: by HTTPS that the portal heard.
        last_fault: why the last unusable message was so, for people; empty before.
    """

    confirmed_seq: int
    withheld_rows: int
    is_parted: bool
    connections: int
    by_api_key: int
    dropped_frames: int
    retained: int
    strange: int
    busy: int
    inbox_dropped: int
    spoiled_lists: int
    dropped_commands: int
    late_commands: int
    sent_images: int
    dropped_images: int
    heartbeats: int
    last_fault: str


class Agent:
    """One start of a POD's sync. Any thread may call `appended`, `health_changed` and `offer_image`."""

    def __init__(
        self, identity: Identity, ports: PodPorts, *, data_dir: Path, timing: Timing | None = None
    ) -> None:
        """
        Args:
            data_dir: where the identity lies, and its next certificate is written.
        """
        self.session = secrets.token_hex(12)
        self._identity, self._ports, self._data_dir = identity, ports, data_dir
        self._timing = timing or Timing()
        self._chance = random.Random()
        self._side = PodSide(
            identity.pod,
            session=self.session,
            keys=identity.keys,
            audit=ports.audit,
            replica=ports.replica,
            spent=ports.spent,
        )
        self._tallies = Tallies()
        self._desk = CommandDesk(ports.commands, on_answer=self._on_answer, on_fault=ports.on_fault)
        self._images = ImageUploader(self._client, ports.images, on_fault=ports.on_fault)
        self._heartbeat = PortalHeartbeat(
            self._client,
            health=self._health,
            is_needed=lambda: self._state.phase == "connecting",
            on_fault=ports.on_fault,
            every_s=self._timing.heartbeat_s,
        )
        self._thread = threading.Thread(target=self._run, name="sync-agent", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = threading.Event()
        self._stop_asked: asyncio.Event | None = None
        self._visit: Visit | None = None
        self._has_told = False
        self._portal = identity.home.portal
        self._failures = self._silences = 0
        self._refused_tokens: set[BrokerAddress] = set()
        self._state = LinkState("connecting")

    @property
    def state(self) -> LinkState:
        """How it stands now."""
        return self._state

    @property
    def figures(self) -> AgentFigures:
        """As of now, from any thread."""
        side, tallies = self._side, self._tallies
        return AgentFigures(
            confirmed_seq=side.uplink.confirmed.seq,
            withheld_rows=side.uplink.withheld,
            is_parted=side.uplink.is_parted,
            connections=tallies.connections,
            by_api_key=tallies.by_api_key,
            dropped_frames=side.dropped,
            retained=tallies.retained,
            strange=tallies.strange,
            busy=tallies.busy,
            inbox_dropped=tallies.inbox_dropped,
            spoiled_lists=side.replica.spoiled,
            dropped_commands=self._desk.dropped,
            late_commands=self._desk.late,
            sent_images=self._images.sent,
            dropped_images=self._images.dropped,
            heartbeats=self._heartbeat.sent,
            last_fault=side.last_fault,
        )

    def start(self) -> None:
        """Begin, and return at once."""
        for one in (self._desk, self._images, self._heartbeat):
            one.start()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Say farewell and end; whether all of it ended in time."""
        self._is_stopping.set()
        self._in_loop(self._ask_to_stop)
        for one in (self._desk, self._images, self._heartbeat):
            one.stop()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def appended(self) -> None:
        """Rows were just written to the audit."""
        if not self._has_told:
            self._has_told = True
            self._in_loop(self._on_appended)

    def health_changed(self) -> None:
        """Something that `HealthSource` tells is different now."""
        self._in_loop(self._on_health_changed)

    def offer_image(self, image: OfferedImage) -> None:
        """A picture that `ImageSource` has; it is uploaded some time, or dropped for newer ones."""
        self._images.offer(image)

    def _client(self) -> PortalClient:
        return client_of(self._identity, portal=self._portal)

    def _health(self) -> Health:
        return self._ports.health.health(session=self.session, backlog_rows=self._side.uplink.backlog)

    def _in_loop(self, call: Callable[[], object]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop ended just now
                loop.call_soon_threadsafe(call)

    def _on_appended(self) -> None:
        self._has_told = False
        if self._visit is not None:
            self._visit.appended()

    def _on_health_changed(self) -> None:
        if self._visit is not None:
            self._visit.health_changed()

    def _on_answer(self, answer: Answer) -> None:
        def say() -> None:
            if self._visit is not None:
                with suppress(LinkError):  # the cloud asks again
                    self._visit.answered(answer)

        self._in_loop(say)

    def _ask_to_stop(self) -> None:
        if self._stop_asked is not None:
            self._stop_asked.set()
        if self._visit is not None:
            self._visit.leave("stopped")

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._ports.on_fault(error)
        finally:
            self._turn("stopped")

    async def _main(self) -> None:
        self._loop, self._stop_asked = asyncio.get_running_loop(), asyncio.Event()
        self._has_told = False
        async with asyncio.TaskGroup() as tasks:
            renewing = tasks.create_task(
                keep_renewed(
                    self._data_dir,
                    self._identity,
                    portal=lambda: self._portal,
                    on_renewed=self._renewed,
                    on_fault=self._ports.on_fault,
                ),
                name="sync-renew",
            )
            while not self._is_stopping.is_set():
                await self._round()
            renewing.cancel()

    def _renewed(self, identity: Identity) -> None:
        self._identity = identity

    async def _round(self) -> None:
        """Try the brokers of one home, nearest first; then wait a while."""
        try:
            homes = self._ports.homes.load()
            home = homes.to_try(self._failures)
            self._portal = homes.current.portal
            addresses = [BrokerAddress.parse(one) for one in home.brokers]
            if len(addresses) > 1:
                addresses = [*in_order(await round_trips_s(addresses), chance=self._chance)]
            for address in addresses:
                has_others = len(addresses) > 1 or homes.next is not None
                why = await self._try(address, home, addresses, has_others=has_others)
                if why not in (None, "silent"):
                    return  # it was a connection: from the begin, without a wait
        except Exception as error:
            self._trouble("", str(error))
            self._ports.on_fault(error)
        self._failures += 1
        await self._pause(self._failures)

    async def _pause(self, failures: int) -> None:
        timing = self._timing
        most_s = min(timing.again_at_most_s, timing.again_s * 2 ** min(failures - 1, 10))
        assert self._stop_asked is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, most_s)):
                await self._stop_asked.wait()

    async def _try(
        self, address: BrokerAddress, home: Home, addresses: list[BrokerAddress], *, has_others: bool
    ) -> Leaving | None:
        """Connect and stay; why the connection was left, None where it could not be had or broke."""
        if self._is_stopping.is_set():
            return "stopped"
        self._turn("connecting", str(address), self._state.trouble)
        fault: BaseException | None = None
        leaving: Leaving | None = None
        try:
            leaving = await self._stay(address, home, addresses, has_others=has_others)
        except* Exception as group:
            fault = _first(group)
        finally:
            self._visit = None
        if leaving == "silent":
            self._silences += 1
            self._trouble(str(address), f"{address} is there, but the cloud behind it does not answer")
        elif leaving is not None:
            self._failures = 0
        elif fault is not None:
            self._failed(address, fault)
        return leaving

    def _failed(self, address: BrokerAddress, fault: BaseException) -> None:
        self._trouble(str(address), str(fault))
        if not isinstance(fault, LinkError):
            self._ports.on_fault(fault if isinstance(fault, Exception) else RuntimeError(str(fault)))
        elif fault.reason == "refused" and address.scheme == "wss":
            self._refused_tokens ^= {address}  # the other way to show who this is comes next

    async def _stay(
        self, address: BrokerAddress, home: Home, addresses: list[BrokerAddress], *, has_others: bool
    ) -> Leaving:
        pod, timing = self._identity.pod, self._timing
        by_key = address.scheme == "wss" and address in self._refused_tokens
        shown = credentials(
            self._identity,
            address,
            by_key=by_key,
            now=lambda: datetime.now(UTC),
        )
        will = Will(topics.up(pod, "presence"), presence(pod, self.session, online=False))
        async with connect(
            address,
            client_id=pod,
            tls=shown.tls,
            username=shown.username,
            password=shown.password,
            will=will,
        ) as link:
            self._tallies.connections += 1
            self._tallies.by_api_key += by_key
            self._turn("connected", str(address))
            silent_s = min(timing.silent_at_most_s, timing.silent_s * 2 ** min(self._silences, 10))
            visit = self._visit = Visit(
                link,
                self._side,
                self._ports,
                pod=pod,
                session=self.session,
                homes=self._ports.homes.load(),
                home=home,
                desk=self._desk,
                tallies=self._tallies,
                silent_after_s=silent_s if has_others else None,
                on_welcomed=lambda: self._welcomed(address),
            )
            if self._is_stopping.is_set():
                return "stopped"
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(
                    self._look_for_nearer(visit, home, address, addresses), name="sync-nearer"
                )
                leaving = await visit.run()
                looking.cancel()
            return leaving

    def _welcomed(self, address: BrokerAddress) -> None:
        self._failures = self._silences = 0
        self._turn("welcomed", str(address))

    async def _look_for_nearer(
        self, visit: Visit, home: Home, present: BrokerAddress, addresses: list[BrokerAddress]
    ) -> None:
        while True:
            await asyncio.sleep(self._timing.nearer_s * self._chance.uniform(0.5, 1.5))
            if visit.homes.next not in (None, home):
                visit.leave("moved")  # the new address is tried again
            elif len(addresses) > 1 and is_worth_a_move(await round_trips_s(addresses), present):
                visit.leave("nearer")

    def _trouble(self, broker: str, trouble: str) -> None:
        self._turn("connecting", broker, trouble)

    def _turn(self, phase: Phase, broker: str = "", trouble: str = "") -> None:
        state = LinkState(phase, broker, trouble)
        if state != self._state:
            self._state = state
            self._ports.on_state(state)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The fault itself: groups are only how tasks tell of it."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

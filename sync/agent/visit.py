"""One connection to a broker: carries the protocol's frames until it breaks, or is to be left."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from sync.agent.command_desk import CommandDesk
from sync.agent.ports import PodPorts
from sync.mqtt import LinkBusyError, MqttLink
from sync.protocol import topics
from sync.protocol.errors import ProtocolError
from sync.protocol.health import Presence
from sync.protocol.homes import Home, Homes
from sync.protocol.pod_side import Frame, PodSide, Received
from sync.protocol.topics import DownChannel, UpChannel
from sync.protocol.up import Answer, encode_up

HEALTH_S = 60.0
HEALTH_AT_MOST_S = 5.0
"""So often at most a change of the POD's health is told between the regular times."""

_SHORTEST_WAIT_S = 0.02

Leaving = Literal["stopped", "moved", "silent", "nearer"]
"""Why a connection that holds is left: the agent ends; the cloud moves, or is silent; a broker is nearer."""


def boottime_s() -> float:
    """The clock of all that the protocol times: it goes on while the machine sleeps, and nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def presence(pod: str, session: str, *, online: bool) -> bytes:
    """The frame that says whether a POD is there."""
    return encode_up(Presence(session=session, online=online), pod=pod)


@dataclass(slots=True)
class Tallies:
    """What was counted since the start.

    Attributes:
        retained: messages that were ignored since the broker had kept them for whoever comes.
        strange: messages by topics that this POD did not ask for.
        busy: frames that were let go since the broker took too little; the protocol says them again.
        inbox_dropped: messages that came faster than they were taken.
        connections: that were made.
        by_api_key: of them, those where the API key was shown, since the broker took no token.
    """

    retained: int = 0
    strange: int = 0
    busy: int = 0
    inbox_dropped: int = 0
    connections: int = 0
    by_api_key: int = 0


class Visit:
    """For the agent's thread; lives as long as its connection.

    Attributes:
        homes: where the cloud is, as changed meanwhile; each change is on the disk already.
        is_welcomed: the cloud answered.
    """

    def __init__(
        self,
        link: MqttLink,
        side: PodSide,
        ports: PodPorts,
        *,
        pod: str,
        session: str,
        homes: Homes,
        home: Home,
        desk: CommandDesk,
        tallies: Tallies,
        silent_after_s: float | None,
        on_welcomed: Callable[[], None],
    ) -> None:
        """
        Args:
            home: whose broker this is.
            silent_after_s: leave where the cloud does not answer for so long; None: there is no other broker.
        """
        self.homes = homes
        self.is_welcomed = False
        self._link, self._side, self._ports = link, side, ports
        self._pod, self._session, self._home = pod, session, home
        self._desk, self._tallies = desk, tallies
        self._silent_after_s = silent_after_s
        self._on_welcomed = on_welcomed
        self._answered_s = boottime_s()
        self._health_due_s = self._answered_s
        self._health_said_s = float("-inf")
        self._news = asyncio.Event()
        self._has_appended = False
        self._leaving: Leaving | None = None
        self._confirmed: int | None = None

    async def run(self) -> Leaving:
        """Until it is to be left; says farewell then.

        Raises:
            LinkError: the connection ended.
            Exception: what a port raised.
        """
        link, pod = self._link, self._pod
        channels: Sequence[DownChannel] = get_args(DownChannel)
        await link.subscribe([topics.down(pod, channel) for channel in channels])
        link.publish(topics.up(pod, "presence"), presence(pod, self._session, online=True), retain=True)
        self._side.connected(boottime_s())
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(), name="sync-read")
                leaving = await self._drive()
                reading.cancel()
            link.publish(topics.up(pod, "presence"), presence(pod, self._session, online=False), retain=True)
            return leaving
        finally:
            self._side.disconnected()
            self._tallies.inbox_dropped += link.dropped

    def leave(self, why: Leaving) -> None:
        """End it in order."""
        self._leaving = self._leaving or why
        self._news.set()

    def appended(self) -> None:
        """Rows were written."""
        self._has_appended = True
        self._news.set()

    def health_changed(self) -> None:
        """Tell the cloud soon."""
        self._health_due_s = min(self._health_due_s, self._health_said_s + HEALTH_AT_MOST_S)
        self._news.set()

    def answered(self, answer: Answer) -> None:
        """A command was carried out."""
        self._publish([self._side.answered(answer)])

    async def _drive(self) -> Leaving:
        while self._leaving is None:
            self._news.clear()
            now_s = boottime_s()
            if self._has_appended:
                self._has_appended = False
                self._side.appended(now_s)
            self._publish(self._side.poll(now_s))
            if now_s >= self._health_due_s:
                self._say_health(now_s)
            silent_s = float("inf")
            if self._silent_after_s is not None:
                silent_s = self._answered_s + self._silent_after_s
            if now_s >= silent_s:
                return "silent"
            due_s = min(self._side.due_s(), self._health_due_s, silent_s)
            try:
                async with asyncio.timeout(max(_SHORTEST_WAIT_S, due_s - now_s)):
                    await self._news.wait()
            except TimeoutError:
                pass
        return self._leaving

    async def _read(self) -> None:
        async for message in self._link.messages():
            if message.retained:
                self._tallies.retained += 1
            else:
                self._receive(message.topic, message.payload)
            await asyncio.sleep(0)  # what is due is not to wait for the end of a flood

    def _receive(self, topic: str, content: bytes) -> None:
        channel = self._channel(topic)
        if channel is None:
            self._tallies.strange += 1
            return
        now_s = boottime_s()
        self._take(self._side.receive(channel, content, now_s), now_s)
        self._news.set()

    def _channel(self, topic: str) -> DownChannel | None:
        try:
            told = topics.parse(topic)
        except ProtocolError:
            return None
        if told.pod != self._pod or told.direction != "down":
            return None
        return next(channel for channel in get_args(DownChannel) if channel == told.channel)

    def _take(self, received: Received, now_s: float) -> None:
        self._publish(received.frames)
        if received.carry_out is not None:
            latest_s = self._side.clock.latest_s(now_s)
            if latest_s is not None:
                before_s = now_s + received.carry_out.expires_s - latest_s
                self._desk.carry_out(received.carry_out, before_s=before_s)
        if received.rehome is not None:
            told = self.homes.told(received.rehome)
            if told != self.homes:
                self._save(told)
                self.leave("moved")
        if received.is_welcome:
            self._welcomed(received.confirmed_s, now_s)

    def _welcomed(self, confirmed_s: float | None, now_s: float) -> None:
        self._answered_s = now_s
        homes = self.homes.welcomed(self._home)
        if homes != self.homes:
            self._save(homes)
        confirmed = self._side.uplink.confirmed.seq
        if confirmed != self._confirmed:
            self._ports.on_confirmed(confirmed)
            self._confirmed = confirmed
        if confirmed_s is not None:
            self._ports.on_list_confirmed(confirmed_s)
        if not self.is_welcomed:
            self.is_welcomed = True
            self._on_welcomed()

    def _save(self, homes: Homes) -> None:
        self._ports.homes.save(homes)
        self.homes = replace(homes)

    def _say_health(self, now_s: float) -> None:
        self._health_due_s, self._health_said_s = now_s + HEALTH_S, now_s
        try:
            health = self._ports.health.health(session=self._session, backlog_rows=self._side.uplink.backlog)
            frame = Frame("health", encode_up(health, pod=self._pod))
        except Exception as error:  # rows and lists do not wait for it
            self._ports.on_fault(error)
            return
        self._publish([frame])

    def _publish(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            channel: UpChannel = frame.channel
            try:
                self._link.publish(topics.up(self._pod, channel), frame.content)
            except LinkBusyError:
                self._tallies.busy += 1

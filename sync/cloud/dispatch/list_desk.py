"""Bring each POD to its community's newest list: tell those that lag behind, answer those that ask."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sync.cloud.allowance import Allowance
from sync.cloud.database import Connection
from sync.cloud.dispatch.lists import ListMoment, read_changes, read_state, read_whole
from sync.cloud.dispatch.post import Post
from sync.cloud.dispatch.receipts import Lagging, community_of, lagging_pods
from sync.cloud.incidents import Incident
from sync.protocol.down import ListDelta
from sync.protocol.errors import ProtocolError
from sync.protocol.limits import MAX_STEPS
from sync.protocol.listing import answer_want, delta_from
from sync.protocol.topics import shard_of
from sync.protocol.up import ListState, WantList

LOOK_EVERY_S = 5.0
"""Lists are looked at so often also where nobody told of a change: whoever told may have been cut off."""

SOON_S = 0.05
"""Changes that come together go together."""

AGAIN_S, AGAIN_AT_MOST_S = 5.0, 300.0
"""A POD that says nothing is told again, ever more seldom: it may be off."""

MOST_WANTS = 20_000
MOST_KEPT_ENTRIES = 200_000
_FRESH_S = 10.0
_LEAST_COST = 0.1


@dataclass(frozen=True, slots=True)
class _Told:
    """What a POD was told last, and when it is told again."""

    to: ListState
    at_s: float
    tries: int

    def is_due(self, now_s: float) -> bool:
        return now_s >= self.at_s + min(AGAIN_AT_MOST_S, AGAIN_S * 2.0 ** min(self.tries, 10))


class ListDesk:
    """The lists of the PODs that this worker serves, over one connection to the database."""

    def __init__(
        self,
        conn: Connection,
        post: Post,
        *,
        owned: Callable[[], frozenset[str]],
        note: Callable[[Incident], None],
        counts: Counter[str],
    ) -> None:
        """
        Args:
            conn: for this object alone.
            owned: the shards that this worker serves now.
            note: told of what a person has to look at.
        """
        self._conn = conn
        self._lock = asyncio.Lock()
        self._post = post
        self._owned = owned
        self._note = note
        self._counts = counts
        self._clock_s = asyncio.get_running_loop().time
        self._changed: set[str] = set()
        self._is_all_changed = False
        self._is_changed = asyncio.Event()
        self._told: dict[str, _Told] = {}
        self._wants: OrderedDict[str, WantList] = OrderedDict()
        self._is_asked = asyncio.Event()
        self._wholes: OrderedDict[str, ListMoment] = OrderedDict()
        self._allowance = Allowance(at_once=4, per_s=1 / 15)

    def changed(self, community: str) -> None:
        """A list has a new version."""
        self._changed.add(community)
        self._is_changed.set()

    def all_changed(self) -> None:
        """Nobody knows what was missed: every POD that lags behind is told again."""
        self._told.clear()
        self._is_all_changed = True
        self._is_changed.set()

    def want(self, pod: str, want: WantList) -> None:
        """A POD asks for its list; a later question takes the place of an earlier one."""
        if pod not in self._wants and len(self._wants) >= MOST_WANTS:
            self._counts["wants_dropped"] += 1
            return
        self._wants[pod] = want
        self._is_asked.set()

    async def tell(self) -> None:
        """Tell PODs of changes, until cancelled; raises psycopg.Error."""
        next_look_s = self._clock_s()
        while True:
            try:
                async with asyncio.timeout_at(next_look_s):
                    await self._is_changed.wait()
                await asyncio.sleep(SOON_S)
                some = None if self._is_all_changed else frozenset(self._changed)
            except TimeoutError:
                some = None
            self._changed.clear()
            self._is_all_changed = False
            self._is_changed.clear()
            await self._tell_round(some)
            if some is None:
                next_look_s = self._clock_s() + LOOK_EVERY_S

    async def answer(self) -> None:
        """Answer PODs that ask, one after the other, until cancelled; raises psycopg.Error."""
        while True:
            await self._is_asked.wait()
            while self._wants:
                await self._answer(*self._wants.popitem(last=False))
            self._is_asked.clear()

    async def _tell_round(self, communities: frozenset[str] | None) -> None:
        async with self._lock:
            lagging = await lagging_pods(self._conn, communities)
        owned = self._owned()
        lagging = [one for one in lagging if shard_of(one.pod) in owned]
        if communities is None:
            known = {one.pod for one in lagging}
            self._told = {pod: told for pod, told in self._told.items() if pod in known}
        groups: dict[tuple[str, ListState], list[str]] = {}
        for one in lagging:
            told = self._told.get(one.pod)
            if told is None or told.to != one.now or told.is_due(self._clock_s()):
                base = self._base(one, told)
                groups.setdefault((one.community, base), []).append(one.pod)
        for (community, base), pods in groups.items():
            await self._tell_group(community, base, pods)

    def _base(self, one: Lagging, told: _Told | None) -> ListState:
        """The list that a POD has now, as far as can be guessed: a receipt may be on its way."""
        if told is not None and told.to != one.now and self._clock_s() < told.at_s + _FRESH_S:
            return told.to
        return one.has

    async def _tell_group(self, community: str, base: ListState, pods: list[str]) -> None:
        async with self._lock:
            moment = await read_changes(self._conn, community, since=base.version)
        # A delta that leads nowhere makes a POD ask for what it needs.
        delta = delta_from(moment, base) or ListDelta(since=moment.now, to=moment.now, put=[], gone=[])
        for pod in await self._post.tell_in_time(pods, delta):
            before = self._told.get(pod)
            tries = before.tries + 1 if before is not None and before.to == moment.now else 0
            self._told[pod] = _Told(moment.now, self._clock_s(), tries)

    async def _answer(self, pod: str, want: WantList) -> None:
        async with self._lock:
            community = await community_of(self._conn, pod)
            if community is None:
                self._counts["wants_dropped"] += 1
                return
            moment = await read_changes(self._conn, community, since=want.has.version)
        if want.has == moment.now:
            return
        delta = delta_from(moment, want.has) if want.missing is None else None
        if delta is not None:
            await self._post.tell_in_time([pod], delta)
            return
        if self._allowance.takes(pod, self._clock_s(), cost=_cost(want, moment.count)):
            await self._send_whole(pod, community, want)
        else:
            self._note(Incident(pod, "flood", "it asks for its whole list again and again", line=0))
            self._counts["wants_dropped"] += 1

    async def _send_whole(self, pod: str, community: str, want: WantList) -> None:
        moment = await self._whole(community)
        try:
            chunks = await asyncio.to_thread(answer_want, moment, want)
        except ProtocolError as error:
            self._note(Incident(pod, "list", f"the list cannot be sent: {error}", line=0))
            return
        for chunk in chunks:
            if not await self._post.tell_in_time([pod], chunk):
                return

    async def _whole(self, community: str) -> ListMoment:
        """The whole list; where many PODs ask for the same one, it is read once."""
        async with self._lock:
            now = await read_state(self._conn, community)
            kept = self._wholes.pop(community, None)
            moment = kept if kept is not None and kept.now == now else await read_whole(self._conn, community)
        self._wholes[community] = moment
        while len(self._wholes) > 1 and sum(m.count for m in self._wholes.values()) > MOST_KEPT_ENTRIES:
            self._wholes.popitem(last=False)
        return moment


def _cost(want: WantList, count: int) -> float:
    """The part of a list of so many entries that a POD asks for, in whole lists."""
    if want.missing is None:
        return 1.0
    return min(1.0, max(_LEAST_COST, len(want.missing) * MAX_STEPS / max(count, 1)))

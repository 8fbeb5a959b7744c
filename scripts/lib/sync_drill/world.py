"""One POD, one cloud and the network between: bad times, then good ones, then judgement."""

from dataclasses import dataclass
from functools import partial

from sync.protocol.chain import START, link_of
from sync.protocol.commands import AHEAD_S
from sync.protocol.lists import digest_of_list
from sync.protocol.pod_side import PodSide
from sync.protocol.uplink import LIVE_S
from sync_drill.chaos import Chaos, Faults
from sync_drill.cloud_process import LIFE_S, PINNED, CloudProcess
from sync_drill.pod_process import PodProcess

_STEP_S = 0.25
_CALM_S = 900.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a world.

    Attributes:
        losses: each promise that was broken, in words.
        rows, commands, carried_out, lists: how much there was to lose.
    """

    losses: list[str]
    rows: int
    commands: int
    carried_out: int
    lists: int


class World:
    """The two halves and their luck."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.chaos = Chaos(seed, faults)
        self.pod = PodProcess(self.chaos, PINNED)
        self.cloud = CloudProcess(self.chaos)
        self.pod.to_cloud = self.cloud.receive
        self.cloud.to_pod = self.pod.receive
        self._is_bad = True
        self.chaos.after(_STEP_S, self._tick)

    def run(self, bad_s: float) -> Verdict:
        """Bad times for so long, then a network without faults until all is settled, and the verdict."""
        chaos = self.chaos
        while chaos.now_s < bad_s:
            chaos.step()
        self._is_bad, chaos.faults = False, Faults()
        end_s = chaos.now_s + _CALM_S
        while chaos.now_s < end_s and not self._is_settled():
            for _ in range(20):
                chaos.step()
        return self._verdict()

    def _tick(self) -> None:
        """What happens by itself: rows, changes of the list, commands, and misfortune."""
        chaos, chance = self.chaos, self.chaos.chance
        chaos.after(_STEP_S, self._tick)
        self.cloud.tick()
        if not self._is_bad:
            if not self.pod.is_connected and self.pod.side is not None:
                self.pod.connect()
            return
        if chance.random() < 0.25:
            for _ in range(chance.choice((1, 1, 2, 3, 40))):
                self.pod.write("decision", plate=chaos.name())
        if chance.random() < 0.05:
            self.cloud.turn()
        if chance.random() < 0.05:
            self.cloud.command()
        if chance.random() < 0.03:
            self.pod.keep_copy()
        if chance.random() < 0.03:
            self.cloud.keep_copy()
        self._misfortune()

    def _misfortune(self) -> None:
        chaos, faults = self.chaos, self.chaos.faults
        if self.pod.is_connected and chaos.happens(faults.partitions_a_minute, step_s=_STEP_S):
            chaos.met["partitions"] += 1
            self.pod.disconnect()
            chaos.after(chaos.chance.uniform(0.1, 40), partial(self._heal, self.pod.side))
        if chaos.happens(faults.cloud_restores_a_minute, step_s=_STEP_S):
            chaos.met["databases restored"] += 1
            self.cloud.restore()
        if self.pod.side is not None and chaos.happens(faults.pod_restores_a_minute, step_s=_STEP_S):
            chaos.met["PODs restored"] += 1
            self.pod.restore()
        if chaos.happens(faults.clock_steps_a_minute, step_s=_STEP_S):
            chaos.met["clocks set"] += 1
            self.cloud.step_s += chaos.chance.choice((-3600.0, -20.0, -1.0, 1.0, 20.0, 3600.0))

    def _heal(self, side: PodSide | None) -> None:
        """End a partition, unless the POD's program ended before."""
        if side is not None and side is self.pod.side:
            self.pod.connect()

    def _is_settled(self) -> bool:
        cloud, pod = self.cloud.disk, self.pod.disk
        return (
            self.pod.side is not None
            and cloud.line.spans == cloud.line.spans[:1]
            and cloud.line.through == pod.head() == self.pod.side.uplink.confirmed
            and cloud.state() == pod.listed == cloud.told
            and self.pod.side.replica.confirmed
            and not self.cloud.is_waiting
        )

    def _verdict(self) -> Verdict:
        losses = [*self._rows_lost(), *self._lists_apart(), *self._commands_broken(), *self._false_news()]
        if not self._is_settled():
            losses.append("not settled in time")
        done = sum(map(len, self.pod.done.values()))
        disk = self.cloud.disk
        return Verdict(losses, len(disk.table), len(self.cloud.issued), done, len(disk.log))

    def _rows_lost(self) -> list[str]:
        losses, disk, pod = [], self.cloud.disk, self.pod.disk
        links = [row.link for _, row in disk.table]
        if len(links) != len(set(links)):
            losses.append(f"{len(links) - len(set(links))} rows are in the cloud twice")
        on_line = disk.on_line()
        missing = [row.seq for row in pod.audit if on_line.get(row.seq) != row]
        if missing:
            losses.append(f"{len(missing)} rows did not come as they are, the first {missing[0]}")
        link = START.link
        for seq in sorted(on_line):
            row = on_line[seq]
            link = link_of(link, seq, ts_us=row.ts_us, kind=row.kind, digest=row.digest)
            if link != row.link:
                losses.append(f"the chain breaks at row {seq}")
                break
        return losses

    def _lists_apart(self) -> list[str]:
        cloud, pod = self.cloud.disk, self.pod.disk
        if cloud.entries != pod.entries:
            return ["the lists are apart"]
        if pod.went_back and not self.chaos.met["databases restored"]:
            return [f"an older list was put in force {pod.went_back} times"]
        if digest_of_list(pod.entries.items()) != pod.listed.digest:
            return ["the list is not what its digest says"]
        return []

    def _commands_broken(self) -> list[str]:
        losses = []
        stepped = self.chaos.met["clocks set"] > 0
        late_s = LIFE_S + (45.0 + AHEAD_S if stepped else 0.05)
        for command_id, times in self.pod.done.items():
            if len(times) > 1:
                losses.append(f"a command ran {len(times)} times")
            age_s = times[-1] - self.cloud.issued[command_id]
            if age_s > late_s:
                losses.append(f"a command ran {age_s:.1f} s after its issue")
            if command_id in self.cloud.told_refused - self.pod.forgot:
                losses.append("a command ran that was told refused")
        for command_id, (_, answer) in self.cloud.disk.commands.items():
            if answer is not None and answer.result == "commanded" and command_id not in self.pod.done:
                losses.append("a command is told that never ran")
        return losses

    def _false_news(self) -> list[str]:
        if self.chaos.met["clocks set"]:
            return []
        ages_s = [at_s - self.pod.made[link] for link, at_s in self.cloud.news]
        late = [age_s for age_s in ages_s if age_s > 2 * LIVE_S + 0.1]
        return [f"{len(late)} old rows were taken for news, the oldest of {max(late):.1f} s"] if late else []

"""Time, chance, and what goes wrong in one simulated world."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


class CrashError(Exception):
    """One half loses its memory here, and keeps what it made durable."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong, as probabilities unless the name says otherwise.

    Attributes:
        crash: at each point between two durable steps or messages.
        late: a frame takes up to `late_s` instead of a fraction of a second.
        replay: an old frame comes once more, for each frame that is sent.
        a_minute: of partitions, restored databases, restored PODs and clocks set; how many a minute.
    """

    drop: float = 0.0
    double: float = 0.0
    late: float = 0.0
    late_s: float = 40.0
    replay: float = 0.0
    crash: float = 0.0
    partitions_a_minute: float = 0.0
    cloud_restores_a_minute: float = 0.0
    pod_restores_a_minute: float = 0.0
    clock_steps_a_minute: float = 0.0


class Chaos:
    """A world's clock and its bad luck, the same for a seed.

    Attributes:
        now_s: true time, seconds since the beginning.
        met: faults by kind.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        self.chance = random.Random(seed)
        self.faults = faults
        self.now_s = 0.0
        self.met: Counter[str] = Counter()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, wait_s: float, do: Callable[[], None]) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._agenda, (self.now_s + wait_s, self._count, do))

    def step(self) -> None:
        """Do what is due next."""
        self.now_s, _, do = heapq.heappop(self._agenda)
        do()

    def crash_point(self, who: str) -> None:
        """Raises: CrashError: here, by chance."""
        self.met["crash points passed"] += 1
        if self.chance.random() < self.faults.crash:
            self.met[f"crashes of the {who}"] += 1
            raise CrashError

    def happens(self, a_minute: float, *, step_s: float) -> bool:
        """Whether something that comes so often comes in this stretch of time."""
        return self.chance.random() < a_minute * step_s / 60

    def name(self) -> str:
        """A name nothing else has."""
        return f"{self.chance.getrandbits(64):016x}"

    def deliver(self, kind: str, frame: bytes, hand_over: Callable[[bytes], None], past: list[bytes]) -> None:
        """Send a frame through the network.

        Args:
            past: frames that went the same way before, for replays.
        """
        past.append(frame)
        del past[:-200]
        faults = self.faults
        if self.chance.random() < faults.replay:
            old = self.chance.choice(past)
            self.met[f"{kind} frames replayed"] += 1
            self.after(self.chance.uniform(0, 5), lambda: hand_over(old))
        if self.chance.random() < faults.drop:
            self.met[f"{kind} frames dropped"] += 1
            return
        copies = 1
        if self.chance.random() < faults.double:
            self.met[f"{kind} frames doubled"] += 1
            copies = 2
        for _ in range(copies):
            wait_s = self.chance.uniform(0.005, 0.3)
            if self.chance.random() < faults.late:
                self.met[f"{kind} frames late"] += 1
                wait_s = self.chance.uniform(1, faults.late_s)
            self.after(wait_s, lambda: hand_over(frame))

"""A street with a gate, in numbers: cars drive up, stop, are let in or turn away; a camera sees them
imperfectly.

Everything a camera gets wrong is here: missed detections in bursts, jittering boxes, illegible far plates,
misread characters. The clock is virtual and the randomness seeded, so every run of a seed is the same.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from pod.domain.access import Decision, decide
from pod.domain.approach import Action, Approaches
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Evidence
from pod.domain.index import AccessIndex
from pod.domain.plates import match_key
from pod.domain.policy import Policy
from pod.domain.reads import ALPHABET, SLOTS, Box, PlateRead
from pod.domain.situation import Situation
from pod.domain.tracking import Tracker

STEP_S = 0.1
STOP_LINE_M = 6.0
CAR_LENGTH_M = 6.0
FRAME = {"frame_width_px": 1920, "frame_height_px": 1080}
LOOK_ALIKES = {"8": "B", "B": "8", "5": "S", "S": "5", "2": "Z", "Z": "2", "1": "7", "C": "G", "D": "0"}


@dataclass
class Car:
    """One car: when it comes and what happens to it."""

    plate: str
    comes_s: float
    speed_mps: float = 4.0
    lane_px: float = 0.0
    parked: bool = False
    distance_m: float = 30.0
    gone: bool = False
    passed: bool = False
    waits_since_s: float | None = None

    def box(self) -> Box:
        width = 900 / self.distance_m
        x, y = 960 + self.lane_px, 200 + 3000 / self.distance_m
        return (x - width / 2, y - width / 8, x + width / 2, y + width / 8)


@dataclass
class Faults:
    """How bad the camera is; chances are per car and frame."""

    missed: float = 0.05
    burst: float = 0.01
    burst_s: float = 0.8
    jitter: float = 0.02
    misread: float = 0.05


@dataclass
class Street:
    """Runs the cars past the real tracker, evidence and approaches, and keeps what they asked for."""

    cars: list[Car]
    listed: set[str]
    seed: int = 1
    direction: str = "in"
    faults: Faults = field(default_factory=Faults)
    open_s: float = 6.0
    pause_s: float = 5.0
    reconnects_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.now_s = 0.0
        self.noise = random.Random(self.seed)
        self.tracker = Tracker()
        self.approaches = Approaches(
            "gate", self.direction, deny_after_s=1.5, reapproach_s=60, last_grants={}
        )
        self.evidence: dict[int, Evidence] = {}
        self.pulses: list[tuple[float, str]] = []
        self.recorded: list[Decision] = []
        self.reads = 0
        self._blind_until_s: dict[int, float] = {}

    def run(self, seconds: float) -> "Street":
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            self._drive()
            if any(abs(self.now_s - r) < STEP_S / 2 for r in self.reconnects_s):
                self._end(self.tracker.session_started(self.now_s))
            self._look()
        return self

    def pulses_for(self, plate: str) -> int:
        return sum(match_key(opened) == match_key(plate) for _, opened in self.pulses)

    @property
    def gate_is_open(self) -> bool:
        return bool(self.pulses) and self.now_s - self.pulses[-1][0] < self.open_s

    def _drive(self) -> None:
        ahead_m = -100.0
        for car in self.cars:
            if car.gone or car.comes_s > self.now_s or car.parked:
                continue
            target_m = -10.0 if self.gate_is_open and car.distance_m <= STOP_LINE_M + 3 else STOP_LINE_M
            if car.distance_m < STOP_LINE_M - 1e-6:
                target_m = -10.0
            target_m = max(target_m, ahead_m + CAR_LENGTH_M)
            moved_m = min(car.speed_mps * STEP_S, max(0.0, car.distance_m - target_m))
            car.distance_m -= moved_m
            ahead_m = car.distance_m
            if car.distance_m <= 2.0:
                car.gone = car.passed = True
                ahead_m = -100.0
            elif moved_m == 0 and car.distance_m <= STOP_LINE_M + 0.1:
                car.waits_since_s = car.waits_since_s or self.now_s
                # Nobody waits for ever; the refused car turns round where it stands.
                car.gone = self.now_s - car.waits_since_s > 15

    def _look(self) -> None:
        seen = [car for car in self.cars if self._shows(car)]
        boxes = [self._jittered(car.box()) for car in seen]
        update = self.tracker.update(self.now_s, boxes, **FRAME)
        for car, track in zip(seen, update.assigned, strict=True):
            decision = None
            if self.approaches.wants_read(track, self.now_s):
                self.reads += 1
                evidence = self.evidence.setdefault(track.id, Evidence())
                evidence.add(self._read(car))
                decision = self._decide(evidence)
            for step in self.approaches.observe(self.now_s, track, decision):
                self._act(step)
        self._end(update.ended)

    def _end(self, tracks) -> None:
        for track in tracks:
            self.evidence.pop(track.id, None)
            for step in self.approaches.ended(self.now_s, track):
                self._act(step)

    def _act(self, step) -> None:
        self.recorded.append(step.decision)
        if step.action is not Action.OPEN:
            assert step.decision.verdict is Verdict.DENY
            return
        if self.pulses and self.now_s < self.pulses[-1][0] + self.pause_s:
            self.approaches.gate_busy(step.approach_id, self.pulses[-1][0] + self.pause_s)
        else:
            self.pulses.append((self.now_s, step.decision.plate))
            self.approaches.gate_opened(step.approach_id, self.now_s)

    def _decide(self, evidence: Evidence) -> Decision:
        consensus = evidence.consensus()
        index = AccessIndex(Entry(match_key(p), p, Verdict.ALLOW, EntryType.RESIDENT) for p in self.listed)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        situation = Situation(camera="entrance", gate="main", now=now)
        return decide(consensus, index.candidates(consensus), situation=situation, policy=Policy())

    def _shows(self, car: Car) -> bool:
        if car.gone or car.comes_s > self.now_s:
            return False
        if self.noise.random() < self.faults.burst:
            self._blind_until_s[id(car)] = self.now_s + self.faults.burst_s
        return self.now_s >= self._blind_until_s.get(id(car), 0) and self.noise.random() >= self.faults.missed

    def _jittered(self, box: Box) -> Box:
        width = (box[2] - box[0]) * max(0.5, 1 + self.noise.gauss(0, self.faults.jitter))
        x = (box[0] + box[2]) / 2 + self.noise.gauss(0, self.faults.jitter) * width
        y = (box[1] + box[3]) / 2 + self.noise.gauss(0, self.faults.jitter) * width / 2
        return (x - width / 2, y - width / 8, x + width / 2, y + width / 8)

    def _read(self, car: Car) -> PlateRead:
        legible = min(1.0, max(0.0, (900 / car.distance_m - 35) / 45))
        text, sure = list(car.plate), 0.3 + 0.68 * legible
        for i, c in enumerate(text):
            if self.noise.random() < (1 - legible) * 0.5:
                text[i] = self.noise.choice(ALPHABET[:-1])
            elif c in LOOK_ALIKES and self.noise.random() < self.faults.misread:
                text[i] = LOOK_ALIKES[c]
        if self.noise.random() < self.faults.misread / 2:
            text = text[1:]
        sure = min(0.995, max(0.05, sure + self.noise.gauss(0, 0.05)))
        slots = np.full((SLOTS, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), dtype=np.float32)
        for i, c in enumerate("".join(text).ljust(SLOTS, "_")):
            slots[i, ALPHABET.index(c)] = sure
        return PlateRead(car.box(), 0.9, "".join(text), sure, slots)

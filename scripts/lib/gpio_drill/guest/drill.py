"""The drill itself: the shipped guard and driver on a simulated chip; ordinary pulses, then every failure.

It judges nothing: it says what it did and when, and the kernel's own record of the wires goes with it.
"""

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import gpiod

from gpio_drill.guest import edge_source
from gpio_drill.guest.records import Records
from gpio_drill.guest.sim_chip import Pull, SimChip
from pod.config import GateConfig
from pod.config_gates import GpioConfig, InputConfig
from pod.gate.gate_watch import OnFact
from pod.gate.guard_client import GuardClient
from pod.gate.pulse import PulseEnd

LABEL = "drill-gate-chip"
RUN_DIR = Path("/tmp/run")
PULSE_MS = 200
PULSES = 50
KILLS = 30
FREEZES = 10
RESTARTS = 10
TIMER_SAMPLES = 500
PULSES_APART_S = 0.02
"""The first pulse of two begins this much before the second at most, so that a strike meets both."""

HIGH = GateConfig(
    name="high",
    driver="gpio",
    pulse_ms=PULSE_MS,
    gpio=GpioConfig(chip=LABEL, line="RELAY_HIGH", bias="pull_down"),
)
LOW = GateConfig(
    name="low",
    driver="gpio",
    pulse_ms=PULSE_MS,
    gpio=GpioConfig(chip=LABEL, line="4", active_low=True, bias="pull_up"),
)
GATES = (HIGH, LOW)
WIRING: dict[str, tuple[int, Pull]] = {"high": (3, "pull-down"), "low": (4, "pull-up")}
"""Gate -> offset of its line, and the resistor that brings the wire to rest while nobody drives it."""

HELD_OFFSET = 5
CONTACT_OFFSET = 6
WITH_CONTACT = HIGH.model_copy(
    update={
        "inputs": (
            InputConfig(shows="closed", chip=LABEL, line=str(CONTACT_OFFSET), active_low=True, bias="as_is"),
        )
    }
)
"""The gate whose contact connects its line to ground while the gate is closed."""

MOVES = 5
BOUNCES = 6
BOUNCE_S = 0.002


class Drill:
    """The scenarios, in order. Each leaves no process behind."""

    def __init__(self, records: Records, chip: SimChip) -> None:
        self._records = records
        self._chip = chip
        self._random = random.Random(20_261)
        self._serial = 0

    def run(self) -> None:
        for scenario in (
            self.timer_lateness,
            self.ordinary_pulses,
            self.line_held_by_another,
            self.chip_missing,
            self.starts_without_a_request,
            self.contact_tells_of_the_gate,
            self.guard_killed,
            self.guard_frozen,
            self.guard_told_to_stop,
            self.pod_killed,
            self.pod_frozen,
        ):
            print(f"drill: {scenario.__name__.replace('_', ' ')}", flush=True)
            self._records.say("scenario", name=scenario.__name__)
            scenario()
            self._sample()

    def timer_lateness(self) -> None:
        """How late this machine wakes a sleeper: the yardstick beside every figure."""
        late_ns = []
        for _ in range(TIMER_SAMPLES):
            began_ns = time.monotonic_ns()
            time.sleep(0.01)
            late_ns.append(time.monotonic_ns() - began_ns - 10_000_000)
        self._records.say("lateness", worst_ns=max(late_ns), median_ns=sorted(late_ns)[len(late_ns) // 2])

    def ordinary_pulses(self) -> None:
        with self._client(*GATES) as client:
            for _ in range(PULSES // len(GATES)):
                for gate in GATES:
                    self._pulse(client, gate).wait(5)

    def line_held_by_another(self) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-I", "-m", "gpio_drill.guest.holder", self._chip.device, str(HELD_OFFSET)],
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        self._refused("busy", line=str(HELD_OFFSET), chip=LABEL, names="another-program")
        holder.kill()
        holder.wait()

    def chip_missing(self) -> None:
        self._refused("missing_chip", line="3", chip="no-such-chip", names=LABEL)
        self._refused("missing_line", line="NO_SUCH_LINE", chip=LABEL, names="NO_SUCH_LINE")

    def starts_without_a_request(self) -> None:
        for _ in range(RESTARTS):
            with self._client(*GATES):
                self._sample()
            self._sample()

    def contact_tells_of_the_gate(self) -> None:
        """A contact that bounces leaves its end after each pulse, and once without any."""
        facts: Counter[str] = Counter()
        self._chip.pull(CONTACT_OFFSET, "pull-down")
        with self._client(WITH_CONTACT, on_fact=lambda fact: facts.update([fact.fact])) as client:
            self._until(lambda: client.facts("high").levels.get("closed") is True, "the contact to be seen")
            facts.clear()
            for _ in range(MOVES):
                self._pulse(client, WITH_CONTACT).wait(5)
                self._move(facts, until="moved")
            time.sleep(WITH_CONTACT.open_within_s + 1)  # Then the last command explains no movement any more.
            self._move(facts, until="forced")
        self._records.say("facts", counts=dict(facts), moves=MOVES)

    def guard_killed(self) -> None:
        self._strike_guards(signal.SIGKILL, KILLS)

    def guard_frozen(self) -> None:
        """The client has to notice, and end the guard."""
        self._strike_guards(signal.SIGSTOP, FREEZES)

    def guard_told_to_stop(self) -> None:
        self._strike_guards(signal.SIGTERM, FREEZES)

    def pod_killed(self) -> None:
        for _ in range(KILLS):
            self._strike_pod(signal.SIGKILL)

    def pod_frozen(self) -> None:
        for _ in range(FREEZES):
            self._strike_pod(signal.SIGSTOP)

    @contextlib.contextmanager
    def _client(self, *gates: GateConfig, on_fact: OnFact | None = None) -> Iterator[GuardClient]:
        self._records.say("start")
        client = GuardClient.start(gates, RUN_DIR, on_fact=on_fact)
        try:
            yield client
        finally:
            client.close()

    def _pulse(self, client: GuardClient, gate: GateConfig) -> threading.Event:
        """Ask for a pulse and return when the line is active; the event comes with its end."""
        self._serial += 1
        pulse_id = f"p{self._serial}"
        ended = threading.Event()

        def on_end(end: PulseEnd) -> None:
            ended.set()

        self._records.say("request", gate=gate.name, pulse=pulse_id)
        client.pulse(gate.name, pulse_id, on_end=on_end)
        return ended

    def _strike_guards(self, how: signal.Signals, times: int) -> None:
        """Strike one guard after the other in the middle of a pulse on every line that it holds."""
        with self._client(*GATES) as client:
            for _ in range(times):
                pid = client.pid
                assert pid is not None
                ends = [self._pulse(client, gate) for gate in GATES]
                self._sleep_into_the_pulses()
                self._strike("guard", pid, how)
                for ended in ends:
                    ended.wait(5)
                self._sample()
                self._until(functools.partial(_is_replaced, client, pid), "the guard to be started again")

    def _strike_pod(self, how: signal.Signals) -> None:
        """A pod of its own that pulses every line once; forked, so that no time is lost on imports."""
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._be_the_pod(tell)
        os.close(tell)
        guard_pid = int(os.read(told, 64))
        os.close(told)
        self._sleep_into_the_pulses()
        self._strike("pod", pid, how)
        if how is signal.SIGSTOP:
            time.sleep(PULSE_MS / 1000 + 0.5)
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._until(lambda: not Path(f"/proc/{guard_pid}").exists(), "the guard to follow its pod")
        self._sample()

    def _be_the_pod(self, tell: int) -> NoReturn:
        try:
            with self._client(*GATES) as client:
                for gate in GATES:
                    self._pulse(client, gate)
                os.write(tell, f"{client.pid}\n".encode())
                signal.pause()
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def _sleep_into_the_pulses(self) -> None:
        time.sleep(self._random.uniform(0, PULSE_MS / 1000 - PULSES_APART_S))

    def _strike(self, target: str, pid: int, how: signal.Signals) -> None:
        at_ns = time.monotonic_ns()
        os.kill(pid, how)
        self._records.say("strike", t_ns=at_ns, target=target, how=how.name)

    def _bounce_to(self, pull: Pull) -> None:
        """Change the contact as contacts do: back and forth for some milliseconds before it rests."""
        for _ in range(BOUNCES // 2):
            for level in ("pull-up", "pull-down"):
                self._chip.pull(CONTACT_OFFSET, level)
                time.sleep(BOUNCE_S)
        self._chip.pull(CONTACT_OFFSET, pull)

    def _move(self, facts: Counter[str], *, until: str) -> None:
        """Let the gate leave its closed end, wait until that is told, and let it come back."""
        told, closed = facts[until], facts["closed"]
        self._bounce_to("pull-up")
        self._until(lambda: facts[until] > told, f"the gate to be told {until}")
        self._bounce_to("pull-down")
        self._until(lambda: facts["closed"] > closed, "the gate to be told closed")

    def _refused(self, what: str, *, line: str, chip: str, names: str) -> None:
        """A gate whose line cannot be taken beside one whose line can: say what is told of it."""
        gate = GateConfig(name="refused", driver="gpio", gpio=GpioConfig(chip=chip, line=line))
        with self._client(HIGH, gate) as client:
            self._pulse(client, HIGH).wait(5)
            state = client.state("refused")
        self._records.say("refusal", what=what, condition=state.condition, text=state.reason, names=names)

    def _sample(self) -> None:
        """Read the wires as they are now, to be held against the kernel's record."""
        for gate, (offset, _pull) in WIRING.items():
            self._records.say("level", gate=gate, level=self._chip.level(offset))

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        give_up_s = time.monotonic() + 60
        while not condition():
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"waited in vain for {what}")
            time.sleep(0.05)


def _is_replaced(client: GuardClient, pid: int) -> bool:
    return client.pid not in (None, pid)


def main() -> None:
    records = Records()
    try:
        edge_source.start()
        SimChip("decoy", label="some-other-chip", lines={}, count=2)
        named = {3: "RELAY_HIGH", 4: "RELAY_LOW"}
        chip = SimChip("gate", label=LABEL, lines=named, count=8)
        for gate in GATES:
            offset, pull = WIRING[gate.name]
            chip.pull(offset, pull)
            active = 0 if gate.gpio is not None and gate.gpio.active_low else 1
            records.say("wired", gate=gate.name, offset=offset, active=active, pulse_ms=gate.pulse_ms)
        for offset in (HELD_OFFSET, CONTACT_OFFSET):
            records.say("used", offset=offset)
        Drill(records, chip).run()
        lines, lost = edge_source.stop()
        for line in lines:
            records.say("trace", line=line)
        records.say("done", lost=lost, kernel=os.uname().release, gpiod=gpiod.__version__)
    except Exception:
        records.say("fault", text=traceback.format_exc())
        raise


if __name__ == "__main__":
    main()

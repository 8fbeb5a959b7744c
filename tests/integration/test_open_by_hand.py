"""Promise 6: what a person asks for once happens once, however often it is sent and whenever the POD dies."""

import json
import random
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gate_clips
import pytest
from promises import Prove
from running_pod import RunningPod, until

from pod.config import GateConfig
from pod.domain.situation import SiteState
from pod.gate.controller import GateController
from pod.gate.guard_client import GuardClient
from pod.gate.pulse import OnEnd, PulseStarted
from pod.services import open_command
from pod.services.open_command import MAX_ISSUED, VALID_S, OpenCommands
from pod.store import audit
from pod.store.store import Store

SENDERS = 6
ROUNDS, ROUNDS_TO_PROVE = 1, 12


class Program:
    """A signed-in program at a POD's API."""

    def __init__(self, pod: RunningPod) -> None:
        self._pod = pod
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self._browser.open(pod.sign_in_link(), timeout=10).close()
        with self._browser.open(f"{pod.address}api/session", timeout=10) as answer:
            self._csrf = json.load(answer)["csrf"]

    def post(self, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
        request = urllib.request.Request(
            f"{self._pod.address}{path}",
            json.dumps(body or {}).encode(),
            {"Content-Type": "application/json", "X-CSRF-Token": self._csrf},
        )
        with self._browser.open(request, timeout=20) as answer:
            said: dict[str, object] = json.load(answer)
        return said

    def open(self, command: object) -> dict[str, object] | None:
        """What the POD answers; None where it died before it did."""
        try:
            return self.post("api/gates/main/open", {"command": command})
        except (OSError, urllib.error.URLError, json.JSONDecodeError, ValueError):
            return None


@pytest.mark.proof(6)
def test_a_command_sent_again_and_again_over_kills_and_restarts_pulses_at_most_once(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    moments = random.Random(6)
    rounds = often(ROUNDS, ROUNDS_TO_PROVE)
    sent = unknown = 0
    commands: list[object] = []
    pod = RunningPod(tmp_path, str(gate_clips.standing()), loop=True, sections={"gate": {"pause_s": 1}})
    for _ in range(rounds):
        with pod:
            until(lambda: pod.address, what="the start")
            program = Program(pod)
            until(lambda: json.loads(pod.get("healthz"))["status"] == "ok", what="a healthy start")
            command = program.post("api/gates/main/commands")["command"]
            commands.append(command)
            with ThreadPoolExecutor(SENDERS) as senders:
                answers = [senders.submit(program.open, command) for _ in range(SENDERS)]
                time.sleep(moments.uniform(0.0, 0.15))  # The moment of the kill is what is tried.
                pod.kill()
            sent += SENDERS
            assert all(a.result() is None or a.result()["result"] == "commanded" for a in answers)
        with pod:
            until(lambda: pod.address, what="the start")
            answer = Program(pod).open(command)
            sent += 1
            assert answer is not None
            assert answer["result"] in ("commanded", "unknown", "refused")
            if answer["result"] == "refused":
                assert answer["reason"] == "command_expired", "given before the kill in vain: it has lapsed"
            unknown += answer["result"] == "unknown"
            assert pod.stop() == 0
    intents = Counter(row["command"] for row in pod.payloads("intent"))
    pulses = Counter(edge.pulse for edge in pod.pulses())
    of_command = {row["pulse"]: row["command"] for row in pod.payloads("intent")}
    assert set(intents) <= set(commands)
    assert set(pulses) <= set(of_command), "a pulse without an intent"
    twice = sum(n - 1 for n in Counter(of_command[pulse] for pulse in pulses.elements()).values())
    prove(
        attempts=sent,
        faults=rounds,
        losses=twice,
        commands=len(commands),
        pulses=pulses.total(),
        unknown=unknown,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "pod.db") as opened:
        yield opened


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateController]:
    config = GateConfig(name="main", pulse_ms=60, pause_s=1)
    guard = GuardClient.start([config], tmp_path / "run")
    yield GateController(config, guard)
    guard.close()


def opens(store: Store, gate: GateController, clock_s: Callable[[], float] = time.monotonic) -> OpenCommands:
    return OpenCommands({"main": gate}, store, publish=lambda row: None, clock_s=clock_s)


def test_a_command_given_too_late_opens_nothing(store: Store, gate: GateController) -> None:
    now_s = [100.0]
    ours = opens(store, gate, lambda: now_s[0])
    in_time, too_late = ours.issue("main"), ours.issue("main")
    now_s[0] += VALID_S
    assert ours.open(in_time, "main", by="test").result == "commanded"
    now_s[0] += 0.1
    answer = ours.open(too_late, "main", by="test")
    assert (answer.result, answer.reason) == ("refused", "command_expired")


def test_a_command_that_was_never_issued_or_for_another_gate_opens_nothing(
    store: Store, gate: GateController
) -> None:
    ours = opens(store, gate)
    assert ours.open("made-up", "main", by="test").reason == "command_expired"
    assert ours.open(ours.issue("main"), "side", by="test").reason == "command_expired"


class StuckGate(GateController):
    """A gate whose device takes its time."""

    def __init__(self, gate: GateConfig, guard: GuardClient) -> None:
        super().__init__(gate, guard)
        self.asked, self.goes_on = threading.Event(), threading.Event()

    def pulse(self, pulse_id: str, on_end: OnEnd) -> PulseStarted:
        self.asked.set()
        assert self.goes_on.wait(20)
        return super().pulse(pulse_id, on_end)


def test_a_gate_opens_by_hand_while_another_takes_its_time(tmp_path: Path, store: Store) -> None:
    configs = [GateConfig(name=name, pulse_ms=60, pause_s=1) for name in ("main", "side")]
    guard = GuardClient.start(configs, tmp_path / "run")
    stuck, side = StuckGate(configs[0], guard), GateController(configs[1], guard)
    ours = OpenCommands({"main": stuck, "side": side}, store, publish=lambda row: None)
    answers: list[str] = []

    def open_gate(name: str) -> None:
        answers.append(f"{name} {ours.open(ours.issue(name), name, by='test').result}")

    threads = [threading.Thread(target=open_gate, args=(name,)) for name in ("main", "side")]
    try:
        threads[0].start()
        assert stuck.asked.wait(10)
        threads[1].start()
        threads[1].join(10)
        assert answers == ["side commanded"]
    finally:
        stuck.goes_on.set()
        for thread in threads:
            thread.join(20)
        guard.close()
    assert answers == ["side commanded", "main commanded"]


def test_a_command_given_again_answers_what_became_of_it(store: Store, gate: GateController) -> None:
    ours = opens(store, gate)
    command = ours.issue("main")
    first, again = ours.open(command, "main", by="test"), ours.open(command, "main", by="test")
    assert (first.result, first.repeated) == ("commanded", False)
    assert (again.result, again.repeated) == ("commanded", True)


def test_in_lockdown_a_gate_opens_by_hand_only_when_confirmed_anew(
    store: Store, gate: GateController
) -> None:
    store.plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5)
    ours = opens(store, gate)
    command = ours.issue("main")
    assert ours.open(command, "main", by="test").reason == "confirm_lockdown"
    assert ours.open(command, "main", by="test", confirmed=True).result == "commanded"


def test_in_the_pause_a_gate_that_was_just_opened_needs_no_second_pulse(
    store: Store, gate: GateController
) -> None:
    ours = opens(store, gate)
    ours.open(ours.issue("main"), "main", by="test")
    answer = ours.open(ours.issue("main"), "main", by="test")
    assert (answer.result, answer.reason) == ("refused", "gate_already_open")


def test_without_a_store_no_command_is_carried_out(store: Store, gate: GateController) -> None:
    ours = opens(store, gate)
    command = ours.issue("main")
    store.close()
    answer = ours.open(command, "main", by="test")
    assert (answer.result, answer.reason) == ("refused", "store_failed")


def test_an_intent_that_is_written_too_late_is_followed_by_its_refusal(
    store: Store, gate: GateController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_command, "COMMIT_TIMEOUT_S", 0.2)
    goes_on = threading.Event()

    def slow_down(conn: sqlite3.Connection) -> None:
        conn.create_function("hang", 0, lambda: goes_on.wait(20))
        conn.execute("CREATE TEMP TRIGGER slow AFTER INSERT ON command BEGIN SELECT hang(); END")

    store.submit(slow_down).result(5)
    ours = opens(store, gate)
    command = ours.issue("main")
    assert ours.open(command, "main", by="test").reason == "store_failed"
    goes_on.set()

    def told() -> list[tuple[str, object, object]]:
        rows = store.submit(lambda conn: conn.execute(audit.SINCE_SQL, (0, 100)).fetchall()).result(5)
        payloads = [(row[2], json.loads(row[3])) for row in rows]
        return [(kind, said.get("result"), said["reason"]) for kind, said in payloads]

    until(lambda: len(told()) == 2, what="both rows")
    assert told() == [("intent", None, "by_hand"), ("outcome", "refused", "store_failed")]
    again = ours.open(command, "main", by="test")
    assert (again.result, again.reason, again.repeated) == ("refused", "store_failed", True)
    assert gate.pause_left_s() == 0  # no pulse went out


def test_of_too_many_commands_that_wait_the_oldest_lapse(store: Store, gate: GateController) -> None:
    ours = opens(store, gate)
    first = ours.issue("main")
    for _ in range(MAX_ISSUED):
        ours.issue("main")
    assert ours.open(first, "main", by="test").reason == "command_expired"


def test_who_opened_is_in_the_audit(store: Store, gate: GateController) -> None:
    ours = opens(store, gate)
    ours.open(ours.issue("main"), "main", by="the porter")
    rows = store.submit(lambda conn: conn.execute("SELECT kind, payload FROM audit").fetchall()).result(5)
    intent = json.loads(dict(rows)["intent"])
    assert (intent["by"], intent["reason"]) == ("the porter", "by_hand")

"""A person opens a gate: at most one pulse for each command, written down before it is given."""

import contextlib
import logging
import secrets
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pod.domain.access import REASONS
from pod.domain.errors import GateError, StoreError
from pod.domain.history import BY_HAND
from pod.gate.controller import GateController
from pod.gate.pulse import GateBusyError, NotPulsedError, PulseEnd
from pod.store import audit
from pod.store.commands import SpentCommand, find, settle, spend
from pod.store.store import Store

T = TypeVar("T")

log = logging.getLogger(__name__)

VALID_S = 60.0
"""How long a command may be given once it was issued: a page left open opens no gate tomorrow."""

COMMIT_TIMEOUT_S = 2.0

MAX_ISSUED = 256
"""Commands that may wait to be given; the oldest lapses first."""

MAX_GIVEN_UP = 256
"""Commands from afar whose refusal could not be written down: the oldest are past their time first."""


def boottime_s() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What became of a command.

    Attributes:
        result: "commanded", the pulse went out; "refused", the line was not touched; "failed", the gate did
            not answer; "unknown", the POD ended while it carried this command out.
        reason: a code of `access.REASONS`.
        repeated: this answers an earlier giving of the same command; nothing was done now.
    """

    result: str
    reason: str
    repeated: bool = False

    @property
    def sentence(self) -> str:
        """The reason in plain words."""
        return REASONS[self.reason]


class OpenCommands:
    """Issues commands and carries each out at most once, restarts included. Any thread may call.

    Args:
        publish: told of each intent and outcome, for those who watch; must not block.
        clock_s: monotonic.
        boot_s: CLOCK_BOOTTIME.
        now_us: wall clock for the rows, microseconds since 1970 UTC.
    """

    def __init__(
        self,
        gates: Mapping[str, GateController],
        store: Store,
        *,
        publish: Callable[[Mapping[str, object]], None],
        clock_s: Callable[[], float] = time.monotonic,
        boot_s: Callable[[], float] = boottime_s,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._gates = gates
        self._store = store
        self._publish = publish
        self._clock_s = clock_s
        self._boot_s = boot_s
        self._now_us = now_us
        self._issued: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._given_up: OrderedDict[str, OpenResult] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = {name: threading.Lock() for name in gates}

    def issue(self, gate: str) -> str:
        """A new command for one gate, to be given within `VALID_S`.

        Raises:
            GateError: there is no such gate.
        """
        if gate not in self._gates:
            raise GateError(f"no gate is named {gate!r}: the configuration has {', '.join(self._gates)}")
        command_id = secrets.token_urlsafe(18)
        with self._lock:
            self._issued[command_id] = (gate, self._clock_s())
            while len(self._issued) > MAX_ISSUED:
                self._issued.popitem(last=False)
        return command_id

    def open(self, command_id: str, gate: str, *, by: str, confirmed: bool = False) -> OpenResult:
        """Give a command; given again it does nothing and answers what became of it. Blocks for the disk.

        Args:
            by: who asks, for the audit.
            confirmed: that the gate shall open although the site is locked down.
        """
        if gate not in self._turns:
            return OpenResult("refused", "command_expired")
        with self._turns[gate]:  # a command is good for one gate, so no other has to wait for a slow one
            try:
                spent = self._await(self._store.submit(lambda conn: find(conn, command_id)))
            except StoreError as error:
                log.error("gate %s is not opened by hand: %s", gate, error)
                return OpenResult("refused", "store_failed")
            if spent is not None:
                return _answer_again(spent)
            if not self._is_valid(command_id, gate):
                return OpenResult("refused", "command_expired")
            if self._store.plates.current.state.lockdown and not confirmed:
                return OpenResult("refused", "confirm_lockdown")
            return self._carry_out(command_id, self._gates[gate], by=by)

    def open_from_afar(
        self, command_id: str, gate: str, *, by: str, confirmed: bool, before_s: float
    ) -> OpenResult:
        """Carry out a command that somebody else issued and proved; given again it does nothing, as `open`.

        A refusal spends the id, too: what was refused once opens nothing later.

        Args:
            by: who asks, for the audit.
            before_s: CLOCK_BOOTTIME; from then on no pulse is begun.
        """
        with self._lock:
            given_up = self._given_up.get(command_id)
        if given_up is not None:
            return given_up
        if gate not in self._turns:
            return self._refused(command_id, gate, by=by, reason="gate_unknown")
        with self._turns[gate]:
            try:
                spent = self._await(self._store.submit(lambda conn: find(conn, command_id)))
            except StoreError as error:
                return self._give_up(command_id, error)
            if spent is not None:
                return _answer_again(spent)
            if self._boot_s() >= before_s:
                return self._refused(command_id, gate, by=by, reason="command_expired")
            if self._store.plates.current.state.lockdown and not confirmed:
                return self._refused(command_id, gate, by=by, reason="confirm_lockdown")
            outcome = self._carry_out(command_id, self._gates[gate], by=by, before_s=before_s)
        if outcome.reason == "store_failed":
            self._remember(command_id, outcome)
        return outcome

    def _refused(self, command_id: str, gate: str, *, by: str, reason: str) -> OpenResult:
        now_us = self._now_us()
        row = {"source": BY_HAND, "by": by, "gate": gate, "command": command_id}
        sealed = audit.seal("command", row | {"result": "refused", "reason": reason}, now_us)

        def job(conn: sqlite3.Connection) -> OpenResult:
            spent = find(conn, command_id)
            if spent is not None:
                return _answer_again(spent)
            spend(conn, command_id, gate, by=by, now_us=now_us)
            settle(conn, command_id, result="refused", reason=reason)
            audit.append(conn, [sealed])
            return OpenResult("refused", reason)

        try:
            return self._await(self._store.submit(job))
        except StoreError as error:
            return self._give_up(command_id, error)

    def _give_up(self, command_id: str, error: StoreError) -> OpenResult:
        log.error("a command from afar opens nothing: %s", error)
        return self._remember(command_id, OpenResult("refused", "store_failed"))

    def _remember(self, command_id: str, outcome: OpenResult) -> OpenResult:
        """Nothing on disk says that it is spent: a copy of it, to this start of the POD, is told the same."""
        with self._lock:
            self._given_up[command_id] = outcome
            while len(self._given_up) > MAX_GIVEN_UP:
                self._given_up.popitem(last=False)
        return outcome

    def _is_valid(self, command_id: str, gate: str) -> bool:
        with self._lock:
            issued = self._issued.get(command_id)
        return issued is not None and issued[0] == gate and self._clock_s() - issued[1] <= VALID_S

    def _carry_out(
        self, command_id: str, gate: GateController, *, by: str, before_s: float | None = None
    ) -> OpenResult:
        pulse_id = f"hand-{uuid.uuid4().hex}"
        row: dict[str, object] = {"source": BY_HAND, "by": by, "gate": gate.name, "pulse": pulse_id}
        intent = row | {"reason": "by_hand", "command": command_id}
        now_us = self._now_us()
        sealed = audit.seal("intent", intent, now_us)

        def job(conn: sqlite3.Connection) -> None:
            spend(conn, command_id, gate.name, by=by, now_us=now_us)
            audit.append(conn, [sealed])

        write: Future[None] | None = None
        try:
            write = self._store.submit(job)
            self._await(write)
        except StoreError as error:
            log.error("gate %s is not opened by hand: %s", gate.name, error)
            outcome = OpenResult("refused", "store_failed")
            if write is not None and not write.done():  # it has begun: the intent may yet be written
                self._outcome(row, result=outcome.result, reason=outcome.reason)
                with contextlib.suppress(StoreError):  # without it, the answer to a repetition is "unknown"
                    self._store.submit(_settling(command_id, outcome))
            return outcome
        self._publish({"kind": "intent", **intent})
        try:
            if before_s is not None and self._boot_s() >= before_s:
                raise NotPulsedError("it took too long to be written down", reason="command_expired")
            gate.pulse(pulse_id, lambda end: self._ended(end, row))
        except NotPulsedError as error:
            busy = isinstance(error, GateBusyError)
            outcome = OpenResult("refused", "gate_already_open" if busy else error.reason)
        except GateError as error:
            log.error("gate %s did not open by hand: %s", gate.name, error)
            outcome = OpenResult("failed", "gate_failed")
        else:
            outcome = OpenResult("commanded", "by_hand")
        if outcome.result != "commanded":
            self._outcome(row, result=outcome.result, reason=outcome.reason)
        self._settle(command_id, outcome)
        return outcome

    def _settle(self, command_id: str, outcome: OpenResult) -> None:
        try:
            self._await(self._store.submit(_settling(command_id, outcome)))
        except StoreError as error:
            log.error("what became of a command was not written down: %s", error)

    def _ended(self, end: PulseEnd, row: Mapping[str, object]) -> None:
        on_ms = round(end.on_for_ms, 1)
        if end.error is None:
            self._outcome(row, result="pulsed", reason="by_hand", on_ms=on_ms)
        else:
            self._outcome(row, result="failed", reason="gate_failed", on_ms=on_ms, error=end.error)

    def _outcome(self, row: Mapping[str, object], **facts: object) -> None:
        outcome = {**row, **facts}
        try:
            self._store.record("outcome", outcome, wait=False).add_done_callback(_tell_if_lost)
        except StoreError as error:
            _row_lost(error)
        self._publish({"kind": "outcome", **outcome})

    def _await(self, write: Future[T]) -> T:
        return self._store.wait_for(write, COMMIT_TIMEOUT_S)


def _settling(command_id: str, outcome: OpenResult) -> Callable[[sqlite3.Connection], None]:
    return partial(settle, command_id=command_id, result=outcome.result, reason=outcome.reason)


def _answer_again(spent: SpentCommand) -> OpenResult:
    if spent.result is None:
        return OpenResult("unknown", "command_unknown", repeated=True)
    return OpenResult(spent.result, spent.reason, repeated=True)


def _tell_if_lost(write: Future[int]) -> None:
    error = write.exception()
    if error is not None:
        _row_lost(error)


def _row_lost(error: BaseException) -> None:
    log.error("the outcome of a pulse by hand was lost: %s", error)

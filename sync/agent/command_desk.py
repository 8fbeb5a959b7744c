"""Carry out the cloud's commands one after the other, on a thread of their own: a gate takes its time."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sync.agent.ports import CommandSink
from sync.protocol.down import Command
from sync.protocol.up import Answer

WAITING = 8
"""Commands that may wait; what comes beyond is dropped, and the cloud sends it again."""


@dataclass(frozen=True, slots=True)
class _Order:
    command: Command
    before_s: float


class CommandDesk:
    """One thread that carries out commands.

    Attributes:
        dropped: commands that found no place.
        late: commands whose time was over before it was their turn; their next copy is answered.
    """

    def __init__(
        self,
        sink: CommandSink,
        *,
        on_answer: Callable[[Answer], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """
        Args:
            on_answer, on_fault: called on the desk's thread.
        """
        self.dropped = self.late = 0
        self._sink = sink
        self._on_answer, self._on_fault = on_answer, on_fault
        self._orders: queue.Queue[_Order | None] = queue.Queue(WAITING)
        self._ids: set[str] = set()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync-commands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def carry_out(self, command: Command, *, before_s: float) -> None:
        """Have it carried out, unless its id waits already. Never blocks.

        Args:
            before_s: CLOCK_BOOTTIME; not begun from then on.
        """
        if command.id in self._ids:
            return
        try:
            self._orders.put_nowait(_Order(command, before_s))
        except queue.Full:
            self.dropped += 1
        else:
            self._ids.add(command.id)

    def stop(self) -> None:
        """Begin no other command, also none that waits; the one that is carried out is left to its end."""
        self._is_stopping.set()
        while True:
            try:
                self._orders.put_nowait(None)
                return
            except queue.Full:
                self._orders.get_nowait()

    def _run(self) -> None:
        while (order := self._orders.get()) is not None and not self._is_stopping.is_set():
            try:
                if time.clock_gettime(time.CLOCK_BOOTTIME) >= order.before_s:
                    self.late += 1
                else:
                    self._on_answer(self._sink.carry_out(order.command, before_s=order.before_s))
            except Exception as error:
                self._on_fault(error)
            finally:
                self._ids.discard(order.command.id)

"""Commands from the cloud: at most once, never late, and never without an answer. Pure.

Why a command cannot run twice or late: its id is spent on disk before anything moves; it is for one session
of the POD, so that a POD whose disk was put back takes no older one; and its time is judged by the latest
that it can be in the cloud, so that delay only makes it older.
"""

from dataclasses import dataclass
from typing import Protocol

from sync.protocol.down import Command
from sync.protocol.up import Answer

AHEAD_S = 2.0
"""So far a command may seem to be issued in the future: more, and one of the cloud's clocks was set."""

MOST_LIFE_S = 60.0
"""A command that is good for longer is refused whole."""

SEND_AGAIN_S = 1.0
SEND_AGAIN_AT_MOST_S = 60.0
ASKED_FOR_S = 3600.0
"""So long after its end the cloud asks what became of a command; then nobody knows."""


class SpentCommands(Protocol):
    """Ids on the POD's disk, and what became of their commands."""

    def answer(self, command_id: str) -> Answer | None:
        """What became of an id that is spent; the result `unknown` while nothing is written down of it."""

    def refuse(self, answer: Answer) -> None:
        """Spend an id on a refusal, durably: the answer stands, whatever copies come later."""


@dataclass(frozen=True, slots=True)
class CarryOut:
    """The command is good: spend its id durably, with the intent in one transaction, and only then act.

    The id may have been spent since it was looked up; whoever carries it out does nothing then.
    """

    command: Command


def judge(
    command: Command, spent: SpentCommands, *, session: str, cloud_latest_s: float | None
) -> CarryOut | Answer:
    """What a POD does with a command whose signature is proved.

    Args:
        session: of this POD.
        cloud_latest_s: the latest that it can be in the cloud; None where nobody knows.
    """
    before = spent.answer(command.id)
    if before is not None:
        return before
    reason = _refusal(command, session, cloud_latest_s)
    if reason is None:
        return CarryOut(command)
    answer = Answer(id=command.id, result="refused", reason=reason)
    spent.refuse(answer)
    return answer


def _refusal(command: Command, session: str, cloud_latest_s: float | None) -> str | None:
    if command.session != session:
        return "other_session"
    if command.expires_s - command.issued_s > MOST_LIFE_S:
        return "command_too_long"
    if cloud_latest_s is None or command.issued_s > cloud_latest_s + AHEAD_S:
        return "clock_unsure"
    return "command_expired" if cloud_latest_s >= command.expires_s else None


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that the cloud waits to hear of; built from the database again after a crash.

    Attributes:
        tries: how often it was sent by this process.
        due_s: when it is to be sent next, this process's monotonic clock; the wall clock may be set.
    """

    command: Command
    tries: int = 0
    due_s: float = 0.0

    def sent(self, now_s: float) -> "Pending":
        """It was sent now, by the monotonic clock. After its end a copy is a question only."""
        wait_s = min(SEND_AGAIN_AT_MOST_S, SEND_AGAIN_S * 2 ** min(self.tries, 10))
        return Pending(self.command, self.tries + 1, now_s + wait_s)

    def is_over(self, cloud_s: float) -> bool:
        """Whether nobody will ever know, by the cloud's clock: to be shown as `unknown`."""
        return cloud_s > self.command.expires_s + ASKED_FOR_S


def settled(known: Answer | None, told: Answer) -> Answer:
    """What became of a command once an answer came: the first stands, but `unknown` is none."""
    return told if known is None or known.result == "unknown" else known

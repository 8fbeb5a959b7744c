"""Opens that the cloud commands, carried out as those by hand are."""

from pod.services.open_command import OpenCommands
from sync.protocol.down import Command
from sync.protocol.up import Answer, Result

_RESULTS: dict[str, Result] = {
    "commanded": "commanded",
    "refused": "refused",
    "failed": "failed",
    "unknown": "unknown",
}


class RemoteOpens:
    """`sync.agent.ports.CommandSink` over a POD's gates. Blocks for the disk and the gate."""

    def __init__(self, opener: OpenCommands) -> None:
        self._opener = opener

    def carry_out(self, command: Command, *, before_s: float) -> Answer:
        """Spend the id, open the gate; what became of it, now or when the id was spent."""
        outcome = self._opener.open_from_afar(
            command.id,
            command.gate,
            by=f"{command.by} (cloud)",
            confirmed=command.confirmed,
            before_s=before_s,
        )
        return Answer(id=command.id, result=_RESULTS[outcome.result], reason=outcome.reason)

"""What goes wrong with a connection to a broker."""


class LinkError(Exception):
    """There is no connection, or no longer: what happened, then the mend. It never holds a password.

    Attributes:
        reason: for counters: `refused`, `certificate`, `unreachable`, `silent`, `closed` or `address`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LinkBusyError(Exception):
    """The broker takes less than is sent: nothing was sent now; try again later, or let it be."""

"""What is wrong with a message, in words fit for an operator. Pure."""


class ProtocolError(Exception):
    """A message that cannot be used; the text says what is wrong with it and never repeats what it held."""


class UnknownVersionError(ProtocolError):
    """A message of a version that is not spoken here; the sender is to be told (`framing.versions_frame`).

    Attributes:
        version: what it claims to be.
    """

    def __init__(self, version: int) -> None:
        super().__init__(f"a message of version {version}: this side speaks version 1, update the older one")
        self.version = version


class UntrustedError(ProtocolError):
    """A message without the signature that its kind needs: it is dropped and counted, never answered."""

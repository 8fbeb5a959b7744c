"""How a POD shows a broker who it is: by its certificate, or a password where TLS ends before the broker."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sync.agent.identity_files import Identity
from sync.agent.pod_jwt import mint
from sync.mqtt import BrokerAddress, TlsFiles


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What one connection is made with; it may hold a secret."""

    tls: TlsFiles | None
    username: str | None
    password: str | None


def credentials(
    identity: Identity, address: BrokerAddress, *, by_key: bool, now: Callable[[], datetime]
) -> Credentials:
    """For a connection that is made now.

    Args:
        by_key: over WebSocket, show the API key in place of a token: for a POD whose clock is too far off for
            any token.

    Raises:
        IdentityError: the POD's key cannot be read.
    """
    certified = TlsFiles(identity.ca_path, identity.certificate_path, identity.key_path)
    if address.scheme == "mqtts":
        return Credentials(certified, identity.pod, None)
    if address.scheme == "mqtt":
        return Credentials(None, identity.pod, None)
    password = identity.api_key if by_key else mint(identity, audience="mqtt", now=now())
    return Credentials(certified if identity.portal_trust == "ca" else None, identity.pod, password)

"""What a connection to a broker failed by, and what to do about it. Pure."""

import socket
import ssl

import paho.mqtt.client as paho

from sync.mqtt.address import BrokerAddress
from sync.mqtt.errors import LinkError


def why_no_link(address: BrokerAddress, error: Exception) -> LinkError:
    """As an error for people, from what connecting raised."""
    match error:
        case ssl.SSLCertVerificationError():
            return LinkError(
                "certificate",
                f"{address} shows a certificate that does not hold ({error.verify_message}): "
                "check this machine's clock, the broker's name and its authority",
            )
        case ssl.SSLError():
            return LinkError(
                "certificate",
                f"{address}: no TLS could be agreed on ({error.reason or 'it ended'}): "
                "check the port and this client's certificate",
            )
        case socket.gaierror():
            return LinkError("unreachable", f"{address}: no such host: check its name and the name server")
        case TimeoutError():
            return LinkError("silent", f"{address} does not answer: see that a broker listens there")
        case paho.WebsocketConnectionError():
            return LinkError("refused", f"{address}: no WebSocket there: check host and path")
        case OSError():
            return LinkError(
                "unreachable", f"{address}: {error.strerror or error}: check host and port, and that it runs"
            )
        case _:
            return LinkError("closed", f"{address}: {type(error).__name__}: {error}")

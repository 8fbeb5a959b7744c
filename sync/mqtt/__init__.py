"""One connection to an MQTT broker, for the POD's agent and the cloud's services alike."""

from sync.mqtt.address import BrokerAddress, TlsFiles
from sync.mqtt.errors import LinkBusyError, LinkError
from sync.mqtt.link import Message, MqttLink, Will, connect

__all__ = [
    "BrokerAddress",
    "LinkBusyError",
    "LinkError",
    "Message",
    "MqttLink",
    "TlsFiles",
    "Will",
    "connect",
]

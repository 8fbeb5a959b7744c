"""The configuration of nats-server as a broker for PODs: one text from one place. Pure."""

import json
from dataclasses import dataclass
from pathlib import Path

from sync.cloud.brokers.access import MAX_PAYLOAD_BYTES

ACCOUNT = "PODS"
"""Where PODs and services of the cloud meet."""
ADMISSION, OVERSEER = "admission", "overseer"
"""Whom the admission signs in as: to answer who may come in, and to see and end connections."""

RETAINED_BYTES = 256 * 2**20
"""What may be kept on the disk: the presence of PODs, 500 bytes each."""


@dataclass(frozen=True, slots=True)
class NatsPlace:
    """Where a server listens and keeps what it keeps.

    Attributes:
        host: of MQTT and WebSocket.
        control_port: of the admission, on this machine alone.
        websocket_port: None: no WebSocket.
        certificate, key, ca: PEM files; the server's chain and key, and who certifies PODs.
        store: a folder of its own.
    """

    name: str
    host: str
    mqtt_port: int
    websocket_port: int | None
    control_port: int
    certificate: Path
    key: Path
    ca: Path
    store: Path


def nats_config(place: NatsPlace, *, issuer: str, admission_password: str, overseer_password: str) -> str:
    """The text of the file; it holds passwords.

    Args:
        issuer: public key of the account that signs who comes in.
    """
    tls = f"cert_file: {_text(place.certificate)}, key_file: {_text(place.key)}, timeout: 10"
    websocket = (
        ""
        if place.websocket_port is None
        else f"websocket {{ listen: {_text(f'{place.host}:{place.websocket_port}')}, tls {{ {tls} }} }}\n"
    )
    standard = 'allowed_connection_types: ["STANDARD"]'
    return f"""\
# Made by PlateBridge at each start; changes are lost.
server_name: {_text(place.name)}
listen: "127.0.0.1:{place.control_port}"
max_payload: {MAX_PAYLOAD_BYTES}
max_pending: {16 * MAX_PAYLOAD_BYTES}
max_control_line: 4096
write_deadline: "10s"
jetstream {{
  store_dir: {_text(place.store)}
  max_file_store: {RETAINED_BYTES}
  max_memory_store: {RETAINED_BYTES // 4}
  limits {{ default_max_consumers: -1 }}
}}
accounts {{
  ADMISSION {{ users: [{{ user: {ADMISSION}, password: {_text(admission_password)}, {standard} }}] }}
  SYS {{ users: [{{ user: {OVERSEER}, password: {_text(overseer_password)}, {standard} }}] }}
  {ACCOUNT} {{ jetstream: enabled }}
}}
system_account: SYS
authorization {{
  timeout: 10
  auth_callout {{ issuer: {issuer}, account: ADMISSION, auth_users: [{ADMISSION}, {OVERSEER}] }}
}}
mqtt {{
  listen: {_text(f"{place.host}:{place.mqtt_port}")}
  tls {{ {tls}, ca_file: {_text(place.ca)}, verify: true }}
  reject_qos2_publish: true
  downgrade_qos2_subscribe: true
}}
{websocket}"""


def _text(value: object) -> str:
    """Quoted as nats-server reads it, which is as JSON where nothing strange is in it."""
    return json.dumps(str(value))

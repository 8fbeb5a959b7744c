"""The configuration of mosquitto as a broker for PODs, and its access rules, from one place. Pure."""

from dataclasses import dataclass
from pathlib import PurePath

from sync.cloud.brokers.access import (
    MAX_PACKET_BYTES,
    MAX_PAYLOAD_BYTES,
    SERVICES,
    Access,
    access_of_pod,
    access_of_service,
)


@dataclass(frozen=True, slots=True)
class MosquittoPlace:
    """Where it listens and what it reads.

    Attributes:
        host: of PODs; empty: every address.
        services_host: of bridge, dispatch and API: an address that PODs do not reach, for here a client may
            take the name of another.
        certificate, key, ca: PEM files; the server's chain and key, and who certifies PODs.
        revoked: the authority's list of revoked certificates, PEM.
        pods_rules, services_rules: files with the texts of `pods_rules` and `services_rules`.
    """

    host: str
    port: int
    services_host: str
    services_port: int
    certificate: PurePath
    key: PurePath
    ca: PurePath
    revoked: PurePath
    pods_rules: PurePath
    services_rules: PurePath
    user: str = "mosquitto"


PACKAGED = MosquittoPlace(
    host="",
    port=8883,
    services_host="127.0.0.1",
    services_port=8884,
    certificate=PurePath("/etc/platebridge/broker/server.crt"),
    key=PurePath("/etc/platebridge/broker/server.key"),
    ca=PurePath("/etc/platebridge/broker/ca.crt"),
    revoked=PurePath("/etc/platebridge/broker/revoked.pem"),
    pods_rules=PurePath("/etc/platebridge/broker/mosquitto-pods.acl"),
    services_rules=PurePath("/etc/platebridge/broker/mosquitto-services.acl"),
)
"""Of `deploy/mosquitto.conf`."""


def mosquitto_config(place: MosquittoPlace) -> str:
    """The text of the file, for mosquitto 2."""
    tls = f"""\
certfile {place.certificate}
keyfile {place.key}
cafile {place.ca}
crlfile {place.revoked}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
allow_anonymous false"""
    return f"""\
# mosquitto 2 as a broker for PODs, tried as nats-server is (tests/integration/test_broker_conformance.py).
# A POD is who its certificate says, and reaches its own topics alone. A POD that is revoked keeps the
# connection that it has: renew the list of revoked certificates and send SIGHUP, and it does not come back;
# the cloud ignores it at once.

user {place.user}
per_listener_settings true
persistence false
retain_available true
max_keepalive 300
max_packet_size {MAX_PACKET_BYTES}
message_size_limit {MAX_PAYLOAD_BYTES}
max_queued_messages 1000
max_queued_bytes {32 * MAX_PAYLOAD_BYTES}
max_inflight_messages 20
persistent_client_expiration 1h
sys_interval 0
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true

# PODs.
listener {place.port} {place.host}
{tls}
use_username_as_clientid true
acl_file {place.pods_rules}

# Bridge, dispatch and API. No POD may reach this address.
listener {place.services_port} {place.services_host}
{tls}
acl_file {place.services_rules}
""".replace(" \n", "\n")


def pods_rules() -> str:
    """What PODs may do; mosquitto puts the certificate's name in the place of %u.

    It knows no shards: a POD may name a wrong one there, and the cloud drops what came by it.
    """
    return f"# Each POD, by the name in its certificate.\n{_rules('pattern', access_of_pod('%u', '+'))}"


def services_rules() -> str:
    """What bridge, dispatch and API may do."""
    parts = [f"user {name}\n{_rules('topic', access_of_service(name))}" for name in SERVICES]
    return "# The services of the cloud, by the names in their certificates.\n" + "\n".join(parts)


def _rules(word: str, access: Access) -> str:
    lines = [f"{word} write {one}\n" for one in access.publish]
    return "".join(lines + [f"{word} read {one}\n" for one in access.subscribe])

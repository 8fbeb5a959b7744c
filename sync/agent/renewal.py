"""Renew the POD's certificate when two thirds of its time are over."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sync.agent.enroll import certificate_request, check_certificate
from sync.agent.identity_error import IdentityError
from sync.agent.identity_files import Identity, load, save_renewed
from sync.agent.pod_jwt import read_key
from sync.agent.portal_client import PortalClient
from sync.protocol.portal import Renew

LOOK_S = 3600.0
"""So often it is looked whether it is due: a clock may be set at any time."""


def client_of(identity: Identity, *, portal: str) -> PortalClient:
    """Asks the cloud as this POD.

    Args:
        portal: where the cloud is now; it may have moved since the enrolment.

    Raises:
        IdentityError: the authority's certificate cannot be read.
    """
    try:
        ca_pem = identity.ca_path.read_bytes()
    except OSError as error:
        raise IdentityError(f"{identity.ca_path}: {error.strerror}: run this as the POD's user") from None
    return PortalClient(portal, identity.portal_trust, ca_pem, identity.api_key)


def renew(data_dir: Path, identity: Identity, *, portal: str) -> Identity:
    """The identity with its next certificate, which is on the disk. Blocking.

    Raises:
        IdentityError: the cloud cannot be asked or refuses, or the disk does; what was there stays.
    """
    key = read_key(identity)
    answer = client_of(identity, portal=portal).renew(Renew(csr=certificate_request(key).decode()))
    certificate_pem = answer.certificate.encode()
    check_certificate(certificate_pem, key, identity.pod)
    names = answer.names.model_dump()
    save_renewed(data_dir, identity, certificate_pem, names=names, time_zone=answer.time_zone)
    renewed = load(data_dir)
    if renewed is None:
        raise IdentityError(f"{data_dir}: the identity was taken away: enroll again")
    return renewed


async def keep_renewed(
    data_dir: Path,
    identity: Identity,
    *,
    portal: Callable[[], str],
    on_renewed: Callable[[Identity], None],
    on_fault: Callable[[IdentityError], None],
    look_s: float = LOOK_S,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Renew whenever it is due, until cancelled.

    Args:
        portal: where the cloud is now.
        on_renewed: told the identity that connections are to be made with from now on.
        on_fault: told each attempt that failed; the next is up to an hour later.
    """
    while True:
        if identity.is_due(now()):
            try:
                identity = await asyncio.to_thread(renew, data_dir, identity, portal=portal())
            except IdentityError as error:
                on_fault(error)
            else:
                on_renewed(identity)
        # Spread out, so that PODs that were enrolled together do not come together.
        await asyncio.sleep(look_s * random.uniform(0.5, 1))

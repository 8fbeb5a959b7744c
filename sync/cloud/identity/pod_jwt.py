"""Which POD a token that it minted is of: the cloud looks for its key, and proves the token by it."""

from datetime import datetime

from sync.cloud.database import Connection
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.standing import Standing, standing_of
from sync.protocol import pod_jwt
from sync.protocol.errors import ProtocolError, UntrustedError


async def standing_of_jwt(conn: Connection, text: str, *, audience: str, now: datetime) -> Standing:
    """The POD that this token proves to be there.

    Args:
        audience: what the token has to be for: `mqtt` or `api`.

    Raises:
        RefusedError: it proves nothing, or its POD was revoked.
    """
    try:
        pod = pod_jwt.claimed_pod(text)
    except ProtocolError as error:
        raise RefusedError("bad_token", f"This is {error}.") from None
    standing = await standing_of(conn, pod)
    if standing is None or standing.key is None:
        raise RefusedError("pod_unknown", "The cloud knows no such POD: enroll it with a join string.")
    try:
        pod_jwt.check(text, standing.key, pod=pod, audience=audience, now_s=now.timestamp())
    except UntrustedError as error:
        raise RefusedError("bad_token", f"This is {error}.") from None
    if standing.is_revoked:  # told to nobody but whoever has the key
        raise RefusedError("pod_revoked", "This POD was revoked: enroll it with a join string.")
    return standing

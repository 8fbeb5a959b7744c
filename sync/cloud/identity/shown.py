"""Which POD shows a secret at the portal or at a broker: its API key, or a token that it minted."""

from datetime import datetime

from sync.cloud.database import Connection
from sync.cloud.identity.pod_jwt import standing_of_jwt
from sync.cloud.identity.refusal import RefusedError
from sync.cloud.identity.standing import Standing, standing_of
from sync.cloud.identity.tokens import KEY_PREFIX, holder_of


async def standing_of_shown(conn: Connection, secret: str, *, audience: str, now: datetime) -> Standing:
    """The POD that this secret proves to be there, and that is not revoked.

    Args:
        audience: what a token has to be for: `mqtt` or `api`. An API key is for both.

    Raises:
        RefusedError: it proves nothing, or its POD was revoked.
    """
    if not secret.startswith(KEY_PREFIX):
        return await standing_of_jwt(conn, secret, audience=audience, now=now)
    holder = await holder_of(conn, secret.encode("utf-8", "replace"))
    if holder is None or holder.kind != "api_key" or holder.pod is None:
        raise RefusedError("key_unknown", "The cloud knows no such key: enroll this POD again.")
    standing = await standing_of(conn, holder.pod)
    if standing is None or standing.is_revoked:
        raise RefusedError("pod_revoked", "This POD was revoked: enroll it with a join string.")
    if holder.is_revoked:
        raise RefusedError("key_unknown", "This key was replaced by another enrolment of this POD.")
    return standing

"""User name and password that a TURN server takes for a time, from the secret it shares with us. Pure.

As coturn's `use-auth-secret` has it (draft-uberti-behave-turn-rest-00): the user name tells until when, and
the password proves it. Whoever holds them can have packets relayed until then, and nothing more.
"""

import base64
import hashlib
import hmac

LIFETIME_S = 3600
"""Only the start of a connection needs them; the rest is for clocks that differ."""


def turn_credentials(secret: str, name: str, *, now_s: float) -> tuple[str, str]:
    """User name and password, good for `LIFETIME_S` from now.

    Args:
        name: by which the TURN server counts: its quota for a user is for all who come by one name.
        now_s: Unix time.
    """
    username = f"{int(now_s) + LIFETIME_S}:{name}"
    proof = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(proof).decode()

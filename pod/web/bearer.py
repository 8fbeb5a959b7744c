"""The token that a request brings in its head (RFC 6750), and what to say where it does not."""

import re

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from pod.web.problems import problem

MOST_CHARS = 3000
"""More than the longest stream token."""

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


def bearer_of(headers: Headers) -> str | None:
    """The token; None where there is none, or more than one: nobody can tell which counts."""
    given = headers.getlist("authorization")
    if len(given) != 1 or len(given[0]) > MOST_CHARS:
        return None
    found = _BEARER.fullmatch(given[0])
    return found[1] if found else None


def no_token() -> JSONResponse:
    """401 for a request without a token."""
    return problem(
        401,
        "no_token",
        detail="Send a stream token: Authorization: Bearer TOKEN.",
        WWW_Authenticate="Bearer",
    )


def token_refused(code: str, sentence: str) -> JSONResponse:
    """401 for a token that proves nothing, 403 for one that is for something else."""
    if code.startswith("wrong_"):
        return problem(403, code, detail=sentence)
    return problem(401, code, detail=sentence, WWW_Authenticate='Bearer error="invalid_token"')

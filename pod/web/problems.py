"""What went wrong, for programs: a code that they can act on and a sentence for people (RFC 9457)."""

import math

from fastapi.responses import JSONResponse


def problem(
    status: int, code: str, *, detail: str, retry_after_s: float | None = None, **headers: str
) -> JSONResponse:
    """An answer of `application/problem+json`.

    Args:
        code: stays the same for good.
        headers: further ones, with _ for -.
    """
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    if retry_after_s is not None:
        more["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    return JSONResponse(
        {"status": status, "code": code, "detail": detail},
        status,
        headers=more,
        media_type="application/problem+json",
    )

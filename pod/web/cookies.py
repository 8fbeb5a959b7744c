"""The cookie of a session: kept from scripts, other sites and, where there is TLS, plain connections."""

from starlette.responses import Response

from pod.web.sessions import LIFE_S
from pod.web.sign_in import SignIn


def set_cookie(response: Response, sign_in: SignIn, value: str) -> None:
    """Give the browser the session that `value` names."""
    response.set_cookie(
        sign_in.cookie,
        value,
        max_age=int(LIFE_S),
        path="/",
        secure=sign_in.secure,
        httponly=True,
        samesite="strict",
    )


def drop_cookie(response: Response, sign_in: SignIn) -> None:
    """Take it away again."""
    response.delete_cookie(sign_in.cookie, path="/", secure=sign_in.secure, httponly=True, samesite="strict")

"""Why a request is refused: a status, a code for programs, a sentence for people."""

from starlette.responses import JSONResponse

from sync.protocol.portal import Problem


class ProblemError(Exception):
    """Ends a request with a refusal.

    Attributes:
        status: of HTTP.
        code: for programs.
        sentence: for people, with the mend.
    """

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence

    def response(self) -> JSONResponse:
        """The refusal as it is sent."""
        body = Problem(code=self.code, detail=self.sentence[:500]).model_dump()
        headers = {"Cache-Control": "no-store"}
        if self.status in (429, 503, 507):
            headers["Retry-After"] = "60"
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(body, self.status, headers=headers)

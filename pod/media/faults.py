"""What can be wrong with a camera, by name, each with its mend. Pure."""

from pod.domain.errors import CameraError


class SessionError(CameraError):
    """Why a session could not start or had to end.

    Attributes:
        reason: a stable code for states, metrics and the audit, such as `wrong_password`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

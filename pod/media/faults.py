"""What can be wrong with a camera, by name, each with its mend. Pure."""

from pathlib import Path

from pod.domain.errors import CameraError


class SessionError(CameraError):
    """Why a session could not start or had to end.

    Attributes:
        reason: a stable code for states, metrics and the audit, such as `wrong_password`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def no_access(path: Path, error: OSError) -> SessionError:
    """What the system's answer about a camera's file or folder means: `not_found` or `forbidden`."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return SessionError("not_found", f"{path} does not exist: correct the camera's url")
    if isinstance(error, PermissionError):
        return SessionError("forbidden", f"{path} may not be read by this user: change its owner or mode")
    return SessionError("forbidden", f"{path} cannot be read ({error.strerror}): correct the camera's url")

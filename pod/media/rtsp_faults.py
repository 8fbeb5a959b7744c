"""libav's errors on an RTSP stream, in the operator's words. Pure."""

import av.error

from pod.media.faults import SessionError


def fault_of(
    error: av.error.FFmpegError, shown: str, *, waited_s: float, playing: bool = False
) -> SessionError:
    """What `error` means.

    Args:
        shown: the camera's address without credentials.
        waited_s: how long libav was at it.
        playing: the stream was open already.
    """
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return SessionError("wrong_password", f"{shown} refuses the login: correct username and password")
        case av.error.HTTPNotFoundError():
            return SessionError("not_found", f"{shown} is unknown to the camera: correct the path of its url")
        case av.error.HTTPClientError() | av.error.HTTPServerError():
            return SessionError(
                "refused", f"{shown} refuses the stream: end other clients of the camera, or restart it"
            )
        case av.error.ExitError() | av.error.TimeoutError():
            problem = f"{shown} sent nothing for {waited_s:.0f} s: check its network and power"
            return SessionError("silent" if playing else "unreachable", problem)
        case av.error.InvalidDataError():
            return SessionError(
                "corrupt", f"{shown} sends no valid stream: restart the camera or update its firmware"
            )
        case av.error.OSError() if not playing:
            return SessionError(
                "refused", f"{shown} breaks off the handshake: check rtsp or rtsps, and end its other clients"
            )
        case av.error.OSError():
            return SessionError("closed", f"{shown} broke the connection: check its network and power")
        case _:
            return SessionError("broken", f"{shown} failed ({type(error).__name__}): restart the camera")

"""libav's errors on an RTSP stream, in the operator's words. Pure."""

import av.error

from pod.media.faults import CameraFault


def fault_of(
    error: av.error.FFmpegError, shown: str, *, waited_s: float, playing: bool = False
) -> CameraFault:
    """The fault that `error` means.

    Args:
        shown: the camera's address without credentials.
        waited_s: how long libav was at it.
        playing: the stream was open already.
    """
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return CameraFault("wrong_password", f"{shown} refuses the login: correct username and password")
        case av.error.HTTPNotFoundError():
            return CameraFault("not_found", f"{shown} is unknown to the camera: correct the path of its url")
        case av.error.HTTPClientError() | av.error.HTTPServerError():
            return CameraFault(
                "refused", f"{shown} refuses the stream: see whether another client holds its last session"
            )
        case av.error.ExitError() | av.error.TimeoutError():
            if playing:
                return CameraFault(
                    "silent", f"{shown} sent nothing for {waited_s:.0f} s: check its network and power"
                )
            return CameraFault(
                "unreachable", f"{shown} does not answer within {waited_s:.0f} s: check its network and power"
            )
        case av.error.InvalidDataError():
            return CameraFault(
                "corrupt", f"{shown} sends what is no valid stream: restart it or update its firmware"
            )
        case av.error.OSError():
            return CameraFault("closed", f"{shown} broke the connection: check its network and power")
        case _:
            return CameraFault("broken", f"{shown} failed with {type(error).__name__}: restart the camera")

"""Faults the pod knows by name. Each message says what is wrong and how to mend it."""

from typing import Literal


class PlateBridgeError(Exception):
    """A fault with a message fit for an operator: what happened, then the mend."""


class ConfigError(PlateBridgeError):
    """The configuration cannot be used; the text lists every problem, one a line."""


class CameraError(PlateBridgeError):
    """A camera cannot be reached, opened or decoded."""


class StoreError(PlateBridgeError):
    """The store did not commit; nothing may be assumed about the row."""


class UsesSpentError(PlateBridgeError):
    """An entry that holds for a number of times was used up; the car stays outside."""


class GateError(PlateBridgeError):
    """The gate did not do what it was told, or may not be asked."""


class PlateListError(PlateBridgeError):
    """A plate, or a file of plates, cannot be taken into the access list; the text lists every problem."""


class PictureError(PlateBridgeError):
    """A picture or video file cannot be read, or one cannot be written."""


class MeasurementError(PlateBridgeError):
    """A figure cannot be had: what it is measured on is missing, broken or too little."""


LiveErrorKind = Literal[
    "bad_offer",
    "too_large",
    "no_h264",
    "no_camera",
    "not_playing",
    "too_many_for_camera",
    "too_many",
    "too_fast",
    "gone",
    "bad_etag",
    "no_restart",
    "stopping",
    "fault",
]
"""Why live video cannot be shown; see `LiveError`."""


class LiveError(PlateBridgeError):
    """Live video cannot be shown, or not to one more viewer.

    Attributes:
        kind: `bad_offer`, `too_large`, `no_h264`: the viewer's description cannot be used. `no_camera`:
            there is none of that name. `not_playing`: the camera sends nothing now. `too_many_for_camera`,
            `too_many`: every place is taken. `too_fast`: more sessions are asked for than can be set up.
            `gone`: the session has ended. `bad_etag`, `no_restart`: its ICE session is another, or cannot
            start anew. `stopping`: the POD stops, or shows no live video. `fault`: a fault of PlateBridge,
            which the log tells.
        retry_after_s: when to ask again; None where asking again does not help.
    """

    def __init__(self, kind: LiveErrorKind, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: LiveErrorKind = kind
        self.retry_after_s = retry_after_s

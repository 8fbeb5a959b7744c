"""Faults the pod knows by name. Each message says what is wrong and how to mend it."""


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

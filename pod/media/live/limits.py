"""What live video may cost the POD."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """What live video may cost.

    Attributes:
        per_camera, in_all: viewers at once.
        connect_within_s: a viewer with whom no connection has come about by then is given up.
        unconnected: sessions of one viewer at one camera that may wait for their connection; one more ends
            the oldest, so that a browser that tries again and again keeps nobody else out.
        setups_at_once, setups_per_s: how many sessions may be opened.
    """

    per_camera: int = 16
    in_all: int = 64
    connect_within_s: float = 15.0
    unconnected: int = 4
    setups_at_once: int = 16
    setups_per_s: float = 10.0

"""Which way a camera's stream is read: by the POD's own RTSP session or through libav. Pure."""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["auto", "native", "libav"]

NO_PICTURE_REASONS = frozenset({"corrupt", "silent", "undecodable"})
"""Ends of a session without one picture that say something about how it was read, not about the network."""


@dataclass(slots=True)
class TransportChoice:
    """Stays with the way that shows pictures, and changes over where one shows none.

    Attributes:
        wanted: as configured; only `auto` ever changes.
        way: how the next session is to be read.
        why_libav: why it is not read natively though it might be; "" where it is, or libav was asked for.
    """

    wanted: Transport
    way: Literal["native", "libav"] = "native"
    why_libav: str = ""

    def __post_init__(self) -> None:
        if self.wanted == "libav":
            self.way = "libav"

    def leave_native(self, why: str) -> None:
        """The native session cannot read this camera."""
        self.way, self.why_libav = "libav", why

    def showed_nothing(self, reason: str) -> None:
        """A session was opened this way, gave no picture, and ended for `reason`."""
        if self.wanted != "auto" or reason not in NO_PICTURE_REASONS:
            return
        if self.way == "native":
            self.leave_native(f"read natively it gave no picture ({reason})")
        else:
            self.way, self.why_libav = "native", ""

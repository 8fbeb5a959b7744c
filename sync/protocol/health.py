"""What a POD says of its own state. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from sync.protocol.wire import Count, Message, Name, Number, Part, Text

_Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class CameraHealth(Part):
    """One camera.

    Attributes:
        state: as the POD's own health calls it.
        viewers: how many watch it live now.
    """

    name: Name
    state: Name
    fps: Number
    viewers: Count


class Health(Message):
    """A POD's heartbeat, once a minute and when something of it changes.

    Attributes:
        session: as in `Hello`.
        versions: of the program, the models and the rules, by name.
        detections_per_hour: plates seen in the last hour.
        unread_approaches: cars of the last hour whose plate was not read.
        backlog_rows: audit rows that the cloud is not known to have.
        disk_free_bytes: where the database lies.
        temperature_c: of the processor; None where nothing tells.
        clock_doubt: why the POD's clock is not believed; empty while it is.
        list_age_s: since the cloud last confirmed its entries; None: never.
        tailscale_state, tailscale_ip: empty where it is not installed.
        problems: what the POD's own health page complains of.
    """

    t: Literal["health"] = "health"
    session: Name
    versions: dict[Name, Text] = Field(max_length=16)
    cameras: list[CameraHealth] = Field(max_length=64)
    detections_per_hour: Number
    unread_approaches: Count
    backlog_rows: Count
    disk_free_bytes: Count
    disk_used: _Ratio
    temperature_c: Number | None
    clock_doubt: Text
    list_age_s: Number | None
    tailscale_state: Text
    tailscale_ip: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]{0,45}$")]
    problems: list[Text] = Field(default_factory=list, max_length=32)


class Presence(Message):
    """Retained by the broker: a POD publishes that it is here, and leaves with it that it is not.

    Attributes:
        session: the last will of an older session says nothing of a newer one.
    """

    t: Literal["presence"] = "presence"
    session: Name
    online: bool


def newer_presence(known: Presence | None, told: Presence) -> Presence:
    """What is known of a POD once a message about it came: a will may come late, of a session long over."""
    if known is None or told.online or told.session == known.session:
        return told
    return known

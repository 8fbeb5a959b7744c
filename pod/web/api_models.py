"""What goes into and out of the API."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What leaves the POD: read from its own dataclasses."""

    model_config = ConfigDict(from_attributes=True)


class Problem(Answer):
    detail: str = Field(description="What is wrong and what mends it, for people.")


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SignInRequest(Given):
    password: str = Field(max_length=1000)


class SessionAnswer(Answer):
    csrf: str = Field(description="Goes into the header X-CSRF-Token of everything but GET.")
    by: str = Field(description="How the audit names this session.")
    must_change: bool = Field(
        description="Change the password on the page first; until then nothing else answers."
    )


class Car(Answer):
    approach: str
    at: datetime
    camera: str
    gate: str
    plate: str
    outcome: str = Field(
        description="open commanded, opening, open already, let in already, not opened, failed or not known"
    )
    reason: str = Field(description="A stable code.")
    why: str = Field(description="The reason in plain words.")
    confidence: float
    label: str
    entry: str = Field(description="The plate as the list has it; empty where no entry decided.")
    type: str


class Revision(Answer):
    seq: int
    at: datetime
    kind: str
    facts: dict[str, object]


class CarStory(Answer):
    revisions: list[Revision]


class ListEntry(Answer):
    id: int
    plate: str
    verdict: str
    type: str
    label: str
    starts_at: datetime | None
    expires_at: datetime | None
    gates: tuple[str, ...]
    cameras: tuple[str, ...]
    sites: tuple[str, ...]
    schedule: str | None
    uses_left: int | None
    exact_only: bool
    owner: str


class ListAnswer(Answer):
    version: int
    lockdown: bool
    auto_grant: bool
    total: int
    entries: list[ListEntry]


class GateAnswer(Answer):
    name: str
    condition: str = Field(description="ready, down, unavailable or latched")
    sentence: str
    pause_left_s: float
    position: str = Field(description="open, closed, moving, unknown or not_wired")
    presence: bool | None
    facts: tuple[str, ...]


class CommandAnswer(Answer):
    command: str = Field(description="Good for one opening of this gate.")
    valid_s: float


class OpenRequest(Given):
    command: str = Field(max_length=100, description="From POST /api/gates/{name}/commands.")
    confirmed: bool = Field(default=False, description="Open although the site is locked down.")


class OpenAnswer(Answer):
    result: str = Field(description="commanded, refused, failed or unknown; commanded does not mean opened")
    reason: str
    sentence: str
    repeated: bool = Field(description="An answer to an earlier request; nothing was done now.")


class PartAnswer(Answer):
    part: str
    status: str
    sentence: str


class AlarmAnswer(Answer):
    code: str
    subject: str
    text: str
    since: datetime


class HealthAnswer(Answer):
    status: str = Field(description="ok, degraded or failing")
    parts: list[PartAnswer]
    alarms: list[AlarmAnswer]


class IceServerAnswer(Answer):
    """As `RTCPeerConnection` takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class WatchAnswer(Answer):
    token: str = Field(description="Goes as Authorization: Bearer to the endpoint; once, within a minute.")
    whep: str = Field(description="Path of the camera's WHEP endpoint.")
    mode: str = Field(
        description="How the video is sent: as_sent, unknown, or `transcoded: ` or `unplayable: ` and why."
    )
    ice_servers: list[IceServerAnswer]
    lease_s: float = Field(description="The session ends after this long unless a new token renews it.")

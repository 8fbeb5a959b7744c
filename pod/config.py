"""What can be configured: frozen sections with unit, default and range. Pure data; `config_load` reads the file."""

from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Polygon = Annotated[
    tuple[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]], ...],
    Field(min_length=3),
]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone such as Europe/Berlin")
    return name


class Section(BaseModel):
    """A part of the configuration: immutable, and no key goes unread."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SiteConfig(Section):
    name: str = Field("PlateBridge", min_length=1, max_length=80)
    time_zone: Annotated[str, AfterValidator(_known_zone)] | None = None


class CameraConfig(Section):
    name: Name
    url: str = Field(min_length=1)
    username: str | None = None
    password: SecretStr | None = None
    gate: Name
    direction: Literal["in", "out", "both"] = "both"
    detect_fps: float = Field(10.0, ge=0.5, le=30)
    freshness_limit_s: float = Field(2.0, ge=0.2, le=30)
    min_plate_px: int = Field(24, ge=8, le=1000)
    regions: tuple[Polygon, ...] = ()
    masks: tuple[Polygon, ...] = ()
    loop: bool = False


class GateConfig(Section):
    name: Name
    driver: Literal["simulated"] = "simulated"
    pulse_ms: int = Field(500, ge=50, le=5000)
    pause_s: float = Field(10.0, ge=1, le=300)


class VisionConfig(Section):
    provider: Literal["auto", "cpu", "openvino", "cuda"] = "auto"
    threads: int = Field(1, ge=1, le=16)
    detector: str = "bundled"
    recognizer: str = "bundled"
    detector_confidence: float = Field(0.25, ge=0.05, le=0.95)
    crop_margin: float = Field(0.08, ge=0, le=0.3)


class AccessConfig(Section):
    min_confidence: float = Field(0.85, ge=0.5, le=0.999)
    deny_after_s: float = Field(1.5, ge=0.2, le=30)
    reapproach_s: float = Field(60.0, ge=5, le=3600)
    still_after_start_s: float = Field(3.0, ge=0, le=60)


class StoreConfig(Section):
    commit_timeout_ms: int = Field(1000, ge=50, le=10_000)


class WebConfig(Section):
    host: str = "127.0.0.1"
    port: int = Field(8480, ge=0, le=65535)


class LogConfig(Section):
    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"


class PodConfig(Section):
    """The whole configuration of one POD."""

    data_dir: str = "/var/lib/platebridge"
    site: SiteConfig = SiteConfig()
    cameras: tuple[CameraConfig, ...] = Field(min_length=1)
    gates: tuple[GateConfig, ...] = Field(min_length=1)
    vision: VisionConfig = VisionConfig()
    access: AccessConfig = AccessConfig()
    store: StoreConfig = StoreConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()

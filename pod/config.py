"""What can be configured: frozen sections with units and ranges. Pure data; `config_load` reads the file."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from pod.config_gates import GateConfig as GateConfig
from pod.config_gates import each_line_once
from pod.config_live import LiveConfig as LiveConfig
from pod.config_section import BesideConfig as BesideConfig
from pod.config_section import Name as Name
from pod.config_section import Section as Section

STREAM_SCHEMES = ("rtsp", "rtsps")


def is_stream_url(url: str) -> bool:
    """Whether a camera's `url` is a network stream rather than a path."""
    return "://" in url


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from None
    return name


def _country_code(code: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError("must be a country code of two capitals such as DE (ISO 3166)")
    return code


def _camera_url(url: str) -> str:
    if "\0" in url or not url.strip():
        raise ValueError("must be an rtsp:// or rtsps:// address, a video file or a folder of pictures")
    if not is_stream_url(url):
        return url
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a valid address; write rtsp://HOST:PORT/PATH") from None
    if parts.scheme not in STREAM_SCHEMES:
        raise ValueError("must be an rtsp:// or rtsps:// address, a video file or a folder of pictures")
    if not host:
        raise ValueError("names no host; write rtsp://HOST:PORT/PATH")
    if parts.username is not None:
        raise ValueError("holds a user name though username or password is set; keep only those")
    return url


def _path_text(path: str) -> str:
    if "\0" in path or not path.strip():
        raise ValueError("must be a path")
    return path


def _ip_address(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("must be an IP address of this machine, or 0.0.0.0 for all of them") from None
    return host


def _host_name(name: str) -> str:
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label}){{0,9}}", name):
        raise ValueError("must be a host name such as gate.example.org, without scheme and port")
    return name


Polygon = Annotated[
    tuple[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]], ...],
    Field(min_length=3, max_length=64),
]


class SiteConfig(Section):
    id: Name = "site"
    name: str = Field(default="PlateBridge", min_length=1, max_length=80)
    time_zone: Annotated[str, AfterValidator(_known_zone)] | None = None
    country: Annotated[str, AfterValidator(_country_code)] | None = None
    clock: Literal["ntp", "rtc"] = "ntp"


class CameraConfig(Section):
    """One camera. A user name and password inside `url` move to their own settings: `url` may be logged."""

    name: Name
    url: Annotated[str, AfterValidator(_camera_url), BesideConfig()]
    username: str | None = Field(default=None, min_length=1)
    password: SecretStr | None = None
    transport: Literal["auto", "native", "libav"] = "auto"
    gate: Name
    direction: Literal["in", "out", "both"] = "both"
    detect_fps: float = Field(default=10.0, ge=0.5, le=30)
    freshness_limit_s: float = Field(default=2.0, ge=0.2, le=30)
    min_plate_px: int = Field(default=24, ge=8, le=1000)
    regions: tuple[Polygon, ...] = ()
    masks: tuple[Polygon, ...] = ()
    live_masks: bool = False
    loop: bool = False

    @model_validator(mode="before")
    @classmethod
    def _move_credentials(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("username") or given.get("password"):
            return given
        url = given.get("url")
        match = re.fullmatch(
            r"(rtsps?://)([^/?#]*)@([^@/?#]*(?:[/?#].*)?)", url if isinstance(url, str) else ""
        )
        if match is None:
            return given
        username, _, password = match[2].partition(":")
        moved = {"url": match[1] + match[3], "username": unquote(username) or None}
        if password:
            moved["password"] = SecretStr(unquote(password))
        return given | moved


class VisionConfig(Section):
    provider: Literal["auto", "cpu", "openvino", "cuda"] = "auto"
    threads: int = Field(default=1, ge=1, le=16)
    detector: Annotated[str, AfterValidator(_path_text), BesideConfig()] = "bundled"
    recognizer: Annotated[str, AfterValidator(_path_text), BesideConfig()] = "bundled"
    model_store: Annotated[Annotated[str, AfterValidator(_path_text)] | None, BesideConfig()] = None
    detector_confidence: float | None = Field(default=None, ge=0.05, le=0.95)
    crop_margin: float | None = Field(default=None, ge=0, le=0.3)

    @property
    def store(self) -> Path | None:
        """Where pulled and imported models are looked for; None: in this user's own store."""
        return None if self.model_store is None else Path(self.model_store)


class TypeConfig(Section):
    """What replaces the defaults of one type of entry (`domain.entry_types`); None keeps them."""

    min_confidence: float | None = Field(default=None, ge=0.5, le=0.999)
    stale_after_h: float | None = Field(default=None, ge=1, le=8760)
    on_store_failure: Literal["open", "deny"] | None = None
    spared_by_lockdown: bool | None = None


class TypesConfig(Section):
    """One row for each type of entry."""

    visitor: TypeConfig = TypeConfig()
    resident: TypeConfig = TypeConfig()
    staff: TypeConfig = TypeConfig()
    emergency: TypeConfig = TypeConfig()
    delivery: TypeConfig = TypeConfig()
    service: TypeConfig = TypeConfig()
    contractor: TypeConfig = TypeConfig()


class AccessConfig(Section):
    min_confidence: float = Field(default=0.85, ge=0.5, le=0.999)
    deny_after_s: float = Field(default=1.5, ge=0.2, le=30)
    reapproach_s: float = Field(default=60.0, ge=5, le=3600)
    still_after_start_s: float = Field(default=3.0, ge=0, le=60)
    types: TypesConfig = TypesConfig()


class StoreConfig(Section):
    commit_timeout_ms: int = Field(default=100, ge=50, le=10_000)


class MediaConfig(Section):
    quota_mb: int = Field(default=2000, ge=0, le=1_000_000)
    min_free_mb: int = Field(default=500, ge=0, le=100_000)
    keep_days: int = Field(default=30, ge=1, le=3650)
    keep_unknown_days: int = Field(default=7, ge=1, le=3650)
    clip_before_s: float = Field(default=3.0, ge=0, le=10)
    clip_after_s: float = Field(default=5.0, ge=0, le=20)


class AuditConfig(Section):
    keep_days: int = Field(default=365, ge=1, le=3650)
    keep_unknown_days: int = Field(default=30, ge=1, le=3650)


class WebConfig(Section):
    """The local page. Open to other machines it is always served over TLS."""

    host: Annotated[str, AfterValidator(_ip_address)] = "127.0.0.1"
    port: int = Field(default=8480, ge=0, le=65535)
    names: tuple[Annotated[str, AfterValidator(_host_name)], ...] = Field(default=(), max_length=20)
    certificate: Annotated[Annotated[str, AfterValidator(_path_text)] | None, BesideConfig()] = None
    key: Annotated[Annotated[str, AfterValidator(_path_text)] | None, BesideConfig()] = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("needs certificate and key together, or neither")
        return self

    @property
    def is_open_to_lan(self) -> bool:
        """Whether other machines may ask."""
        return not ipaddress.ip_address(self.host).is_loopback


class LogConfig(Section):
    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"


class PodConfig(Section):
    """The whole configuration of one POD."""

    data_dir: Annotated[str, AfterValidator(_path_text), BesideConfig()] = "/var/lib/platebridge"
    site: SiteConfig = SiteConfig()
    cameras: tuple[CameraConfig, ...] = Field(min_length=1)
    gates: Annotated[tuple[GateConfig, ...], AfterValidator(each_line_once)] = Field(min_length=1)
    vision: VisionConfig = VisionConfig()
    access: AccessConfig = AccessConfig()
    store: StoreConfig = StoreConfig()
    media: MediaConfig = MediaConfig()
    audit: AuditConfig = AuditConfig()
    web: WebConfig = WebConfig()
    live: LiveConfig = LiveConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _keep_models_with_the_data(self) -> Self:
        """A service has no home and may write its data directory alone: unless told, its models are there."""
        if self.vision.model_store is None:
            store = str(Path(self.data_dir, "models"))
            object.__setattr__(self, "vision", self.vision.model_copy(update={"model_store": store}))
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every secret in it, for the log to strike out."""
        cameras = tuple(c.password.get_secret_value() for c in self.cameras if c.password is not None)
        gates = tuple(secret for gate in self.gates for secret in gate.secrets())
        return cameras + gates + (self.live.turn.secrets() if self.live.turn is not None else ())

"""The `gates:` part of the configuration: what moves each gate, and what tells where it is. Pure data."""

import ipaddress
import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from pod.config_section import BesideConfig, Name, Section

PLACEHOLDERS = ("pulse_ms", "pulse_s", "pulse_id", "gate")
"""What a web address may contain in braces."""

DEVICE_TIMES_IT = (
    "does not exist: an 'off' that gets lost would hold the gate; under url, write the address that makes "
    "the device give a pulse and time it by itself"
)


def _line_text(line: object) -> object:
    """A line may be written as its number or as its name; inside it is text."""
    return str(line) if isinstance(line, int) and not isinstance(line, bool) else line


def _no_number_below_zero(text: str) -> str:
    if re.fullmatch(r"-\s*[0-9]+", text):
        raise ValueError("is below zero; lines are numbered from 0")
    return text


def _printable(text: str) -> str:
    if not re.fullmatch(r"[ -~]{1,128}", text):
        raise ValueError("must be 1 to 128 printable ASCII characters")
    return text


def _pulse_url(url: str) -> str:
    if not re.fullmatch(r"[!-~]{1,2000}", url):
        raise ValueError("must be one address without spaces; percent-encode what is not plain ASCII")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a valid address; write http://HOST/PATH") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be an http:// or https:// address")
    if parts.username is not None:
        raise ValueError("holds a user name; write username and password beside it instead")
    if parts.fragment:
        raise ValueError("holds a #, which no device ever sees; write it as %23")
    if "{" in parts.netloc or "}" in parts.netloc:
        raise ValueError("may have placeholders in its path and query only")
    rest = url
    for name in PLACEHOLDERS:
        rest = rest.replace("{" + name + "}", "")
    if "{" in rest or "}" in rest:
        known = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
        raise ValueError(f"has a placeholder that does not exist; there are {known}")
    if parts.scheme == "http" and _is_public(host):
        raise ValueError("is plain http beyond the local network, where anyone can repeat it; use https")
    return url


def _is_public(host: str) -> bool:
    """Whether a host is an address of the internet; a name is looked up, and judged, with every pulse."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False


Printable = Annotated[str, AfterValidator(_printable)]
LineName = Annotated[
    str, BeforeValidator(_line_text), AfterValidator(_printable), AfterValidator(_no_number_below_zero)
]
Bias = Literal["as_is", "pull_up", "pull_down", "off"]


class GpioConfig(Section):
    """An output line of a GPIO chip."""

    chip: Printable
    line: LineName
    active_low: bool = False
    bias: Bias = "as_is"
    monostable_ms: int | None = Field(default=None, ge=50, le=10_000)

    @model_validator(mode="after")
    def _bias_that_lets_go(self) -> "GpioConfig":
        """A line whose holder died falls to its bias: that must be the level at which the relay is off."""
        held = "pull_down" if self.active_low else "pull_up"
        if self.bias == held:
            free = "pull_up" if self.active_low else "pull_down"
            raise ValueError(
                f"has a bias that would switch the relay on as soon as nobody drives the line; use {free}"
            )
        return self


class HttpConfig(Section):
    """A device that gives one pulse for one request and times it itself."""

    refused: ClassVar[dict[str, str]] = dict.fromkeys(
        ("on", "off", "on_url", "off_url", "url_on", "url_off", "open_url", "close_url"), DEVICE_TIMES_IT
    )

    url: Annotated[str, AfterValidator(_pulse_url)]
    method: Literal["GET", "POST", "PUT"] = "GET"
    timeout_ms: int = Field(default=2000, ge=200, le=5000)
    username: Printable | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    certificate: Annotated[str | None, BesideConfig()] = None

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> "HttpConfig":
        if self.token is not None and (self.username is not None or self.password is not None):
            raise ValueError("has a token and a username or password; a device takes one of them")
        if self.token is not None and not self.token.get_secret_value().isascii():
            raise ValueError("has a token that is not plain ASCII, which no device can be sent")
        if self.password is not None and self.username is None:
            raise ValueError("has a password without a username")
        if ":" in (self.username or ""):
            raise ValueError("has a username with a colon, which no device can tell from the password")
        if self.certificate is not None and not self.url.startswith("https:"):
            raise ValueError("has a certificate though its address is plain http")
        return self


class InputConfig(Section):
    """A contact, or a loop detector, on an input line."""

    shows: Literal["closed", "open", "presence"]
    driver: Literal["gpio", "simulated"] = "gpio"
    chip: Printable | None = None
    line: LineName | None = None
    active_low: bool = False
    bias: Bias = "as_is"
    debounce_ms: int = Field(default=30, ge=1, le=1000)

    @model_validator(mode="after")
    def _line_where_there_is_one(self) -> "InputConfig":
        wired = self.chip is not None, self.line is not None
        if self.driver == "gpio" and not all(wired):
            raise ValueError("needs the chip and the line that it is wired to")
        if self.driver == "simulated" and any(wired):
            raise ValueError("is simulated and has no chip and no line; write driver: gpio, or remove them")
        return self


class GateConfig(Section):
    name: Name
    driver: Literal["simulated", "gpio", "http"] = "simulated"
    gpio: GpioConfig | None = None
    http: HttpConfig | None = None
    pulse_ms: int = Field(default=500, ge=50, le=5000)
    pause_s: float = Field(default=10.0, ge=1, le=300)
    input: Literal["open_only", "step"] = "open_only"
    on_store_failure: Literal["open", "deny"] = "open"
    inputs: Annotated[tuple[InputConfig, ...], Field(max_length=3)] = ()
    open_within_s: float = Field(default=15.0, ge=1, le=300)
    held_after_s: float = Field(default=300.0, ge=10, le=86_400)
    forced_alarm: bool = True

    @model_validator(mode="after")
    def _driver_and_its_settings(self) -> "GateConfig":
        sections = {"gpio": self.gpio, "http": self.http}
        for name, section in sections.items():
            if self.driver == name and section is None:
                raise ValueError(f"has driver {name} and no settings for it; add {name}: under this gate")
            if self.driver != name and section is not None:
                raise ValueError(f"has settings under {name} that its driver does not read; remove them")
        return self

    @model_validator(mode="after")
    def _inputs_that_make_sense(self) -> "GateConfig":
        shown = [one.shows for one in self.inputs]
        if len(set(shown)) != len(shown):
            raise ValueError("has two inputs that show the same; each of closed, open, presence once at most")
        if self.input == "step" and "closed" not in shown:
            raise ValueError(
                "has input step, where a pulse may stop or close it; wire a contact that shows closed, and "
                "name it under inputs"
            )
        return self

    def lines(self) -> tuple[tuple[str | None, str], ...]:
        """Chip and line of everything that is wired."""
        wired = (*self.inputs, self.gpio)
        return tuple((one.chip, one.line) for one in wired if one is not None and one.line is not None)

    def secrets(self) -> tuple[str, ...]:
        """Every secret in it, for the log to strike out."""
        held = (self.http.password, self.http.token) if self.http is not None else ()
        return tuple(secret.get_secret_value() for secret in held if secret is not None)


def each_line_once(gates: tuple[GateConfig, ...]) -> tuple[GateConfig, ...]:
    """Refuse gates that use one line of a chip for two things."""
    lines = [line for gate in gates for line in gate.lines()]
    if len(set(lines)) != len(lines):
        raise ValueError("use one line of a chip for two things; every relay and contact has its own")
    return gates

"""The `gates:` part of the configuration: what moves each gate, and what tells where it is. Pure data."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from pod.config_section import Name, Section


def _line_text(line: object) -> object:
    """A line may be written as its number or as its name; inside it is text."""
    return str(line) if isinstance(line, int) and not isinstance(line, bool) else line


Chip = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[ -~]+$")]
LineName = Annotated[
    str, BeforeValidator(_line_text), StringConstraints(min_length=1, max_length=64, pattern=r"^[ -~]+$")
]
Bias = Literal["as_is", "pull_up", "pull_down", "off"]


class GpioConfig(Section):
    """An output line of a GPIO chip."""

    chip: Chip
    line: LineName
    active_low: bool = False
    bias: Bias = "as_is"


class GateConfig(Section):
    name: Name
    driver: Literal["simulated", "gpio"] = "simulated"
    pulse_ms: int = Field(default=500, ge=50, le=5000)
    pause_s: float = Field(default=10.0, ge=1, le=300)
    gpio: GpioConfig | None = None

    @model_validator(mode="after")
    def _driver_and_its_settings(self) -> "GateConfig":
        if self.driver == "gpio" and self.gpio is None:
            raise ValueError("driver gpio needs its line: add `gpio:` with chip and line under this gate")
        if self.driver != "gpio" and self.gpio is not None:
            raise ValueError("has settings under gpio that nothing reads; write driver: gpio, or remove them")
        return self

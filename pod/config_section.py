"""What every part of the configuration is made of. Pure data."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class BesideConfig:
    """Marks a setting that may be a path: `config_load` resolves a relative one beside the file."""


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
        raise ValueError("must be lower-case letters, digits, - or _, 32 at most, a letter or digit first")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]


class Section(BaseModel):
    """A part of the configuration: immutable, and no key goes unread. Its errors never show a value.

    Attributes:
        refused: settings that people look for here and that do not exist on purpose, each with its mend.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    refused: ClassVar[dict[str, str]] = {}

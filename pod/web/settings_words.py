"""Every setting of the POD as it is in force, and where it was given. Secrets are never shown. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from pod.config import PodConfig
from pod.config_load import Origin
from pod.config_yaml import Location
from pod.runtime.query_secrets import without_query_secrets

LONGEST = 300
"""Characters of one value on the page; regions can hold hundreds of corners."""

EVERYWHERE = "general"


@dataclass(frozen=True, slots=True)
class SettingWords:
    """One setting.

    Attributes:
        name: as in the file, such as `cameras.0.url`.
        value: ready to show.
        source: `FILE:LINE`, "default", or "built in" where no file was read.
    """

    name: str
    value: str
    source: str

    @property
    def is_default(self) -> bool:
        return self.source == "default"


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """The settings of one section, such as all of one camera."""

    title: str
    settings: tuple[SettingWords, ...]


def settings_of(config: PodConfig, origin: Origin | None) -> tuple[SettingGroup, ...]:
    """All settings by section, in the order of the schema.

    Args:
        origin: None where no file was read, as in the demo.
    """
    groups: dict[str, list[SettingWords]] = {}
    for location, value in _walk(config, ()):
        groups.setdefault(_group(location, config), []).append(
            SettingWords(".".join(map(str, location)), _shown(value), _source(location, origin))
        )
    return tuple(SettingGroup(title, tuple(settings)) for title, settings in groups.items())


def _walk(value: object, location: Location) -> Iterator[tuple[Location, object]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name), (*location, name))
    elif isinstance(value, tuple) and any(isinstance(part, BaseModel) for part in value):
        for index, part in enumerate(value):
            yield from _walk(part, (*location, index))
    elif isinstance(value, dict) and any(isinstance(part, BaseModel) for part in value.values()):
        for name, part in value.items():
            yield from _walk(part, (*location, str(name)))
    else:
        yield location, value


def _group(location: Location, config: PodConfig) -> str:
    section = str(location[0])
    if len(location) == 1:
        return EVERYWHERE
    if isinstance(location[1], int):
        entry = getattr(config, section)[location[1]]
        return f"{section.removesuffix('s')} {getattr(entry, 'name', location[1])}"
    return section


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "set, not shown"
    if value is None or value == ():
        return "not set"
    text = without_query_secrets(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _source(location: Location, origin: Origin | None) -> str:
    if origin is None:
        return "built in"
    line = origin.lines.get(location)
    return "default" if line is None else f"{origin.file}:{line}"

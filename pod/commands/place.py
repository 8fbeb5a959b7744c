"""Which pod a command works on: the place of its database, its time zone, its gates."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from pod.config_load import load_config
from pod.domain.errors import ConfigError
from pod.store.store import FILE_NAME

DEFAULT_CONFIG = Path("/etc/platebridge/config.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The pod's configuration file.", envvar="PLATEBRIDGE_CONFIG"),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(help="The pod's data directory, instead of the one in the configuration."),
]


@dataclass(frozen=True, slots=True)
class Place:
    """What a command must know of a pod.

    Attributes:
        zone: of times written without one.
        gates: their names; None where no configuration tells.
    """

    database: Path
    zone: ZoneInfo
    gates: tuple[str, ...] | None


def find_place(config: Path | None, data_dir: Path | None) -> Place:
    """The pod that the options name; without any, the one installed on this machine.

    Raises:
        ConfigError: the configuration can't be used, or nothing says where the data lies.
    """
    if config is None and data_dir is None:
        if not DEFAULT_CONFIG.exists():
            raise ConfigError(
                f"there is no {DEFAULT_CONFIG}: name the pod by --config FILE or --data-dir DIR"
            )
        config = DEFAULT_CONFIG
    loaded = None if config is None else load_config(config)
    directory = data_dir or Path(loaded.data_dir if loaded else "")
    return Place(
        directory / FILE_NAME,
        ZoneInfo(loaded.site.time_zone) if loaded and loaded.site.time_zone else system_zone(),
        tuple(gate.name for gate in loaded.gates) if loaded else None,
    )


def system_zone() -> ZoneInfo:
    """The machine's time zone by its IANA name; UTC where it tells none."""
    names = (
        os.environ.get("TZ", ""),
        _first_line(Path("/etc/timezone")),
        _linked_zone(Path("/etc/localtime")),
    )
    for name in names:
        # ZoneInfo refuses a name that leads out of the zone directory with ValueError.
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            if name:
                return ZoneInfo(name.removeprefix(":"))
    return ZoneInfo("UTC")


def _first_line(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8").partition("\n")[0].strip()
    return ""


def _linked_zone(path: Path) -> str:
    """The zone a link into the zone directory names, such as ../usr/share/zoneinfo/Europe/Berlin."""
    with suppress(OSError):
        return str(path.readlink()).partition("zoneinfo/")[2]
    return ""

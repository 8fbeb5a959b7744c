"""Which pod a command works on: the place of its database, its time zone, its gates."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pod.config import WebConfig
from pod.config_load import load_config
from pod.domain.errors import ConfigError
from pod.runtime.time_zone import zone_of
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
        gates, cameras: their names; None where no configuration tells.
        web: how its page is served; the defaults where no configuration tells.
    """

    database: Path
    zone: ZoneInfo
    gates: tuple[str, ...] | None
    cameras: tuple[str, ...] | None
    web: WebConfig


def find_place(config: Path | None, data_dir: Path | None) -> Place:
    """The pod that the options name; without any, the one installed on this machine.

    Raises:
        ConfigError: the configuration can't be used, or nothing says where the data lies.
    """
    if config is None and data_dir is None:
        if not is_there(DEFAULT_CONFIG):
            raise ConfigError(
                f"there is no {DEFAULT_CONFIG}: name the pod by --config FILE or --data-dir DIR"
            )
        config = DEFAULT_CONFIG
    loaded = None if config is None else load_config(config)
    directory = data_dir or Path(loaded.data_dir if loaded else "")
    return Place(
        directory / FILE_NAME,
        zone_of(loaded.site.time_zone if loaded else None),
        tuple(gate.name for gate in loaded.gates) if loaded else None,
        tuple(camera.name for camera in loaded.cameras) if loaded else None,
        loaded.web if loaded else WebConfig(),
    )


def is_there(config: Path) -> bool:
    """Whether there is such a file.

    Raises:
        ConfigError: this user may not look.
    """
    try:
        config.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{config} cannot be read ({error.strerror}): run this as the pod's user, or name another pod "
            "by --config FILE or --data-dir DIR"
        ) from error
    return True

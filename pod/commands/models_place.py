"""Which model store a command works on, and which models a configuration uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from models import registry
from models.manifest import Task
from models.store import default_store
from pod.commands.place import DEFAULT_CONFIG, is_there
from pod.config import VisionConfig
from pod.config_load import load_config

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="A POD's configuration file: its model store, and the models it uses.",
        envvar="PLATEBRIDGE_CONFIG",
        show_default=f"{DEFAULT_CONFIG} where there is one",
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="The folder of pulled and imported models.",
        show_default="the configuration's, or this user's own",
    ),
]


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where models are, and who uses them.

    Attributes:
        config: the configuration that says so; None where there is none.
    """

    store: Path
    config: Path | None
    vision: VisionConfig | None

    def used(self) -> dict[str, Task]:
        """Names and paths of the models that the configuration uses; none where there is no configuration."""
        if self.vision is None:
            return {}
        wanted: tuple[tuple[str, Task], ...] = (
            (self.vision.detector, "detector"),
            (self.vision.recognizer, "recognizer"),
        )
        return {registry.BUNDLED[task] if name == "bundled" else name: task for name, task in wanted}

    def how_to_use(self, name: str, task: Task) -> list[str]:
        """What to do to read with a model of this store, a line each."""
        if self.config is None and self.store == default_store():
            return [
                f"Try it: platebridge read --{task} {name} PICTURE",
                "For a POD, say which one with --config FILE: a service cannot look into a home.",
            ]
        lines = ["To use it, write into the configuration and restart the POD:", "  vision:"]
        lines.append(f"    {task}: {name}")
        if self.vision is None or self.vision.store != self.store:
            lines.append(f"    model_store: {self.store}")
        return lines


def find_models(config: Path | None, store: Path | None) -> ModelPlace:
    """The store that the options name; without any, that of the POD installed here, else this user's own.

    Raises:
        ConfigError: the configuration can't be used.
    """
    if config is None and store is None and is_there(DEFAULT_CONFIG):
        config = DEFAULT_CONFIG
    vision = None if config is None else load_config(config).vision
    configured = None if vision is None else vision.store
    return ModelPlace((store or configured or default_store()).absolute(), config, vision)

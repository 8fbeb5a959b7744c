"""`platebridge models pull` and `remove`: models of the hubs come into the store, and leave it."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from models.hub import HubModel, hub_model
from models.manifest import InputShape, Manifest, ModelError
from models.pull import Way
from models.pull import pull as pull_model
from models.store import remove as remove_stored
from pod.commands.harmless import harmless
from pod.commands.models_place import ConfigOption, StoreOption, find_models


def pull(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Models that `models list` calls available.", show_default=False
        ),
    ],
    config: ConfigOption = None,
    store: StoreOption = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL|DIR",
            help="Where the hub's files are instead: an https address, or a folder on a stick.",
            show_default="the hub",
        ),
    ] = None,
    trust_first_download: Annotated[
        bool,
        typer.Option(
            "--trust-first-download",
            help="Also take a file whose checksum nobody has published; what comes is pinned from then on.",
        ),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch it even if it is there.")] = False,
) -> None:
    """Fetch models of fast-plate-ocr's and open-image-models' hubs by name.

    A download that breaks off goes on where it was when you pull again. What comes is compared with a
    checksum that is known beforehand, and tried on a picture, before it is kept. The models that come with
    PlateBridge need no pull.
    """
    place = find_models(config, store)
    for model in [hub_model(name) for name in names]:
        with _Told(model) as told:
            way = Way(told, mirror, trust_first_download, again)
            pulled = pull_model(model, way, store=place.store, trial=_trial)
        told.say(f"is in {place.store}" if pulled.is_new else "is there already, and whole")
        if pulled.manifest.trusted_on_first_download:
            told.say("nobody has published its checksum; it is pinned from this download on")
        for line in place.how_to_use(pulled.manifest.name, pulled.manifest.task):
            print(line)


def remove(
    name: Annotated[str, typer.Argument(help="A model that was pulled or imported.", show_default=False)],
    config: ConfigOption = None,
    store: StoreOption = None,
    force: Annotated[bool, typer.Option("--force", help="Even if the configuration uses it.")] = False,
) -> None:
    """Take a pulled or imported model out of the store.

    One that the configuration uses stays, unless forced: a POD without its model does not start.
    """
    from models import registry

    place = find_models(config, store)
    if name in registry.bundled_names():
        raise ModelError(f"'{name}' came with PlateBridge and is not in the store: it stays")
    if name in place.used() and not force:
        raise ModelError(
            f"'{name}' is used by {place.config}: name another model there and restart the POD first, or add "
            "--force"
        )
    remove_stored(place.store, name)
    print(f"{name}: removed from {place.store}")


def _trial(manifest: Manifest) -> InputShape:
    from pod.services.model_check_apart import try_apart

    return try_apart(manifest).input


class _Told:
    """Tells how files come: a bar on a terminal, a line for each quarter elsewhere; on standard error."""

    def __init__(self, model: HubModel) -> None:
        self._name = model.name
        self._console = Console(stderr=True, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not sys.stderr.isatty(),
            redirect_stdout=False,
        )
        self._task = self._bar.add_task(self._name, total=None)
        self._total_bytes: int | None = None
        self._next_told = 0.0

    def __enter__(self) -> "_Told":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self, done_bytes: int, total_bytes: int | None) -> None:
        """Move the bar, or write a line where a quarter is done."""
        self._bar.update(self._task, completed=done_bytes, total=total_bytes)
        if total_bytes != self._total_bytes:  # another file of the model
            self._total_bytes, self._next_told = total_bytes, 0.25
        if self._bar.disable and total_bytes and done_bytes >= total_bytes * self._next_told:
            self.say(f"{done_bytes / total_bytes:.0%} of {total_bytes:,} bytes")
            self._next_told = (done_bytes * 4 // total_bytes + 1) / 4

    def waits(self, reason: str, delay_s: float) -> None:
        """Say why the next attempt waits."""
        self.say(f"{reason}; again in {delay_s:g} s")

    def say(self, text: str) -> None:
        """One line about this model."""
        self._console.print(f"{self._name}: {harmless(text)}", markup=False, highlight=False)

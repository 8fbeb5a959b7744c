"""The models of others that `platebridge models pull` knows: names, files, checksums. Reads `hub.yaml`."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from models.manifest import NAME, ModelError, Task

_TABLE = Path(__file__).parent / "hub.yaml"


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a hub.

    Attributes:
        url: where its publisher has it.
        sha256, size_bytes: what is known of its content; None: nothing.
    """

    url: str
    sha256: str | None
    size_bytes: int | None

    @property
    def name(self) -> str:
        """Its own name, without the place."""
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model that fits PlateBridge and can be pulled.

    Attributes:
        plate_config: the file with a recogniser's contract; None for a detector.
    """

    name: str
    task: Task
    weights: HubFile
    plate_config: HubFile | None
    licence: str
    training_data: str
    publisher: str

    @property
    def is_pinned(self) -> bool:
        """Whether the checksum of every file of it is known before anything is fetched."""
        files = (self.weights, *((self.plate_config,) if self.plate_config else ()))
        return all(file.sha256 is not None for file in files)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Publisher(_Row):
    base: str
    licence: str
    training_data: str


class _Model(_Row):
    name: str = Field(pattern=NAME)
    task: Task
    publisher: str
    file: str = Field(pattern=r"^[\w.-]+\.onnx$")
    size_bytes: int | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    plate_config: str | None = Field(default=None, pattern=r"^[\w.-]+\.yaml$")
    plate_config_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class _Table(_Row):
    publishers: dict[str, _Publisher]
    models: tuple[_Model, ...]
    unfit: dict[str, str]


def hub_models() -> tuple[HubModel, ...]:
    """Every model that can be pulled, in the order of the table."""
    table = _table()
    return tuple(_joined(row, table.publishers[row.publisher]) for row in table.models)


def hub_model(name: str) -> HubModel:
    """The model of that name.

    Raises:
        ModelError: no hub has it, or it is of no use to PlateBridge.
    """
    known = {model.name: model for model in hub_models()}
    if name in known:
        return known[name]
    unfit = _table().unfit
    if name in unfit:
        raise ModelError(f"'{name}' {unfit[name]}: pull one of {', '.join(known)}")
    close = difflib.get_close_matches(name, [*known, *unfit], n=1)
    mend = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"
    raise ModelError(f"no hub has a model '{name}': {mend}")


def unfit_names() -> frozenset[str]:
    """Names that the hubs have and PlateBridge has no use for."""
    return frozenset(_table().unfit)


def _table() -> _Table:
    return _Table.model_validate(yaml.safe_load(_TABLE.read_text(encoding="utf-8")))


def _joined(row: _Model, publisher: _Publisher) -> HubModel:
    contract = row.plate_config and HubFile(publisher.base + row.plate_config, row.plate_config_sha256, None)
    return HubModel(
        row.name,
        row.task,
        HubFile(publisher.base + row.file, row.sha256, row.size_bytes),
        contract or None,
        publisher.licence,
        publisher.training_data,
        row.publisher,
    )

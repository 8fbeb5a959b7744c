"""What is written down about one weights file: the manifest's fields, its reading and its writing.

A manifest is a YAML file beside the weights that it describes, with the same name:

    name: plate-reader-slots-v1
    task: recognizer                    # or detector
    file: plate-reader-slots-v1.onnx    # a name in the manifest's own folder
    sha256: 2b349d6a...                 # 64 hex digits
    size_bytes: 3405805
    input: {height: 64, width: 128, layout: NHWC, color: rgb}
    plate_config: {...}                 # recogniser: slots, alphabet, padding, in fast-plate-ocr's words
    plate_class: 3                      # detector of many kinds of things: which one is a plate, from 0
    crop_margin: 0.08                   # detector: the rim that readers want around its boxes
    thresholds: {confidence: 0.85}
    temperature: 1.7                    # recogniser: what its logits were divided by before the softmax
    licence: AGPL-3.0-only
    source: https://...                 # where it was fetched
    training_data: [one line a source]
    metrics:                            # a figure, or one with its 95 % interval and what it counts
      exact_percent: {value: 93.1, interval_95_percent: [91.2, 94.6], n: 825}
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.regular import open_regular

Task = Literal["detector", "recognizer"]
Origin = Literal["bundled", "pulled", "imported"]

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""A model's name: it becomes a file name, so nothing that leads elsewhere."""

MOST_MANIFEST_BYTES = 200_000
"""Far more than a manifest or plate configuration needs; what is larger is no such file."""


_MOST_PROBLEMS = 10
_MOST_TOLD = 200


class ModelError(Exception):
    """A model cannot be used; the message says why and how to mend it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputShape(_Part):
    """The picture a model takes; rows first."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    layout: Literal["NCHW", "NHWC"]
    color: Literal["rgb"]


class Thresholds(_Part):
    """The bounds at which the figures were measured.

    Attributes:
        confidence: detector: boxes that score less were dropped; recogniser: reads below were not called
            sure.
    """

    confidence: float | None = Field(default=None, gt=0, lt=1)


class Figure(_Part):
    """A measured figure; percentages unless its name carries another unit.

    Attributes:
        interval_95_percent: the lower and the upper end of its 95 % interval.
        n: of how many pictures, plates or crops.
    """

    value: float
    interval_95_percent: tuple[float, float] | None = None
    n: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _lies_in_its_interval(self) -> "Figure":
        if self.interval_95_percent is not None:
            low, high = self.interval_95_percent
            if not low <= self.value <= high:
                raise ValueError(f"{self.value:g} lies outside of its interval {low:g} to {high:g}")
        return self


class Manifest(_Part):
    """What is known about one weights file.

    Attributes:
        file: the ONNX file, absolute once loaded.
        sha256: of the file, lower-case hex; None for somebody's own file, which nobody vouches for.
        input: what the model takes; None where only the ONNX file itself says so.
        plate_config: the recogniser's contract, in the fields of fast-plate-ocr's plate configuration.
        plate_class: which class of a detector is a plate, from 0; None: every one.
        crop_margin: what readers want around a detector's boxes on each side, a fraction of the box: little
            where it draws loosely, more where it draws tightly; None: nobody measured it.
        temperature: what a recogniser's logits are divided by inside the network.
        source: where it was fetched.
        origin: how it came here; None for a file that is named by its path.
        trusted_on_first_download: nobody had published the checksum; it is that of what was downloaded.
        metrics: figure by name.
    """

    name: Annotated[str, Field(min_length=1)]
    task: Task
    file: Path
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    size_bytes: int | None = Field(default=None, gt=0)
    input: InputShape | None = None
    plate_config: dict[str, object] | None = None
    plate_class: int | None = Field(default=None, ge=0, le=100_000)
    crop_margin: float | None = Field(default=None, ge=0, le=0.3)
    thresholds: Thresholds = Thresholds()
    temperature: float | None = Field(default=None, gt=0)
    licence: str = "unknown"
    source: str | None = None
    origin: Origin | None = None
    trusted_on_first_download: bool = False
    training_data: tuple[str, ...] = ()
    metrics: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Figure | float] = {}

    @model_validator(mode="after")
    def _says_what_its_task_needs(self) -> "Manifest":
        layout = "NCHW" if self.task == "detector" else "NHWC"
        if self.input is not None and self.input.layout != layout:
            raise ValueError(f"the input of a {self.task} must have the layout {layout}")
        if self.task == "recognizer" and self.plate_config is None:
            raise ValueError("a recognizer needs plate_config: its alphabet, slots and picture size")
        if self.task == "recognizer" and (self.plate_class, self.crop_margin) != (None, None):
            raise ValueError("plate_class and crop_margin belong to a detector")
        if self.task == "detector" and (self.plate_config is not None or self.temperature is not None):
            raise ValueError("plate_config and temperature belong to a recognizer")
        return self

    @property
    def alphabet(self) -> str | None:
        """The characters that a recogniser knows, padding included; None for a detector."""
        return None if self.plate_config is None else str(self.plate_config.get("alphabet", ""))


class _PlainLoader(yaml.SafeLoader):
    """Refuses references: a few lines of them unfold to more than memory holds, and no manifest has any."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds a reference (*): write out what it stands for")
        return super().compose_node(parent, index)


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file, with the place of its weights.

    Raises:
        ModelError: it cannot be read, is no manifest, or names a file outside of its folder.
    """
    return checked(path, read_fields(path))


def read_fields(path: Path) -> dict[str, object]:
    """What a YAML file of `key: value` lines holds.

    Raises:
        ModelError: it is none, or larger than a manifest can be.
    """
    try:
        with open_regular(path) as file:
            raw = file.read(MOST_MANIFEST_BYTES + 1)
        if len(raw) > MOST_MANIFEST_BYTES:
            raise ModelError(f"{path}: too large for a description of a model: put the right file there")
        fields = yaml.load(raw.decode("utf-8"), _PlainLoader)  # noqa: S506 - a SafeLoader
    # ValueError: not UTF-8; or a date or number that YAML knows the form of and Python cannot hold.
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(
            f"{path}: cannot be read as YAML: correct it, or install PlateBridge again ({error})"
        ) from error
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ModelError(f"{path}: must hold 'key: value' lines that describe a model")
    return fields


def checked(path: Path, fields: dict[str, object]) -> Manifest:
    """The manifest that fields describe; `path` is the file they come from.

    Raises:
        ModelError: a field is missing, unknown or wrong; the first of them are named, the others counted.
    """
    try:
        manifest = Manifest.model_validate(fields)
    except ValidationError as error:
        found = error.errors()
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'manifest'}: {problem['msg']}"[:_MOST_TOLD]
            for problem in found[:_MOST_PROBLEMS]
        )
        if len(found) > _MOST_PROBLEMS:
            problems += f"; and {len(found) - _MOST_PROBLEMS} more"
        raise ModelError(f"{path}: not a valid model manifest: {problems}: correct these fields") from None
    if manifest.file.name != str(manifest.file) or str(manifest.file) == ".." or "\0" in str(manifest.file):
        raise ModelError(f"{path}: file: must be the name of a file beside it, without a folder")
    return manifest.model_copy(update={"file": path.parent / manifest.file})


def told_of(source: object, part: Path, error: ModelError) -> ModelError:
    """The same fault, told of where a file came from and not of the copy that was tried."""
    text = str(error).replace(str(part), str(source))
    return ModelError(text if str(source) in text else f"{source}: {text}")


def as_yaml(manifest: Manifest) -> str:
    """The text of a manifest's file, without what is not known; `read_manifest` reads it back the same."""
    fields = manifest.model_dump(mode="json", exclude_defaults=True) | {"file": manifest.file.name}
    ordered = {name: fields[name] for name in Manifest.model_fields if name in fields}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110)

"""Finds a model by name or path, and proves that its file is the one its manifest describes. Only reads.

A manifest is a small YAML file that says what a weights file is, what it was trained on and how well it
reads. Bundled models have one in `models/manifests`. Somebody's own `some/model.onnx` may have
`some/model.yaml` beside it or, for a recogniser, the `some/model_plate_config.yaml` of fast-plate-ocr.
"""

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Task = Literal["detector", "recognizer"]

_FOLDER = Path(__file__).parent
_MANIFESTS = _FOLDER / "manifests"

BUNDLED: dict[Task, str] = {"detector": "plate-detector-pico-v0", "recognizer": "plate-reader-slots-v0"}
"""The model that the name "bundled" stands for."""


class ModelError(Exception):
    """A model cannot be used; the message says why and how to mend it."""


class InputShape(BaseModel):
    """The picture a model takes; rows first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    layout: Literal["NCHW", "NHWC"]
    color: Literal["rgb"]


class Manifest(BaseModel):
    """What is known about one weights file.

    Attributes:
        file: the ONNX file, absolute once loaded.
        sha256: of the file, lower-case hex; None for somebody's own file, which nobody vouches for.
        input: what the model takes; None where only the ONNX file itself says so.
        confidence: the score at which the detector's figures below were measured.
        plate_config: the recogniser's contract, in the fields of fast-plate-ocr's plate configuration.
        metrics: figure by name, percentages unless the name carries another unit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    task: Task
    file: Path
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    input: InputShape | None = None
    confidence: float | None = Field(default=None, gt=0, lt=1)
    plate_config: dict[str, object] | None = None
    licence: str = "unknown"
    training_data: tuple[str, ...] = ()
    metrics: dict[str, float] = {}

    @model_validator(mode="after")
    def _says_what_its_task_needs(self) -> "Manifest":
        layout = "NCHW" if self.task == "detector" else "NHWC"
        if self.input is not None and self.input.layout != layout:
            raise ValueError(f"the input of a {self.task} must have the layout {layout}")
        if self.task == "recognizer" and self.plate_config is None:
            raise ValueError("a recognizer needs plate_config: its alphabet, slots and picture size")
        return self


def bundled_names() -> list[str]:
    """Names of the models that come with PlateBridge, sorted."""
    return sorted(path.stem for path in _MANIFESTS.glob("*.yaml"))


def manifest_of(name: str) -> Manifest:
    """The manifest of a bundled model, whatever its task.

    Raises:
        ModelError: no bundled model has that name.
    """
    fields = _read(_MANIFESTS / f"{name}.yaml")
    task: Task = "recognizer" if fields.get("task") == "recognizer" else "detector"
    return load(name, task)


def load(name_or_path: str, task: Task) -> Manifest:
    """Finds the manifest of a model; the weights are neither read nor checked yet.

    Args:
        name_or_path: "bundled", a name of `bundled_names`, or the path of an .onnx file.

    Raises:
        ModelError: there is no such model, its manifest is broken, or it does another task.
    """
    if name_or_path.endswith(".onnx") or "/" in name_or_path:
        return _own(Path(name_or_path).expanduser().absolute(), task)
    name = BUNDLED[task] if name_or_path == "bundled" else name_or_path
    path = _MANIFESTS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(bundled_names()) or "none"
        raise ModelError(
            f"no model is called '{name}': give the path of an .onnx file, or a bundled name: {known}"
        )
    return _parsed(path, _read(path), task, folder=_FOLDER)


def verify(manifest: Manifest) -> None:
    """Makes sure that the weights are there, and are the bytes that the manifest was written for.

    Raises:
        ModelError: the file is missing, unreadable, a Git LFS pointer, or not the one described.
    """
    try:
        weights = manifest.file.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{manifest.file}: the weights of '{manifest.name}' are missing: install PlateBridge again, "
            "or correct the path in the vision section"
        ) from None
    except OSError as error:
        raise ModelError(
            f"{manifest.file}: cannot be read ({error.strerror}): make it readable for this user"
        ) from error
    if manifest.sha256 is None:
        return
    found = hashlib.sha256(weights).hexdigest()
    if found != manifest.sha256:
        raise ModelError(
            f"{manifest.file}: damaged or replaced: its SHA-256 begins with {found[:12]}, the manifest says "
            f"{manifest.sha256[:12]}: install PlateBridge again, or name your own file by its path"
        )


def _own(path: Path, task: Task) -> Manifest:
    """The manifest of a file that PlateBridge did not bring."""
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        fields = _read(beside)
        if "task" in fields:
            return _parsed(beside, fields, task, folder=path.parent)
        return _checked(beside, {"name": path.stem, "task": task, "file": path, "plate_config": fields})
    plate_config = path.with_name(f"{path.stem}_plate_config.yaml")
    if plate_config.is_file():
        own = {"name": path.stem, "task": task, "file": path, "plate_config": _read(plate_config)}
        return _checked(plate_config, own)
    if task == "recognizer":
        raise ModelError(
            f"{path}: a recogniser needs its fast-plate-ocr configuration: put {plate_config.name} beside it"
        )
    return _checked(path, {"name": path.stem, "task": task, "file": path})


def _read(path: Path) -> dict[str, object]:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(
            f"{path}: cannot be read as YAML: correct it, or install PlateBridge again ({error})"
        ) from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path}: must hold 'key: value' lines that describe a model")
    return fields


def _parsed(path: Path, fields: dict[str, object], task: Task, *, folder: Path) -> Manifest:
    manifest = _checked(path, fields)
    if manifest.task != task:
        raise ModelError(
            f"{path}: '{manifest.name}' is a {manifest.task}, and a {task} is wanted: exchange the two names "
            "in the vision section"
        )
    return manifest.model_copy(update={"file": folder / manifest.file})


def _checked(path: Path, fields: dict[str, object]) -> Manifest:
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'manifest'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ModelError(f"{path}: not a valid model manifest: {problems}") from None

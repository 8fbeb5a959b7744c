"""Finds a model by name or path, and proves that its file is the one its manifest describes. Only reads.

Bundled models have their manifests in `models/manifests`; those pulled or imported have theirs in the model
store (`models.store`), beside the weights. Somebody's own `some/model.onnx` may have `some/model.yaml` beside
it or, for a recogniser, the `some/model_plate_config.yaml` of fast-plate-ocr.
"""

import hashlib
import re
from pathlib import Path

from models.manifest import NAME, ModelError, Task, checked, read_fields
from models.manifest import Manifest as Manifest
from models.regular import open_regular
from models.store import default_store, is_in, read_named

__all__ = ["BUNDLED", "Manifest", "ModelError", "Task", "bundled_names", "find", "load", "verify"]

_FOLDER = Path(__file__).parent
_MANIFESTS = _FOLDER / "manifests"

BUNDLED: dict[Task, str] = {"detector": "plate-detector-pico-v1", "recognizer": "plate-reader-slots-v1"}
"""The model that the name "bundled" stands for."""


def bundled_names() -> list[str]:
    """Names of the models that come with PlateBridge, sorted."""
    return sorted(path.stem for path in _MANIFESTS.glob("*.yaml"))


def load(name_or_path: str, task: Task, *, store: Path | None = None) -> Manifest:
    """Finds the manifest of a model; the weights are neither read nor checked yet.

    Args:
        name_or_path: "bundled", the name of a bundled, pulled or imported model, or an .onnx file's path.
        store: where pulled and imported models lie; None: `default_store()`.

    Raises:
        ModelError: there is no such model, its manifest is broken, or it does another task.
    """
    if is_path(name_or_path):
        return _own(Path(name_or_path).expanduser().absolute(), task)
    name = BUNDLED[task] if name_or_path == "bundled" else name_or_path
    return _doing(find(name, store=store), task)


def is_path(name_or_path: str) -> bool:
    """Whether it is a weights file's path rather than a model's name."""
    return name_or_path.endswith(".onnx") or "/" in name_or_path


def find(name: str, *, store: Path | None = None) -> Manifest:
    """The manifest of a bundled, pulled or imported model, whatever its task.

    Raises:
        ModelError: there is no such model, or its manifest is broken.
    """
    folder = default_store() if store is None else store
    if re.fullmatch(NAME, name):
        if (bundled := _MANIFESTS / f"{name}.yaml").is_file():
            manifest = read_named(bundled)
            return manifest.model_copy(update={"file": _FOLDER / manifest.file.name, "origin": "bundled"})
        if is_in(folder, name):
            return read_named(folder / f"{name}.yaml")
    known = ", ".join(bundled_names()) or "none"
    raise ModelError(
        f"no model is called '{name}': give the path of an .onnx file, a bundled name ({known}), or one of "
        f"the store {folder}, which `platebridge models pull NAME` fills"
    )


def verify(manifest: Manifest) -> None:
    """Makes sure that the weights are there, and are the bytes that the manifest was written for.

    Raises:
        ModelError: the file is missing, unreadable, a Git LFS pointer, or not the one described.
    """
    try:
        with open_regular(manifest.file) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ModelError(
            f"{manifest.file}: the weights of '{manifest.name}' are missing: {_mend(manifest)}, "
            "or correct the path in the vision section"
        ) from None
    except OSError as error:
        raise ModelError(
            f"{manifest.file}: cannot be read ({error.strerror}): put the weights there, readable for this "
            "user"
        ) from error
    if manifest.sha256 is not None and found != manifest.sha256:
        raise ModelError(
            f"{manifest.file}: damaged or replaced: its SHA-256 begins with {found[:12]}, the manifest says "
            f"{manifest.sha256[:12]}: {_mend(manifest)}, or name your own file by its path"
        )


def _mend(manifest: Manifest) -> str:
    if manifest.origin == "pulled":
        return f"fetch it again with `platebridge models pull --again {manifest.name}`"
    if manifest.origin == "imported":
        return "import it again with `platebridge models import`"
    return "install PlateBridge again"


def _own(path: Path, task: Task) -> Manifest:
    """The manifest of a file that PlateBridge did not bring."""
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        fields = read_fields(beside)
        if "task" in fields:
            return _doing(checked(beside, fields), task)
        return _told(beside, {"plate_config": fields}, path, task=task)
    plate_config = path.with_name(f"{path.stem}_plate_config.yaml")
    if plate_config.is_file():
        return _told(plate_config, {"plate_config": read_fields(plate_config)}, path, task=task)
    if task == "recognizer":
        raise ModelError(
            f"{path}: a recogniser needs its fast-plate-ocr configuration: put {plate_config.name} beside it"
        )
    return _told(path, {}, path, task=task)


def _told(said_in: Path, fields: dict[str, object], weights: Path, *, task: Task) -> Manifest:
    if task == "detector":
        fields = {}  # a plate configuration beside a detector is another model's
    return checked(said_in, {"name": weights.stem, "task": task, "file": weights.name, **fields})


def _doing(manifest: Manifest, task: Task) -> Manifest:
    if manifest.task != task:
        raise ModelError(
            f"{manifest.file}: '{manifest.name}' is a {manifest.task}, and a {task} is wanted: exchange the "
            "two names in the vision section"
        )
    return manifest

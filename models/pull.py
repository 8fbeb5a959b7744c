"""Brings a hub's model into the store: fetched or copied, checked, tried out, and only then kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models import registry
from models.disk import copy_file
from models.download import PATIENT, Limits, Report, fetch
from models.hub import HubFile, HubModel
from models.manifest import (
    MOST_MANIFEST_BYTES,
    InputShape,
    Manifest,
    ModelError,
    Thresholds,
    read_fields,
    read_manifest,
    told_of,
)
from models.store import take_in, writing
from models.web import check_mirror

MOST_WEIGHTS_BYTES = 300_000_000
"""Ten times the largest of the hubs' models for plates."""

_CONFIDENCE = 0.25
_TIGHT_BOXES_MARGIN = 0.08
"""The hubs' detectors draw tightly: measured, their plates are read best with this rim."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is in the store now.

    Attributes:
        is_new: False where it was there already, whole.
    """

    manifest: Manifest
    is_new: bool


Trial = Callable[[Manifest], InputShape]
"""Loads a model and reads the reference picture with it; says what it takes. Raises ModelError."""


@dataclass(frozen=True, slots=True)
class Way:
    """How files come.

    Attributes:
        mirror: the address or the folder that has the hub's files; None: the hub itself.
        trust_first_download: takes a file that nobody has published a checksum of.
        again: fetches a model even if it is there.
    """

    report: Report
    mirror: str | None = None
    trust_first_download: bool = False
    again: bool = False
    limits: Limits = PATIENT


def pull(model: HubModel, way: Way, *, store: Path, trial: Trial) -> Pulled:
    """Brings a model into the store, unless it is there and whole.

    Raises:
        ModelError: it could not be had, or is not what it should be; the store is as it was before.
    """
    with writing(store) as arriving:
        if not way.again and (there := _there(store, model)):
            return Pulled(there, is_new=False)
        if not model.is_pinned and not way.trust_first_download:
            raise ModelError(
                f"'{model.name}': nobody has published a checksum of it, so a file that was exchanged could "
                "not be told from the right one: pull one that `platebridge models list` calls pinned, or "
                "add --trust-first-download"
            )
        contract = _contract(model, arriving, way)
        part = arriving / f"{model.name}.part"
        sha256 = _bring(model.weights, part, way, most_bytes=MOST_WEIGHTS_BYTES)
        manifest = Manifest(
            name=model.name,
            task=model.task,
            file=part,
            sha256=sha256,
            size_bytes=part.stat().st_size,
            plate_config=contract,
            crop_margin=_TIGHT_BOXES_MARGIN if model.task == "detector" else None,
            thresholds=Thresholds(confidence=_CONFIDENCE if model.task == "detector" else None),
            licence=model.licence,
            source=model.weights.url,
            origin="pulled",
            trusted_on_first_download=not model.is_pinned,
            training_data=(model.training_data,),
        )
        try:
            shape = trial(manifest)
        except ModelError as error:
            _clear(arriving, model.name)
            raise told_of(model.weights.url, part, error) from None
        kept = take_in(store, part, manifest.model_copy(update={"input": shape}))
        _clear(arriving, model.name)
        return Pulled(kept, is_new=True)


def _there(store: Path, model: HubModel) -> Manifest | None:
    """The model as it lies in the store, where it is whole and the one that is pinned."""
    try:
        manifest = read_manifest(store / f"{model.name}.yaml")
        registry.verify(manifest)
    except ModelError:
        return None
    is_the_pinned = model.weights.sha256 in (None, manifest.sha256)
    return manifest if is_the_pinned and manifest.origin == "pulled" else None


def _contract(model: HubModel, arriving: Path, way: Way) -> dict[str, object] | None:
    """A recogniser's plate configuration, fetched first: it is small, and tells what cannot be read."""
    if model.plate_config is None:
        return None
    described = arriving / f"{model.name}_plate_config.yaml"
    _bring(model.plate_config, described, way, most_bytes=MOST_MANIFEST_BYTES)
    try:
        return read_fields(described)
    except ModelError as error:
        _clear(arriving, model.name)
        raise told_of(model.plate_config.url, described, error) from None


def _bring(file: HubFile, part: Path, way: Way, *, most_bytes: int) -> str:
    if way.mirror is not None and "://" not in way.mirror:
        source = Path(way.mirror).expanduser() / file.name
        return copy_file(
            source, part, sha256=file.sha256, most_bytes=most_bytes, progress=way.report.progress
        )
    return fetch(
        file.url if way.mirror is None else f"{check_mirror(way.mirror).rstrip('/')}/{file.name}",
        part,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        most_bytes=most_bytes,
        report=way.report,
        limits=way.limits,
    )


def _clear(arriving: Path, name: str) -> None:
    """Leaves nothing of a download that is over."""
    for suffix in (".part", ".part.note", "_plate_config.yaml", "_plate_config.yaml.note"):
        (arriving / f"{name}{suffix}").unlink(missing_ok=True)

"""Put together what belongs into the repository: weights, their figures, manifests, cards and pictures.

Everything is laid out in one folder at the places it has in the repository; `adopt` copies it there.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.manifest import as_yaml
from models.training import card
from models.training.results import (
    EVALUATION,
    FALSE_OPENS,
    FALSE_OPENS_TEXT,
    PLACE_OF_RESULTS,
    TASKS,
    WEIGHTS,
    Task,
    load,
    without_places,
)
from models.training.stages import sha256_of

_CURVE = {
    "detector": ("recall_percent", "precision_percent", "map50_percent"),
    "reader": ("held_out_percent", "val_percent"),
}


def describe(
    task: Task, weights: Path, input_px: tuple[int, int], *, temperature: float | None = None
) -> None:
    """Write a manifest beside the weights: they are measured with the margin and bound they ship with."""
    known = _known(weights, input_px) | {"temperature": temperature}
    text = as_yaml(card.manifest(task, known, card.facts_of(task, weights.stem, card.read_facts())))
    weights.with_suffix(".yaml").write_text(text, encoding="utf-8")


def lay_out(
    folder: Path,
    measured: Path,
    *,
    weights: Mapping[Task, Path],
    inputs_px: Mapping[Task, tuple[int, int]],
    logs: Mapping[Task, Path],
    calibration: Path,
    root: Path,
) -> None:
    """Everything that follows from the weights and their figures, below `folder`.

    Args:
        weights: the ONNX files.
        measured: the folder with what evaluation and false-opens printed.
        logs: what the trainings printed; one that is missing leaves its curve out.
        calibration: what `calibrate_reader` wrote.
        root: the checkout, whose README gets the cards.

    Raises:
        ResultsError: a figure is missing.
    """
    results = folder / PLACE_OF_RESULTS
    results.mkdir(parents=True, exist_ok=True)
    for name in (EVALUATION, FALSE_OPENS, FALSE_OPENS_TEXT):
        (results / name).write_text(without_places(_indented(measured / name), root), encoding="utf-8")
    known = {task: _known(weights[task], inputs_px[task]) | _curve(task, logs.get(task)) for task in TASKS}
    fitted = json.loads(calibration.read_text(encoding="utf-8"))
    known["reader"] |= {
        "temperature": fitted["temperature"],
        "calibrated_on": f"fitted on {fitted['crops']:,} crops whose texts were kept from training",
    }
    (results / WEIGHTS).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    readme = (root / "models" / "README.md").read_text(encoding="utf-8")
    card.write(card.make(load(results), readme, card.read_facts()), folder)
    for file in weights.values():
        shutil.copyfile(file, folder / "models" / file.name)


def adopt(folder: Path, root: Path) -> list[Path]:
    """Copy what is laid out over the checkout. Returns the places."""
    places = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / place, root / place)
    return places


def curve_of(task: Task, log: Path) -> list[dict[str, float]]:
    """One entry for each epoch that a training told of in lines of JSON; an epoch told again counts anew."""
    epochs: dict[int, dict[str, float]] = {}
    seconds = 0.0
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
            epoch = int(said["epoch"])
        except (ValueError, KeyError, TypeError):
            continue
        seconds += float(said.get("seconds", 0))
        entry: dict[str, float] = {"epoch": epoch, "total_s": round(seconds)}
        for name in _CURVE[task]:
            value = said.get(name)
            value = value.get("all") if isinstance(value, dict) else value
            if isinstance(value, int | float):
                entry[name] = round(value, 2)
        epochs[epoch] = entry
    return [epochs[epoch] for epoch in sorted(epochs)]


def _known(weights: Path, input_px: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": weights.stem,
        "sha256": sha256_of(weights),
        "size_bytes": weights.stat().st_size,
        "input_px": list(input_px),
    }


def _curve(task: Task, log: Path | None) -> dict[str, Any]:
    curve = curve_of(task, log) if log is not None and log.is_file() else []
    if not curve:
        return {}
    hours = curve[-1]["total_s"] / 3600
    return {"curve": curve, "training": f"{curve[-1]['epoch']} epochs in {hours:.1f} hours"}


def _indented(file: Path) -> str:
    """JSON with a line for each figure, so that a change can be reviewed; other text as it is."""
    text = file.read_text(encoding="utf-8")
    return json.dumps(json.loads(text), indent=1) + "\n" if file.suffix == ".json" else text

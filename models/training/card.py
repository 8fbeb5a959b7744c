"""Write manifests and the cards of `models/README.md` from measured figures: nobody writes a figure by hand.

`python -m models.training.card` writes both from the figures that are kept in `models/evaluation/results`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.evaluation.figures import SURE
from models.manifest import Figure, InputShape, Manifest, Thresholds, as_yaml
from models.training.alphabet import ALPHABET, SLOTS
from models.training.card_pictures import pictures
from models.training.results import (
    PLACE_OF_PICTURES,
    PLACE_OF_RESULTS,
    TASKS,
    Results,
    ResultsError,
    Task,
    load,
)

ROOT = Path(__file__).parents[2]
BEGIN = "<!-- Cards: made by models/training/card.py from evaluation/results and training/card_facts.yaml -->"
END = "<!-- The cards end here -->"
PICTURES = f"../{PLACE_OF_PICTURES}"

Figures = dict[str, Any]

_GROUPS = {
    "source": "text from the source, doubtful ones checked by eye",
    "teacher": "text read by upstream's own recogniser",
    "augmented": "the first kind, spoilt further",
    "synthetic": "drawn",
}
_VERDICTS = {
    "better": "ours is better",
    "worse": "upstream is better",
    "not_told_apart": "no difference shown",
    "no_verdict": "no verdict, as upstream wrote these texts",
}


@dataclass(frozen=True, slots=True)
class Made:
    """All files that follow from figures, by their place in the repository."""

    texts: dict[Path, str]


def make(results: Results, readme: str, facts: Figures) -> Made:
    """Manifests, the README with its cards replaced, and the pictures.

    Args:
        readme: models/README.md as it is.
        facts: `card_facts.yaml`.

    Raises:
        ResultsError: the README has no place for cards, or figures are missing.
    """
    try:
        texts = {
            Path("models/manifests") / f"{made.name}.yaml": as_yaml(made)
            for made in (_with_metrics(task, results, facts) for task in TASKS)
        }
        texts[Path("models/README.md")] = _replaced(readme, _cards(results, facts))
        texts |= {PLACE_OF_PICTURES / name: picture for name, picture in pictures(results).items()}
    except KeyError as error:
        raise ResultsError(f"the figures lack {error}: measure anew with scripts/train.sh") from error
    return Made(texts)


def manifest(task: Task, known: Figures, facts: Figures) -> Manifest:
    """The manifest of a model without its metrics.

    Args:
        known: what `weights.json` says of it.
        facts: what `facts_of` says of it.
    """
    height, width = known["input_px"]
    detector = task == "detector"
    return Manifest(
        name=known["name"],
        task="detector" if detector else "recognizer",
        file=Path(f"{known['name']}.onnx"),
        sha256=known["sha256"],
        size_bytes=known["size_bytes"],
        input=InputShape(height=height, width=width, layout="NCHW" if detector else "NHWC", color="rgb"),
        plate_config=None if detector else _plate_config(height, width),
        thresholds=Thresholds(confidence=facts["confidence"]),
        crop_margin=facts["crop_margin"] if detector else None,
        temperature=None if detector else known.get("temperature"),
        licence=facts["licence"],
        training_data=tuple(facts["training_data"]),
    )


def _with_metrics(task: Task, results: Results, facts: Figures) -> Manifest:
    metrics = _detector_metrics(results) if task == "detector" else _reader_metrics(results)
    bare = manifest(task, results.weights[task], facts_of(task, results.weights[task]["name"], facts))
    return bare.model_copy(update={"metrics": dict(metrics)})


def _plate_config(height: int, width: int) -> dict[str, object]:
    return {
        "max_plate_slots": SLOTS,
        "alphabet": ALPHABET,
        "pad_char": ALPHABET[-1],
        "img_height": height,
        "img_width": width,
        "keep_aspect_ratio": False,
        "interpolation": "linear",
        "image_color_mode": "rgb",
    }


def _detector_metrics(results: Results) -> Iterator[tuple[str, Figure | float]]:
    ours = results.evaluation["detection"]["ours"]
    for name in ("recall_percent", "precision_percent"):
        yield from _metric(name, ours[name])
    if ours["ap50_percent"] is not None:
        yield "ap50_percent", ours["ap50_percent"]


def _reader_metrics(results: Results) -> Iterator[tuple[str, Figure | float]]:
    for group, figures in results.evaluation["reading"].items():
        names = ["exact_percent", "folded_percent", "character_error_percent"]
        if group in ("source", "teacher"):
            names += ["sure_percent", "wrong_of_sure_percent"]
        for name in names:
            yield from _metric(f"{group}_{name}", figures["ours"][name])


def _metric(name: str, figure: Figures) -> Iterator[tuple[str, Figure | float]]:
    if figure["value"] is not None:
        yield name, Figure.model_validate(figure)


def _cards(results: Results, facts: Figures) -> str:
    detector, reader = (facts_of(task, results.weights[task]["name"], facts) for task in TASKS)
    lines = [*_sample(results), *_detector_card(results, detector), *_reader_card(results, reader)]
    return "\n".join([*lines, results.false_opens_text.strip(), ""])


def _sample(results: Results) -> Iterator[str]:
    sample = results.evaluation["data_set"]["sample"]
    if sample != "all":
        yield from (f"A quick look: the figures below are of {sample} picture and crop only.", "")


def _detector_card(results: Results, facts: Figures) -> Iterator[str]:
    weights, detection = results.weights["detector"], results.evaluation["detection"]
    yield from _facts("detector", results, facts)
    sides = [side for side in ("ours", "upstream") if side in detection]
    confidence = {side: results.evaluation["sides"][side]["confidence"] for side in sides}
    yield from (f"{detection['pictures']} validation pictures, a find counts from IoU 0.5 on:", "")
    yield from _head("", sides, results)
    yield _row("Score from which a box counts", [f"{confidence[side]:g}" for side in sides])
    for name, words in (("recall_percent", "Recall"), ("precision_percent", "Precision")):
        yield _row(words, [_told(detection[side][name]) for side in sides])
    yield _row("Average precision", [_percent(detection[side]["ap50_percent"]) for side in sides])
    yield ""
    if "paired_recall" in detection:
        yield from (_pair("plates", detection["paired_recall"], found="found"), "")
    if difference := detection.get("precision_difference_percent"):
        yield from (f"Precision differs by {_told(difference, signed=True)}, ours less upstream's.", "")
    yield from (f"![Recall by plate width]({PICTURES}/recall-by-width.svg)", "")
    if weights.get("curve"):
        yield from (f"![Training of the detector]({PICTURES}/training-detector.svg)", "")


def _reader_card(results: Results, facts: Figures) -> Iterator[str]:
    weights, reading = results.weights["reader"], results.evaluation["reading"]
    yield from _facts("reader", results, facts)
    sides = [side for side in ("ours", "upstream") if all(side in group for group in reading.values())]
    yield from ("Crops read exactly, O = 0 and I = 1; kinds of truth are never mixed:", "")
    yield from _head("Truth", sides, results)
    for group, figures in reading.items():
        words = f"{_GROUPS.get(group, group)} ({figures['crops']} crops, {figures['plates']} plates)"
        yield _row(words, [_told(figures[side]["folded_percent"]) for side in sides])
    yield ""
    if len(sides) > 1:
        pairs = ((group, figures["paired"]) for group, figures in reading.items())
        yield from (f"- {group}: {_pair('crops', pairing, found='read')}" for group, pairing in pairs)
        yield ""
    if "source" in reading:
        ours = reading["source"]["ours"]
        yield (
            f"Of the crops with a text from their source {_told(ours['sure_percent'])} are read with at "
            f"least {SURE:g} confidence, {_told(ours['wrong_of_sure_percent'])} of these wrongly; character "
            f"error {_told(ours['character_error_percent'])}."
        )
        yield ""
    yield from _whole(results, sides)
    yield from (f"![Reliability]({PICTURES}/reliability.svg)", "")
    if weights.get("curve"):
        yield from (f"![Training of the reader]({PICTURES}/training-reader.svg)", "")


def _facts(task: Task, results: Results, facts: Figures) -> Iterator[str]:
    weights = results.weights[task]
    height, width = weights["input_px"]
    inputs = {
        "detector": f"RGB 0..1, `(1, 3, {height}, {width})`, letterboxed with grey 114",
        "reader": f"RGB bytes `(N, {height}, {width}, 3)`, the plate with some margin, stretched to fit",
    }
    rows = {
        "Finds" if task == "detector" else "Reads": facts["does"],
        "Network": facts["network"].strip(),
        "File": f"`{weights['name']}.onnx`, {weights['size_bytes'] / 1e6:.2f} MB, "
        f"SHA-256 {weights['sha256'][:12]}...",
        "Input": inputs[task],
        "Output": facts["output"],
        "Trained on": facts["trained_on"].strip(),
        "Licence": f"{facts['licence']}: {facts['why_this_licence']}",
        "Weak on": facts["weak_on"].strip(),
    }
    if weights.get("training"):
        rows["Last run"] = weights["training"]
    if weights.get("temperature"):
        rows["Calibrated"] = (
            f"logits divided by {weights['temperature']:.2f} in the file, {weights['calibrated_on']}"
        )
    yield from (f"### {weights['name']}", "", "| | |", "|---|---|")
    yield from (f"| {name} | {words} |" for name, words in rows.items())
    yield ""


def _whole(results: Results, sides: list[str]) -> Iterator[str]:
    """Both networks together on whole pictures."""
    whole = results.evaluation.get("end_to_end")
    if not whole or not all(side in whole for side in sides):
        return
    told = ", ".join(
        f"{side} {_told(whole[side]['folded_percent'])} in {whole[side]['cpu_ms_per_picture']:.1f} ms"
        for side in sides
    )
    writer = ", their texts by upstream" if set(whole["text_by"]) == {"teacher"} else ""
    yield (
        f"Both networks together on {whole['pictures']} whole pictures, plates read exactly "
        f"({whole[sides[0]]['folded_percent']['n']} plates{writer}) and processor time: {told}."
    )
    if ratio := whole.get("cpu_ratio_to_upstream"):
        low, high = ratio["interval_95"]
        yield f"That is {ratio['value']:.3f} of upstream's time ({low:.3f} to {high:.3f})."
    if "paired" in whole:
        yield _pair("plates", whole["paired"], found="read")
    yield ""


def _head(first: str, sides: list[str], results: Results) -> Iterator[str]:
    names = {side: "ours" if side == "ours" else results.evaluation["sides"][side]["name"] for side in sides}
    yield _row(first, list(names.values()))
    yield "|---" * (len(sides) + 1) + "|"


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _pair(things: str, pairing: Figures, *, found: str) -> str:
    return (
        f"Of {pairing['n']} {things} {pairing['only_ours']} {found} by ours alone, "
        f"{pairing['only_upstream']} by upstream alone; difference "
        f"{_told(pairing['difference_percent'], signed=True)}: "
        f"{_VERDICTS[pairing['verdict']]}."
    )


def _told(figure: Figures, *, signed: bool = False) -> str:
    """As "91.2 % (89.0 to 93.1)"."""
    if figure["value"] is None:
        return "not measured"
    low, high = figure["interval_95_percent"]
    value = f"{figure['value']:+.1f}" if signed else f"{figure['value']:.1f}"
    return f"{value} %" if low is None or high is None else f"{value} % ({low:.1f} to {high:.1f})"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} %"


def _replaced(readme: str, cards: str) -> str:
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ResultsError("models/README.md has no place for cards: put the two comments of card.py there")
    return f"{before}{BEGIN}\n\n{cards}\n{END}{after}"


def read_facts() -> Figures:
    """What `card_facts.yaml` says."""
    facts: Figures = yaml.safe_load(Path(__file__).with_name("card_facts.yaml").read_text(encoding="utf-8"))
    return facts


def facts_of(task: Task, name: str, facts: Figures) -> Figures:
    """The words for a model: its own, or some that say nothing that could be wrong of it."""
    by_name: dict[str, Figures] = facts[task]
    nobody: Figures = facts["unnamed"][task]
    return by_name.get(name, nobody)


def write(made: Made, root: Path) -> None:
    """Every file to its place below `root`, whole."""
    for place, text in made.texts.items():
        file = root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / PLACE_OF_RESULTS)
    options = parser.parse_args()
    made = make(
        load(options.results), (ROOT / "models" / "README.md").read_text(encoding="utf-8"), read_facts()
    )
    write(made, ROOT)
    print("\n".join(str(place) for place in made.texts))


if __name__ == "__main__":
    main()

"""Cards, manifests and their pictures say what was measured of the weights that are there, nothing else."""

import copy
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from models import registry
from models.manifest import read_manifest
from models.training.card import BEGIN, END, facts_of, make, read_facts
from models.training.results import PLACE_OF_RESULTS, TASKS, Results, ResultsError, Task, load

ROOT = Path(__file__).parents[2]
README = (ROOT / "models" / "README.md").read_text()


@pytest.fixture(scope="module")
def results() -> Results:
    return load(ROOT / PLACE_OF_RESULTS)


@pytest.fixture(scope="module")
def made(results: Results) -> dict[Path, str]:
    return make(results, README, read_facts()).texts


def test_cards_manifests_and_pictures_are_those_that_the_figures_make(made: dict[Path, str]) -> None:
    edited = [str(place) for place, text in made.items() if (ROOT / place).read_text() != text]
    assert edited == [], (
        "made by hand: change card_facts.yaml or the figures, then `python -m models.training.card`"
    )


def test_a_figure_that_somebody_wrote_into_the_cards_is_overwritten(results: Results) -> None:
    cards = README[README.index(BEGIN) : README.index(END)]
    figure = re.findall(r"\d+\.\d %", cards)[0]
    flattered = README.replace(figure, "99.9 %")
    assert flattered != README
    assert make(results, flattered, read_facts()).texts[Path("models/README.md")] == README


def test_the_figures_are_those_of_the_bundled_weights(results: Results) -> None:
    for task, kind in zip(TASKS, ("detector", "recognizer"), strict=True):
        weights = results.weights[task]
        assert weights["name"] == registry.BUNDLED[kind]  # type: ignore[index]  # both are tasks
        file = ROOT / "models" / f"{weights['name']}.onnx"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == weights["sha256"]
        assert (
            read_manifest(ROOT / "models" / "manifests" / f"{weights['name']}.yaml").sha256
            == weights["sha256"]
        )


def test_every_figure_of_a_manifest_is_one_that_was_measured(results: Results) -> None:
    manifest = read_manifest(ROOT / "models" / "manifests" / f"{results.weights['detector']['name']}.yaml")
    recall = manifest.metrics["recall_percent"]
    assert not isinstance(recall, float)
    assert recall.value == results.evaluation["detection"]["ours"]["recall_percent"]["value"]


@pytest.mark.parametrize("task", TASKS)
def test_a_model_that_nobody_described_gets_no_other_models_words(task: Task) -> None:
    facts = read_facts()
    words = facts_of(task, "plate-of-somebody-v7", facts)
    assert words["trained_on"] == words["network"] == "not described here yet"
    for known in facts[task].values():
        assert set(known) == set(words)
        assert known["trained_on"] != words["trained_on"]


def test_a_paired_comparison_tells_what_more_finds_cost_in_precision(results: Results) -> None:
    evaluation = copy.deepcopy(results.evaluation)
    evaluation["detection"]["precision_difference_percent"] = {
        "value": -2.1,
        "interval_95_percent": [-4.0, -0.3],
    }
    told = make(replace(results, evaluation=evaluation), README, read_facts())
    says = "Precision differs by -2.1 % (-4.0 to -0.3), ours less upstream's."
    assert says in told.texts[Path("models/README.md")]


def test_a_page_without_a_place_for_cards_is_refused(results: Results) -> None:
    with pytest.raises(ResultsError, match="no place for cards: put the two comments"):
        make(results, "# Models", read_facts())


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot be read"), ("{", "no JSON"), ("[]", "must hold figures by name")]
)
def test_figures_that_are_gone_or_spoiled_are_named(
    content: str | None, problem: str, tmp_path: Path
) -> None:
    for name in ("evaluation.json", "false-opens.txt", "weights.json"):
        (tmp_path / name).write_bytes((ROOT / PLACE_OF_RESULTS / name).read_bytes())
    (tmp_path / "evaluation.json").unlink()
    if content is not None:
        (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(
        ResultsError, match=rf"evaluation\.json: {problem}.*measure anew with scripts/train\.sh"
    ):
        load(tmp_path)

"""Where the stages of a training keep what they make."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models.training import card, plan
from models.training.plan import Run, training_log
from models.training.recipe import RECIPES
from models.training.results import Task
from models.training.stages import StageError


def a_run(work: Path) -> Run:
    run = Run(
        plates=work / "plates",
        work=work,
        recipe=RECIPES["one-step"],
        version="v9",
        checkpoints={},
        logs={},
        gpu=None,
        say=print,
    )
    run.listing.write_text(json.dumps({"detect_digest": "d", "ocr_digest": "o"}))
    return run


def test_a_training_with_other_options_has_a_log_of_its_own(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    longer = replace(run, recipe=replace(run.recipe, detector_epochs=2))
    assert training_log(run, "detector") != training_log(longer, "detector")
    assert training_log(run, "reader") == training_log(longer, "reader")


def test_a_training_that_goes_on_keeps_its_log(tmp_path: Path) -> None:
    assert training_log(a_run(tmp_path), "detector") == training_log(a_run(tmp_path), "detector")


@pytest.mark.parametrize(
    ("task", "file"),
    [
        pytest.param("detector", "yolo11-pico.yaml", id="the detector's network"),
        pytest.param("detector", "detector_trainer.py", id="the code that trains it"),
        pytest.param("detector", "train_detector.py", id="the module that is called"),
        pytest.param("reader", "slot_reader.py", id="the reader's network"),
        pytest.param("reader", "augment.py", id="what spoils its crops"),
    ],
)
def test_another_network_or_way_to_train_begins_a_training_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task, file: str
) -> None:
    before = training_log(a_run(tmp_path), task)
    code = tmp_path / "code"
    shutil.copytree(Path(plan.__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(plan, "_TRAINING", code)
    assert training_log(a_run(tmp_path), task) == before
    with (code / file).open("a") as lines:
        lines.write("\n")
    assert training_log(a_run(tmp_path), task) != before


@pytest.mark.parametrize(
    ("task", "stage", "word"),
    [
        pytest.param("detector", "export", "confidence", id="the score from which a box counts"),
        pytest.param("detector", "export", "crop_margin", id="the margin"),
        pytest.param("reader", "calibration", "confidence", id="the reader's bound"),
    ],
)
def test_a_manifest_is_written_anew_when_the_words_it_is_measured_with_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Task, stage: str, word: str
) -> None:
    run = a_run(tmp_path)
    for file in (run.checkpoint("detector"), run.checkpoint("reader"), tmp_path / "uncalibrated/reader.onnx"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    inputs = next(one.inputs for one in plan.stages(run) if one.name == stage)
    before = inputs()
    assert inputs() == before
    facts = card.read_facts()
    facts["unnamed"][task][word] = 0.61
    monkeypatch.setattr(card, "read_facts", lambda: facts)
    assert inputs() != before


@pytest.mark.parametrize(
    ("said", "status", "is_taken"),
    [
        pytest.param('{"a": 1}', 1, True, id="figures, with something left out"),
        pytest.param("", 1, False, id="nothing"),
        pytest.param('{"a": ', 1, False, id="half a line"),
        pytest.param("{}", 2, False, id="a failure"),
    ],
)
def test_status_1_counts_as_done_only_with_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int, is_taken: bool
) -> None:
    (tmp_path / "platebridge").write_text(f"#!/bin/sh\nprintf '%s' '{said}'\nexit {status}\n")
    (tmp_path / "platebridge").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    output = tmp_path / "results" / "evaluation.json"
    output.parent.mkdir()
    output.write_text("before")
    if is_taken:
        a_run(tmp_path).call_platebridge("evaluation", "models", output=output)
        assert output.read_text() == said
    else:
        with pytest.raises(StageError, match="evaluation: "):
            a_run(tmp_path).call_platebridge("evaluation", "models", output=output)
        assert output.read_text() == "before"

"""Where the stages of a training keep what they make."""

import json
from dataclasses import replace
from pathlib import Path

from models.training.plan import Run, training_log
from models.training.recipe import RECIPES


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

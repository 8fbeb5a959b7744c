"""A stage of the training runs once for what it depends on, and again when any of that changes."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from models.training.stages import Stage, StageError, clock, run_stages


class Workshop:
    """Two stages that write files, the second from the first's, and what they did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.epochs = 2
        self.said: list[str] = []
        self.ran: list[str] = []

    def stages(self) -> list[Stage]:
        weights, card = self.folder / "weights", self.folder / "card"
        return [
            Stage("train", "training", self.recipe, (weights,), lambda: self.write("train", weights)),
            Stage(
                "card",
                "writing",
                lambda: {"of": weights.read_text()},
                (card,),
                lambda: self.write("card", card),
            ),
        ]

    def recipe(self) -> Mapping[str, object]:
        return {"epochs": self.epochs}

    def write(self, name: str, file: Path) -> None:
        self.ran.append(name)
        file.write_text(f"{name} of {self.epochs}")

    def run(self) -> list[str]:
        """What ran this time."""
        self.ran = []
        run_stages(self.stages(), self.folder / "stamps", self.said.append)
        return self.ran


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_what_is_done_is_not_done_again(workshop: Workshop) -> None:
    assert workshop.run() == ["train", "card"]
    assert workshop.run() == []
    assert workshop.said[-1] == "[2/2] card: done before"


def test_a_changed_recipe_runs_what_depends_on_it(workshop: Workshop) -> None:
    workshop.run()
    workshop.epochs = 3
    assert workshop.run() == ["train", "card"]


def test_a_card_that_is_gone_is_written_again_and_nothing_is_trained(workshop: Workshop) -> None:
    workshop.run()
    (workshop.folder / "card").unlink()
    assert workshop.run() == ["card"]


def test_weights_that_somebody_exchanged_are_made_again(workshop: Workshop) -> None:
    workshop.run()
    (workshop.folder / "weights").write_text("others")
    assert workshop.run() == ["train"]


@pytest.mark.parametrize("left", ["", "{", "[]", '{"inputs": 1}', '{"inputs": "x", "outputs": 3}'], ids=repr)
def test_a_stamp_that_a_power_cut_spoiled_counts_for_nothing(workshop: Workshop, left: str) -> None:
    workshop.run()
    (workshop.folder / "stamps" / "train.json").write_text(left)
    assert workshop.run() == ["train"]


def test_a_stage_that_fails_leaves_no_stamp_and_what_was_before_stays_done(workshop: Workshop) -> None:
    workshop.run()
    (workshop.folder / "card").unlink()
    stages = workshop.stages()
    failing = Stage("card", "writing", stages[1].inputs, stages[1].outputs, lambda: None)
    with pytest.raises(StageError, match=r"card: ended without .*/card: its log is in .*/logs"):
        run_stages([stages[0], failing], workshop.folder / "stamps", workshop.said.append)
    assert workshop.run() == ["card"]


def test_each_stage_tells_its_number_its_work_and_the_time_so_far(workshop: Workshop) -> None:
    workshop.run()
    assert workshop.said == [
        "[1/2] train: training  (elapsed 0:00:00)",
        "[1/2] train: done in 0:00:00",
        "[2/2] card: writing  (elapsed 0:00:00)",
        "[2/2] card: done in 0:00:00",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05"), (-1, "0:00:00")], ids=str
)
def test_times_are_told_in_hours_minutes_and_seconds(seconds: float, told: str) -> None:
    assert clock(seconds) == told

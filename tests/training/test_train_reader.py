"""A training of the recogniser learns, goes on after a kill, and can be made longer than was meant."""

from pathlib import Path

import pytest
import torch

from models.training import crops, train_reader
from models.training.prepare_reader import drawn_crops
from models.training.reader_schedule import Schedule
from models.training.slot_reader import OnnxContract, SlotReader
from models.training.train_reader import Recipe, Training, train

RECIPE = Recipe(batch=4, epoch_crops=4, drawn_share=0.5)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)  # two make steps this small slower
    folder = tmp_path_factory.mktemp("sets")
    made = list(drawn_crops(24))
    for name in ("drawn", "held_out", "val"):
        crops.write(folder / name, made[:2])
    real = [crops.Crop(c.picture, c.box, c.text, c.target, "", crops.Kind.CROP, "", 1, True) for c in made]
    crops.write(folder / "train", real)
    return folder


def test_a_training_learns_what_it_is_shown(sets: Path) -> None:
    training = Training(
        Recipe(batch=8, epoch_crops=96, drawn_share=0.5), Schedule(4), [crops.CropSet(sets / "train")]
    )
    losses = [training.run_epoch() for _ in range(2)]
    assert losses[1] < losses[0]


def test_a_killed_training_goes_on_from_its_last_epoch(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(sets, tmp_path, RECIPE, schedule=Schedule(2))
    capsys.readouterr()
    train(sets, tmp_path, RECIPE, schedule=Schedule(2))
    assert '"epoch"' not in capsys.readouterr().out
    assert torch.load(tmp_path / "last.pt", weights_only=True)["progress"]["epoch"] == 2


def test_a_longer_training_goes_on_where_the_rate_was_still_full(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(sets, tmp_path, RECIPE, schedule=Schedule(4))
    capsys.readouterr()
    train(sets, tmp_path, RECIPE, schedule=Schedule(6))
    said = capsys.readouterr().out
    assert '"epoch": 3,' in said
    assert '"epoch": 2,' not in said


def test_the_weights_that_leave_a_training_are_those_at_the_end_of_the_fall_whatever_read_most_before(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([90.0, 80.0, 10.0, 5.0])
    monkeypatch.setattr(train_reader, "exact_percent", lambda *_: {"all": next(shares, 1.0)})
    train(sets, tmp_path, RECIPE, schedule=Schedule(2))
    final = torch.load(tmp_path / "final.pt", weights_only=True)
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    assert last["progress"]["epoch"] == 2
    assert all(torch.equal(final[name], kept) for name, kept in last["average"].items())


def test_another_recipe_is_refused_in_the_same_folder(sets: Path, tmp_path: Path) -> None:
    train(sets, tmp_path, RECIPE, schedule=Schedule(1))
    with pytest.raises(ValueError, match="another run folder"):
        train(sets, tmp_path, Recipe(batch=2, epoch_crops=4), schedule=Schedule(1))


def test_what_a_training_leaves_fits_the_network_that_is_exported(sets: Path, tmp_path: Path) -> None:
    train(sets, tmp_path, RECIPE, schedule=Schedule(1))
    network = SlotReader()
    network.load_state_dict(torch.load(tmp_path / "final.pt", weights_only=True))
    shares = OnnxContract(network.eval(), temperature=2.0)(torch.zeros((1, 64, 128, 3), dtype=torch.uint8))
    assert shares.shape == (1, 10, 37)
    assert torch.allclose(shares.sum(-1), torch.ones(1, 10), atol=1e-5)


def test_a_temperature_changes_how_sure_the_reader_is_and_not_what_it_reads() -> None:
    torch.manual_seed(0)
    network = SlotReader().eval()
    crop = torch.randint(0, 255, (2, 64, 128, 3), dtype=torch.uint8)
    plain, doubting = OnnxContract(network)(crop), OnnxContract(network, temperature=4.0)(crop)
    assert torch.equal(plain.argmax(-1), doubting.argmax(-1))
    assert (doubting.amax(-1) < plain.amax(-1)).all()


def test_the_second_look_adds_nothing_before_it_has_learnt() -> None:
    torch.manual_seed(0)
    network = SlotReader().eval()
    slots, tokens = torch.randn(2, 10, 128), torch.randn(2, 128, 128)
    assert torch.equal(network.second_look(slots, tokens), slots)

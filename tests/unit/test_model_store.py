"""The store of models: names that lead nowhere else, one writer at a time, and nothing that is half there."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models import registry
from models.manifest import Manifest, ModelError
from models.store import check_name, default_store, remove, stored, take_in, writing

WEIGHTS = b"not really a network"


def arriving(
    store: Path, name: str = "mine", weights: bytes = WEIGHTS, *, manifest_fails: bool = False
) -> Manifest:
    """Takes a model in the way a pull does."""
    with writing(store) as folder:
        if manifest_fails:
            (folder / f"{name}.yaml").mkdir()
        part = folder / f"{name}.part"
        part.write_bytes(weights)
        manifest = Manifest(
            name=name,
            task="detector",
            file=part,
            sha256=hashlib.sha256(weights).hexdigest(),
            origin="imported",
        )
        return take_in(store, part, manifest)


def test_what_was_taken_in_is_found_and_whole(tmp_path):
    kept = arriving(tmp_path / "store")
    assert registry.find("mine", store=tmp_path / "store") == kept
    registry.verify(kept)
    assert stored(tmp_path / "store") == [kept]


def test_another_user_may_read_what_was_taken_in(tmp_path):
    before = os.umask(0o077)
    try:
        kept = arriving(tmp_path / "store")
    finally:
        os.umask(before)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o755
    assert kept.file.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "store" / "mine.yaml").stat().st_mode & 0o777 == 0o644


def dies_at(step: int, act: Callable[[], object]) -> bool:
    """Whether another process that does this is killed right before so many changes on the disk were made."""
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def killing(real):
            def change(*arguments, **settings):
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **settings)

            return change

        for of, name in ((Path, "rename"), (Path, "unlink"), (Path, "open"), (os, "fsync")):
            setattr(of, name, killing(getattr(of, name)))
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_newcomer_that_is_killed_at_any_step_leaves_weights_and_manifest_of_one_version(tmp_path):
    store, newer = tmp_path / "store", b"another network"
    for step in range(50):
        arriving(store)
        if not dies_at(step, lambda: arriving(store, weights=newer)):
            break
        found = registry.find("mine", store=store)
        registry.verify(found)
        assert found.file.read_bytes() in (WEIGHTS, newer)
        with writing(store):  # whoever comes next clears away what was left
            assert [path.name for path in store.glob("*.onnx")] == [found.file.name]
        registry.verify(found)
    assert step > 6


def test_a_first_one_that_is_killed_at_any_step_is_whole_or_not_there(tmp_path):
    for step in range(50):
        store = tmp_path / str(step)
        if not dies_at(step, lambda store=store: arriving(store)):
            break
        for found in stored(store):
            registry.verify(found)
        with writing(store):
            assert len(list(store.glob("*.onnx"))) == len(stored(store))
    assert step > 4


def test_weights_whose_manifest_cannot_be_read_stay(tmp_path):
    kept = arriving(tmp_path / "store")
    (tmp_path / "store" / "mine.yaml").write_text("- spoilt")
    with writing(tmp_path / "store"):
        assert kept.file.exists()


def test_the_default_store_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_store() == tmp_path / "platebridge" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_store() == tmp_path / "home" / ".local" / "share" / "platebridge" / "models"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "../hub",
        "/etc/passwd",
        "a/b",
        "..",
        ".hidden",
        "",
        "A",
        "a b",
        "a\n",
        "a" * 65,
        "-rf",
        "a\0b",
    ],
    ids=repr,
)
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(ModelError, match="cannot be a model's name"):
        check_name(name)
    with pytest.raises(ModelError, match="cannot be a model's name"):
        remove(tmp_path, name)
    with pytest.raises(ModelError, match="no model is called"):
        registry.find(name, store=tmp_path)


def test_a_manifest_that_names_a_file_elsewhere_is_refused(tmp_path):
    arriving(tmp_path)
    described = tmp_path / "mine.yaml"
    described.write_text(described.read_text().replace("file: ", "file: ../"))
    with pytest.raises(ModelError, match=r"mine\.yaml: file: must be the name of a file beside it"):
        registry.find("mine", store=tmp_path)
    (fault,) = stored(tmp_path)
    assert isinstance(fault, ModelError)


def test_removing_a_model_takes_its_weights_along(tmp_path):
    kept = arriving(tmp_path)
    arriving(tmp_path, "mine-too")
    remove(tmp_path, "mine")
    assert not kept.file.exists()
    assert [model.name for model in stored(tmp_path)] == ["mine-too"]
    with pytest.raises(ModelError, match="holds no model 'mine'"):
        remove(tmp_path, "mine")


def test_a_model_without_a_usable_manifest_can_be_removed(tmp_path):
    kept = arriving(tmp_path)
    other = arriving(tmp_path, "mine-0123456789ab")
    (tmp_path / "mine.yaml").write_text("broken: [")
    remove(tmp_path, "mine")
    assert not kept.file.exists()
    assert stored(tmp_path) == [other]
    registry.verify(other)


def test_a_manifest_under_another_name_is_refused(tmp_path):
    arriving(tmp_path)
    (tmp_path / "mine.yaml").rename(tmp_path / "yours.yaml")
    with pytest.raises(ModelError, match=r"yours\.yaml: name: is 'mine', and must be 'yours'"):
        registry.find("yours", store=tmp_path)


def test_where_the_manifest_cannot_be_written_the_weights_go_too(tmp_path):
    before = arriving(tmp_path)
    with pytest.raises(ModelError, match="'mine' could not be kept"):
        arriving(tmp_path, weights=WEIGHTS + b"!", manifest_fails=True)
    with pytest.raises(ModelError, match="'next' could not be kept"):
        arriving(tmp_path, "next", manifest_fails=True)
    assert stored(tmp_path) == [before]
    registry.verify(before)


def test_nothing_is_removed_while_another_writes(tmp_path):
    arriving(tmp_path)
    with writing(tmp_path), pytest.raises(ModelError, match="another pull or import is at work there"):
        remove(tmp_path, "mine")
    assert len(stored(tmp_path)) == 1


def test_what_nobody_came_back_for_in_a_week_is_cleared_away(tmp_path):
    with writing(tmp_path) as folder:
        old, young = folder / "old.part", folder / "young.part"
        for part in (old, young):
            part.write_bytes(b"half")
        eight_days_ago = time.time() - 8 * 86_400
        os.utime(old, (eight_days_ago, eight_days_ago))
    with writing(tmp_path):
        assert not old.exists()
        assert young.exists()


def test_the_folder_of_a_conversion_that_was_killed_is_cleared_away_at_once(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    with writing(tmp_path / "store") as folder:
        (folder / "convert-abc").mkdir()
        (folder / "convert-abc" / "model.pt").write_bytes(b"half")
        (folder / "convert-abc" / "link").symlink_to(elsewhere)
    with writing(tmp_path / "store") as folder:
        assert list(folder.iterdir()) == []
    assert (elsewhere / "kept").exists()


@pytest.mark.parametrize("place", [".arriving", ".lock"])
def test_a_link_in_the_store_leads_no_write_elsewhere(tmp_path, place):
    store, elsewhere = tmp_path / "store", tmp_path / "etc"
    store.mkdir()
    elsewhere.mkdir()
    old = elsewhere / "passwd"
    old.write_text("root")
    os.utime(old, (0, 0))
    (store / place).symlink_to(elsewhere if place == ".arriving" else elsewhere / "new")
    with pytest.raises(ModelError, match=r"remove it|Too many levels"):
        arriving(store)
    assert [file.name for file in elsewhere.iterdir()] == ["passwd"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_writes_into_no_folder_in_which_another_user_could_lay_links(tmp_path):
    with writing(tmp_path) as folder:
        os.chown(folder, 65534, 65534)
    with pytest.raises(ModelError, match=r"\.arriving: belongs to another user.*remove that folder"):
        arriving(tmp_path)
    folder.rmdir()
    registry.verify(arriving(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda store: remove(store, "mine"), id="remove"),
        pytest.param(lambda store: registry.find("mine", store=store), id="find"),
        pytest.param(stored, id="list"),
    ],
)
def test_a_store_one_may_not_look_into_is_not_taken_for_an_empty_one(tmp_path, look):
    arriving(tmp_path / "store")
    (tmp_path / "store").chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(ModelError, match="cannot be looked into"):
            look(tmp_path / "store")
    finally:
        os.seteuid(0)


def test_a_bundled_model_is_never_hidden_by_one_of_the_store(tmp_path):
    name = registry.bundled_names()[0]
    arriving(tmp_path, name)
    assert registry.find(name, store=tmp_path).origin == "bundled"


def test_a_store_that_is_not_there_holds_nothing(tmp_path):
    assert stored(tmp_path / "none") == []
    with pytest.raises(
        ModelError, match=r"one of the store .*none, which `platebridge models pull NAME` fills"
    ):
        registry.find("mine", store=tmp_path / "none")

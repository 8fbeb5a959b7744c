"""Networks that load and then fail, and descriptions that never end: refused with a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_onnx import FLOAT, PICTURE, SIDE, STRING, field, going_round, huge, network, node, value

from models.disk import copy_file
from models.hub import hub_models
from models.manifest import ModelError, read_fields, read_manifest
from models.registry import load, verify
from models.store import read_named, stored
from pod.services.model_check import network_facts, try_out
from pod.services.model_check_apart import TrialLimits, facts_apart, try_apart

FINDER = load("bundled", "detector")
HUB_DETECTOR = next(model for model in hub_models() if model.task == "detector" and not model.is_pinned)


AS_TEXT = field(5, field(1, b"to") + field(3, STRING) + field(20, 2))
NETWORKS = {
    "an answer that cannot be computed": (
        # 12,288 values by Reshape into the shape that the sides (1, 3, 64, 64) add up to: (132,).
        node(b"Shape", b"x", b"a")
        + node(b"ReduceSum", b"a", b"b")
        + field(1, field(1, b"x") + field(1, b"b") + field(2, b"y") + field(4, b"Reshape")),
        [PICTURE],
        [value(b"y", FLOAT)],
        "cannot be computed",
    ),
    "four pictures at once": (
        node(b"Identity", b"x", b"y"),
        [value(b"x", FLOAT, 4, 3, SIDE, SIDE)],
        [value(b"y", FLOAT)],
        "cannot be computed",
    ),
    "text for an answer": (
        node(b"Cast", b"x", b"y", AS_TEXT),
        [PICTURE],
        [value(b"y", STRING)],
        "no array of numbers",
    ),
    "two inputs": (
        node(b"Identity", b"x", b"y"),
        [PICTURE, value(b"z", FLOAT, 1)],
        [value(b"y", FLOAT)],
        "2 inputs",
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_that_cannot_run_here_is_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    nodes, taken, given, says = NETWORKS[kind]
    path = tmp_path / "own.onnx"
    path.write_bytes(network(nodes, taken, given))
    with pytest.raises(ModelError, match=says):
        try_out(load(str(path), "detector"))


@pytest.mark.timeout(60)
def test_a_network_that_never_ends_is_ended_and_named(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(going_round())
    with pytest.raises(
        ModelError, match=r"own\.onnx: was not done within 5 s when it was tried, .*take a smaller"
    ):
        try_apart(load(str(path), "detector"), TrialLimits(deadline_s=5))


def test_a_network_that_eats_memory_is_ended_and_named(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(huge())
    with pytest.raises(ModelError, match=r"own\.onnx: needs more than the 4\.0 GiB .*take a smaller one"):
        try_apart(load(str(path), "detector"))


def test_a_network_that_crashes_ends_alone_and_is_named() -> None:

    with pytest.raises(
        ModelError, match=rf"{FINDER.file}: ended the process that tried it \(.+\): export it"
    ):
        try_apart(FINDER, TrialLimits(memory_bytes=300 << 20))


def test_a_file_larger_than_memory_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match=r"own\.onnx: needs more than the 4\.0 GiB"):
        facts_apart(path)


def test_a_network_is_tried_apart_as_it_is_tried_here(tmp_path: Path) -> None:
    assert try_apart(FINDER) == try_out(FINDER)
    assert facts_apart(FINDER.file).task == "detector"


@pytest.mark.parametrize("verb", ["import", "verify", "pull"])
def test_no_verb_tries_a_network_in_its_own_process(tmp_path: Path, verb: str) -> None:
    """The network would take memory that no box has: whoever loads it himself is the one who ends."""
    file = tmp_path / HUB_DETECTOR.weights.name
    file.write_bytes(huge())
    words: dict[str, list[object]] = {
        "import": ["import", file, "--name", "mine"],
        "verify": ["verify", file],
        "pull": ["pull", HUB_DETECTOR.name, "--trust-first-download", "--from", tmp_path],
    }
    code = (
        "import resource, sys; from pod.cli import main; from models.manifest import ModelError\n"
        "def refuse(*_, **__): raise SystemExit('loaded in the process of the command')\n"
        "from pod.vision import session; session._opened = refuse\n"
        "main()"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "models",
        *map(str, words[verb]),
        "--store",
        str(tmp_path / "store"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "needs more than the 4.0 GiB of memory" in done.stdout + done.stderr
    assert file.name in done.stdout + done.stderr
    assert done.returncode == (1 if verb == "verify" else 2)
    assert list(tmp_path.glob("store/*.onnx")) == []


def test_a_network_that_takes_nothing_is_neither_detector_nor_recogniser(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    constant = field(5, field(1, b"value_float") + bytes([2 << 3 | 5, 0, 0, 128, 63]) + field(20, 1))
    path.write_bytes(
        network(field(1, field(2, b"y") + field(4, b"Constant") + constant), [], [value(b"y", FLOAT)])
    )
    with pytest.raises(ModelError, match="takes nothing"):
        network_facts(path)


@pytest.fixture(params=["a pipe", "a device"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of what never comes to an end, under the names of a model's files."""
    for name in ("m.onnx", "m.yaml"):
        if request.param == "a pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).symlink_to("/dev/zero")
    return tmp_path


@pytest.mark.timeout(20)
def test_what_never_ends_is_refused_at_once(endless: Path) -> None:
    wanted = "a pipe or a device, not a file"
    assert [wanted in str(fault) for fault in stored(endless)] == [True]
    with pytest.raises(ModelError, match=wanted):
        network_facts(endless / "m.onnx")
    with pytest.raises(ModelError, match=wanted):
        copy_file(endless / "m.onnx", endless / "part", sha256=None, most_bytes=10**6)
    (endless / "m.yaml").unlink()
    with pytest.raises(ModelError, match=wanted):
        verify(load(str(endless / "m.onnx"), "detector"))


def unfolding(levels: int) -> str:
    """A few lines that stand for 9 to that power of words."""
    lines = ["a0: &a0 [l, l, l, l, l, l, l, l, l]"]
    lines += [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(unfolding(12), "holds a reference", id="references that unfold"),
        pytest.param("a: &a [*a]", "holds a reference", id="a reference to itself"),
        pytest.param("a: 2026-13-45", "month must be", id="a thirteenth month"),
        pytest.param(f"a: {'9' * 5000}", "limit", id="a number of 5,000 digits"),
        pytest.param("[" * 50_000, "recursion", id="brackets without an end"),
    ],
)
@pytest.mark.timeout(20)
def test_a_description_that_no_program_can_hold_is_refused_with_its_file(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=rf"(?s)m\.yaml: cannot be read as YAML.*{says}"):
        read_fields(path)


@pytest.mark.parametrize("name", ['".."', '"a\\0b"'], ids=["the folder above", "a name that none can be"])
def test_a_manifest_names_a_file_beside_it_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"name: m\ntask: detector\nfile: {name}\nsha256: {'ab' * 32}\n")
    with pytest.raises(ModelError, match="must be the name of a file beside it"):
        read_named(path)


def test_of_many_problems_of_a_manifest_ten_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: detector\nfile: m.onnx\n" + "".join(f"odd{i}: 1\n" for i in range(5000)))
    with pytest.raises(ModelError, match=r"m\.yaml: not a valid .*odd9: .*; and 4990 more: correct") as told:
        read_manifest(path)
    assert "odd10" not in str(told.value)
    path.write_text(f"name: m\ntask: detector\nfile: m.onnx\n{'o' * 90_000}: 1\n")
    with pytest.raises(ModelError) as told:
        read_manifest(path)
    assert len(str(told.value)) < 1000


def test_a_model_of_the_store_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: detector\nfile: m.onnx\n")
    with pytest.raises(ModelError, match="sha256: is missing, so nobody could tell"):
        read_named(path)

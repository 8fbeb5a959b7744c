"""Networks that load and then fail, and descriptions that never end: refused with a sentence."""

import os
from pathlib import Path

import pytest

from models.disk import copy_file
from models.manifest import ModelError, read_fields
from models.registry import load, verify
from models.store import read_named, stored
from pod.services.model_check import network_facts, try_out

FLOAT, INT64, STRING = 1, 7, 8
SIDE = 64


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protocol buffer: a whole number, or bytes."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(whole: int) -> bytes:
    return bytes([whole]) if whole < 128 else bytes([whole & 0x7F | 0x80]) + varint(whole >> 7)


def value(name: bytes, kind: int, *sides: int) -> bytes:
    shape = b"".join(field(1, field(1, side)) for side in sides)
    return field(1, name) + field(2, field(1, field(1, kind) + (field(2, shape) if sides else b"")))


def node(kind: bytes, taken: bytes, given: bytes, more: bytes = b"") -> bytes:
    return field(1, field(1, taken) + field(2, given) + field(4, kind) + more)


def network(nodes: bytes, taken: list[bytes], given: list[bytes]) -> bytes:
    graph = nodes + field(2, b"g")
    graph += b"".join(field(11, one) for one in taken) + b"".join(field(12, one) for one in given)
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


PICTURE = value(b"x", FLOAT, 1, 3, SIDE, SIDE)
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


def test_a_model_of_the_store_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("name: m\ntask: detector\nfile: m.onnx\n")
    with pytest.raises(ModelError, match="sha256: is missing, so nobody could tell"):
        read_named(path)

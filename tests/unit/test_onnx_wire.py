"""Whether a network keeps weights in other files is seen wherever they are; spoilt bytes are refused."""

import random

import pytest
from mutations import meet, spoilt

from models import registry
from models.onnx_wire import NotOnnxError, has_external_data


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


INSIDE = number(2, 1) + message(9, b"abcd")
ELSEWHERE = number(2, 1) + number(14, 1)
NAMED = message(13, message(1, b"location") + message(2, b"/etc/shadow"))


def model(graph: bytes) -> bytes:
    return number(1, 8) + message(7, graph) + number(5, 3)


PLACES = {
    "an initialiser": lambda tensor: model(message(5, tensor)),
    "a constant node": lambda tensor: model(message(1, message(5, message(5, tensor)))),
    "a list of constants": lambda tensor: model(message(1, message(5, message(10, tensor)))),
    "a branch": lambda tensor: model(message(1, message(5, message(6, message(5, tensor))))),
    "a sparse initialiser": lambda tensor: model(message(15, message(1, tensor))),
    "a function": lambda tensor: model(b"") + message(25, message(7, message(5, message(5, tensor)))),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tensor", [ELSEWHERE, NAMED], ids=["by its place", "by its name"])
def test_weights_in_another_file_are_seen_wherever_they_are(place, tensor):
    assert has_external_data(PLACES[place](tensor))
    assert not has_external_data(PLACES[place](INSIDE))


@pytest.mark.parametrize("name", registry.bundled_names())
def test_the_bundled_networks_are_one_file_each(name):
    assert not has_external_data(registry.find(name).file.read_bytes())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x08\x07",
        b"<html>",
        b"\xff" * 40,
        model(b"\x0a\x05ab"),
        number(1, 8) + b"\x3a\xff\x01x",
        b"\x0b",
    ],
    ids=["empty", "no graph", "a web page", "ones", "cut off inside", "cut off", "a group"],
)
def test_what_is_no_network_is_refused(raw):
    with pytest.raises(NotOnnxError):
        has_external_data(raw)


def test_graphs_within_graphs_without_end_are_refused():
    graph = b""
    for _ in range(60):
        graph = message(1, message(5, message(6, graph)))
    with pytest.raises(NotOnnxError, match="too deep"):
        has_external_data(model(graph))


def test_spoilt_networks_are_understood_or_refused():
    good = [place(tensor) for place in PLACES.values() for tensor in (INSIDE, NAMED)]
    met = meet(has_external_data, spoilt(good, 3000), refusal=NotOnnxError)
    assert met.taken > 300
    assert met.refused > 300


def test_noise_is_understood_or_refused():
    chance = random.Random(5)
    met = meet(
        has_external_data, (chance.randbytes(chance.randrange(60)) for _ in range(3000)), refusal=NotOnnxError
    )
    assert met.refused > 1000

"""Looks into the bytes of an ONNX file without loading it: does it keep its weights in other files? Pure.

Walks the wire format of protocol buffers along the paths of onnx.proto3 on which a tensor can lie:
initialisers, attributes of nodes, and the graphs and functions inside of them.
"""

from collections.abc import Iterator
from typing import Literal

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1
_DEEPEST = 32

Kind = Literal["model", "graph", "node", "attribute", "tensor", "sparse", "function"]

_INSIDE: dict[Kind, dict[int, Kind]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
_DATA_LOCATION, _EXTERNAL_DATA = 14, 13


class NotOnnxError(Exception):
    """The bytes are no ONNX model."""


def has_external_data(model: bytes) -> bool:
    """Whether any tensor of a model lies in another file.

    Raises:
        NotOnnxError: the bytes do not hold a graph.
    """
    view = memoryview(model)
    if not any(number == 7 and kind == _BYTES for number, kind, _ in _fields(view)):
        raise NotOnnxError("it holds no graph")
    return _is_external(view, "model", depth=0)


def _is_external(message: memoryview, kind: Kind, *, depth: int) -> bool:
    if depth > _DEEPEST:
        raise NotOnnxError("its graphs lie too deep in one another")
    for number, wire, value in _fields(message):
        if kind == "tensor" and (
            (number == _DATA_LOCATION and value == _EXTERNAL) or (number == _EXTERNAL_DATA and wire == _BYTES)
        ):
            return True
        inner = _INSIDE[kind].get(number)
        if (
            inner is not None
            and isinstance(value, memoryview)
            and _is_external(value, inner, depth=depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Number, wire type and value of each field of a message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            whole, at = _varint(message, at)
            yield number, wire, whole
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise NotOnnxError("it is no protocol buffer")
        if length > len(message) - at:
            raise NotOnnxError("it is cut off")
        yield number, wire, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise NotOnnxError("it is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotOnnxError("it is no protocol buffer")

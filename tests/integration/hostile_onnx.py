"""Networks written by hand, as bytes of the ONNX wire format: those that no training makes."""

from collections.abc import Sequence

import numpy as np

from pod.domain.reads import ALPHABET, SLOTS

FLOAT, UINT8, INT64, STRING, BOOL = 1, 2, 7, 8, 9
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


def scalar(name: bytes, kind: int) -> bytes:
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, b"")))


def picture(name: bytes) -> bytes:
    """What a detector takes."""
    return value(name, FLOAT, 1, 3, SIDE, SIDE)


PICTURE = picture(b"x")


def numbers(name: bytes, *content: int) -> bytes:
    """A node that gives a row of whole numbers."""
    row = (
        field(1, len(content))
        + field(2, INT64)
        + field(9, b"".join(n.to_bytes(8, "little") for n in content))
    )
    return field(1, field(2, name) + field(4, b"Constant") + field(5, attribute(b"value", 4, field(5, row))))


def attribute(name: bytes, kind: int, content: bytes) -> bytes:
    return field(1, name) + content + field(20, kind)


def going_round() -> bytes:
    """A network that goes round as often as a whole number can say."""
    truth = field(2, BOOL) + field(9, b"\x01")
    go_on = field(
        1, field(2, b"c") + field(4, b"Constant") + field(5, attribute(b"value", 4, field(5, truth)))
    )
    body = node(b"Identity", b"go", b"go_out") + node(b"Identity", b"v", b"v_out") + field(2, b"body")
    body += field(11, scalar(b"i", INT64)) + field(11, scalar(b"go", BOOL)) + field(11, picture(b"v"))
    body += field(12, scalar(b"go_out", BOOL)) + field(12, picture(b"v_out"))
    loop = field(1, b"m") + field(1, b"c") + field(1, b"x") + field(2, b"y") + field(4, b"Loop")
    loop += field(5, attribute(b"body", 5, field(6, body)))
    return network(numbers(b"m", 2**62) + go_on + field(1, loop), [PICTURE], [picture(b"y")])


def huge() -> bytes:
    """A network whose answer has sixteen million million values."""
    wide = numbers(b"w", 1 << 44)
    expand = field(1, b"x1") + field(1, b"w") + field(2, b"y") + field(4, b"Expand")
    one = node(b"ReduceMax", b"x", b"x1", field(5, attribute(b"keepdims", 2, field(3, 0))))
    return network(one + wide + field(1, expand), [PICTURE], [value(b"y", FLOAT)])


def floats(name: bytes, sides: Sequence[int], content: bytes) -> bytes:
    """A node that gives these numbers."""
    table = b"".join(field(1, side) for side in sides) + field(2, FLOAT) + field(9, content)
    return field(
        1, field(2, name) + field(4, b"Constant") + field(5, attribute(b"value", 4, field(5, table)))
    )


def no_number_on_black(taken: bytes, sides: Sequence[int], content: bytes) -> bytes:
    """A network that gives these numbers, and NaN where the sum of its picture is 0."""
    as_float = field(5, attribute(b"to", 2, field(3, FLOAT)))
    nodes = node(b"Cast", b"x", b"f", as_float)
    nodes += node(b"ReduceSum", b"f", b"s", field(5, attribute(b"keepdims", 2, field(3, 0))))
    nodes += field(1, field(1, b"s") + field(1, b"s") + field(2, b"one") + field(4, b"Div"))
    nodes += floats(b"c", sides, content)
    nodes += field(1, field(1, b"c") + field(1, b"one") + field(2, b"y") + field(4, b"Mul"))
    return network(nodes, [taken], [value(b"y", FLOAT, *sides)])


def detector_that_fails_on_black() -> bytes:
    """A detector that finds one plate at (16, 24, 48, 40) in 64 x 64 pixels, and NaN in a black picture."""
    anchors = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    table = np.zeros((1, 5, anchors), np.float32)
    table[0, :, 0] = [32, 32, 32, 16, 0.9]
    return no_number_on_black(PICTURE, table.shape, table.tobytes())


def reader_that_fails_on_black(text: str) -> bytes:
    """A reader of 64 x 128 pixels that reads the same in any picture but a black one."""
    table = np.zeros((1, SLOTS, len(ALPHABET)), np.float32)
    for slot, character in enumerate(text.ljust(SLOTS, ALPHABET[-1])):
        table[0, slot, ALPHABET.index(character)] = 1
    return no_number_on_black(value(b"x", UINT8, 1, 64, 128, 3), table.shape, table.tobytes())


def blind_detector() -> bytes:
    """A detector of the expected shape that finds nothing."""
    anchors = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    nothing = floats(b"y", (1, 5, anchors), bytes(4 * 5 * anchors))
    return network(nothing, [PICTURE], [value(b"y", FLOAT, 1, 5, anchors)])

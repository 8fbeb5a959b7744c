"""A clip whose frames say their number in pixels, so that a viewer knows which frame it sees.

Eight blocks along the top: the seven bits of a Gray code, lowest first, and their parity. They differ so
little, and so few of them change at a time, that the POD's motion gate sees a still scene: what the clip
costs a POD is what an idle camera costs.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.drive_up import cached_clip, covering
from models.render.lettering import Picture

BITS = 7
FRAMES = 1 << BITS
"""The clip's length, 5 s: far longer than any latency, and all that the bits can say."""

BLOCK_PX = 16
DARK, BRIGHT = 118, 138
"""Grey levels of 0 and 1."""


def numbered_clip(empty: Picture, *, folder: Path) -> Path:
    """The empty view, `FRAMES` times, each with its number; rendered where `folder` has none yet."""
    view = covering(empty)
    digest = hashlib.sha256(Path(__file__).read_bytes() + view.tobytes()).hexdigest()
    return cached_clip(_pictures(view), folder, name="numbered", digest=digest)


def with_number(view: Picture, number: int) -> Picture:
    """A copy of `view` that says `number`, which is below `FRAMES`."""
    picture = view.copy()
    for index, bit in enumerate(_blocks(number)):
        left = index * BLOCK_PX
        picture[:BLOCK_PX, left : left + BLOCK_PX] = BRIGHT if bit else DARK
    return picture


def number_in(levels: Sequence[float]) -> int | None:
    """The number that blocks of these grey levels say; None where they say none.

    Args:
        levels: of the middle of each block, from the left; as many as there are blocks, at least.
    """
    bits = [level > (DARK + BRIGHT) / 2 for level in levels[: BITS + 1]]
    number = 0
    for bit in reversed(bits[:BITS]):
        number = number << 1 | (bit ^ (number & 1))
    return number if bits == _blocks(number) else None


def _blocks(number: int) -> list[bool]:
    gray = number ^ number >> 1
    bits = [bool(gray >> index & 1) for index in range(BITS)]
    return [*bits, sum(bits) % 2 == 0]  # odd parity: neither an all dark nor an all bright row is a number


def _pictures(view: Picture) -> Iterator[Picture]:
    for number in range(FRAMES):
        yield with_number(view, number)

"""Spoilt copies of good input, the same for a seed, and how a parser meets them."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

HOSTILE = (
    *(b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\r\n", b"\n", b"\t", b" ", b"-1", b"1e999", b"nan"),
    *(bytes([c]) for c in b"\"'\\%&[]{}<>:;,=-*!#|~`0"),
    *(b"9" * 40, b"null", b"true", b"A" * 500, "\u202e\U0001f697\u0661".encode()),
)
"""What tells a careless parser from a careful one."""


@dataclass(frozen=True, slots=True)
class Met:
    """How often a parser took what it was given, and how often it refused it."""

    taken: int
    refused: int

    @property
    def all(self) -> int:
        return self.taken + self.refused


def mutated(good: bytes, chance: random.Random) -> bytes:
    """One to four changes at places of chance: bytes lost, brought in, replaced, doubled, or cut off."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + chance.choice((1, 1, 4, 40, 400)))
        match chance.randrange(11):
            case 0 | 1:
                del data[at:end]
            case 2 | 3:
                data[at:at] = chance.choice(HOSTILE)
            case 4 | 5:
                data[at:end] = chance.choice(HOSTILE)
            case 6 | 7:
                data[at:at] = data[at:end]
            case 8 | 9:
                data[at:end] = chance.randbytes(end - at)
            case _:
                del data[at:]
    return bytes(data)


def spoilt(good: Sequence[bytes], count: int) -> Iterator[bytes]:
    """So many spoilt copies of these in turn."""
    chance = random.Random(21)
    for n in range(count):
        yield mutated(good[n % len(good)], chance)


def meet(parse: Callable[[bytes], object], given: Iterable[bytes], *, refusal: type[Exception]) -> Met:
    """Give all of it to a parser, which may refuse it with a `refusal` that says something, and nothing else.

    Raises:
        AssertionError: a refusal is mute.
        Exception: whatever else the parser raised, with what it was given noted on it.
    """
    taken = refused = mute = 0
    for data in given:
        try:
            parse(data)
            taken += 1
        except refusal as error:
            refused += 1
            mute += not str(error)
        except Exception as error:
            error.add_note(f"given {data[:300]!r}")
            raise
    assert mute == 0, f"{mute} refusals say nothing"
    return Met(taken, refused)

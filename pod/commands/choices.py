"""Options that take one of a few words: a wrong one is told with those that there are."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import typer

Choice = TypeVar("Choice", bound=StrEnum)


def one_of(kind: type[Choice]) -> Callable[[str], Choice]:
    """A parser for typer; its own words of a wrong choice are those of a library."""

    def parse(text: str) -> Choice:
        try:
            return kind(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is none of them; write {choices(kind)}") from None

    return parse


def choices(kind: type[StrEnum]) -> str:
    """The words, as in `a, b or c`."""
    *words, last = (member.value for member in kind)
    return f"{', '.join(words)} or {last}"

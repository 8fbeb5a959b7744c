"""How far texts that were read are from the truth: whole plates, and characters. Pure.

The character error rate is the edits needed over the characters there are, as speech recognition has it;
edits are Levenshtein's (Soviet Physics Doklady 10, 1966): a character changed, added or left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_FOLDED = str.maketrans("OI", "01")


@dataclass(frozen=True, slots=True)
class TextMetrics:
    """Counts over a set of plates, and the shares they make.

    Attributes:
        n: plates.
        exact: plates read character by character.
        folded: plates read so with O taken for 0 and I for 1, as most plate fonts draw these alike.
        edits: characters to change, add or leave out until every folded read is its folded truth.
        characters: characters of all truths.
    """

    n: int
    exact: int
    folded: int
    edits: int
    characters: int

    @property
    def exact_percent(self) -> float:
        return _percent(self.exact, self.n)

    @property
    def folded_percent(self) -> float:
        return _percent(self.folded, self.n)

    @property
    def character_error_percent(self) -> float:
        """May exceed 100: a read can be longer than its truth."""
        return _percent(self.edits, self.characters)


def text_metrics(reads: Sequence[str], truths: Sequence[str]) -> TextMetrics:
    """Compares reads with truths, one by one.

    Args:
        reads: what was read, without padding; "" where nothing was.
        truths: as many, in the same form (A-Z and 0-9).

    Raises:
        ValueError: there are not as many reads as truths.
    """
    pairs = list(zip(reads, truths, strict=True))
    folded = [(fold(read), fold(truth)) for read, truth in pairs]
    return TextMetrics(
        n=len(pairs),
        exact=sum(read == truth for read, truth in pairs),
        folded=sum(read == truth for read, truth in folded),
        edits=sum(edits(read, truth) for read, truth in folded),
        characters=sum(len(truth) for _, truth in pairs),
    )


def fold(text: str) -> str:
    """The text with O written as 0 and I as 1."""
    return text.translate(_FOLDED)


def edits(a: str, b: str) -> int:
    """The least number of characters to change, add or leave out to make `b` of `a`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def _percent(count: int, of: int) -> float:
    return 100 * count / of if of else float("nan")

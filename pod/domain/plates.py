"""The form in which plates are written down and compared. Pure.

It is the protocol's, so that a POD and the cloud find the same entry for a plate.
"""

from pod.domain.errors import PlateListError
from sync.protocol import plates
from sync.protocol.plates import MAX_LENGTH, MIN_LENGTH, canonical, match_key

__all__ = ["MAX_LENGTH", "MIN_LENGTH", "canonical", "match_key", "one_edit_apart", "parse_plate"]


def one_edit_apart(a: str, b: str) -> bool:
    """Whether one character changed, added or left out makes `a` of `b`, or they are equal.

    Good for telling a misread from another car; never a reason to open.
    """
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1:
        return False
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    return a[same + (len(a) == len(b)) :] == b[same + 1 :]


def parse_plate(text: str) -> str:
    """The canonical form of a plate a person typed.

    Raises:
        PlateListError: nothing plate-like is left, or a character can't be on a plate.
    """
    try:
        return plates.parse_plate(text)
    except ValueError as error:
        raise PlateListError(str(error)) from None

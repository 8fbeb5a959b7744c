"""Which of a detector's classes is a plate, by the names that its maker gave them. Pure."""

import ast
import re

from models.manifest import ModelError

_PLATE = re.compile(
    r"plate|licen[cs]e|anpr|alpr|\blpr?\b|placa|kennzeichen|nummernschild|matr[ií]cula|plaque|targa|kenteken|tablic",
    re.IGNORECASE,
)
_MOST_NAMED = 12
_LONGEST_TEXT = 50_000


def class_names(metadata: dict[str, str]) -> tuple[str, ...]:
    """The names of the classes as ultralytics writes them into an ONNX file; none where nobody wrote any."""
    text = metadata.get("names", "")
    if not text or len(text) > _LONGEST_TEXT:
        return ()
    try:
        named = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(named, dict):
        named = [named.get(i, "") for i in range(len(named))]
    return tuple(str(name) for name in named) if isinstance(named, list | tuple) else ()


def plate_class(names: tuple[str, ...], count: int | None, *, asked: str | None) -> int | None:
    """The number of the class that is a plate; None where the only class is.

    Args:
        names: as `class_names` gives them.
        count: how many classes the network tells apart; None: it does not say.
        asked: the class that the user names, by name or number.

    Raises:
        ModelError: there are several, and which is a plate is not clear.
    """
    known = count if count is not None else len(names) or None
    if asked is not None:
        return _asked(names, known, asked)
    if known in (None, 1):
        return None
    plates = [number for number, name in enumerate(names) if _PLATE.search(name)]
    if len(plates) == 1:
        return plates[0]
    told = "more than one sounds like a plate" if plates else "none of them sounds like a plate"
    raise ModelError(
        f"it tells {known} classes apart{_listed(names)}, and {told}: name it with --plate-class"
    )


def _asked(names: tuple[str, ...], count: int | None, asked: str) -> int:
    lowered = [name.lower() for name in names]
    if asked.lower() in lowered:
        return lowered.index(asked.lower())
    if re.fullmatch(r"[0-9]{1,3}", asked) and (count is None or int(asked) < count):
        return int(asked)
    raise ModelError(f"it has no class {asked!r}{_listed(names)}: give a name of these, or a number from 0")


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return " without naming them"
    shown = ", ".join(name[:40] for name in names[:_MOST_NAMED])
    return f" ({shown}{', …' if len(names) > _MOST_NAMED else ''})"

"""The measured figures that cards and manifests are made from: the files of one folder, and how to read them.

`evaluation.json` is what `platebridge models eval --json` printed, `false-opens.json` and `.txt` what
`platebridge models false-opens` said, `weights.json` what is known of the two files themselves.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Task = Literal["detector", "reader"]
TASKS: tuple[Task, Task] = ("detector", "reader")

EVALUATION, FALSE_OPENS, FALSE_OPENS_TEXT, WEIGHTS = (
    "evaluation.json",
    "false-opens.json",
    "false-opens.txt",
    "weights.json",
)
PLACE_OF_RESULTS = Path("models", "evaluation", "results")
PLACE_OF_PICTURES = Path("docs", "images", "models")


class ResultsError(Exception):
    """The figures cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Results:
    """All figures of one pair of networks.

    Attributes:
        weights: by task: name, sha256, size_bytes, input_px; once trained by the pipeline temperature, curve
            and more.
        evaluation: as `models eval --json` prints it.
        false_opens_text: the card's section on them.
    """

    weights: dict[str, dict[str, Any]]
    evaluation: dict[str, Any]
    false_opens_text: str


def load(folder: Path) -> Results:
    """The figures in a folder.

    Raises:
        ResultsError: a file is missing, or is not what it should be.
    """
    return Results(
        weights=_json(folder / WEIGHTS),
        evaluation=_json(folder / EVALUATION),
        false_opens_text=_text(folder / FALSE_OPENS_TEXT),
    )


def without_places(text: str, root: Path) -> str:
    """The same text with folders beside the checkout named from it: the place of one machine is no figure."""
    return text.replace(f"{root.parent}/", "../")


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(_text(file))
    except ValueError as error:
        raise ResultsError(f"{file}: no JSON ({error}): measure anew with scripts/train.sh") from error
    if not isinstance(read, dict):
        raise ResultsError(f"{file}: must hold figures by name: measure anew with scripts/train.sh")
    return read


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultsError(
            f"{file}: cannot be read ({error.strerror}): measure anew with scripts/train.sh"
        ) from error

"""What came of each picture, by reader: what the figures and the report are made from. Pure data."""

from dataclasses import dataclass, field
from typing import Literal

from models.evaluation.boxes import PictureBoxes

OURS, UPSTREAM = "ours", "upstream"
"""The names of the two sides; the second is absent where its weights are."""

Group = Literal["source", "teacher", "given", "augmented", "synthetic"]
"""Where a crop's truth is from; figures of two groups are never mixed.

source: whoever took the picture (checked by eye where that could matter); teacher: another recogniser, which
is upstream's, so that upstream can hardly be wrong; given: the data set does not say; augmented: a `source`
crop, spoilt; synthetic: drawn.
"""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read in a crop: a text, "" for none, and the least sure character's probability."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class CropOutcome:
    """One crop read by each side.

    Attributes:
        key: names the crop; truth: what it says.
        source, region: of the picture, "" where not said.
        kind: augmented: how it was spoilt; synthetic: its style; else who gave the text.
        reads: by side.
        jpeg: a small picture of it, kept for a bounded number of failures.
    """

    key: str
    group: Group
    truth: str
    source: str
    region: str
    kind: str
    reads: dict[str, Read]
    jpeg: bytes | None = None


@dataclass(frozen=True, slots=True)
class SceneOutcome:
    """One whole picture searched and read by each side.

    Attributes:
        size_px: height and width of the picture.
        found: boxes by side from a low confidence on, with the labels; empty where there are no labels.
        whole: the texts that each side read in it by itself, from detector to text, as its users get it.
        cpu_ms: of that, by side.
        texts: what its plates say; None: not known.
        text_by: who says so.
    """

    key: str
    source: str
    size_px: tuple[int, int]
    found: dict[str, PictureBoxes]
    whole: dict[str, tuple[str, ...]]
    cpu_ms: dict[str, float]
    texts: tuple[str, ...] | None
    text_by: Literal["given", "teacher"]
    jpeg: bytes | None = None


@dataclass(frozen=True, slots=True)
class SideFacts:
    """What a side is.

    Attributes:
        name: detector and recogniser, or fast-alpr with its weights.
        weights_from: where they were found.
        confidence: the detector's threshold as its users get it.
        input_px: height and width that the detector sees.
    """

    name: str
    weights_from: str
    confidence: float
    input_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All of a run.

    Attributes:
        sides: by name; upstream's is missing where it was not found.
        absence: why upstream is missing, with the mend; "" where it is not.
        excluded: every line or file that was left out, in words; at most a bounded number of them.
        excluded_total: how many there are.
        unreadable: crops left out because a person could not read them either.
        every: 1, or only every so many-th picture was taken, for a quick look.
    """

    place: str
    layout: str
    sides: dict[str, SideFacts]
    absence: str
    crops: tuple[CropOutcome, ...]
    scenes: tuple[SceneOutcome, ...]
    excluded: tuple[str, ...]
    excluded_total: int
    unreadable: int
    every: int
    wall_s: float = field(default=0.0)

"""Plate crops to learn from, and sets of them in a folder that training maps into memory.

A crop keeps surroundings of its plate, so that training may draw the box anew each time it is seen; its
target is a share per character and slot, so that certainty, a teacher's doubt and "nothing to read" are one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.training.alphabet import Shares

Picture = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of a picture."""

_PIXELS, _TABLE = "pixels.npy", "crops.npz"


class Kind(IntEnum):
    """Where a crop comes from."""

    CROP = 0
    """A crop of the OCR set."""
    CUT = 1
    """Cut anew from a picture of the detection set; only the teacher knows its text."""
    NOTHING = 2
    """Background: there is nothing to read."""
    DRAWN = 3
    """Rendered."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One plate, or a piece of background.

    Attributes:
        picture: shape (h, w, 3), uint8, RGB.
        box: the plate in it, drawn tightly.
        text: what it most probably says; "" where there is nothing to read.
        target: what to learn.
        region: the country's name as the teacher has it; "" where unknown.
        trust: how often it is seen among crops alike, 0..1.
        labelled: the text came with the picture, or is what was drawn; otherwise a teacher read it.
    """

    picture: Picture
    box: Box
    text: str
    target: Shares
    region: str
    kind: Kind
    source: str
    trust: float
    labelled: bool


class CropSet(Sequence[Crop]):
    """Crops in a folder: one file of pixels, mapped into memory, and one table."""

    def __init__(self, folder: Path) -> None:
        """Opens what `write` made.

        Raises:
            FileNotFoundError: there is no set in the folder.
        """
        if not (folder / _TABLE).exists():
            raise FileNotFoundError(f"{folder}: no set of crops: models.training.prepare_reader makes one")
        self._pixels: Picture = np.load(folder / _PIXELS, mmap_mode="r")
        with np.load(folder / _TABLE, allow_pickle=False) as table:
            self._columns = {name: table[name] for name in table.files}
        sizes = self._columns["size"].astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(sizes[:, 0] * sizes[:, 1] * 3)])

    def __len__(self) -> int:
        return len(self._columns["text"])

    def __getitem__(self, index: int) -> Crop:  # type: ignore[override]  # slices have no use here
        if not 0 <= index < len(self):
            raise IndexError(index)
        row = {name: column[index] for name, column in self._columns.items()}
        height, width = row["size"]
        pixels = self._pixels[self._starts[index] : self._starts[index + 1]]
        return Crop(
            picture=pixels.reshape(height, width, 3),
            box=tuple(row["box"].tolist()),
            text=str(row["text"]),
            target=row["target"].astype(np.float32),
            region=str(row["region"]),
            kind=Kind(row["kind"]),
            source=str(row["source"]),
            trust=float(row["trust"]),
            labelled=bool(row["labelled"]),
        )

    def column(self, name: str) -> npt.NDArray[np.generic]:
        """One attribute of all crops, shape (N, ...), by its name in Crop."""
        return self._columns[name]


def write(folder: Path, crops: Iterable[Crop]) -> int:
    """Makes a set of crops; returns how many. A kill leaves no set, or the one before.

    Raises:
        ValueError: there are no crops.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _TABLE).unlink(missing_ok=True)
    kept = list(crops)
    if not kept:
        raise ValueError(f"{folder}: a set of no crops: give another source, or a higher limit")
    np.save(folder / _PIXELS, np.concatenate([crop.picture.reshape(-1) for crop in kept]))
    part = folder / "part.npz"
    np.savez(
        part,
        size=np.array([crop.picture.shape[:2] for crop in kept], np.int32),
        box=np.array([crop.box for crop in kept], np.float32),
        text=np.array([crop.text for crop in kept]),
        target=np.stack([crop.target for crop in kept]).astype(np.float16),
        region=np.array([crop.region for crop in kept]),
        kind=np.array([crop.kind for crop in kept], np.uint8),
        source=np.array([crop.source for crop in kept]),
        trust=np.array([crop.trust for crop in kept], np.float32),
        labelled=np.array([crop.labelled for crop in kept]),
    )
    part.replace(folder / _TABLE)
    return len(kept)


def how_often(crops: Sequence[CropSet], shares: dict[Kind, float]) -> list[npt.NDArray[np.float64]]:
    """How often to draw each crop of each set; all together sum to 1.

    Each kind gets its share. Within a kind trusted crops come more often, countries by `_country_weight`,
    and a text that n crops show counts as the root of n: frames of one plate teach little more than one.

    Raises:
        ValueError: no kind that has a share is in the sets.
    """
    weights = []
    for part in crops:
        texts, first = np.unique(part.column("text"), return_inverse=True)
        alike = np.bincount(first, minlength=len(texts))[first].astype(np.float64)
        alike[part.column("text") == ""] = 1.0
        country = np.array([_country_weight(str(region)) for region in part.column("region")])
        weights.append(part.column("trust").astype(np.float64) * country / np.sqrt(alike))
    present = {}
    for kind, share in shares.items():
        total = sum(w[part.column("kind") == kind].sum() for part, w in zip(crops, weights, strict=True))
        if share > 0 and total > 0:
            present[kind] = share / total
    if not present:
        raise ValueError("the sets hold no crop of a kind that is to be drawn")
    scale = sum(shares[kind] for kind in present)
    return [
        w * np.array([present.get(Kind(kind), 0.0) for kind in part.column("kind")]) / scale
        for part, w in zip(crops, weights, strict=True)
    ]


def _country_weight(region: str) -> float:
    """Brazil is a third of the crops and nearly learnt; North America a tenth, and hard."""
    if region in ("Brazil", "Argentina"):
        return 0.45
    return 2.0 if region in ("United States", "Canada") else 1.0

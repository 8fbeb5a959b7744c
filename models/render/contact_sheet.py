"""Write sheets of drawn plates, to look at: every kind of plate clean, crops as a camera shows them."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import cv2
import numpy as np

from models.render.catalogue import DESIGNS
from models.render.crops import render_crop
from models.render.elsewhere import ELSEWHERE
from models.render.europe import EUROPE
from models.render.lettering import Picture
from models.render.north_america import NORTH_AMERICA
from models.render.press import press_plate

_CELL_PX = (112, 76)
"""Width and height of one picture's place, its caption included."""
_CAPTION_PX = 12
_COLUMNS = 10
_GROUND = 44
_QUALITY = 50
_PRESSED_PX = 240
Captioned = tuple[Picture, str]


def designs_sheet(names: Iterable[str], *, seed: int) -> Picture:
    """One clean plate of each design, with its name."""
    return tiled(
        (press_plate(DESIGNS[name], Random(seed + row), width_px=_PRESSED_PX).picture, name)
        for row, name in enumerate(names)
    )


def crops_sheet(count: int, *, seed: int, harm: float) -> Picture:
    """Crops of any design with what a reader should answer."""
    crops = (render_crop(seed + number, harm=harm) for number in range(count))
    return tiled((crop.picture, crop.text) for crop in crops)


def tiled(pictures: Iterable[Captioned]) -> Picture:
    """Pictures in rows of ten, each scaled into its place, its caption below."""
    cells = [_cell(picture, caption) for picture, caption in pictures]
    blank = np.full_like(cells[0], _GROUND)
    cells += [blank] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _cell(picture: Picture, caption: str) -> Picture:
    width, height = _CELL_PX
    cell = np.full((height, width, 3), _GROUND, np.uint8)
    scale = min((width - 6) / picture.shape[1], (height - _CAPTION_PX - 4) / picture.shape[0])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (height - _CAPTION_PX - size[1]) // 2, (width - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    place, ink = (4, height - 4), (226, 226, 226)
    cv2.putText(cell, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, ink, 1, cv2.LINE_AA)
    return cell


def sheets(*, seed: int, crops: int) -> Iterator[tuple[str, Picture]]:
    """Every sheet with its file name."""
    for name, designs in (
        ("plates-north-america", NORTH_AMERICA),
        ("plates-europe", EUROPE),
        ("plates-elsewhere", ELSEWHERE),
    ):
        yield f"{name}.jpg", designs_sheet((design.name for design in designs), seed=seed)
    yield "plate-crops.jpg", crops_sheet(crops, seed=seed, harm=1.0)


def main(arguments: list[str] | None = None) -> None:
    """The command line: `python -m models.render.contact_sheet OUT --seed N --crops N`."""
    parser = argparse.ArgumentParser(prog="python -m models.render.contact_sheet", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the sheets; made if it is not there")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other texts (default 1)")
    parser.add_argument("--crops", type=int, default=90, help="crops on the last sheet (default 90)")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets(seed=given.seed, crops=given.crops):
        _, packed = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        (given.out / name).write_bytes(packed.tobytes())
        print(given.out / name)


if __name__ == "__main__":
    main()

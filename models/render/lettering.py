"""Draw lettering with the bundled fonts. Pure but for reading the font files once."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]
Picture = npt.NDArray[np.uint8]
"""Shape (height, width, 3), uint8, RGB, unless a docstring says otherwise."""

FONTS = Path(__file__).parent / "fonts"
"""The bundled fonts and their licence."""
_DRAWN_AT_PX = 160
"""Letters are drawn once at this size and scaled down, so their shape does not depend on the target size."""


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"{name}.ttf", _DRAWN_AT_PX)


def font_names() -> tuple[str, ...]:
    """Names that `draw_text` accepts, in alphabetical order."""
    return tuple(sorted(path.stem for path in FONTS.glob("*.ttf")))


@cache
def _line(text: str, font: str, spacing: float) -> Picture:
    """One line as coverage, shape (h, w), cut to its ink."""
    face = _font(font)
    advance = [face.getlength(letter) + spacing * _DRAWN_AT_PX for letter in text]
    sheet = Image.new("L", (int(sum(advance)) + _DRAWN_AT_PX, _DRAWN_AT_PX * 2), 0)
    pen = ImageDraw.Draw(sheet)
    x = _DRAWN_AT_PX / 2
    for letter, step in zip(text, advance, strict=True):
        pen.text((x, _DRAWN_AT_PX / 3), letter, font=face, fill=255)
        x += step
    return np.asarray(sheet.crop(sheet.getbbox() or (0, 0, 1, 1)))


def draw_text(
    picture: Picture,
    text: str,
    *,
    box: tuple[float, float, float, float],
    font: str,
    ink: Rgb,
    spacing: float = 0.04,
    stretch: float = 1.25,
) -> None:
    """Draw one line into `box`, centred and as large as fits; changes `picture`.

    Args:
        box: x1, y1, x2, y2 as fractions of the picture.
        spacing: gap added between letters, in letter heights.
        stretch: how far the line may be widened or narrowed to fill the box.
    """
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    line = _line(text, font, spacing)
    scale = min((y2 - y1) / line.shape[0], (x2 - x1) * stretch / line.shape[1])
    h = max(1, round(line.shape[0] * scale))
    w = max(1, round(min(x2 - x1, max(line.shape[1] * scale, min(x2 - x1, line.shape[1] * scale * stretch)))))
    left, top = round((x1 + x2 - w) / 2), round((y1 + y2 - h) / 2)
    cover = cv2.resize(line, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    into = picture[top : top + h, left : left + w]
    into[:] = (into * (1 - cover) + np.array(ink, np.float32) * cover + 0.5).astype(np.uint8)

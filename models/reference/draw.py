"""Draws the reference picture with Pillow's built-in font; run it to write `reference.png` again."""

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from models.reference import PICTURE, PLATE

_WIDTH_PX, _HEIGHT_PX = 800, 450
_SUPERSAMPLE = 3


def draw() -> Image.Image:
    """The back of a car on a road, an EU-shaped plate, a little blur: easy for any sound model."""
    scale = _SUPERSAMPLE
    picture = Image.new("RGB", (_WIDTH_PX * scale, _HEIGHT_PX * scale), (150, 165, 180))
    pen = ImageDraw.Draw(picture)

    def box(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
        return (x1 * scale, y1 * scale, x2 * scale, y2 * scale)

    pen.rectangle(box(0, 200, 800, 450), fill=(92, 92, 95))
    pen.polygon(
        [
            (250 * scale, 95 * scale),
            (550 * scale, 95 * scale),
            (610 * scale, 215 * scale),
            (190 * scale, 215 * scale),
        ],
        fill=(48, 58, 70),
    )
    pen.rounded_rectangle(box(165, 200, 635, 400), 28 * scale, fill=(110, 30, 34))
    pen.rounded_rectangle(box(180, 225, 265, 275), 10 * scale, fill=(190, 40, 36))
    pen.rounded_rectangle(box(535, 225, 620, 275), 10 * scale, fill=(190, 40, 36))
    pen.rounded_rectangle(box(165, 350, 635, 400), 14 * scale, fill=(70, 22, 25))
    pen.rectangle(box(205, 395, 265, 435), fill=(22, 22, 24))
    pen.rectangle(box(535, 395, 595, 435), fill=(22, 22, 24))

    pen.rounded_rectangle(box(309, 284, 491, 326), 5 * scale, fill=(25, 25, 28))
    pen.rounded_rectangle(box(311, 286, 489, 324), 4 * scale, fill=(240, 240, 236))
    font = ImageFont.load_default(size=36 * scale)
    written = f"{PLATE[:3]} {PLATE[3:]}"
    pen.text(
        (400 * scale, 305 * scale),
        written,
        (20, 20, 22),
        font,
        anchor="mm",
        stroke_width=scale,
        stroke_fill=(20, 20, 22),
    )

    small = picture.resize((_WIDTH_PX, _HEIGHT_PX), Image.Resampling.LANCZOS)
    return small.filter(ImageFilter.GaussianBlur(0.6))


if __name__ == "__main__":
    draw().save(PICTURE, optimize=True)

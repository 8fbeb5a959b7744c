"""Put drawn plates, and things that only resemble them, into pictures for the detector. Pure; seeded."""

from random import Random

import cv2
import numpy as np
import numpy.typing as npt

from models.render.catalogue import DESIGNS, SHARES
from models.render.clutter import CLUTTER
from models.render.crops import lay
from models.render.designs import Design
from models.render.lettering import Picture
from models.render.press import press_plate
from models.render.weather import Corners, holder, surroundings

Boxes = npt.NDArray[np.float32]
"""Shape (N, 4), xyxy in pixels of one picture."""

_INPUT_WIDTH_PX = 416
"""Sizes are thought of at the width of the detector's input."""
_WIDTHS_AT_INPUT_PX = (12.0, 60.0)
_SMALLEST_SWAPPED_PX = 10.0
_MOST_NEW, _MOST_CLUTTER, _TRIES = 3, 4, 12
_SWAPPED, _FILLED, _MORE, _CLUTTERED, _NIGHT = 0.6, 0.75, 0.35, 0.6, 0.15
_NAMES, _WEIGHTS = tuple(SHARES), np.array(tuple(SHARES.values()))
_RATIOS = np.array([DESIGNS[name].size_mm[0] / DESIGNS[name].size_mm[1] for name in _NAMES])


def paste_plates(picture: Picture, boxes: Boxes, rng: np.random.Generator) -> tuple[Picture, Boxes]:
    """Swap some plates for drawn ones, lay others on free places, add clutter, at times turn it night.

    A picture without boxes mostly gets one to three plates; one with boxes gets more only now and then.

    Args:
        picture: shape (h, w, 3), uint8, RGB; it stays as it is.
        boxes: the plates in it; N may be 0.

    Returns:
        a new picture and its boxes: those given, in their order, then the new ones; all inside the picture.
    """
    draw = Random(int(rng.integers(2**63)))
    made = picture.copy()
    placed = [tuple(float(v) for v in box) for box in boxes.reshape(-1, 4)]
    fresh: list[tuple[float, ...]] = []
    for index, box in enumerate(placed):
        if box[2] - box[0] >= _SMALLEST_SWAPPED_PX and draw.random() < _SWAPPED:
            placed[index] = _swap(made, box, draw, rng)
            fresh.append(placed[index])
    if draw.random() < _CLUTTERED:
        _add_clutter(made, placed, draw)
    if draw.random() < (_MORE if placed else _FILLED):
        for _ in range(draw.randint(1, _MOST_NEW)):
            added = _lay_on_free_place(made, placed, draw, rng)
            if added is not None:
                placed.append(added)
                fresh.append(added)
    if _is_grey(picture):
        made = _greyed(made)
    if draw.random() < _NIGHT:
        made = _at_night(made, fresh, draw, rng)
    height, width = made.shape[:2]
    inside = np.clip(np.array(placed, np.float32).reshape(-1, 4), 0, (width, height, width, height))
    return made, inside.astype(np.float32)


def _design_for(ratio: float, draw: Random) -> Design:
    """A design whose shape differs little from `ratio`, width over height."""
    fit = np.exp(-(((np.log(_RATIOS) - np.log(ratio)) / 0.15) ** 2)) * _WEIGHTS
    return DESIGNS[draw.choices(_NAMES, fit.tolist())[0]] if fit.sum() > 1e-9 else DESIGNS["any"]


def _swap(
    picture: Picture, box: tuple[float, ...], draw: Random, rng: np.random.Generator
) -> tuple[float, ...]:
    """Lay a drawn plate over the one in `box`, as bright and as coloured as that one; changes `picture`."""
    x1, y1, x2, y2 = box
    wide, tall = x2 - x1, y2 - y1
    design = _design_for(wide / max(tall, 1.0), draw)
    plate = press_plate(design, draw, width_px=round(max(64, wide * 1.3))).picture
    ground = _piece(picture, box)
    plate = _lit_like(plate, ground, draw)
    slope = draw.gauss(0, 0.02) * wide
    corners = np.array(
        [
            [x1, y1 + max(0, slope)],
            [x2, y1 + max(0, -slope)],
            [x2, y2 - max(0, slope)],
            [x1, y2 - max(0, -slope)],
        ]
    )
    # The old plate may look out at the corners: cover it with the mean of its rim first.
    ground[:] = np.median(np.concatenate((ground[0], ground[-1], ground[:, 0], ground[:, -1])), axis=0)
    _blend(picture, plate, corners, draw, rng)
    return box


def _lay_on_free_place(
    picture: Picture, placed: list[tuple[float, ...]], draw: Random, rng: np.random.Generator
) -> tuple[float, ...] | None:
    """A plate with a piece of bumper around it where nothing is; None where no place was found."""
    height, width = picture.shape[:2]
    design = DESIGNS[draw.choices(_NAMES, _WEIGHTS.tolist())[0]]
    low, high = _WIDTHS_AT_INPUT_PX
    wide = low * (high / low) ** (draw.random() ** 1.3) * width / _INPUT_WIDTH_PX
    tall = wide * design.size_mm[1] / design.size_mm[0] * draw.uniform(0.9, 1.2)
    car_w, car_h = wide * draw.uniform(1.3, 2.4), tall * draw.uniform(1.5, 3.2)
    for _ in range(_TRIES):
        left, top = draw.uniform(0, width - car_w), draw.uniform(0, height - car_h)
        around = (left, top, left + car_w, top + car_h)
        if car_w < width and car_h < height and not any(_touch(around, other) for other in placed):
            break
    else:
        return None
    bumper = surroundings(max(8, round(car_w)), max(8, round(car_h)), draw, rng)
    _feathered(picture, bumper, round(left), round(top), like=draw.uniform(0.2, 0.8))
    x = left + (car_w - wide) * draw.uniform(0.3, 0.7)
    y = top + (car_h - tall) * draw.uniform(0.2, 0.8)
    corners = np.array([[x, y], [x + wide, y], [x + wide, y + tall], [x, y + tall]])
    centre, angle = corners.mean(axis=0), draw.gauss(0, 0.05)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = (corners - centre) * (draw.uniform(0.8, 1.0), 1.0) @ turn + centre
    plate = press_plate(design, draw, width_px=round(max(64, wide * 1.3))).picture
    plate = _lit_like(plate, _piece(picture, around), draw, between=draw.uniform(0.3, 0.8))
    if draw.random() < 0.4:
        holder(picture, corners, draw)
    _blend(picture, plate, corners, draw, rng)
    (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def _piece(picture: Picture, box: tuple[float, ...]) -> Picture:
    """The part of the picture in a box, at least one pixel, as a view."""
    height, width = picture.shape[:2]
    x1, y1 = min(width - 1, max(0, int(box[0]))), min(height - 1, max(0, int(box[1])))
    return picture[y1 : max(y1 + 1, int(np.ceil(box[3]))), x1 : max(x1 + 1, int(np.ceil(box[2])))]


def _lit_like(plate: Picture, ground: Picture, draw: Random, *, between: float = 1.0) -> Picture:
    """The plate in the light of the ground: its brightest fifth as bright, its colour cast half as strong.

    Args:
        between: 1 takes the ground's level whole; less keeps some of the plate's own, which shines out.
    """
    seen = np.percentile(ground.reshape(-1, 3), 85, axis=0)
    own = np.percentile(plate.reshape(-1, 3), 85, axis=0)
    level = (float(seen.mean()) + 8) / (float(own.mean()) + 8)
    gain = (1 - between) + between * level
    tint = (seen + 20) / (float(seen.mean()) + 20)
    lit = plate * (gain * (tint**0.5) * draw.uniform(0.9, 1.15)) + draw.uniform(0, 12)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _blend(
    picture: Picture, plate: Picture, corners: Corners, draw: Random, rng: np.random.Generator
) -> None:
    """Warp the plate in with soft edges, blur and noise like its surroundings'; changes `picture`."""
    (x1, y1), (x2, y2) = np.floor(corners.min(axis=0)) - 3, np.ceil(corners.max(axis=0)) + 3
    left, top = max(0, int(x1)), max(0, int(y1))
    part = picture[top : int(y2), left : int(x2)]
    if part.size == 0:
        return
    laid = part.copy()
    lay(plate, corners - (left, top), laid)
    tall = float(np.hypot(*(corners[3] - corners[0])))
    sigma = min(draw.uniform(0.25, 0.9), 0.06 * tall + 0.15)
    laid = cv2.GaussianBlur(laid, (0, 0), sigma).astype(np.uint8)
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint((corners - (left, top)) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.6).astype(np.float32)[..., None] / 255
    grain = rng.standard_normal((*part.shape[:2], 1), np.float32) * draw.uniform(0, 6)
    part[:] = np.clip(part + (laid + grain - part) * soft, 0, 255)


def _feathered(picture: Picture, patch: Picture, left: int, top: int, *, like: float) -> None:
    """Lay a patch down with soft edges, its brightness drawn to the ground's; changes `picture`."""
    into = picture[max(0, top) : top + patch.shape[0], max(0, left) : left + patch.shape[1]]
    patch = patch[: into.shape[0], : into.shape[1]]
    shift = (into.mean(axis=(0, 1)) - patch.mean(axis=(0, 1))) * like
    mask = np.zeros(into.shape[:2], np.float32)
    edge_y, edge_x = max(1, into.shape[0] // 8), max(1, into.shape[1] // 8)
    mask[edge_y:-edge_y, edge_x:-edge_x] = 1.0
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, min(edge_x, edge_y) / 2))[..., None]
    into[:] = np.clip(into + (patch + shift - into) * mask, 0, 255)


def _add_clutter(picture: Picture, placed: list[tuple[float, ...]], draw: Random) -> None:
    """Signs, words and windows beside the plates; changes `picture`."""
    height, width = picture.shape[:2]
    for _ in range(draw.randint(1, _MOST_CLUTTER)):
        wide = width * draw.uniform(0.03, 0.16)
        tall = wide * draw.uniform(0.25, 1.0)
        left, top = draw.uniform(0, max(1, width - wide)), draw.uniform(0, max(1, height - tall))
        around = (left, top, left + wide, top + tall)
        piece = _piece(picture, around)
        if min(piece.shape[:2]) < 6 or any(_touch(around, other) for other in placed):
            continue
        drawn = piece.copy()
        draw.choice(CLUTTER)(drawn, draw)
        level = np.clip((piece.mean() + 60) / 190, 0.25, 1.1)
        soft = cv2.GaussianBlur(
            np.clip(drawn * level, 0, 255).astype(np.uint8), (0, 0), draw.uniform(0.3, 0.8)
        )
        unchanged = (drawn == piece).all(axis=2, keepdims=True)
        piece[:] = np.where(unchanged, piece, soft)


def _is_grey(picture: Picture) -> bool:
    return bool(np.percentile(np.abs(picture[..., 0].astype(np.int16) - picture[..., 2]), 99) < 6)


def _greyed(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _at_night(
    picture: Picture, lit: list[tuple[float, ...]], draw: Random, rng: np.random.Generator
) -> Picture:
    """Dark and noisy; plates in the headlamps or the infrared lamp shine."""
    dark = draw.uniform(0.15, 0.5)
    gain = np.full(picture.shape[:2], dark, np.float32)
    shine = draw.uniform(dark, 1.0)
    for x1, y1, x2, y2 in lit:
        gain[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = shine
    gain = cv2.GaussianBlur(gain, (0, 0), max(0.8, picture.shape[1] / 400))
    grain = rng.standard_normal(picture.shape, np.float32) * draw.uniform(1, 6)
    night = np.clip(picture * gain[..., None] + grain, 0, 255).astype(np.uint8)
    if draw.random() < 0.5:
        night = _greyed(night)
    return np.asarray(night, np.uint8)


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes overlap, with a little room between them."""
    room = 0.1 * (other[2] - other[0])
    return (
        one[0] < other[2] + room
        and other[0] < one[2] + room
        and one[1] < other[3] + room
        and other[1] < one[3] + room
    )

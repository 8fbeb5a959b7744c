"""Clips of cars that drive up to a gate camera, made of pictures: each nears, stops at the line, is gone."""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from models.render.lens import Grain
from models.render.lettering import Picture

FPS = 25
WIDTH_PX, HEIGHT_PX = 1920, 1080
FIRST_EMPTY_S = 3.6
"""Longer than the pod's `still_after_start_s`, for which whoever stands in view has to move first."""

NEARING_S, STANDING_S, EMPTY_S = 2.2, 1.2, 1.4
_FIRST_SHARES, _LAST_SHARE = (0.074, 0.058, 0.066, 0.050), 0.13
"""Width of the plate as a share of the picture's long side, when a car appears and at the line. Cars
appear at different distances in turn, as around a corner: some near enough to be read at once."""

_FROM, _TO = (0.36, 0.16), (0.54, 0.60)
"""Where the plate's centre is at the horizon and at the line, as shares of width and height."""

_NOISE = 2.0
_MARGIN_PX = 97
_BITS_PER_S = 4_000_000
_SEED = 11


@dataclass(frozen=True, slots=True)
class Visitor:
    """One car.

    Attributes:
        picture: shape (H, W, 3), uint8, RGB, with the car in it.
        box: its plate, xyxy in pixels of the picture.
    """

    plate: str
    picture: Picture
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Appearance:
    """One car in the clip.

    Attributes:
        first, last: the frames it is in, both included.
        first_share: width of its plate in the first one, as a share of the long side.
    """

    plate: str
    first: int
    last: int
    first_share: float

    def share(self, frame: int) -> float:
        """Width of the plate in a frame, as a share of the long side.

        The car brakes evenly to a stop, and a plate's width is the inverse of its distance.
        """
        part = min(1.0, (frame - self.first) / _frames(NEARING_S))
        way = 1 - (1 - part) ** 2
        return 1 / ((1 - way) / self.first_share + way / _LAST_SHARE)


def schedule(plates: Sequence[str], *, first_empty_s: float = FIRST_EMPTY_S) -> list[Appearance]:
    """Who is in the clip when. Pure."""
    present, period = _frames(NEARING_S + STANDING_S), _frames(NEARING_S + STANDING_S + EMPTY_S)
    starts = [_frames(first_empty_s) + period * index for index in range(len(plates))]
    return [
        Appearance(plate, start, start + present - 1, _FIRST_SHARES[index % len(_FIRST_SHARES)])
        for index, (plate, start) in enumerate(zip(plates, starts, strict=True))
    ]


def drive_up_clip(
    visitors: Sequence[Visitor],
    empty: Picture,
    *,
    folder: Path,
    name: str,
    first_empty_s: float = FIRST_EMPTY_S,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """The clip of these visitors in turn before an empty view, rendered where `folder` has none yet.

    Args:
        empty: the view without cars, any size.
        name: of the clip's file; what the folder holds under it of other visitors is removed.
        progress: told the frames done and the frames in all.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes() + empty.tobytes() + repr(first_empty_s).encode())
    for visitor in visitors:
        digest.update(repr((visitor.plate, visitor.box)).encode() + visitor.picture.tobytes())
    seen = schedule([visitor.plate for visitor in visitors], first_empty_s=first_empty_s)
    total = seen[-1].last + 1 + _frames(EMPTY_S)
    pictures = _reported(_pictures(visitors, seen, empty=empty, total=total), total, progress=progress)
    return cached_clip(pictures, folder, name=name, digest=digest.hexdigest())


def still_clip(empty: Picture, *, folder: Path, name: str, duration_s: float) -> Path:
    """The empty view with nothing but sensor noise in it; cached as `drive_up_clip` is."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + empty.tobytes() + repr(duration_s).encode())
    view = covering(empty)
    return cached_clip(
        (view for _ in range(_frames(duration_s))), folder, name=name, digest=digest.hexdigest()
    )


def cached_clip(pictures: Iterable[Picture], folder: Path, *, name: str, digest: str) -> Path:
    path = folder / f"{name}-{digest[:12]}.mp4"
    if not path.exists():
        encode(pictures, path)
        for stale in folder.glob(f"{name}-*.mp4"):
            if stale != path:
                stale.unlink(missing_ok=True)
    return path


def encode(pictures: Iterable[Picture], path: Path) -> None:
    """Write what an ordinary camera sends: H.264 main, 4 Mbit/s, a keyframe every 2 s, with sensor noise.

    The file appears under its name when it is complete, never before.

    Args:
        pictures: each of shape (HEIGHT_PX, WIDTH_PX, 3), uint8, RGB.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    rng = np.random.default_rng(_SEED)
    grain = Grain.drawn(rng, width_px=WIDTH_PX, height_px=HEIGHT_PX, margin_px=_MARGIN_PX)
    try:
        with av.open(str(part), "w", format="mp4") as container:
            options = {"preset": "superfast", "profile": "main", "sc_threshold": "0"}
            stream = container.add_stream("libx264", rate=FPS, options=options)
            stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
            stream.bit_rate = _BITS_PER_S
            stream.time_base = Fraction(1, FPS)
            stream.gop_size = 2 * FPS
            stream.max_b_frames = 0
            for index, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(grain.over(picture, _NOISE, rng), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _pictures(
    visitors: Sequence[Visitor], seen: Sequence[Appearance], *, empty: Picture, total: int
) -> Iterator[Picture]:
    view = covering(empty)
    by_frame = {
        frame: (visitor, car.share(frame))
        for visitor, car in zip(visitors, seen, strict=True)
        for frame in range(car.first, car.last + 1)
    }
    for frame in range(total):
        if frame in by_frame:
            visitor, share = by_frame[frame]
            yield _with_car(view, visitor, share=share)
        else:
            yield view


def _with_car(view: Picture, visitor: Visitor, *, share: float) -> Picture:
    way = share / _LAST_SHARE
    x1, y1, x2, y2 = visitor.box
    scale = share * WIDTH_PX / (x2 - x1)
    x = WIDTH_PX * (_FROM[0] + way * (_TO[0] - _FROM[0]))
    y = HEIGHT_PX * (_FROM[1] + way * (_TO[1] - _FROM[1]))
    placed = np.array([[scale, 0, x - scale * (x1 + x2) / 2], [0, scale, y - scale * (y1 + y2) / 2]])
    picture = view.copy()
    cv2.warpAffine(
        visitor.picture, placed, (WIDTH_PX, HEIGHT_PX), dst=picture, borderMode=cv2.BORDER_TRANSPARENT
    )
    return picture


def covering(picture: Picture) -> Picture:
    """`picture` scaled and cut to the size of the view."""
    height, width = picture.shape[:2]
    scale = max(WIDTH_PX / width, HEIGHT_PX / height)
    large = cv2.resize(picture, (math.ceil(width * scale), math.ceil(height * scale)))
    top, left = (large.shape[0] - HEIGHT_PX) // 2, (large.shape[1] - WIDTH_PX) // 2
    return np.ascontiguousarray(large[top : top + HEIGHT_PX, left : left + WIDTH_PX])


def _reported(
    pictures: Iterable[Picture], total: int, *, progress: Callable[[int, int], None]
) -> Iterator[Picture]:
    for done, picture in enumerate(pictures):
        progress(done, total)
        yield picture


def _frames(seconds: float) -> int:
    return round(seconds * FPS)

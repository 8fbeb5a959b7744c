"""Draw figures of a model card as SVG: lines, points with intervals, a diagonal to hold them against. Pure.

The same figures give the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 64, 56
_INKS = ("#1b6ca8", "#b5541c", "#3a7d44", "#7a4fa3")
_STEPS = (1, 2, 2.5, 5)
_TICKS = 6
_CHARACTER_PX = 7.2

_Place = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Point:
    """One figure; `low` and `high` are the ends of its interval, where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Figures of one kind.

    Attributes:
        joined: as a line; otherwise as separate dots.
        dots: whether each figure is marked on the line.
    """

    name: str
    points: Sequence[Point]
    joined: bool = True
    dots: bool = False


def chart(
    series: Sequence[Series],
    *,
    title: str,
    x_words: str,
    y_words: str,
    y_range: tuple[float, float],
    x_range: tuple[float, float] | None = None,
    x_names: Sequence[str] | None = None,
    diagonal: bool = False,
) -> str:
    """An SVG picture with even axes.

    Args:
        x_range: the ends of the axis; None: those of the figures.
        x_names: words instead of numbers below x = 0, 1, 2 ...
        diagonal: draw x = y, where both axes are the same share.

    Raises:
        ValueError: there is nothing to draw.
    """
    points = [point for one in series for point in one.points]
    if not points:
        raise ValueError(f"{title}: nothing to draw")
    low, high = y_range
    across = [point.x for point in points]
    left, right = (-0.5, len(x_names) - 0.5) if x_names else x_range or (min(across), max(across))
    left, right = (left, right) if right > left else (left - 1, left + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        along, up = (x - left) / (right - left), (min(max(y, low), high) - low) / (high - low)
        return (
            _LEFT + along * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title, quote=True)}" font-family="system-ui, sans-serif" font-size="12" '
        'fill="#222">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 24, title, size=15),
        *_grid(place, (left, right), (low, high), x_names),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_words, anchor="middle"),
    ]
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="16" y="{middle:g}" text-anchor="middle" transform="rotate(-90 16 {middle:g})">'
        f"{escape(y_words)}</text>"
    )
    if diagonal:
        parts.append(_line(place(left, left), place(right, right), ink="#999", dashes="4 4"))
    legend_px = float(_LEFT)
    for number, one in enumerate(series):
        ink = _INKS[number % len(_INKS)]
        aside = (number - (len(series) - 1) / 2) * 9 if x_names else 0.0
        parts += _drawn(one, [place(point.x, point.y) for point in one.points], place, ink, aside=aside)
        parts.append(f'<rect x="{legend_px:.1f}" y="40" width="10" height="10" fill="{ink}"/>')
        parts.append(_text(legend_px + 15, 49, one.name, ink=ink))
        legend_px += 34 + _CHARACTER_PX * len(one.name)
    return "\n".join([*parts, "</svg>\n"])


def _grid(
    place: _Place, x_range: tuple[float, float], y_range: tuple[float, float], x_names: Sequence[str] | None
) -> list[str]:
    parts = []
    for value in _ticks(*y_range):
        x, y = place(x_range[0], value)
        parts.append(_line((x, y), place(x_range[1], value)))
        parts.append(_text(x - 8, y + 4, f"{value:g}", anchor="end"))
    words = dict(enumerate(x_names)) if x_names else {value: f"{value:g}" for value in _ticks(*x_range)}
    for value, word in words.items():
        x, y = place(value, y_range[0])
        if not x_names:
            parts.append(_line((x, y), place(value, y_range[1])))
        parts.append(_text(x, y + 18, word, anchor="middle"))
    return parts


def _drawn(
    series: Series, places: list[tuple[float, float]], place: _Place, ink: str, *, aside: float
) -> list[str]:
    parts = []
    if series.joined:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="1.8"/>')
    for (x, y), point in zip(places, series.points, strict=True):
        if point.low is not None and point.high is not None:
            top, bottom = place(point.x, point.high)[1], place(point.x, point.low)[1]
            parts.append(_line((x + aside, top), (x + aside, bottom), ink=ink, width=1.6))
        if series.dots or not series.joined:
            parts.append(f'<circle cx="{x + aside:.1f}" cy="{y:.1f}" r="3.5" fill="{ink}"/>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """About six round numbers from low to high."""
    least = (high - low) / _TICKS
    power = 1.0
    while power * 10 <= least:
        power *= 10
    while power > least:
        power /= 10
    step = next((power * s for s in _STEPS if power * s >= least), power * 10)
    first = -int(-low / step // 1) if low > 0 else int(low / step)
    ticks = [round((first + number) * step, 10) for number in range(int((high - low) / step) + 2)]
    return [tick for tick in ticks if low <= tick <= high]


def _line(
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    ink: str = "#e2e2e2",
    width: float = 1,
    dashes: str = "",
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" stroke="{ink}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", ink: str = "#222", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}" font-size="{size}">'
        f"{escape(words)}</text>"
    )

"""Draws curves of two figures against each other as SVG: what a bound costs and what it gives. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 44, 60
_INKS = ("#1b6ca8", "#b5541c", "#3a7d44", "#7a4fa3", "#8a6d1d")
_FAR_PX = 26
_FONT = 'font-family="system-ui, sans-serif"'


@dataclass(frozen=True, slots=True)
class Curve:
    """One line.

    Attributes:
        points: x, y and the words beside the point (empty: none), in the order they are joined.
        marked: the point that stands out; None: none.
    """

    name: str
    points: Sequence[tuple[float, float, str]]
    marked: int | None = None


def trade_off(
    curves: Sequence[Curve],
    *,
    title: str,
    x_words: str,
    y_words: str,
    goal: tuple[float, float] | None = None,
) -> str:
    """An SVG picture: x even, y logarithmic.

    Args:
        goal: the least x and the most y that are wanted; the part of the picture within is tinted.

    Raises:
        ValueError: there is no point to draw.
    """
    every = [(x, y) for curve in curves for x, y, _ in curve.points]
    if not every:
        raise ValueError("a picture needs at least one point")
    positive = [y for _, y in every if y > 0] or [1.0]
    y_seen = [*positive, *([goal[1]] if goal else [])]
    decades = math.floor(math.log10(0.99 * min(y_seen))), math.ceil(math.log10(max(y_seen)) + 1e-9)
    floor = 10.0 ** decades[0]
    x_seen = [x for x, _ in every] + ([goal[0]] if goal else [])
    x_low, x_high = _widened(min(x_seen), max(x_seen))

    def place(x: float, y: float) -> tuple[float, float]:
        along = (x - x_low) / (x_high - x_low)
        up = (math.log10(max(y, floor)) - decades[0]) / max(1, decades[1] - decades[0])
        return (
            _LEFT + along * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {_FONT} font-size="12" fill="#222">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 24, title, size=15),
    ]
    if goal is not None:
        (x1, y1), (x2, y2) = place(goal[0], goal[1]), (_WIDTH - _RIGHT, _HEIGHT - _BOTTOM)
        parts.append(
            f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{max(0.0, x2 - x1):.1f}" '
            f'height="{max(0.0, y2 - y1):.1f}" fill="#e4f2e4"/>'
        )
        parts.append(_text(x2 - 4, y2 - 6, "goal", anchor="end"))
    for decade in range(decades[0], decades[1] + 1):
        _, y = place(x_low, 10.0**decade)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y))
        parts.append(_text(_LEFT - 8, y + 4, f"{10.0**decade:g}", anchor="end"))
    for value in _ticks(x_low, x_high):
        x, _ = place(value, floor)
        parts.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 18, f"{value:g}", anchor="middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, x_words, anchor="middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">'
        f"{escape(y_words)}</text>"
    )
    places = [[place(x, y) for x, y, _ in curve.points] for curve in curves]
    legend_top = _HEIGHT - _BOTTOM - 10 - 16 * len(curves)
    taken = [_Room(_LEFT, legend_top - 14, _WIDTH, _HEIGHT)]
    taken += [_Room(x - 5, y - 5, x + 5, y + 5) for points in places for x, y in points]
    for number, (curve, points) in enumerate(zip(curves, places, strict=True)):
        ink = _INKS[number % len(_INKS)]
        parts += _drawn(curve, points, ink)
        parts += _labels(curve, points, ink, taken)
        parts.append(_text(_LEFT + 10, legend_top + 16 * (number + 1), curve.name, ink=ink))
    if any(curve.marked is not None for curve in curves):
        parts.append(_text(_LEFT + 10, legend_top, "large: as shipped", size=10))
    return "\n".join([*parts, "</svg>\n"])


def _drawn(curve: Curve, places: Sequence[tuple[float, float]], ink: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="1.6"/>']
    for i, (x, y) in enumerate(places):
        radius = 6.5 if i == curve.marked else 3
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{ink}"/>')
    return parts


@dataclass(frozen=True, slots=True)
class _Room:
    """A rectangle that something takes up."""

    x1: float
    y1: float
    x2: float
    y2: float

    def meets(self, other: "_Room") -> bool:
        return self.x1 < other.x2 and other.x1 < self.x2 and self.y1 < other.y2 and other.y1 < self.y2


def _labels(curve: Curve, places: Sequence[tuple[float, float]], ink: str, taken: list[_Room]) -> list[str]:
    """The words beside points, where they lie on nothing else; those without such a place are left out.

    Args:
        taken: what is drawn already; the words are added.
    """
    parts = []
    for (x, y), (_, _, words) in zip(places, curve.points, strict=True):
        room = _free(x, y, 6.5 * len(words), taken) if words else None
        if room is None:
            continue
        taken.append(room)
        middle = (room.x1 + room.x2) / 2
        if math.hypot(middle - x, (room.y1 + room.y2) / 2 - y) > _FAR_PX:
            edge = room.y2 if room.y2 < y else room.y1
            parts.append(_line(x, y, middle, edge, ink=ink))
        parts.append(_text(middle, room.y2 - 3, words, anchor="middle", ink=ink, size=10))
    return parts


def _free(x: float, y: float, width: float, taken: Sequence[_Room]) -> _Room | None:
    """The nearest place for words of that width around a point."""
    for far in range(12, 90, 6):
        for turn in range(12):
            angle = math.pi * (turn / 6 - 0.5)
            left = x + (far + width / 2) * math.cos(angle) - width / 2
            top = y + far * math.sin(angle) - 6
            room = _Room(left, top, left + width, top + 12)
            is_inside = left >= _LEFT and left + width <= _WIDTH - _RIGHT and top >= _TOP
            if is_inside and not any(room.meets(other) for other in taken):
                return room
    return None


def _ticks(low: float, high: float) -> list[float]:
    """Round values within a range, some five to ten of them."""
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e6) if (high - low) / s <= 10)
    first = math.ceil(low / step)
    return [round((first + i) * step, 6) for i in range(int(high / step - first) + 1)]


def _widened(low: float, high: float) -> tuple[float, float]:
    room = max(0.5, 0.05 * (high - low))
    return low - room, high + room


def _line(x1: float, y1: float, x2: float, y2: float, *, ink: str = "#ddd") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}" stroke-width="0.8"/>'
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", ink: str = "#222", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}" font-size="{size}">'
        f"{escape(words)}</text>"
    )

"""Draws curves of two figures against each other as SVG: what a bound costs and what it gives. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 44, 60
_INKS = ("#1b6ca8", "#b5541c", "#3a7d44", "#7a4fa3", "#8a6d1d")
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
    for number, curve in enumerate(curves):
        parts += _drawn(curve, [place(x, y) for x, y, _ in curve.points], _INKS[number % len(_INKS)])
        line = _HEIGHT - _BOTTOM - 10 - 16 * (len(curves) - 1 - number)
        parts.append(_text(_LEFT + 10, line, curve.name, ink=_INKS[number % len(_INKS)]))
    return "\n".join([*parts, "</svg>\n"])


def _drawn(curve: Curve, places: Sequence[tuple[float, float]], ink: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="1.6"/>']
    for i, ((x, y), (_, _, words)) in enumerate(zip(places, curve.points, strict=True)):
        radius = 6.5 if i == curve.marked else 3
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{ink}"/>')
        if words:
            parts.append(_text(x + 8, y - 6, words, ink=ink, size=10))
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Round values within a range, some five to ten of them."""
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e6) if (high - low) / s <= 10)
    first = math.ceil(low / step)
    return [round((first + i) * step, 6) for i in range(int(high / step - first) + 1)]


def _widened(low: float, high: float) -> tuple[float, float]:
    room = max(0.5, 0.05 * (high - low))
    return low - room, high + room


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", ink: str = "#222", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}" font-size="{size}">'
        f"{escape(words)}</text>"
    )

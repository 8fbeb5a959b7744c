"""Draws the report's plots as SVG in the colours of the page, light or dark. Pure.

Classes: `s0` and `s1` colour the two sides, `axis` lines and `tick` texts; dots of the first are round and
of the second square, as colours alone tell nothing to many people. Drawn here because a
plotting library would be the largest dependency of the POD, for three kinds of plots.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 14, 42
_ROW_PX = 34
_LABELS_PX = 190
_LEGEND_ROW_PX, _LEGEND_WIDTH_PX = 22, 250
_MOST_DOTS = 20
"""Of one line, so that they do not hide it."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one set of dots.

    Attributes:
        name: told in the legend below the plot.
        style: 0 for ours, 1 for upstream.
        points: x and y in the plot's units.
    """

    name: str
    style: int
    points: Sequence[Point]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A value with its interval, in percent; `style` as in `Series`."""

    style: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it shows, from where to where, and the ticks that are told."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]


def lines(title: str, x: Axis, y: Axis, *, series: Sequence[Series], diagonal: bool = False) -> str:
    """Curves over two axes.

    Args:
        title: read out by screen readers.
        diagonal: draw the line where y is x, both in percent.
    """
    at = _placing(x, y)
    body = [_frame(x, y, at)]
    if diagonal:
        (x1, y1), (x2, y2) = at(x.low, x.low), at(x.high, x.high)
        body.append(f'<path class="axis dash" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')
    for one in series:
        inside = [at(px, py) for px, py in one.points]
        if not inside:
            continue
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in inside)
        dash = " dash" if one.dashed else ""
        body.append(f'<path class="line s{one.style}{dash}" d="M{path}"/>')
        every = -(-len(inside) // _MOST_DOTS)
        body.extend(_dot(one.style, px, py, radius=3) for px, py in inside[::every])
    legend = [(one.name, one.style, one.dashed) for one in series if one.points]
    body.append(_legend(legend, _HEIGHT))
    return _svg(title, _HEIGHT + _legend_px(legend), "".join(body))


def spans(title: str, rows: Sequence[tuple[str, Sequence[Span]]], *, low: float, names: Sequence[str]) -> str:
    """A row for each name, a dot and a bar for each of its values.

    Args:
        low: the percentage at the left edge; the right one is 100.
        names: of the two sides, by style, for the legend.
    """
    height = _TOP + _ROW_PX * len(rows) + _BOTTOM
    width = _WIDTH - _LABELS_PX - _RIGHT

    def at(value: float) -> float:
        return _LABELS_PX + width * (min(max(value, low), 100) - low) / (100 - low)

    body = []
    step = 5 if 100 - low <= 25 else 10 if 100 - low <= 60 else 20
    for tick in range(int(-(-low // step) * step), 101, step):
        body.append(
            f'<path class="axis" d="M{at(tick):.1f} {_TOP}V{height - _BOTTOM}"/>'
            + _tick(at(tick), height - _BOTTOM + 18, str(tick))
        )
    for i, (name, values) in enumerate(rows):
        middle = _TOP + _ROW_PX * (i + 0.5)
        body.append(_tick(_LABELS_PX - 10, middle + 4, name, anchor="end"))
        for k, span in enumerate(values):
            y = middle + (k - (len(values) - 1) / 2) * 11
            body.append(
                f'<path class="line s{span.style}" d="M{at(span.low):.1f} {y:.1f}H{at(span.high):.1f}"/>'
                + _dot(span.style, at(span.value), y, radius=4)
            )
    body.append(_tick(_LABELS_PX + width / 2, height - 6, "percent"))
    legend = [(name, style, False) for style, name in enumerate(names)]
    body.append(_legend(legend, height))
    return _svg(title, height + _legend_px(legend), "".join(body))


def _placing(x: Axis, y: Axis) -> Callable[[float, float], Point]:
    def at(px: float, py: float) -> Point:
        across = (min(max(px, x.low), x.high) - x.low) / (x.high - x.low)
        up = (min(max(py, y.low), y.high) - y.low) / (y.high - y.low)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    return at


def _frame(x: Axis, y: Axis, at: Callable[[float, float], Point]) -> str:
    parts = []
    for tick in y.ticks:
        left, height = at(x.low, tick)
        parts.append(
            f'<path class="axis" d="M{left:.1f} {height:.1f}H{_WIDTH - _RIGHT}"/>'
            + _tick(_LEFT - 7, height + 4, f"{tick:g}", anchor="end")
        )
    for tick in x.ticks:
        across, bottom = at(tick, y.low)
        parts.append(_tick(across, bottom + 17, f"{tick:g}"))
    parts.append(
        _tick((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x.title)
        + f'<text class="tick" transform="translate(13 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>'
    )
    return "".join(parts)


def _dot(style: int, x: float, y: float, *, radius: float) -> str:
    if style == 0:
        return f'<circle class="dot s0" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'
    return (
        f'<rect class="dot s{style}" x="{x - radius:.1f}" y="{y - radius:.1f}" width="{2 * radius:g}" '
        f'height="{2 * radius:g}"/>'
    )


def _legend(entries: Sequence[tuple[str, int, bool]], top: float) -> str:
    """Name, style and whether dashed of each line, two in a row."""
    parts = []
    for i, (name, style, dashed) in enumerate(entries):
        x, y = _LEFT + (i % 2) * _LEGEND_WIDTH_PX, top + _LEGEND_ROW_PX * (i // 2 + 0.5)
        parts.append(
            f'<path class="line s{style}{" dash" if dashed else ""}" d="M{x:.1f} {y:.1f}h30"/>'
            + _dot(style, x + 15, y, radius=4)
            + _tick(x + 38, y + 4, name, anchor="start")
        )
    return "".join(parts)


def _legend_px(entries: Sequence[object]) -> int:
    return _LEGEND_ROW_PX * -(-len(entries) // 2)


def _tick(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, height: float, body: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(title)}">{body}</svg>'

"""Draws a recording: voltages above, currents below, as one SVG picture."""

from html import escape
from math import ceil, floor, log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .recorder import Recording
from .s1_format import CHANNELS, UNITS

_WIDTH: Final = 960
_HEIGHT: Final = 560
_LEFT: Final = 70
_RIGHT: Final = 20
_TOP: Final = 44
_PANEL: Final = 210
_BETWEEN: Final = 40
_TICKS: Final = 8
_COLOURS: Final = {
    "u1": "#8d4f1d", "i1": "#8d4f1d", "u2": "#3f3f46", "i2": "#3f3f46",
    "u3": "#7c8a99", "i3": "#7c8a99", "in": "#2563eb",
}  # fmt: skip
"""Conductors as IEC 60446 colours them: brown, black, grey, blue."""


def draw(recording: Recording, *, title: str) -> str:
    """Return a recording as an SVG document; channels that are all zero are left out.

    Long recordings are drawn by the lowest and highest sample of each column of the
    picture, so that no peak is lost.
    """
    samples = recording.samples()
    span = max(float(recording.times[-1]), 1 / recording.rate)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for panel, unit in enumerate(("V", "A")):
        shown = [
            (name, samples[:, column])
            for column, name in enumerate(CHANNELS)
            if UNITS[column] == unit and samples[:, column].any()
        ]
        top = _TOP + panel * (_PANEL + _BETWEEN)
        parts += _panel(recording.times, span, shown, unit, top)
    foot = _TOP + 2 * _PANEL + _BETWEEN
    parts += [
        f'<text x="{_x(at, span):.1f}" y="{foot + 18}" text-anchor="middle">'
        f"{at:g}</text>"
        for at in _ticks(0.0, span)
    ]
    parts += [
        f'<text x="{_WIDTH - _RIGHT}" y="{foot + 36}" text-anchor="end">s</text>',
        "</svg>",
    ]
    return "\n".join(parts)


def _panel(
    times: NDArray[np.float64],
    span: float,
    shown: list[tuple[str, NDArray[np.float64]]],
    unit: str,
    top: int,
) -> list[str]:
    """Return the axes and the lines of one unit."""
    highest = max((float(np.abs(values).max()) for _, values in shown), default=1.0)
    limit = _round_up(highest)
    right = _WIDTH - _RIGHT

    def y(value: float) -> float:
        return top + _PANEL * (1 - value / limit) / 2

    parts = [
        f'<text x="{_LEFT - 8}" y="{top - 6}" text-anchor="end">{unit}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{right - _LEFT}" height="{_PANEL}" '
        'fill="none" stroke="#9ca3af"/>',
    ]
    for value in (-limit, -limit / 2, 0.0, limit / 2, limit):
        parts += [
            f'<line x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            'stroke="#e5e7eb"/>',
            f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{value:g}</text>",
        ]
    for place, (name, values) in enumerate(shown):
        points = " ".join(
            f"{_x(at, span):.1f},{y(value):.1f}"
            for at, value in _thinned(times, values)
        )
        colour = _COLOURS[name]
        parts += [
            f'<polyline fill="none" stroke="{colour}" points="{points}"/>',
            f'<text x="{right - 36 * (len(shown) - place)}" y="{top - 6}" '
            f'fill="{colour}">{name.upper()}</text>',
        ]
    return parts


def _x(at: float, span: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / span


def _thinned(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Return points of a curve, at most two for each column of the picture."""
    columns = _WIDTH - _LEFT - _RIGHT
    step = len(values) / columns
    if step <= 2:
        return list(zip(times.tolist(), values.tolist(), strict=True))
    edges = (np.arange(columns) * step).astype(np.intp)
    lowest = np.minimum.reduceat(values, edges)
    highest = np.maximum.reduceat(values, edges)
    points: list[tuple[float, float]] = []
    for at, low, high in zip(
        times[edges].tolist(), lowest.tolist(), highest.tolist(), strict=True
    ):
        points += [(at, low), (at, high)]
    return points


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(
        factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= value
    )


def _ticks(first: float, last: float) -> list[float]:
    """Return round numbers between two limits, a handful of them."""
    step = _round_up((last - first) / _TICKS)
    return [
        round(number * step, 9)
        for number in range(ceil(first / step), floor(last / step + 1e-9) + 1)
    ]

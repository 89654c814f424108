"""Pictures of a rehearsal as inline SVG: what was ordered and what flowed."""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

from ..model.phrase import Phrase
from .rehearsal_record import Step, Trace

_WIDTH: Final = 860
_HEIGHT: Final = 300
_LEFT: Final = 64
_RIGHT: Final = 16
_TOP: Final = 46
_BOTTOM: Final = 44
_TICKS: Final = 5
_MEASURED: Final = "#1d4ed8"
_ORDERED: Final = "#b91c1c"
_QUIET: Final = "#6b7280"
_GRID: Final = "#e5e7eb"


def draw_trace(trace: Trace, say: Callable[[str], str] = str) -> str:
    """Return what was measured and ordered over time; empty without any value."""
    title = Phrase("chart_measured", "{what}, measured and ordered", what=trace.what)
    samples = [one for one in trace.samples if one.value is not None]
    if len(samples) < 2:
        return ""
    span = max(1.0, *(one.at for one in trace.samples))
    top = _nice(
        max(
            1000.0,
            *(one.value or 0.0 for one in samples),
            *(one.ordered or 0.0 for one in trace.samples),
        )
    )
    parts = [*_frame(say(title), top)]
    for tick in _seconds(span):
        x = _x(tick / span)
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle" '
            f'fill="{_QUIET}">{tick:g} s</text>'
        )
    for number, (at, text) in enumerate(trace.marks):
        x = _x(min(1.0, at / span))
        parts.append(
            f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" '
            f'y2="{_HEIGHT - _BOTTOM}" stroke="{_QUIET}" stroke-dasharray="2 3"/>'
            f'<text x="{x + 3:.1f}" y="{_TOP - 4 - 12 * (number % 2)}" '
            f'fill="{_ORDERED}">{escape(say(text))}</text>'
        )
    ordered = [(one.at, one.ordered) for one in trace.samples]
    parts += _steps(ordered, span, top)
    points = " ".join(
        f"{_x(one.at / span):.1f},{_y((one.value or 0.0) / top):.1f}" for one in samples
    )
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="{_MEASURED}" '
        'stroke-width="2"/>'
    )
    parts += [
        f'<circle cx="{_x(one.at / span):.1f}" '
        f'cy="{_y((one.value or 0.0) / top):.1f}" r="2.2" fill="{_MEASURED}"/>'
        for one in samples
    ]
    parts += _legend(
        (
            (_MEASURED, say(Phrase("chart_flowed", "measured")), False),
            (_ORDERED, say(Phrase("chart_ordered", "ordered: at most")), True),
        )
    )
    return "".join([*parts, "</svg>"])


def draw_predictions(
    what: str, steps: Sequence[Step], say: Callable[[str], str] = str
) -> str:
    """Return bars of what flows now and would flow under each order."""
    title = Phrase(
        "chart_predicted", "{what}: now, and predicted under each order", what=what
    )
    shown = [
        (step, effect)
        for step in steps
        if (effect := step.effect) is not None
        and effect.before is not None
        and effect.after is not None
    ]
    if not shown:
        return ""
    flows = [
        value or 0.0
        for _step, effect in shown
        for value in (effect.before, effect.after)
    ]
    top = _nice(max(1000.0, *(1.25 * value for value in flows)))
    parts = [*_frame(say(title), top)]
    slot = (_WIDTH - _LEFT - _RIGHT) / len(shown)
    for number, (step, effect) in enumerate(shown):
        middle = _LEFT + slot * (number + 0.5)
        bar = min(60.0, slot / 4)
        for offset, value, colour in (
            (-bar, effect.before, _QUIET),
            (0.0, effect.after, _MEASURED),
        ):
            y = _y((value or 0.0) / top)
            parts.append(
                f'<rect x="{middle + offset:.1f}" y="{y:.1f}" width="{bar:.1f}" '
                f'height="{_HEIGHT - _BOTTOM - y:.1f}" fill="{colour}" '
                'fill-opacity="0.75"/>'
                f'<text x="{middle + offset + bar / 2:.1f}" y="{y - 4:.1f}" '
                f'text-anchor="middle" fill="{colour}">{(value or 0) / 1000:.1f}</text>'
            )
        above = effect.limit > top
        y = _y(min(1.0, effect.limit / top))
        parts.append(
            f'<line x1="{middle - 1.4 * bar:.1f}" y1="{y:.1f}" '
            f'x2="{middle + 1.4 * bar:.1f}" y2="{y:.1f}" stroke="{_ORDERED}" '
            'stroke-width="2.5" stroke-dasharray="6 3"/>'
            f'<text x="{middle + 1.45 * bar:.1f}" y="{y + 4:.1f}" fill="{_ORDERED}">'
            f"{'&#8593; ' if above else ''}{effect.limit / 1000:.1f}</text>"
            f'<text x="{middle:.1f}" y="{_HEIGHT - _BOTTOM + 18}" '
            f'text-anchor="middle">{escape(say(step.title))}</text>'
        )
    parts += _legend(
        (
            (_QUIET, say(Phrase("chart_now", "now, measured")), False),
            (
                _MEASURED,
                say(Phrase("chart_under_order", "predicted under the order")),
                False,
            ),
            (_ORDERED, say(Phrase("chart_ordered_kw", "ordered: at most (kW)")), True),
        )
    )
    return "".join([*parts, "</svg>"])


def _frame(title: str, top: float) -> list[str]:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{escape(title, quote=True)}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
    ]
    for number in range(_TICKS + 1):
        value = top * number / _TICKS
        y = _y(value / top)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" '
            f'stroke="{_GRID}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="{_QUIET}">{value / 1000:g} kW</text>'
        )
    return parts


def _steps(
    ordered: Sequence[tuple[float, float | None]], span: float, top: float
) -> list[str]:
    """Draw a limit as a line that stays until the next one."""
    parts = []
    ends = [*ordered[1:], (span, None)]
    for (begin, value), (end, after) in zip(ordered, ends, strict=True):
        if value is None:
            continue
        y, x, right = _y(value / top), _x(begin / span), _x(end / span)
        path = f"M{x:.1f} {y:.1f}H{right:.1f}"
        if after is not None and after != value:
            path += f"V{_y(after / top):.1f}"
        parts.append(
            f'<path d="{path}" fill="none" stroke="{_ORDERED}" stroke-width="1.8" '
            'stroke-dasharray="6 3"/>'
        )
    return parts


def _legend(entries: Sequence[tuple[str, str, bool]]) -> list[str]:
    parts = []
    x = float(_LEFT)
    for colour, text, dashed in entries:
        dash = ' stroke-dasharray="6 3"' if dashed else ""
        parts.append(
            f'<line x1="{x:.0f}" y1="{_HEIGHT - 10}" x2="{x + 22:.0f}" '
            f'y2="{_HEIGHT - 10}" stroke="{colour}" stroke-width="3"{dash}/>'
            f'<text x="{x + 28:.0f}" y="{_HEIGHT - 6}">{escape(text)}</text>'
        )
        x += 50 + 7 * len(text)
    return parts


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - max(0.0, share) * (_HEIGHT - _BOTTOM - _TOP)


def _nice(value: float) -> float:
    """Return the next round number above."""
    step = 10.0 ** floor(log10(value))
    return next(
        factor * step
        for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
        if value <= factor * step
    )


def _seconds(span: float) -> list[float]:
    """Return where the time axis has its numbers."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300)
    step = next((one for one in steps if span / one <= 10), 600)
    return [float(step * number) for number in range(ceil(span / step) + 1)][
        : int(span // step) + 1
    ]

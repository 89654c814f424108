"""Fast overload signals: what a meter that samples the waveform has just seen.

They reach the decision tens of milliseconds after the current, seconds before the next
reading. They only tighten: the flow that everything but the assets must make up is
raised to what the signal proves, on that line and in that direction alone.
"""

from collections.abc import Callable, Iterable
from typing import Final

from ..model.connection import GridType, Line
from ..model.power_quality import Overload
from .estimate import Picture, set_hulls
from .memory import Channels
from .tuning import Tuning
from .units import Unit

STALE: Final = 0.5
"""s after which a signal says nothing; it is repeated ten times as often."""
LASTING: Final = 1.0
"""s after which an overload is no inrush, so that loads yield to it too."""


def fresh(overloads: Iterable[Overload], now: float) -> tuple[Overload, ...]:
    """Return the signals that count at monotonic `now`."""
    return tuple(
        overload
        for overload in overloads
        if overload.active and now - overload.at <= STALE
    )


def tighten(
    seen: Picture,
    units: list[Unit],
    overloads: Iterable[Overload],
    grid: GridType,
    now: float,
    tuning: Tuning,
) -> None:
    """Bring the signals that count into the picture of the flows."""
    for overload in fresh(overloads, now):
        channel = list(Line).index(overload.line) + 1
        if not seen.fresh:
            for unit in units:
                if unit.movable:
                    set_hulls(unit, overload.at, now, tuning)
        injects = (
            grid is not GridType.DELTA
            and overload.power is not None
            and overload.power < 0
        )
        if injects:
            least = -overload.current - _reach(units, channel, highest=False)
            seen.injection_base = _with(seen.injection_base, channel, least, min)
            continue
        most = overload.current - _reach(units, channel, highest=True)
        seen.import_base = _with(seen.import_base, channel, most, max)
        if overload.at - overload.since >= LASTING:
            seen.steady_base = _with(seen.steady_base, channel, most, max)


def _reach(units: list[Unit], channel: int, *, highest: bool) -> float:
    """Return the A that the assets may draw on a line at the most, or at the least."""
    total = 0.0
    for unit in units:
        if not unit.movable or channel not in unit.lines:
            continue
        bound = unit.free[1 if highest else 0]
        total += unit.currents[channel] + (bound - unit.measured) / unit.watts
    return total


def _with(
    base: Channels,
    channel: int,
    value: float,
    choose: Callable[[float, float], float],
) -> Channels:
    values = list(base)
    known = values[channel]
    values[channel] = value if known is None else choose(known, value)
    return tuple(values)

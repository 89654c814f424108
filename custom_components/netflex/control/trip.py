"""How long a fuse may carry too much: an inverse-time model, off by default.

Only what is measured already is tolerated for a while; nothing is ever raised above
the fuse. Times are far below those in which a fuse or breaker acts, since it may be
warm and nobody knows its surroundings.

Typical figures, not read from the data sheet of the one that is installed: breakers
of EN 60898 do not trip at 1.13 times their rating within an hour and do at 1.45; fuses
gG of IEC 60269 (16 A to 63 A) do not melt at 1.25 times and do at 1.6. B and C breakers
differ in what they do above 3 and 5 times their rating, which is never tolerated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..model.plan import Source
from ..model.protection import TripCurve
from .estimate import Picture
from .layout import Layout
from .limits import Limits
from .memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Multiples of the rating, and s for which they are tolerated."""

    carries: float
    """It carries this for an hour at least."""
    trips: float
    """It ends this within an hour."""
    mild: float = 300.0
    """s at or below `carries`: a twelfth of the hour."""
    strong: float = 8.0
    """s between the two: act in seconds."""


CURVES: Final[Mapping[TripCurve, Curve]] = {
    TripCurve.FUSE_GG: Curve(carries=1.25, trips=1.6),
    TripCurve.BREAKER_B: Curve(carries=1.13, trips=1.45),
    TripCurve.BREAKER_C: Curve(carries=1.13, trips=1.45),
}

COOLING: Final = 900.0
"""s at or below the rating after which all that was used up is there again."""


def stress(
    layout: Layout, seen: Picture, memory: Memory, elapsed: float
) -> Mapping[int, float]:
    """Return by line what is used up of the time above the fuse, 0 to 1.

    On old data nothing is tolerated: all counts as used up.
    """
    curve = CURVES.get(layout.site.protection.curve)
    if curve is None:
        return MappingProxyType({})
    result = {}
    rating = layout.site.connection.main_fuse
    for channel, _ in enumerate(layout.site.connection.lines, start=1):
        flow = seen.measured[channel]
        # After a start nobody knows what the fuse has carried.
        used = memory.stress.get(channel, 1.0)
        if not seen.fresh or flow is None:
            result[channel] = 1.0
            continue
        times = abs(flow) / rating
        if times <= 1.0:
            used -= elapsed / COOLING
        elif times <= curve.carries:
            used += elapsed / curve.mild
        elif times <= curve.trips:
            used += elapsed / curve.strong
        else:
            used = 1.0
        result[channel] = min(1.0, max(0.0, used))
    return MappingProxyType(result)


def tolerated(
    layout: Layout,
    limits: Limits,
    seen: Picture,
    used: Mapping[int, float],
    channel: int,
) -> float | None:
    """Return the A that a line carries now and may go on carrying, None: no more."""
    curve = CURVES.get(layout.site.protection.curve)
    flow = seen.measured[channel]
    if curve is None or flow is None or used.get(channel, 1.0) >= 1.0:
        return None
    limit = limits.of_line(layout.site.connection.lines[channel - 1])
    # What the meter would disconnect for is never tolerated.
    if limit is None or limit.source is not Source.FUSE:
        return None
    return min(flow, limit.value * curve.trips)

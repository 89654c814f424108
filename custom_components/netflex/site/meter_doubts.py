"""What speaks against a meter's first reading, when it is set up.

It is held against what is known already: another meter of the connection point, the
devices of the site, its grid and its main fuse. One reading proves nothing, so all of this is asked
and nothing is refused.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from ..model.asset import AssetState
from ..model.connection import ConnectionPoint
from ..model.reading import MeterReading
from .meter_quality import impossible_power, strange_voltage

_COMPARABLE: Final = 500.0
"""W of another meter below which the two are not compared."""
_CLEAR: Final = 1500.0
"""W of the devices below which the rest of the house may hide them."""
_ALIKE: Final = 0.7
"""Share that two figures of the same must have of each other."""
_HALF: Final = 0.5
_SURPLUS: Final = 500.0
"""W that may be injected beyond what known devices produce."""
_OVERLOAD: Final = 3.0
"""Times the main fuse that no line carries for long."""


def doubts(
    reading: MeterReading,
    *,
    others: Iterable[MeterReading],
    states: Iterable[AssetState],
    connection: ConnectionPoint,
) -> tuple[str, ...]:
    """Return in words what speaks against a meter of the connection point.

    `others` are fresh readings of other meters there, `states` what the devices say.
    """
    found = [strange_voltage(reading), impossible_power(reading)]
    found.append(_overload(reading, connection))
    if reading.grid_type not in {None, connection.grid_type}:
        found.append(
            f"It shows a grid of {reading.grid_type}, the site is set up as "
            f"{connection.grid_type}"
        )
    if reading.power is not None:
        compared = list(_beside(reading.power, others))
        found.append(
            compared[0] if compared else _beside_devices(reading.power, states)
        )
    return tuple(text for text in found if text)


def _beside(power: float, others: Iterable[MeterReading]) -> Iterator[str]:
    """Compare with other meters; an empty text: they agree."""
    for other in others:
        if other.power is None or abs(other.power) < _COMPARABLE:
            continue
        both = f"It measures {power:.0f} W where another meter measures"
        if _alike(power, other.power):
            yield ""
        elif _alike(-power, other.power):
            yield f"{both} {other.power:.0f} W: check the sign of the power"
        else:
            yield f"{both} {other.power:.0f} W: check the ratio of the transformers"


def _beside_devices(power: float, states: Iterable[AssetState]) -> str | None:
    """Compare with the sum of the devices: the rest of the house only consumes."""
    known = [
        state.power for state in states if state.available and state.power is not None
    ]
    devices = sum(known)
    if devices >= _CLEAR:
        said = f"It measures {power:.0f} W while the devices draw {devices:.0f} W"
        if -power >= _ALIKE * devices:
            return f"{said}: check the sign of the power"
        if 0 <= power < _HALF * devices:
            return f"{said}: check the ratio of the transformers"
    if devices <= -_CLEAR:
        said = f"It measures {power:.0f} W while the devices produce {-devices:.0f} W"
        if power >= _ALIKE * -devices:
            return f"{said}: check the sign of the power"
        if power < devices / _ALIKE - _SURPLUS:
            return f"{said}: check the ratio of the transformers"
    return None


def _overload(reading: MeterReading, connection: ConnectionPoint) -> str | None:
    most = max((current for _, current in reading.line_current.items()), default=0.0)
    if most <= _OVERLOAD * connection.main_fuse:
        return None
    return (
        f"It measures {most:.0f} A behind a main fuse of {connection.main_fuse:g} A: "
        "check the ratio of the current transformers"
    )


def _alike(one: float, other: float) -> bool:
    low, high = sorted((one / other, other / one)) if one and other else (0.0, 0.0)
    return low >= _ALIKE and high <= 1 / _ALIKE

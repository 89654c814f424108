"""The stored form of an S1 port, and what it means. Currents in A."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from .metering.overload import OverloadLimits
from .metering.s1_analysis import S1Settings
from .model.connection import ConnectionPoint, GridType, Line, LineValues
from .model.reading import MeterRole
from .site.config import MeterConfig, S1Config

CONF_S1_BAUDRATE: Final = "s1_baudrate"
CONF_S1_GRID_TYPE: Final = "s1_grid_type"
CONF_S1_TURNED: Final = "s1_turned"
CONF_OVERLOAD: Final = "overload_current"

AUTOMATIC: Final = "automatic"
"""What is stored where the speed is to be found out, or the meter to be believed."""
GRID_TYPES: Final = {
    "single_phase": GridType.SINGLE_PHASE,
    "star": GridType.STAR,
    "delta": GridType.DELTA,
}
TURNABLE: Final = (*(line.value for line in Line), "N")
LONGEST_RECORDING: Final = 30.0
"""s of waveform that are kept and can be recorded."""
_PERIODS: Final = 2
"""Periods of the grid over which a current is compared with its threshold."""


def s1_config(data: Mapping[str, Any]) -> S1Config:
    """Return how an S1 port is read, with the user's own threshold of an overload."""
    baudrate, grid_type = data[CONF_S1_BAUDRATE], data[CONF_S1_GRID_TYPE]
    turned = data[CONF_S1_TURNED]
    signs = [-1 if name in turned else 1 for name in TURNABLE]
    threshold = data.get(CONF_OVERLOAD)
    return S1Config(
        settings=S1Settings(
            grid_type=GRID_TYPES.get(grid_type),
            signs=(signs[0], signs[1], signs[2], signs[3]),
            overload=None if threshold is None else _limits(float(threshold), Line),
            keep=LONGEST_RECORDING,
        ),
        baudrate=None if baudrate == AUTOMATIC else int(baudrate),
    )


def with_overloads(config: MeterConfig, connection: ConnectionPoint) -> MeterConfig:
    """Return a meter that watches the main fuse where the user names no threshold.

    A meter inside the site watches none: no fuse of the decision is behind it.
    """
    if (s1 := config.s1) is None:
        return config
    overload = None
    if config.role is MeterRole.CONNECTION_POINT:
        fuse = _limits(connection.main_fuse, connection.lines)
        overload = s1.settings.overload or fuse
    settings = replace(s1.settings, overload=overload)
    return replace(config, s1=replace(s1, settings=settings))


def _limits(threshold: float, lines: Iterable[Line]) -> OverloadLimits:
    current = LineValues.of(dict.fromkeys(lines, threshold))
    return OverloadLimits(current=current, periods=_PERIODS)

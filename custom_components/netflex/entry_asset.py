"""What a stored charger, inverter, battery or load means: an asset of the decision."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry

from .entry_data import (
    CONF_CAPACITY,
    CONF_CATEGORY,
    CONF_CEILING,
    CONF_COMFORT_HIGH,
    CONF_COMFORT_LOW,
    CONF_EFFICIENCY,
    CONF_LINES,
    CONF_MAX_CURRENT,
    CONF_MIN_CURRENT,
    CONF_MINIMUM_OFF,
    CONF_MINIMUM_ON,
    CONF_NEVER_SHED,
    CONF_OFF_WHEN_LIMITED,
    CONF_PHASES,
    CONF_PRIORITY,
    CONF_RATED_CHARGE,
    CONF_RATED_DISCHARGE,
    CONF_RATED_POWER,
    CONF_REMOTE_LOST_AFTER,
    CONF_RESERVE,
    CONF_SAFE_CURRENT,
    CONF_SECOND_CONTACT,
    CONF_SOURCE,
    CONF_SWITCHES_PHASES,
    DEFAULT_MINIMUM_CURRENT,
    DeviceSource,
    SubentryType,
)
from .model.asset import Asset, Category, Nature, StopPath
from .model.connection import GridType, Line, power_of_current


def asset_of(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return an asset from its subentry.

    The grid type decides what a charger's current means in W.
    """
    return _ASSETS[SubentryType(subentry.subentry_type)](subentry, grid_type)


def _lines(data: Mapping[str, Any], grid_type: GridType) -> tuple[Line, ...]:
    """Return the lines that carry an asset's current.

    Where none are named, all lines of the connection do: for a single-phase asset
    of unknown line this counts its current on each, which is the safe side.
    """
    named = tuple(Line(item) for item in data.get(CONF_LINES, ()))
    return named or grid_type.lines


def _charger(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a charger, its currents in A."""
    data = subentry.data
    phases = int(data[CONF_PHASES])
    maximum = float(data[CONF_MAX_CURRENT])
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.CHARGER,
        category=Category.EV,
        rated_consumption=power_of_current(maximum, grid_type, phases),
        phases=phases,
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        minimum_current=float(data.get(CONF_MIN_CURRENT, DEFAULT_MINIMUM_CURRENT)),
        maximum_current=maximum,
        safe_current=float(data.get(CONF_SAFE_CURRENT, 0)),
        switches_phases=bool(data.get(CONF_SWITCHES_PHASES, False)),
    )


def _inverter(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return an inverter with its rated production in W."""
    data = subentry.data
    measured_only = data[CONF_SOURCE] == DeviceSource.METERED
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.INVERTER,
        category=Category(data.get(CONF_CATEGORY, Category.SOLAR)),
        rated_production=float(data[CONF_RATED_POWER]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        controllable=not measured_only,
        off_when_limited=bool(data.get(CONF_OFF_WHEN_LIMITED, False)),
        stop_paths=frozenset() if measured_only else frozenset({StopPath.SETPOINT}),
    )


def _battery(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a battery with its rated powers in W and its reserve in %."""
    data = subentry.data
    capacity = _optional(data, CONF_CAPACITY)
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.BATTERY,
        category=Category.STORAGE,
        rated_consumption=float(data[CONF_RATED_CHARGE]),
        rated_production=float(data[CONF_RATED_DISCHARGE]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        reserve=float(data.get(CONF_RESERVE, 0)),
        ceiling=float(data.get(CONF_CEILING, 100)),
        capacity=None if capacity is None else capacity * 1000,
        charge_efficiency=float(data.get(CONF_EFFICIENCY, 95)) / 100,
    )


def _optional(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return None if value is None else float(value)


def _load(subentry: ConfigSubentry, grid_type: GridType) -> Asset:
    """Return a load that is switched through an entity; a switch stays off."""
    data = subentry.data
    return Asset(
        id=subentry.subentry_id,
        name=subentry.title,
        nature=Nature.LOAD,
        category=Category.FLEXIBLE_CONSUMPTION,
        rated_consumption=float(data[CONF_RATED_POWER]),
        phases=int(data[CONF_PHASES]),
        lines=_lines(data, grid_type),
        priority=int(data.get(CONF_PRIORITY, 0)),
        never_shed=bool(data.get(CONF_NEVER_SHED, False)),
        sg_ready=bool(data.get(CONF_SECOND_CONTACT)),
        minimum_on=float(data.get(CONF_MINIMUM_ON, 0.0)),
        minimum_off=_optional(data, CONF_MINIMUM_OFF),
        remote_lost_after=_optional(data, CONF_REMOTE_LOST_AFTER),
        comfort_low=_optional(data, CONF_COMFORT_LOW),
        comfort_high=_optional(data, CONF_COMFORT_HIGH),
        stays_stopped=data[CONF_SOURCE] != DeviceSource.TABLE,
    )


_ASSETS: Final = {
    SubentryType.CHARGER: _charger,
    SubentryType.INVERTER: _inverter,
    SubentryType.BATTERY: _battery,
    SubentryType.LOAD: _load,
}

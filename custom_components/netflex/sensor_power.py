"""Sensors of a meter that samples the waveform: power quality and counts of events."""

from collections.abc import Callable
from functools import partial
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfApparentPower,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfReactivePower,
)
from homeassistant.helpers.typing import StateType

from .model.connection import Line
from .model.power_quality import LineQuality, PowerQuality
from .sensor_site import NetflexSensorDescription
from .site.view import PowerCounts, PowerView, SiteView
from .view_values import Attributes, measures, meter_of, rounded

SLOW: Final = 60.0
"""s between two writes of what describes the grid rather than the site."""
HARMONICS: Final = tuple(range(3, 26, 2))
"""Orders with sensors of their own; all of them are attributes of the distortion."""


def _power_of(view: SiteView, meter_id: str) -> PowerView | None:
    meter = meter_of(view, meter_id)
    return None if meter is None else meter.power


def _quality_of(view: SiteView, meter_id: str) -> PowerQuality | None:
    power = _power_of(view, meter_id)
    return None if power is None else power.quality


def _line_of(view: SiteView, meter_id: str, line: Line) -> LineQuality | None:
    if (quality := _quality_of(view, meter_id)) is None:
        return None
    return next((item for item in quality.lines if item.line is line), None)


type Reader = Callable[[SiteView, str], float | None]


def _of_all(value: Callable[[PowerQuality], float | None]) -> Reader:
    def read(view: SiteView, meter_id: str) -> float | None:
        quality = _quality_of(view, meter_id)
        return None if quality is None else value(quality)

    return read


def _of_line(line: Line, value: Callable[[LineQuality], float | None]) -> Reader:
    def read(view: SiteView, meter_id: str) -> float | None:
        quality = _line_of(view, meter_id, line)
        return None if quality is None else value(quality)

    return read


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


def _sensor(
    key: str,
    read: Reader,
    *,
    unit: str | None = None,
    device_class: SensorDeviceClass | None = None,
    digits: int = 0,
    line: Line | None = None,
    order: int | None = None,
    enabled: bool = True,
    rate: float | None = None,
    attributes: Callable[[SiteView, str], Attributes] | None = None,
) -> NetflexSensorDescription:
    """Return one sensor; it comes with the first second that has its value."""
    parts = [key]
    placeholders = {}
    if order is not None:
        parts.append(str(order))
        placeholders["order"] = str(order)
    if line is not None:
        parts.append(line.lower())
        placeholders["line"] = line.value

    def shown(view: SiteView, meter_id: str) -> StateType:
        return rounded(read(view, meter_id), digits)

    return NetflexSensorDescription(
        key="_".join(parts),
        translation_key=key,
        translation_placeholders=placeholders or None,
        device_class=device_class,
        native_unit_of_measurement=unit,
        suggested_display_precision=digits,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=enabled,
        rate=rate,
        value_fn=shown,
        attributes_fn=attributes,
        available_fn=measures,
        exists_fn=lambda view, meter_id: read(view, meter_id) is not None,
    )


def _harmonics(
    line: Line, values: Callable[[LineQuality], tuple[float, ...]]
) -> Callable[[SiteView, str], Attributes]:
    """Return the RMS values by order, the fundamental first."""

    def attributes(view: SiteView, meter_id: str) -> Attributes:
        quality = _line_of(view, meter_id, line)
        found = () if quality is None else values(quality)
        return {"harmonics": [round(value, 3) for value in found]}

    return attributes


def _share(values: tuple[float, ...], order: int) -> float | None:
    """Return a harmonic in % of the fundamental."""
    if order > len(values) or values[0] <= 0:
        return None
    return 100.0 * values[order - 1] / values[0]


def _at(values: tuple[float, ...], order: int) -> float | None:
    return values[order - 1] if order <= len(values) else None


def _line_sensors(line: Line) -> tuple[NetflexSensorDescription, ...]:
    return (
        _sensor(
            "line_reactive_power",
            _of_line(line, lambda quality: quality.reactive_power),
            unit=UnitOfReactivePower.VOLT_AMPERE_REACTIVE,
            device_class=SensorDeviceClass.REACTIVE_POWER,
            line=line,
            enabled=False,
        ),
        _sensor(
            "line_apparent_power",
            _of_line(line, lambda quality: quality.apparent_power),
            unit=UnitOfApparentPower.VOLT_AMPERE,
            device_class=SensorDeviceClass.APPARENT_POWER,
            line=line,
            enabled=False,
        ),
        _sensor(
            "line_power_factor",
            _of_line(line, lambda quality: quality.power_factor),
            device_class=SensorDeviceClass.POWER_FACTOR,
            digits=3,
            line=line,
            enabled=False,
        ),
        _sensor(
            "voltage_distortion",
            _of_line(line, lambda quality: _percent(quality.voltage_distortion)),
            unit=PERCENTAGE,
            digits=2,
            line=line,
            rate=SLOW,
            attributes=_harmonics(line, lambda quality: quality.voltage_harmonics),
        ),
        _sensor(
            "current_distortion",
            _of_line(line, lambda quality: _percent(quality.current_distortion)),
            unit=PERCENTAGE,
            digits=1,
            line=line,
            rate=SLOW,
            attributes=_harmonics(line, lambda quality: quality.current_harmonics),
        ),
        _sensor(
            "voltage_crest",
            _of_line(line, lambda quality: quality.voltage_crest),
            digits=2,
            line=line,
            enabled=False,
            rate=SLOW,
        ),
        _sensor(
            "current_crest",
            _of_line(line, lambda quality: quality.current_crest),
            digits=2,
            line=line,
            enabled=False,
            rate=SLOW,
        ),
        _sensor(
            "current_offset",
            _of_line(line, lambda quality: quality.current_offset),
            unit=UnitOfElectricCurrent.AMPERE,
            device_class=SensorDeviceClass.CURRENT,
            digits=3,
            line=line,
            enabled=False,
            rate=SLOW,
        ),
        *(sensor for order in HARMONICS for sensor in _harmonics_at(line, order)),
    )


def _harmonics_at(line: Line, order: int) -> tuple[NetflexSensorDescription, ...]:
    described = partial(_sensor, line=line, order=order, enabled=False, rate=SLOW)
    return (
        described(
            "voltage_harmonic",
            _of_line(line, lambda quality: _share(quality.voltage_harmonics, order)),
            unit=PERCENTAGE,
            digits=2,
        ),
        described(
            "current_harmonic",
            _of_line(line, lambda quality: _at(quality.current_harmonics, order)),
            unit=UnitOfElectricCurrent.AMPERE,
            device_class=SensorDeviceClass.CURRENT,
            digits=3,
        ),
    )


def _count(
    key: str, value: Callable[[PowerCounts], int], *, enabled: bool = True
) -> NetflexSensorDescription:
    def read(view: SiteView, meter_id: str) -> StateType:
        power = _power_of(view, meter_id)
        return None if power is None else value(power.counts)

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_registry_enabled_default=enabled,
        value_fn=read,
    )


def _detail(key: str, name: str) -> NetflexSensorDescription:
    """Return a figure about the port, which is kept for who looks for a fault."""

    def read(view: SiteView, meter_id: str) -> StateType:
        meter = meter_of(view, meter_id)
        return None if meter is None else meter.details.get(name)

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=read,
    )


POWER_SENSORS: Final = (
    _sensor(
        "apparent_power",
        _of_all(lambda quality: quality.apparent_power),
        unit=UnitOfApparentPower.VOLT_AMPERE,
        device_class=SensorDeviceClass.APPARENT_POWER,
    ),
    _sensor(
        "power_factor",
        _of_all(lambda quality: quality.power_factor),
        device_class=SensorDeviceClass.POWER_FACTOR,
        digits=3,
    ),
    _sensor(
        "neutral_current",
        _of_all(lambda quality: quality.neutral_current),
        unit=UnitOfElectricCurrent.AMPERE,
        device_class=SensorDeviceClass.CURRENT,
        digits=2,
    ),
    _sensor(
        "voltage_unbalance",
        _of_all(lambda quality: _percent(quality.voltage_unbalance)),
        unit=PERCENTAGE,
        digits=2,
        rate=SLOW,
    ),
    _sensor(
        "current_unbalance",
        _of_all(lambda quality: _percent(quality.current_unbalance)),
        unit=PERCENTAGE,
        digits=1,
        enabled=False,
        rate=SLOW,
    ),
    # In a delta grid the meter's reading names no second voltage: here it is U31.
    _sensor(
        "voltage_u31",
        lambda view, meter_id: _third_of_delta(view, meter_id),
        unit=UnitOfElectricPotential.VOLT,
        device_class=SensorDeviceClass.VOLTAGE,
        digits=1,
        enabled=False,
    ),
    *(sensor for line in Line for sensor in _line_sensors(line)),
    _count("sags", lambda counts: counts.sags),
    _count("swells", lambda counts: counts.swells),
    _count("interruptions", lambda counts: counts.interruptions),
    _count("inrushes", lambda counts: counts.inrushes, enabled=False),
    _count("load_steps", lambda counts: counts.steps, enabled=False),
    _detail("lost_frames", "lost"),
)
"""Of a meter at an S1 port, beside those that every meter has."""


def _third_of_delta(view: SiteView, meter_id: str) -> float | None:
    quality = _line_of(view, meter_id, Line.L2)
    # A line without a power of its own is the second one of a delta grid.
    return None if quality is None or quality.power is not None else quality.voltage

"""Sensors of the meters, in our sign: import positive, injection negative."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfPower,
    UnitOfReactivePower,
)
from homeassistant.helpers.typing import StateType

from .model.connection import Line
from .model.reading import BreakerState, MeterReading
from .sensor_asset import NO_PROBLEM
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import as_state, measures, meter_of, reading_of, rounded


def _reads(
    value: Callable[[MeterReading], float | None], digits: int = 0
) -> Callable[[SiteView, str], StateType]:
    """Return a reader of one field of a meter's newest reading."""

    def read(view: SiteView, meter_id: str) -> StateType:
        reading = reading_of(view, meter_id)
        return None if reading is None else rounded(value(reading), digits)

    return read


def _said(value: Callable[[MeterReading], object]) -> Callable[[SiteView, str], bool]:
    """Return whether a meter measures something at all."""

    def exists(view: SiteView, meter_id: str) -> bool:
        reading = reading_of(view, meter_id)
        return reading is not None and value(reading) is not None

    return exists


def _sensor(
    key: str,
    value: Callable[[MeterReading], float | None],
    device_class: SensorDeviceClass,
    unit: str,
    *,
    digits: int = 0,
    line: Line | None = None,
    named: bool = True,
    enabled: bool = True,
    state_class: SensorStateClass = SensorStateClass.MEASUREMENT,
    display_unit: str | None = None,
    always: bool = False,
) -> NetflexSensorDescription:
    """Return one sensor; it comes with the first reading that has its value."""
    return NetflexSensorDescription(
        key=key if line is None else f"{key}_{line.lower()}",
        translation_key=key if named else None,
        translation_placeholders=None if line is None else {"line": line.value},
        device_class=device_class,
        native_unit_of_measurement=unit,
        suggested_unit_of_measurement=display_unit,
        suggested_display_precision=2 if display_unit else digits,
        state_class=state_class,
        entity_registry_enabled_default=enabled,
        value_fn=_reads(value, digits),
        available_fn=measures,
        exists_fn=None if always else _said(value),
    )


def _line_sensors(line: Line) -> tuple[NetflexSensorDescription, ...]:
    return (
        _sensor(
            "line_current",
            lambda reading: reading.line_current[line],
            SensorDeviceClass.CURRENT,
            UnitOfElectricCurrent.AMPERE,
            digits=2,
            line=line,
        ),
        _sensor(
            "line_voltage",
            lambda reading: reading.line_voltage[line],
            SensorDeviceClass.VOLTAGE,
            UnitOfElectricPotential.VOLT,
            digits=1,
            line=line,
        ),
        _sensor(
            "line_power",
            lambda reading: reading.line_power[line],
            SensorDeviceClass.POWER,
            UnitOfPower.WATT,
            line=line,
            enabled=False,
        ),
    )


def _energy(
    key: str, value: Callable[[MeterReading], float | None], *, enabled: bool = True
) -> NetflexSensorDescription:
    return _sensor(
        key,
        value,
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.WATT_HOUR,
        enabled=enabled,
        state_class=SensorStateClass.TOTAL_INCREASING,
        display_unit=UnitOfEnergy.KILO_WATT_HOUR,
    )


def _problem(view: SiteView, meter_id: str) -> StateType:
    meter = meter_of(view, meter_id)
    if meter is None or meter.problem is None:
        return NO_PROBLEM
    return as_state(meter.problem)


def _month_peak_at(view: SiteView, meter_id: str) -> datetime | None:
    reading = reading_of(view, meter_id)
    if reading is None or reading.month_peak is None:
        return None
    return reading.month_peak.at


def _breaker(view: SiteView, meter_id: str) -> StateType:
    reading = reading_of(view, meter_id)
    if reading is None or reading.breaker is None:
        return None
    return reading.breaker.value


def _count(good: bool) -> Callable[[SiteView, str], StateType]:
    def count(view: SiteView, meter_id: str) -> StateType:
        meter = meter_of(view, meter_id)
        if meter is None:
            return None
        return meter.good if good else meter.damaged

    return count


METER_SENSORS: Final = (
    _sensor(
        "power",
        lambda reading: reading.power,
        SensorDeviceClass.POWER,
        UnitOfPower.WATT,
        named=False,
        always=True,
    ),
    _sensor(
        "reactive_power",
        lambda reading: reading.reactive_power,
        SensorDeviceClass.REACTIVE_POWER,
        UnitOfReactivePower.VOLT_AMPERE_REACTIVE,
        named=False,
    ),
    _sensor(
        "frequency",
        lambda reading: reading.frequency,
        SensorDeviceClass.FREQUENCY,
        UnitOfFrequency.HERTZ,
        digits=2,
        named=False,
        enabled=False,
    ),
    *(sensor for line in Line for sensor in _line_sensors(line)),
    _energy("energy_import", lambda reading: reading.energy_import),
    _energy("energy_export", lambda reading: reading.energy_export),
    _energy(
        "energy_import_day",
        lambda reading: reading.energy_import_tariffs[0],
        enabled=False,
    ),
    _energy(
        "energy_import_night",
        lambda reading: reading.energy_import_tariffs[1],
        enabled=False,
    ),
    _energy(
        "energy_export_day",
        lambda reading: reading.energy_export_tariffs[0],
        enabled=False,
    ),
    _energy(
        "energy_export_night",
        lambda reading: reading.energy_export_tariffs[1],
        enabled=False,
    ),
    _sensor(
        "quarter_demand",
        lambda reading: reading.quarter_demand,
        SensorDeviceClass.POWER,
        UnitOfPower.WATT,
        display_unit=UnitOfPower.KILO_WATT,
    ),
    _sensor(
        "month_peak",
        lambda reading: reading.month_peak.power if reading.month_peak else None,
        SensorDeviceClass.POWER,
        UnitOfPower.WATT,
        display_unit=UnitOfPower.KILO_WATT,
    ),
    NetflexSensorDescription(
        key="month_peak_at",
        translation_key="month_peak_at",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_registry_enabled_default=False,
        value_fn=_month_peak_at,
        available_fn=measures,
        exists_fn=_said(lambda reading: reading.month_peak),
    ),
    NetflexSensorDescription(
        key="breaker",
        translation_key="breaker",
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in BreakerState],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_breaker,
        available_fn=measures,
        exists_fn=_said(lambda reading: reading.breaker),
    ),
    NetflexSensorDescription(
        key="good_readings",
        translation_key="good_readings",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_count(good=True),
    ),
    NetflexSensorDescription(
        key="damaged_readings",
        translation_key="damaged_readings",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_count(good=False),
    ),
    NetflexSensorDescription(
        key="problem_reason",
        translation_key="problem_reason",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_problem,
    ),
)

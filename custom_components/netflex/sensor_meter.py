"""Sensors of the meters, in our sign: import positive, injection negative."""

from collections.abc import Callable, Iterable
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfPower,
    UnitOfReactiveEnergy,
    UnitOfReactivePower,
    UnitOfTime,
)
from homeassistant.helpers.typing import StateType

from .model.connection import GridType, Line
from .model.reading import BreakerState, MeterReading
from .sensor_asset import NO_PROBLEM
from .sensor_site import NetflexSensorDescription
from .site.view import MeterView, SiteView
from .view_values import Attributes, as_state, measures, meter_of, reading_of, rounded


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
    diagnostic: bool = False,
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
        entity_category=EntityCategory.DIAGNOSTIC if diagnostic else None,
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


def _readers(meter: MeterView) -> StateType:
    """Return how many others read the port through us."""
    return meter.details.get("share_readers")


def _is_shared(view: SiteView, meter_id: str) -> bool:
    meter = meter_of(view, meter_id)
    return meter is not None and _readers(meter) is not None


def _count(good: bool) -> Callable[[SiteView, str], StateType]:
    def count(view: SiteView, meter_id: str) -> StateType:
        meter = meter_of(view, meter_id)
        if meter is None:
            return None
        return meter.good if good else meter.damaged

    return count


def _meter_value(
    value: Callable[[MeterView], StateType],
) -> Callable[[SiteView, str], StateType]:
    """Return a reader of something that is known of a meter beside its reading."""

    def read(view: SiteView, meter_id: str) -> StateType:
        meter = meter_of(view, meter_id)
        return None if meter is None else value(meter)

    return read


def _text(
    key: str, value: Callable[[MeterReading], str | None], *, enabled: bool = False
) -> NetflexSensorDescription:
    """Return a text of the meter; what identifies a customer is disabled."""

    def shown(view: SiteView, meter_id: str) -> StateType:
        reading = reading_of(view, meter_id)
        text = None if reading is None else value(reading)
        return None if text is None else as_state(text)

    def whole(view: SiteView, meter_id: str) -> Attributes:
        """Return what a state may be too short for."""
        reading = reading_of(view, meter_id)
        text = None if reading is None else value(reading)
        return {} if text is None or as_state(text) == text else {"text": text}

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=enabled,
        value_fn=shown,
        attributes_fn=whole,
        available_fn=measures,
        exists_fn=_said(value),
    )


def _enum(
    key: str,
    value: Callable[[MeterReading], str | None],
    options: Iterable[str],
    *,
    enabled: bool = True,
) -> NetflexSensorDescription:
    def shown(view: SiteView, meter_id: str) -> StateType:
        reading = reading_of(view, meter_id)
        return None if reading is None else value(reading)

    return NetflexSensorDescription(
        key=key,
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=list(options),
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=enabled,
        value_fn=shown,
        available_fn=measures,
        exists_fn=_said(value),
    )


def _quadrant(index: int, name: str) -> NetflexSensorDescription:
    """Return the reactive energy of one quadrant."""
    return NetflexSensorDescription(
        key=f"reactive_energy_q{index + 1}",
        translation_key="reactive_energy",
        translation_placeholders={"quadrant": name},
        device_class=SensorDeviceClass.REACTIVE_ENERGY,
        native_unit_of_measurement=UnitOfReactiveEnergy.VOLT_AMPERE_REACTIVE_HOUR,
        suggested_unit_of_measurement=(
            UnitOfReactiveEnergy.KILO_VOLT_AMPERE_REACTIVE_HOUR
        ),
        suggested_display_precision=2,
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_registry_enabled_default=False,
        value_fn=_reads(lambda reading: reading.reactive_energy[index], 0),
        available_fn=measures,
        exists_fn=_said(lambda reading: reading.reactive_energy[index]),
    )


GRID_TYPES: Final = {
    GridType.SINGLE_PHASE: "single_phase",
    GridType.STAR: "star",
    GridType.DELTA: "delta",
}
TARIFFS: Final = {1: "day", 2: "night"}


def _grid_type(reading: MeterReading) -> str | None:
    return None if reading.grid_type is None else GRID_TYPES[reading.grid_type]


def _tariff(reading: MeterReading) -> str | None:
    return None if reading.tariff is None else TARIFFS.get(reading.tariff)


def _state_of_breaker(reading: MeterReading) -> str | None:
    return None if reading.breaker is None else reading.breaker.value


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
    *(_quadrant(index, name) for index, name in enumerate(("I", "II", "III", "IV"))),
    _sensor(
        "power_threshold",
        lambda reading: reading.power_threshold,
        SensorDeviceClass.POWER,
        UnitOfPower.WATT,
        display_unit=UnitOfPower.KILO_WATT,
        diagnostic=True,
    ),
    _sensor(
        "fuse_threshold",
        lambda reading: reading.fuse_threshold,
        SensorDeviceClass.CURRENT,
        UnitOfElectricCurrent.AMPERE,
        digits=2,
        diagnostic=True,
    ),
    _enum("breaker", _state_of_breaker, [state.value for state in BreakerState]),
    _enum("tariff", _tariff, TARIFFS.values(), enabled=False),
    _enum("connection", _grid_type, GRID_TYPES.values(), enabled=False),
    _text("message", lambda reading: reading.message, enabled=True),
    _text("meter_version", lambda reading: reading.version),
    _text("serial", lambda reading: reading.serial),
    _text("ean", lambda reading: reading.ean),
    NetflexSensorDescription(
        key="meter_clock_offset",
        translation_key="meter_clock_offset",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_meter_value(lambda meter: rounded(meter.clock_offset, 1)),
        available_fn=measures,
        exists_fn=_said(lambda reading: reading.meter_time),
    ),
    NetflexSensorDescription(
        key="reading_period",
        translation_key="reading_period",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_meter_value(lambda meter: rounded(meter.period, 1)),
        available_fn=measures,
    ),
    NetflexSensorDescription(
        key="error_rate",
        translation_key="error_rate",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_meter_value(lambda meter: rounded(meter.error_rate, 2)),
    ),
    NetflexSensorDescription(
        key="share_readers",
        translation_key="share_readers",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_meter_value(_readers),
        exists_fn=_is_shared,
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

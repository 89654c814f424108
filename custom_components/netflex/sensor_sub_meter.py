"""Sensors of the meters behind a smart meter: gas, water, heat, slave electricity."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.const import EntityCategory, UnitOfEnergy, UnitOfVolume
from homeassistant.helpers.typing import StateType

from .model.reading import BreakerState, SubMeter, SubMeterKind
from .sensor_site import NetflexSensorDescription
from .site.view import SiteView
from .view_values import as_state, measures, sub_meter_of

CHANNELS: Final = (1, 2, 3, 4)

UNITS: Final = {
    "m3": UnitOfVolume.CUBIC_METERS,
    "GJ": UnitOfEnergy.GIGA_JOULE,
    "Wh": UnitOfEnergy.WATT_HOUR,
}
"""Home Assistant's names of the units that a counter may have."""

_DEVICE_CLASSES: Final = {
    SubMeterKind.ELECTRICITY: SensorDeviceClass.ENERGY,
    SubMeterKind.GAS: SensorDeviceClass.GAS,
    SubMeterKind.HEAT: SensorDeviceClass.ENERGY,
    SubMeterKind.WATER: SensorDeviceClass.WATER,
    SubMeterKind.OTHER: None,
}


def _reads(
    channel: int, value: Callable[[SubMeter], StateType | datetime]
) -> tuple[
    Callable[[SiteView, str], StateType | datetime], Callable[[SiteView, str], bool]
]:
    """Return a reader of one field, and whether the meter has it."""

    def read(view: SiteView, meter_id: str) -> StateType | datetime:
        meter = sub_meter_of(view, meter_id, channel)
        return None if meter is None else value(meter)

    return read, lambda view, meter_id: read(view, meter_id) is not None


def _counter(channel: int, kind: SubMeterKind) -> NetflexSensorDescription:
    """Return the counter; what it counts is known with the first telegram."""

    def value(meter: SubMeter) -> float | None:
        counts = kind is (meter.kind or SubMeterKind.OTHER)
        return meter.value if counts and (meter.unit in UNITS) else None

    read, exists = _reads(channel, value)
    electricity = kind is SubMeterKind.ELECTRICITY
    return NetflexSensorDescription(
        key=f"mbus{channel}_{kind.value}",
        translation_key="sub_meter_counter",
        device_class=_DEVICE_CLASSES[kind],
        suggested_unit_of_measurement=(
            UnitOfEnergy.KILO_WATT_HOUR if electricity else None
        ),
        suggested_display_precision=3,
        state_class=SensorStateClass.TOTAL_INCREASING,
        channel=channel,
        value_fn=read,
        available_fn=measures,
        exists_fn=exists,
    )


def _state(
    key: str, channel: int, value: Callable[[SubMeter], BreakerState | None]
) -> NetflexSensorDescription:
    read, exists = _reads(channel, value)
    return NetflexSensorDescription(
        key=f"mbus{channel}_{key}",
        translation_key=key,
        device_class=SensorDeviceClass.ENUM,
        options=[state.value for state in BreakerState],
        entity_category=EntityCategory.DIAGNOSTIC,
        channel=channel,
        value_fn=read,
        available_fn=measures,
        exists_fn=exists,
    )


def _text(
    key: str, channel: int, value: Callable[[SubMeter], str | None]
) -> NetflexSensorDescription:
    """Return something that identifies a customer: disabled until asked for."""

    def shown(meter: SubMeter) -> StateType:
        text = value(meter)
        return None if text is None else as_state(text)

    read, exists = _reads(channel, shown)
    return NetflexSensorDescription(
        key=f"mbus{channel}_{key}",
        translation_key=key,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        channel=channel,
        value_fn=read,
        available_fn=measures,
        exists_fn=exists,
    )


def _contact(channel: int) -> NetflexSensorDescription:
    read, exists = _reads(channel, lambda meter: meter.at)
    return NetflexSensorDescription(
        key=f"mbus{channel}_last_contact",
        translation_key="last_contact",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        channel=channel,
        value_fn=read,
        available_fn=measures,
        exists_fn=exists,
    )


def _of_channel(channel: int) -> tuple[NetflexSensorDescription, ...]:
    return (
        *(_counter(channel, kind) for kind in SubMeterKind),
        _contact(channel),
        _state("valve", channel, lambda meter: meter.valve),
        _state("relay", channel, lambda meter: meter.relay),
        _text("serial", channel, lambda meter: meter.serial),
        _text("ean", channel, lambda meter: meter.ean),
    )


SUB_METER_SENSORS: Final = tuple(
    description for channel in CHANNELS for description in _of_channel(channel)
)

"""Sensors of a site, its meters and its assets."""

from collections.abc import Iterable
from datetime import datetime
from math import inf
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.typing import StateType

from .const import DOMAIN
from .coordinator import SiteCoordinator
from .entity import NetflexEntity, ShownEntity, platform_setup, sub_meter_identifier
from .entry_data import CONF_LINES, CONF_SOURCE, DeviceSource, SubentryType
from .entry_site import connection_point
from .flexoffer_options import OFFERED_TYPES
from .model.connection import Line
from .model.phrase import Phrase
from .model.reading import SubMeter, SubMeterKind
from .sensor_asset import ASSET_SENSORS, current_sensor
from .sensor_commissioning import COMMISSIONING_SENSORS
from .sensor_compliance import COMPLIANCE_SENSORS
from .sensor_demand import DEMAND_SENSORS
from .sensor_economy import DISPATCH_SENSORS, PROGRAMME_SENSORS, market_sensors
from .sensor_feeder import FEEDER_SENSORS
from .sensor_figures import FigureSensorDescription, figure_sensors
from .sensor_flexoffers import FLEXOFFER_SENSORS, SHIFTED_BY_ASSET
from .sensor_meter import METER_SENSORS
from .sensor_northbound import NORTHBOUND_SENSORS
from .sensor_power import POWER_SENSORS
from .sensor_quality import SITE_QUALITY_SENSORS, SOURCE_QUALITY_SENSORS
from .sensor_rehearsal import REHEARSAL_SENSORS
from .sensor_site import SITE_SENSORS, NetflexSensorDescription, line_headroom_sensor
from .sensor_sub_meter import SUB_METER_SENSORS, UNITS
from .sensor_virtual_meter import VIRTUAL_METER_SENSORS
from .view_values import as_state, sub_meter_of
from .words import words_of

# Everything is read from the coordinator.
PARALLEL_UPDATES = 0


def _of_site(coordinator: SiteCoordinator) -> Iterable[NetflexEntity]:
    lines = connection_point(coordinator.config_entry.data).lines
    lines_left = map(line_headroom_sensor, lines)
    for description in (
        *SITE_SENSORS,
        *NORTHBOUND_SENSORS,
        *REHEARSAL_SENSORS,
        *COMMISSIONING_SENSORS,
        *COMPLIANCE_SENSORS,
        *DEMAND_SENSORS,
        *SITE_QUALITY_SENSORS,
        *FLEXOFFER_SENSORS,
        *lines_left,
        *market_sensors(coordinator.hass.config.currency),
    ):
        yield NetflexSensor(coordinator, description)
    for figure in figure_sensors(coordinator.hass.config.currency):
        yield FigureSensor(coordinator, figure)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    kind = SubentryType(subentry.subentry_type)
    descriptions: Iterable[NetflexSensorDescription]
    if kind is SubentryType.METER:
        descriptions = (*METER_SENSORS, *SOURCE_QUALITY_SENSORS)
        if subentry.data.get(CONF_SOURCE) == DeviceSource.S1:
            descriptions = (*descriptions, *POWER_SENSORS)
        for description in SUB_METER_SENSORS:
            yield SubMeterSensor(coordinator, description, subentry)
    elif kind is SubentryType.VIRTUAL_METER:
        descriptions = VIRTUAL_METER_SENSORS
    elif kind is SubentryType.FEEDER:
        descriptions = FEEDER_SENSORS
    elif kind is SubentryType.DISPATCH_SOURCE:
        descriptions = DISPATCH_SENSORS
    elif kind is SubentryType.BATTERY_MODE:
        descriptions = ()
    else:
        lines = (Line(line) for line in subentry.data.get(CONF_LINES) or Line)
        currents = () if kind is SubentryType.RELAY else map(current_sensor, lines)
        quality = () if kind is SubentryType.RELAY else SOURCE_QUALITY_SENSORS
        descriptions = (*ASSET_SENSORS[kind], *currents, *quality)
        if kind in OFFERED_TYPES:
            descriptions = (*descriptions, SHIFTED_BY_ASSET)
        if kind is SubentryType.BATTERY:
            descriptions = (*descriptions, *PROGRAMME_SENSORS)
    for description in descriptions:
        yield NetflexSensor(coordinator, description, subentry)


RATES: Final = {
    SensorDeviceClass.POWER: 5.0,
    SensorDeviceClass.REACTIVE_POWER: 10.0,
    SensorDeviceClass.APPARENT_POWER: 10.0,
    SensorDeviceClass.POWER_FACTOR: 30.0,
    SensorDeviceClass.CURRENT: 15.0,
    SensorDeviceClass.VOLTAGE: 30.0,
    SensorDeviceClass.FREQUENCY: 30.0,
    SensorDeviceClass.ENERGY: 60.0,
    SensorDeviceClass.REACTIVE_ENERGY: 60.0,
    SensorDeviceClass.GAS: 60.0,
    SensorDeviceClass.WATER: 60.0,
    SensorDeviceClass.DURATION: 60.0,
}
"""s between two writes of a changing measurement, by its device class."""
DIAGNOSTIC_RATE: Final = 60.0
"""The same of figures about a device, which change with every reading."""
URGENT_ATTRIBUTES: Final = ("source", "emergency")


async_setup_entry = platform_setup(of_site=_of_site, of_subentry=_of_subentry)


def rate_of(description: NetflexSensorDescription) -> float:
    """Return how many s a sensor waits between two writes; facts do not wait."""
    if description.rate is not None:
        return description.rate
    if description.state_class is None:
        return 0.0
    if description.device_class is None:
        return (
            DIAGNOSTIC_RATE
            if description.entity_category is EntityCategory.DIAGNOSTIC
            else 0.0
        )
    return RATES.get(description.device_class, 0.0)


class NetflexSensor(ShownEntity, SensorEntity):
    """A sensor that reads one value of the site's view."""

    entity_description: NetflexSensorDescription
    # Sentences with figures in them would fill the history without being of use.
    _unrecorded_attributes = frozenset(
        {
            "cause",
            "causes",
            "chapter",
            "chapters_done",
            "harmonics",
            "inactive",
            "infeasible",
            "months",
            "not_confirmed",
            "orders",
            "problem",
            "problems",
            "step",
            "why",
        }
    )

    def __init__(
        self,
        coordinator: SiteCoordinator,
        description: NetflexSensorDescription,
        subentry: ConfigSubentry | None = None,
    ) -> None:
        """Give the sensor its place and its rate."""
        super().__init__(coordinator, description, subentry)
        self._rate = rate_of(description)
        self._written = -inf
        self._shown: tuple[object, ...] = ()
        self._urgent: tuple[object, ...] = ()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write a new value, no more often than its kind is worth.

        That it comes, goes, or has another cause is written at once.
        """
        attributes = self.extra_state_attributes or {}
        value = self.native_value
        shown = (self.available, value, attributes)
        urgent = (
            self.available,
            value is None,
            *(attributes.get(key) for key in URGENT_ATTRIBUTES),
        )
        now = self.coordinator.monotonic()
        if shown == self._shown or (
            urgent == self._urgent and now - self._written < self._rate
        ):
            return
        self._written, self._shown, self._urgent = now, shown, urgent
        super()._handle_coordinator_update()

    @property
    @override
    def native_value(self) -> StateType | datetime:
        value = self.entity_description.value_fn(self.view, self.subject)
        if isinstance(value, Phrase):
            return as_state(words_of(self.hass).say(value))
        return value


class FigureSensor(NetflexSensor):
    """A sensor of a figure that begins anew with its day or month."""

    entity_description: FigureSensorDescription

    @property
    @override
    def last_reset(self) -> datetime | None:
        figures = self.view.figures
        if figures is None or self.state_class is not SensorStateClass.TOTAL:
            return None
        return figures.since.get(self.entity_description.period)


class SubMeterSensor(NetflexSensor):
    """A sensor of a meter behind a smart meter, which is a device of its own."""

    @property
    def _meter(self) -> SubMeter | None:
        channel = self.entity_description.channel
        return (
            None if channel is None else sub_meter_of(self.view, self.subject, channel)
        )

    @property
    @override
    def device_info(self) -> DeviceInfo:
        channel, meter = self.entity_description.channel, self._meter
        assert channel is not None
        kind = SubMeterKind.OTHER if meter is None else meter.kind or SubMeterKind.OTHER
        info = DeviceInfo(
            identifiers={(DOMAIN, sub_meter_identifier(self.subject, channel))},
            translation_key=f"{kind.value}_meter",
            translation_placeholders={"channel": str(channel)},
        )
        smart_meter = dr.async_get(
            self.coordinator.hass
        ).async_get_device_by_identifier(
            (DOMAIN, self.subject), self.coordinator.config_entry.entry_id
        )
        if smart_meter is not None:
            info["via_device_id"] = smart_meter.id
        return info

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        if (
            self.entity_description.state_class is None
            or (meter := self._meter) is None
        ):
            return None
        return UNITS.get(meter.unit or "")

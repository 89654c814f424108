"""Sensors of a site, its meters and its assets."""

from collections.abc import Iterable
from datetime import datetime
from typing import override

from homeassistant.components.sensor import SensorEntity
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .coordinator import NetflexConfigEntry, SiteCoordinator
from .entity import NetflexEntity, async_setup_entities
from .entry_data import CONF_LINES, SubentryType, connection_point
from .model.connection import Line
from .sensor_asset import ASSET_SENSORS, current_sensor
from .sensor_meter import METER_SENSORS
from .sensor_site import SITE_SENSORS, NetflexSensorDescription, line_headroom_sensor
from .view_values import Attributes

# Everything is read from the coordinator.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NetflexConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of a site."""
    async_setup_entities(
        hass, entry, async_add_entities, of_site=_of_site, of_subentry=_of_subentry
    )


def _of_site(coordinator: SiteCoordinator) -> Iterable[NetflexEntity]:
    lines = connection_point(coordinator.config_entry.data).lines
    for description in (*SITE_SENSORS, *map(line_headroom_sensor, lines)):
        yield NetflexSensor(coordinator, description)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    kind = SubentryType(subentry.subentry_type)
    descriptions: Iterable[NetflexSensorDescription]
    if kind is SubentryType.METER:
        descriptions = METER_SENSORS
    else:
        lines = (Line(line) for line in subentry.data.get(CONF_LINES) or Line)
        currents = () if kind is SubentryType.RELAY else map(current_sensor, lines)
        descriptions = (*ASSET_SENSORS[kind], *currents)
    for description in descriptions:
        yield NetflexSensor(coordinator, description, subentry)


class NetflexSensor(NetflexEntity, SensorEntity):
    """A sensor that reads one value of the site's view."""

    entity_description: NetflexSensorDescription
    # Sentences with figures in them would fill the history without being of use.
    _unrecorded_attributes = frozenset(
        {"cause", "causes", "infeasible", "not_confirmed", "problems"}
    )

    @property
    @override
    def exists(self) -> bool:
        exists = self.entity_description.exists_fn
        return exists is None or exists(self.view, self.subject)

    @property
    @override
    def available(self) -> bool:
        available = self.entity_description.available_fn
        return super().available and (
            available is None or available(self.view, self.subject)
        )

    @property
    @override
    def native_value(self) -> StateType | datetime:
        return self.entity_description.value_fn(self.view, self.subject)

    @property
    @override
    def extra_state_attributes(self) -> Attributes | None:
        attributes = self.entity_description.attributes_fn
        return None if attributes is None else attributes(self.view, self.subject)

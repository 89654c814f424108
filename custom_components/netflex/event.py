"""Events for automations: orders of the grid operator, and what meters see."""

from collections.abc import Iterable
from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, platform_setup
from .entry_data import CONF_SOURCE, DeviceSource, SubentryType
from .event_battery import BATTERY_ALERT, DISPATCH, BatteryAlertEvent, DispatchEvent
from .event_power import LOAD_STEP, POWER_QUALITY, LoadStepEvent, PowerQualityEvent
from .model.orders import OrderEvent, OrderName

# Everything is read from the coordinator.
PARALLEL_UPDATES = 0

DESCRIPTION: Final = EventEntityDescription(
    key="grid_order",
    translation_key="grid_order",
    event_types=[name.value for name in OrderName],
)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    if subentry.data.get(CONF_SOURCE) == DeviceSource.S1:
        yield PowerQualityEvent(coordinator, POWER_QUALITY, subentry)
        yield LoadStepEvent(coordinator, LOAD_STEP, subentry)
    if subentry.subentry_type == SubentryType.BATTERY:
        yield BatteryAlertEvent(coordinator, BATTERY_ALERT, subentry)
    if subentry.subentry_type == SubentryType.DISPATCH_SOURCE:
        yield DispatchEvent(coordinator, DISPATCH, subentry)


async_setup_entry = platform_setup(
    of_site=lambda coordinator: [GridOrderEvent(coordinator, DESCRIPTION)],
    of_subentry=_of_subentry,
)


class GridOrderEvent(NetflexEntity, EventEntity):
    """Fires for every order as it arrives, accepted or refused."""

    @property
    @override
    def exists(self) -> bool:
        return self.view.telecontrol

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.async_on_order(self._take))

    @callback
    def _take(self, order: OrderEvent) -> None:
        self._trigger_event(
            order.name.value,
            {
                "value": order.value,
                "source": order.source.value,
                "accepted": order.accepted,
                "reason": order.reason,
                "relaxes": order.relaxes,
                "client": order.client,
                "ordered_at": order.at.isoformat(),
            },
        )
        self.async_write_ha_state()

"""What happens at a site, as events that Home Assistant's activity tells as sentences.

The events carry facts, not sentences: `logbook` says them in the language that Home
Assistant is set to when somebody looks.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID, ATTR_NAME
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .model.orders import OrderEvent
from .site.view import SiteView
from .site_changes import (
    Change,
    compliance_changes,
    hold_changes,
    link_changes,
    stop_changes,
    veto_changes,
)
from .site_signals import async_on_order, async_on_view
from .words import words_of

EVENT_ACTIVITY: Final = f"{DOMAIN}_activity"
ATTR_KIND: Final = "kind"
ORDER, STOP, LINK, COMPLIANCE = "order", "stop", "link", "compliance"
HOLD, VETO = "hold", "veto"

_CHANGES: Final[dict[str, Callable[[SiteView, SiteView], Iterator[Change]]]] = {
    STOP: stop_changes,
    LINK: link_changes,
    COMPLIANCE: compliance_changes,
    HOLD: hold_changes,
    VETO: veto_changes,
}


@callback
def async_tell_activity(hass: HomeAssistant, entry: NetflexConfigEntry) -> None:
    """Fire an event for everything that happens at a site, until it is unloaded."""

    @callback
    def take_order(event: OrderEvent) -> None:
        _fire(
            hass,
            entry,
            ORDER,
            {
                "order": event.name.value,
                "value": event.value,
                "source": event.source.value,
                "accepted": event.accepted,
                "reason": event.reason,
            },
        )

    @callback
    def take_view(before: SiteView, after: SiteView) -> None:
        for kind, changes in _CHANGES.items():
            for change in changes(before, after):
                _fire(hass, entry, kind, change)

    listening: tuple[CALLBACK_TYPE, ...] = (
        async_on_order(hass, entry.entry_id, take_order),
        async_on_view(hass, entry.entry_id, take_view),
    )
    for stop in listening:
        entry.async_on_unload(stop)


@callback
def _fire(
    hass: HomeAssistant, entry: NetflexConfigEntry, kind: str, facts: dict[str, Any]
) -> None:
    asset_id = facts.get("asset")
    subject = entry.entry_id if asset_id is None else asset_id
    subentry = entry.subentries.get(subject)
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, subject), entry.entry_id
    )
    hass.bus.async_fire(
        EVENT_ACTIVITY,
        {
            ATTR_CONFIG_ENTRY_ID: entry.entry_id,
            ATTR_DEVICE_ID: None if device is None else device.id,
            ATTR_NAME: entry.title if subentry is None else subentry.title,
            ATTR_KIND: kind,
            # Reasons and causes are the only words in it, in Home Assistant's language.
            **words_of(hass).say_all(facts),
        },
    )

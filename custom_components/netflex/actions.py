"""Service actions of a site."""

from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_NAME
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
import voluptuous as vol

from .const import DOMAIN
from .coordinator import NetflexConfigEntry

SERVICE_RELEASE_ORDERS: Final = "release_orders"
ATTR_REFERENCE: Final = "reference"

_filled_in = vol.All(cv.string, str.strip, vol.Length(min=1))

RELEASE_ORDERS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_NAME): _filled_in,
        vol.Required(ATTR_REFERENCE): _filled_in,
    }
)


@callback
def async_register_actions(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_RELEASE_ORDERS,
        _async_release_orders,
        schema=RELEASE_ORDERS_SCHEMA,
    )


async def _async_release_orders(call: ServiceCall) -> None:
    """Release orders on the operator's instruction, for a record of who and why."""
    entry = _loaded_entry(call)
    if not entry.runtime_data.coordinator.data.telecontrol:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_telecontrol",
            translation_placeholders={"site": entry.title},
        )
    await entry.runtime_data.coordinator.async_release_orders(
        call.data[ATTR_NAME], call.data[ATTR_REFERENCE]
    )


def _loaded_entry(call: ServiceCall) -> NetflexConfigEntry:
    """Return the site that an action is for."""
    entry: NetflexConfigEntry | None = call.hass.config_entries.async_get_entry(
        call.data[ATTR_CONFIG_ENTRY_ID]
    )
    if entry is None or entry.domain != DOMAIN:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="site_not_found"
        )
    if entry.state is not ConfigEntryState.LOADED:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="site_not_loaded",
            translation_placeholders={"site": entry.title},
        )
    return entry

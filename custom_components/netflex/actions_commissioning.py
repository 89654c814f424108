"""The actions around the commissioning: its checklist as files, and its end."""

from typing import Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
import voluptuous as vol

from .actions_common import loaded_entry
from .commissioning import async_export
from .const import DOMAIN

SERVICE_EXPORT_CHECKLIST: Final = "export_checklist"
SERVICE_CANCEL_COMMISSIONING: Final = "cancel_commissioning"

_SITE_SCHEMA: Final = vol.Schema({vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string})


@callback
def async_register_commissioning(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_CHECKLIST,
        _async_export_checklist,
        schema=_SITE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_CANCEL_COMMISSIONING,
        _async_cancel_commissioning,
        schema=_SITE_SCHEMA,
    )


async def _async_export_checklist(call: ServiceCall) -> ServiceResponse:
    """Write what is proven and what is only configured, and return it."""
    return await async_export(call.hass, loaded_entry(call))


async def _async_cancel_commissioning(call: ServiceCall) -> None:
    """End a commissioning; everything is put back. None is no error."""
    await loaded_entry(call).runtime_data.site.commissioning.cancel()

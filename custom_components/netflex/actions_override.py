"""The actions that use an asset in another way than its mode says, for a while."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .actions_common import ATTR_DURATION, ATTR_UNTIL, driven_asset, end_of
from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_data import CONF_MAX_CURRENT, CONF_MIN_CURRENT, SubentryType
from .model.snapshot import NO_USER_LIMITS, Override

SERVICE_SET_OVERRIDE: Final = "set_override"
SERVICE_CLEAR_OVERRIDE: Final = "clear_override"
ATTR_CURRENT: Final = "current"
ATTR_POWER: Final = "power"
ATTR_LIMIT: Final = "limit"
ATTR_SWITCH: Final = "switch"

SET_OVERRIDE_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            vol.Required(ATTR_DEVICE_ID): cv.string,
            vol.Optional(ATTR_CURRENT): vol.All(vol.Coerce(float), vol.Range(min=0)),
            vol.Optional(ATTR_POWER): vol.Coerce(float),
            vol.Optional(ATTR_LIMIT): vol.All(vol.Coerce(float), vol.Range(min=0)),
            vol.Optional(ATTR_SWITCH): cv.boolean,
            vol.Exclusive(ATTR_UNTIL, "end"): cv.datetime,
            vol.Exclusive(ATTR_DURATION, "end"): vol.All(
                cv.time_period, cv.positive_timedelta
            ),
        }
    ),
    cv.has_at_least_one_key(ATTR_UNTIL, ATTR_DURATION),
)
CLEAR_OVERRIDE_SCHEMA: Final = vol.Schema({vol.Required(ATTR_DEVICE_ID): cv.string})

_SAYS: Final[Mapping[str, Callable[[Any], Override]]] = {
    ATTR_CURRENT: lambda value: Override(current=value),
    ATTR_POWER: lambda value: Override(target_power=value * 1000),
    ATTR_LIMIT: lambda value: Override(power=value * 1000),
    ATTR_SWITCH: lambda value: Override(switch=value),
}
_TAKEN_BY: Final = {
    SubentryType.CHARGER: ATTR_CURRENT,
    SubentryType.BATTERY: ATTR_POWER,
    SubentryType.INVERTER: ATTR_LIMIT,
    SubentryType.LOAD: ATTR_SWITCH,
}


@callback
def async_register_override(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_SET_OVERRIDE,
        _async_set_override,
        schema=SET_OVERRIDE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_CLEAR_OVERRIDE,
        _async_clear_override,
        schema=CLEAR_OVERRIDE_SCHEMA,
    )


async def _async_set_override(call: ServiceCall) -> ServiceResponse:
    """Have an asset do something for a while, within every limit."""
    entry, asset_id = driven_asset(call)
    override = replace(_said(call, entry, asset_id), until=end_of(call))
    limits = entry.runtime_data.coordinator.data.user.get(asset_id, NO_USER_LIMITS)
    await entry.runtime_data.coordinator.async_set_user_limits(
        asset_id, replace(limits, override=override)
    )
    assert override.until is not None
    return {"until": override.until.isoformat()}


async def _async_clear_override(call: ServiceCall) -> None:
    """Take an override back before its end; none is no error."""
    entry, asset_id = driven_asset(call)
    limits = entry.runtime_data.coordinator.data.user.get(asset_id, NO_USER_LIMITS)
    if limits.override is not None:
        await entry.runtime_data.coordinator.async_set_user_limits(
            asset_id, replace(limits, override=None)
        )


def _said(call: ServiceCall, entry: NetflexConfigEntry, asset_id: str) -> Override:
    """Return what an override says, without its end."""
    subentry = entry.subentries[asset_id]
    taken = _TAKEN_BY[SubentryType(subentry.subentry_type)]
    given = [name for name in _SAYS if name in call.data]
    if given != [taken]:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=f"override_takes_{taken}",
            translation_placeholders={"device": subentry.title},
        )
    value = call.data[taken]
    if taken == ATTR_CURRENT:
        least, most = subentry.data[CONF_MIN_CURRENT], subentry.data[CONF_MAX_CURRENT]
        if value and not least <= value <= most:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="override_current",
                translation_placeholders={
                    "device": subentry.title,
                    "least": f"{least:g}",
                    "most": f"{most:g}",
                },
            )
    return _SAYS[taken](value)

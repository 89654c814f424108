"""The action that pulls the plug: it leaves one device alone to see what it does."""

from typing import Final

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
from homeassistant.helpers.service import async_register_admin_service
import voluptuous as vol

from .actions_common import driven_asset
from .const import DOMAIN
from .site.silence_test import LONGEST, SilenceRefusedError
from .words import words_of

SERVICE_TEST_SILENCE: Final = "test_silence"
ATTR_SECONDS: Final = "seconds"

TEST_SILENCE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Optional(ATTR_SECONDS): vol.All(
            vol.Coerce(float), vol.Range(min=1.0, max=LONGEST)
        ),
    }
)


@callback
def async_register_silence_test(hass: HomeAssistant) -> None:
    """Register the action, which exists whether or not a site is loaded."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_TEST_SILENCE,
        _async_test_silence,
        schema=TEST_SILENCE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_test_silence(call: ServiceCall) -> ServiceResponse:
    """Leave a device alone for as long as nothing forbids it, and tell what it did."""
    entry, asset_id = driven_asset(call)
    name = entry.subentries[asset_id].title
    try:
        result = await entry.runtime_data.site.test_silence(
            asset_id, call.data.get(ATTR_SECONDS)
        )
    except SilenceRefusedError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="silence_refused",
            translation_placeholders={
                "device": name,
                "reason": words_of(call.hass).say(err.text),
            },
        ) from err
    fell_back = result.fell_back_after
    return {
        "seconds": round(result.seconds, 1),
        "told": result.told,
        "fell_back": fell_back is not None,
        "fell_back_after": None if fell_back is None else round(fell_back, 1),
        "fallback": result.fallback,
        "expected_fallback": result.expected.fallback,
        "expected_after": result.expected.after,
        "ended_by": result.ended_by,
        "came_back": result.came_back,
    }

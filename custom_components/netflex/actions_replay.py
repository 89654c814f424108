"""The action that exports what the decision was run with, to be replayed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util, slugify
import voluptuous as vol

from .actions_common import aware, loaded_entry
from .const import DOMAIN

SERVICE_EXPORT_REPLAY: Final = "export_replay"
ATTR_FROM: Final = "from"
ATTR_TO: Final = "to"
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

EXPORT_REPLAY_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_FROM): cv.datetime,
        vol.Optional(ATTR_TO): cv.datetime,
    }
)


@callback
def async_register_replay(hass: HomeAssistant) -> None:
    """Register the action."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_REPLAY,
        _async_export_replay,
        schema=EXPORT_REPLAY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_export_replay(call: ServiceCall) -> ServiceResponse:
    """Write what is kept of a period to a file below the configuration."""
    entry = loaded_entry(call)
    start = aware(call.data.get(ATTR_FROM, _BEGINNING))
    end = aware(call.data.get(ATTR_TO, dt_util.utcnow()))
    if start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="period_empty"
        )
    name = f"replay_{slugify(entry.title)}_{end:%Y%m%dT%H%M%SZ}.jsonl"
    target = Path(call.hass.config.path(DOMAIN, name))
    try:
        export = await entry.runtime_data.site.recording.export(target, start, end)
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="export_failed",
            translation_placeholders={"error": str(err)},
        ) from err
    if export is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="nothing_recorded"
        )
    return {
        "path": str(export.path),
        "count": export.count,
        "from": export.first.isoformat(),
        "to": export.last.isoformat(),
    }

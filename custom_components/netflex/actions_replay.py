"""The actions that export what the decision was run with, and run it once more."""

from datetime import UTC, datetime
from functools import partial
import json
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Final

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
from .control.replay import ChangeError, changes_of
from .control.scenario import ScenarioError
from .coordinator import NetflexConfigEntry
from .replays import compare
from .site.recording import ReplayExport
from .words import said

SERVICE_EXPORT_REPLAY: Final = "export_replay"
SERVICE_REPLAY: Final = "replay"
ATTR_CHANGES: Final = "changes"
LONGEST: Final = 15_000
"""Moments that are run at once: some hours."""
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

REPLAY_SCHEMA: Final = EXPORT_REPLAY_SCHEMA.extend(
    {vol.Required(ATTR_CHANGES): {cv.string: vol.Any(bool, int, float, str)}}
)


@callback
def async_register_replay(hass: HomeAssistant) -> None:
    """Register the actions."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_REPLAY,
        _async_export_replay,
        schema=EXPORT_REPLAY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_REPLAY,
        _async_replay,
        schema=REPLAY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_export_replay(call: ServiceCall) -> ServiceResponse:
    """Write what is kept of a period to a file below the configuration."""
    entry = loaded_entry(call)
    start, end = _period(call)
    name = f"replay_{slugify(entry.title)}_{end:%Y%m%dT%H%M%SZ}.jsonl"
    target = Path(call.hass.config.path(DOMAIN, name))
    export = await _async_exported(call.hass, entry, target, start, end)
    return {"path": str(export.path), **_covers(export)}


async def _async_replay(call: ServiceCall) -> ServiceResponse:
    """Run the decision over a period once more, with other values."""
    entry = loaded_entry(call)
    start, end = _period(call)
    given = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in call.data[ATTR_CHANGES].items()
    }
    try:
        tuning, places = changes_of(given)
        folder = await call.hass.async_add_executor_job(mkdtemp)
        try:
            target = Path(folder) / "replay.jsonl"
            export = await _async_exported(call.hass, entry, target, start, end)
            if export.count > LONGEST:
                raise ServiceValidationError(
                    translation_domain=DOMAIN,
                    translation_key="replay_too_long",
                    translation_placeholders={
                        "count": str(export.count),
                        "most": str(LONGEST),
                    },
                )
            found = await call.hass.async_add_executor_job(
                compare, target, tuning, places
            )
        finally:
            await call.hass.async_add_executor_job(
                partial(rmtree, folder, ignore_errors=True)
            )
    except (ChangeError, ScenarioError) as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="replay_change",
            translation_placeholders={"error": said(call.hass, err)},
        ) from err
    return {**_covers(export), **found.to_response()}


def _period(call: ServiceCall) -> tuple[datetime, datetime]:
    """Return the period that a recording is asked for, in UTC."""
    start = aware(call.data.get(ATTR_FROM, _BEGINNING))
    end = aware(call.data.get(ATTR_TO, dt_util.utcnow()))
    if start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="period_empty"
        )
    return start, end


async def _async_exported(
    hass: HomeAssistant,
    entry: NetflexConfigEntry,
    target: Path,
    start: datetime,
    end: datetime,
) -> ReplayExport:
    """Write what is kept of a period to a file."""
    try:
        export = await entry.runtime_data.site.recording.export(target, start, end)
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="export_failed",
            translation_placeholders={"error": said(hass, err)},
        ) from err
    if export is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="nothing_recorded"
        )
    return export


def _covers(export: ReplayExport) -> dict[str, Any]:
    return {
        "count": export.count,
        "from": export.first.isoformat(),
        "to": export.last.isoformat(),
    }

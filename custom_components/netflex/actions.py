"""Service actions of a site."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_NAME
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

from .actions_commissioning import async_register_commissioning
from .actions_common import aware, loaded_entry, not_erased
from .actions_economy import async_register_economy
from .actions_leaving import async_register_leaving
from .actions_override import async_register_override
from .actions_quality import async_register_quality
from .actions_remote import async_register_remote
from .actions_replay import async_register_replay
from .actions_silence import async_register_silence_test
from .actions_waveform import async_register_waveform
from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_site import station_settings
from .pseudonyms import renamed_series, replaced
from .rehearsals import async_rehearse
from .site_file import export_site, part_names
from .site_readings import RESOLUTIONS, ReadingsError
from .telecontrol.journal_export import ExportFormat, export_journal
from .telecontrol.order_store import OrderStoreError
from .telecontrol.point_csv import write_points
from .telecontrol.settings import TelecontrolSettings
from .words import said, words_of

SERVICE_RELEASE_ORDERS: Final = "release_orders"
SERVICE_EXPORT_JOURNAL: Final = "export_journal"
SERVICE_EXPORT_POINTS: Final = "export_points"
SERVICE_EXPORT_SITE: Final = "export_site"
SERVICE_REHEARSE: Final = "rehearse"
SERVICE_RELOAD_CERTIFICATES: Final = "reload_certificates"
ATTR_CONFIRMED: Final = "confirmed"
SERVICE_GET_READINGS: Final = "get_readings"
SERVICE_ERASE_READINGS: Final = "erase_readings"
ATTR_FORMAT: Final = "format"
ATTR_FROM: Final = "from"
ATTR_ADMINISTRATIVE: Final = "administrative"
ATTR_PSEUDONYMS: Final = "pseudonyms"
ATTR_REAL: Final = "real"
ATTR_REFERENCE: Final = "reference"
ATTR_RESOLUTION: Final = "resolution"
ATTR_SERIES: Final = "series"
ATTR_TO: Final = "to"
WRITE_PATIENCE: Final = 2.0
"""s that an export waits for records that are still to be written."""
SUFFIXES: Final = {ExportFormat.JSON_LINES: "jsonl", ExportFormat.CSV: "csv"}

_filled_in = vol.All(cv.string, str.strip, vol.Length(min=1))

RELEASE_ORDERS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_NAME): _filled_in,
        vol.Required(ATTR_REFERENCE): _filled_in,
    }
)

REHEARSE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_REAL, default=False): cv.boolean,
        vol.Optional(ATTR_CONFIRMED, default=False): cv.boolean,
    }
)

SITE_SCHEMA: Final = vol.Schema({vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string})

GET_READINGS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_FROM): cv.datetime,
        vol.Optional(ATTR_TO): cv.datetime,
        vol.Optional(ATTR_RESOLUTION, default="hour"): vol.In([*RESOLUTIONS]),
        vol.Optional(ATTR_SERIES): vol.All(cv.ensure_list, [cv.string]),
        vol.Optional(ATTR_PSEUDONYMS, default=False): cv.boolean,
    }
)

EXPORT_SITE_SCHEMA: Final = SITE_SCHEMA.extend(
    {
        vol.Optional(ATTR_PSEUDONYMS, default=False): cv.boolean,
        vol.Optional(ATTR_ADMINISTRATIVE, default=False): cv.boolean,
    }
)

EXPORT_JOURNAL_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Required(ATTR_FROM): cv.datetime,
        vol.Optional(ATTR_TO): cv.datetime,
        vol.Optional(ATTR_FORMAT, default=ExportFormat.JSON_LINES): vol.Coerce(
            ExportFormat
        ),
    }
)


@callback
def async_register_actions(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_READINGS,
        _async_get_readings,
        schema=GET_READINGS_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_ERASE_READINGS,
        _async_erase_readings,
        schema=SITE_SCHEMA,
    )
    async_register_silence_test(hass)
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_RELEASE_ORDERS,
        _async_release_orders,
        schema=RELEASE_ORDERS_SCHEMA,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_JOURNAL,
        _async_export_journal,
        schema=EXPORT_JOURNAL_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_POINTS,
        _async_export_points,
        schema=SITE_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_REHEARSE,
        _async_rehearse,
        schema=REHEARSE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_RELOAD_CERTIFICATES,
        _async_reload_certificates,
        schema=SITE_SCHEMA,
    )
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_EXPORT_SITE,
        _async_export_site,
        schema=EXPORT_SITE_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    async_register_waveform(hass)
    async_register_replay(hass)
    async_register_quality(hass)
    async_register_override(hass)
    async_register_remote(hass)
    async_register_leaving(hass)
    async_register_commissioning(hass)
    async_register_economy(hass)


async def _async_get_readings(call: ServiceCall) -> ServiceResponse:
    """Return the readings of a period."""
    entry = loaded_entry(call)
    start, end = _period(call)
    try:
        found = await entry.runtime_data.readings.async_get(
            start,
            end,
            RESOLUTIONS[call.data[ATTR_RESOLUTION]],
            call.data.get(ATTR_SERIES),
        )
    except ReadingsError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders=words_of(call.hass).say_all(err.placeholders),
        ) from err
    if not call.data[ATTR_PSEUDONYMS]:
        return found
    names = part_names(entry)
    return {
        renamed_series(key, names, entry.entry_id): series
        for key, series in found.items()
    }


async def _async_erase_readings(call: ServiceCall) -> None:
    """Forget the readings of a site."""
    entry = loaded_entry(call)
    try:
        await entry.runtime_data.readings.async_erase()
    except OSError as err:
        raise not_erased(call.hass, entry, err) from err


async def _async_release_orders(call: ServiceCall) -> None:
    """Release orders on the operator's instruction, for a record of who and why."""
    entry = loaded_entry(call)
    _require_telecontrol(entry)
    try:
        await entry.runtime_data.coordinator.async_release_orders(
            call.data[ATTR_NAME], call.data[ATTR_REFERENCE]
        )
    except OrderStoreError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="orders_not_released",
            translation_placeholders={
                "site": entry.title,
                "error": said(call.hass, err),
            },
        ) from err


async def _async_export_points(call: ServiceCall) -> ServiceResponse:
    """Return the points that the station uses."""
    entry = loaded_entry(call)
    points = _require_telecontrol(entry).points
    return {
        "csv": write_points(points),
        "profile": points.profile,
        "confirmed": points.confirmed,
    }


async def _async_rehearse(call: ServiceCall) -> ServiceResponse:
    """Go through the operator's list, with the real assets only if that is confirmed."""
    entry = loaded_entry(call)
    _require_telecontrol(entry)
    real: bool = call.data[ATTR_REAL]
    if real and not call.data[ATTR_CONFIRMED]:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="rehearsal_not_confirmed",
            translation_placeholders={"site": entry.title},
        )
    return await async_rehearse(call.hass, entry, real=real)


async def _async_export_site(call: ServiceCall) -> ServiceResponse:
    """Return a site as the file that another one can be set up from."""
    entry = loaded_entry(call)
    site = export_site(entry, personal=call.data[ATTR_ADMINISTRATIVE])
    if call.data[ATTR_PSEUDONYMS]:
        site = replaced(site, entry.entry_id)
    return {"site": site}


async def _async_reload_certificates(call: ServiceCall) -> None:
    """Read the TLS files anew, as after a renewal."""
    entry = loaded_entry(call)
    _require_telecontrol(entry)
    try:
        await entry.runtime_data.async_reload_certificates()
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="tls_files_unusable",
            translation_placeholders={
                "site": entry.title,
                "error": said(call.hass, err),
            },
        ) from err


def _require_telecontrol(entry: NetflexConfigEntry) -> TelecontrolSettings:
    """Return how the operator's station of a site is set."""
    if (settings := station_settings(entry)) is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_telecontrol",
            translation_placeholders={"site": entry.title},
        )
    return settings


async def _async_export_journal(call: ServiceCall) -> ServiceResponse:
    """Write the journal of a period to a file below the configuration."""
    entry = loaded_entry(call)
    start, end = _period(call)
    file_format: ExportFormat = call.data[ATTR_FORMAT]
    journal = entry.runtime_data.journal
    await journal.settled(WRITE_PATIENCE)
    period = f"{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}"
    target = Path(
        call.hass.config.path(
            DOMAIN, f"journal_{slugify(entry.title)}_{period}.{SUFFIXES[file_format]}"
        )
    )
    try:
        export = await call.hass.async_add_executor_job(
            partial(export_journal, journal.folder, target, start, end, file_format)
        )
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="export_failed",
            translation_placeholders={"error": said(call.hass, err)},
        ) from err
    return {
        "path": str(export.path),
        "count": export.count,
        "first_hash": export.first_hash,
        "last_hash": export.last_hash,
    }


def _period(call: ServiceCall) -> tuple[datetime, datetime]:
    """Return the period that an action is about, in UTC."""
    start = aware(call.data[ATTR_FROM])
    end = aware(call.data.get(ATTR_TO, dt_util.utcnow()))
    if start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="period_empty"
        )
    return start, end

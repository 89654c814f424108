"""What several actions share: the site or asset that they are for, and times."""

from datetime import UTC, datetime
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID
from homeassistant.core import ServiceCall
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_data import ASSET_TYPES

ATTR_UNTIL: Final = "until"
ATTR_DURATION: Final = "duration"


def aware(time: datetime) -> datetime:
    """Return a time in UTC; without a zone it is Home Assistant's own."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt_util.get_default_time_zone())
    return time.astimezone(UTC)


def loaded_entry(call: ServiceCall) -> NetflexConfigEntry:
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


def driven_asset(call: ServiceCall) -> tuple[NetflexConfigEntry, str]:
    """Return the site of a device that is driven, and the device's id there."""
    device = dr.async_get(call.hass).async_get(call.data[ATTR_DEVICE_ID])
    for entry_id in () if device is None else device.config_entries:
        entry: NetflexConfigEntry | None = call.hass.config_entries.async_get_entry(
            entry_id
        )
        if (
            device is None
            or entry is None
            or entry.domain != DOMAIN
            or entry.state is not ConfigEntryState.LOADED
        ):
            continue
        for subentry in entry.subentries.values():
            if (
                subentry.subentry_type in ASSET_TYPES
                and (DOMAIN, subentry.subentry_id) in device.identifiers
            ):
                return entry, subentry.subentry_id
    raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_asset")


def end_of(call: ServiceCall) -> datetime:
    """Return the end that an action names, in UTC: by a time or by a duration."""
    now = dt_util.utcnow()
    if ATTR_DURATION in call.data:
        end: datetime = now + call.data[ATTR_DURATION]
    else:
        end = aware(call.data[ATTR_UNTIL])
    if end <= now:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="end_has_passed"
        )
    return end

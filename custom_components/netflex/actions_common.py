"""What several actions share: the site or asset that they are for, and times."""

from collections.abc import Container
from datetime import UTC, datetime
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_data import ASSET_TYPES
from .words import said

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
    return _running(entry)


def _running(entry: NetflexConfigEntry) -> NetflexConfigEntry:
    if entry.state is not ConfigEntryState.LOADED:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="site_not_loaded",
            translation_placeholders={"site": entry.title},
        )
    return entry


def part_of_device(
    call: ServiceCall, kinds: Container[str]
) -> tuple[NetflexConfigEntry, str] | None:
    """Return the site of a device and its part's id there, None for another kind."""
    device = dr.async_get(call.hass).async_get(call.data[ATTR_DEVICE_ID])
    if device is None:
        return None
    for entry_id in device.config_entries:
        entry: NetflexConfigEntry | None = call.hass.config_entries.async_get_entry(
            entry_id
        )
        if entry is None or entry.domain != DOMAIN:
            continue
        for subentry in entry.subentries.values():
            if (
                subentry.subentry_type in kinds
                and (DOMAIN, subentry.subentry_id) in device.identifiers
            ):
                return _running(entry), subentry.subentry_id
    return None


def driven_asset(call: ServiceCall) -> tuple[NetflexConfigEntry, str]:
    """Return the site of a device that is driven, and the device's id there."""
    if (found := part_of_device(call, ASSET_TYPES)) is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_asset"
        )
    return found


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


def not_erased(
    hass: HomeAssistant, entry: NetflexConfigEntry, err: OSError
) -> HomeAssistantError:
    """Return what is said where files of a site cannot be deleted."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="not_erased",
        translation_placeholders={"site": entry.title, "error": said(hass, err)},
    )

"""Diagnostics: everything that is known of a site, without what identifies it."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from ipaddress import ip_address
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .commissioning import site_checklist
from .coordinator import NetflexConfigEntry
from .entry_dlms import DLMS_KEYS

TO_REDACT: Final = {
    "allowed_clients",
    "bind_address",
    *DLMS_KEYS,
    "broker",
    "by",
    "client",
    "ean",
    "endpoint",
    "host",
    "last_refused_client",
    "message",
    "mac",
    "name",
    "password",
    "peer_names",
    "problem_text",
    "serial",
    "title",
    "unique_id",
    "url",
    "username",
}
"""Keys of what identifies a person, a connection or a device."""

_URL: Final = re.compile(r"\b\w+://\S+")
_SERIAL_PORT: Final = re.compile(r"/dev/serial/\S+")
"""Paths of serial adapters by their own serial number."""
_MAYBE_ADDRESS: Final = re.compile(r"(?<![\w.:])[0-9A-Fa-f:][0-9A-Fa-f:.]+")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: NetflexConfigEntry
) -> dict[str, Any]:
    """Return the diagnostics of a site."""
    return {
        "entry": {
            "version": entry.version,
            "minor_version": entry.minor_version,
            "data": redacted(entry.data),
            "options": redacted(entry.options),
            "subentries": {
                subentry.subentry_id: {
                    "type": subentry.subentry_type,
                    "data": redacted(subentry.data),
                }
                for subentry in entry.subentries.values()
            },
        },
        "view": redacted(entry.runtime_data.coordinator.data),
        "checklist": redacted(site_checklist(entry)),
        "readings": entry.runtime_data.readings.condition,
        "wire_log": redacted(entry.runtime_data.wire_log()),
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: NetflexConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return what is known of one meter or asset, or of the whole site."""
    subentry_id = device.config_subentry_id
    if subentry_id is None or (subentry := entry.subentries.get(subentry_id)) is None:
        return await async_get_config_entry_diagnostics(hass, entry)
    view = entry.runtime_data.coordinator.data
    return {
        "type": subentry.subentry_type,
        "data": redacted(subentry.data),
        "meter": redacted(view.meters.get(subentry_id)),
        "state": redacted(view.states.get(subentry_id)),
        "user": redacted(view.user.get(subentry_id)),
        "virtual_meter": redacted(view.virtual_meters.get(subentry_id)),
        "setpoint": redacted(
            None if view.plan is None else view.plan.setpoints.get(subentry_id)
        ),
    }


def redacted(value: Any) -> Any:
    """Return a value as plain data without what identifies anything."""
    return async_redact_data(_plain(value), TO_REDACT)


def _plain(value: Any) -> Any:
    """Return a value of the site's vocabulary as lists, mappings and scalars."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, str):
        return _MAYBE_ADDRESS.sub(
            _without_address, _SERIAL_PORT.sub(REDACTED, _URL.sub(REDACTED, value))
        )
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _without_address(match: re.Match[str]) -> str:
    """Return a word of a sentence, redacted if it is an address, with a port or not."""
    word = match.group()
    for end in (len(word), word.rfind(":"), len(word) - 1):
        if end > 0 and _is_address(word[:end]):
            return REDACTED + word[end:]
    return word


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _key(key: object) -> str:
    return key.name.lower() if isinstance(key, Enum) else str(key)

"""A whole site as one file: what an installer takes from one house to the next.

Secrets and identifiers stay out: who may connect, certificates, serial numbers, the
running site's ids. The file is JSON and carries a version; a newer one is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import json
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry

from .entry_data import (
    CONF_ALLOW_ANY_CLIENT,
    CONF_ALLOWED_CLIENTS,
    CONF_BIND_ADDRESS,
    CONF_COMMON_ADDRESS,
    CONF_CONTRACT_CONSUMPTION,
    CONF_CONTRACT_INJECTION,
    CONF_CONTRACT_UNIT,
    CONF_COS_PHI,
    CONF_GRID_TYPE,
    CONF_MAIN_FUSE,
    CONF_TELECONTROL,
    ContractUnit,
    SubentryType,
)
from .entry_dlms import DLMS_KEYS
from .flexoffer_options import CONF_FLEXOFFERS
from .metadata_options import CONF_METADATA, PERSONAL
from .model.connection import GridType
from .model.failure import reason_of
from .northbound_options import CONF_NORTHBOUND
from .telecontrol_options import CONF_TLS, OptionsError, checked_options

KIND: Final = "netflex_site"
VERSION: Final = 1
MOST_CHARACTERS: Final = 2_000_000

_OWN: Final = frozenset(
    {CONF_ALLOWED_CLIENTS, CONF_ALLOW_ANY_CLIENT, CONF_BIND_ADDRESS, "simulation"}
)
"""Of the site itself: they belong to this one house."""
_NEEDED: Final[dict[str, tuple[type, ...]]] = {
    CONF_GRID_TYPE: (str,),
    CONF_MAIN_FUSE: (int, float),
    CONF_CONTRACT_UNIT: (str,),
    CONF_COS_PHI: (int, float),
    CONF_TELECONTROL: (bool,),
    CONF_COMMON_ADDRESS: (int,),
}
_OPTIONAL: Final[dict[str, tuple[type, ...]]] = {
    CONF_CONTRACT_CONSUMPTION: (int, float, type(None)),
    CONF_CONTRACT_INJECTION: (int, float, type(None)),
    "port": (int,),
}
_PERSONAL: Final = frozenset(
    {"serial", "serial_number", "ean", "mac", "password", "pin", *DLMS_KEYS}
)


class SiteFileError(Exception):
    """A file cannot be used; `key` is that of a translated text."""

    def __init__(self, key: str, detail: str = "") -> None:
        """Give the reason."""
        super().__init__(f"{key}: {detail}")
        self.key = key
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFile:
    """A site as it was read: what its entry, options and subentries would hold."""

    name: str
    data: Mapping[str, Any]
    options: Mapping[str, Any]
    subentries: tuple[Mapping[str, Any], ...]


def part_names(entry: ConfigEntry) -> dict[str, str]:
    """Return what the parts of a site are called in its exports, by their ids."""
    return {
        subentry_id: f"{subentry.subentry_type}-{number}"
        for number, (subentry_id, subentry) in enumerate(entry.subentries.items(), 1)
    }


def export_site(entry: ConfigEntry, *, personal: bool = False) -> dict[str, Any]:
    """Return the file of a site; its parts are named by their kind and number.

    Who lives there stays out unless `personal`.
    """
    names = part_names(entry)
    options = {
        key: value
        for key, value in entry.options.items()
        if key not in {CONF_TLS, CONF_NORTHBOUND, CONF_FLEXOFFERS}
    }
    exported = _renamed(_impersonal(options), names)
    if CONF_METADATA in options:
        exported[CONF_METADATA] = {
            key: value
            for key, value in options[CONF_METADATA].items()
            if personal or key not in PERSONAL
        }
    return {
        "kind": KIND,
        "version": VERSION,
        "name": entry.title,
        "site": {
            key: value
            for key, value in entry.data.items()
            if key not in _OWN and key != "name"
        },
        "options": exported,
        "parts": [
            {
                "id": names[subentry_id],
                "kind": subentry.subentry_type,
                "title": subentry.title,
                "data": _renamed(_impersonal(subentry.data), names),
            }
            for subentry_id, subentry in entry.subentries.items()
        ],
    }


def read_site_file(text: str, new_id: Callable[[], str]) -> SiteFile:
    """Read a file; its parts get ids of their own.

    Raises:
        SiteFileError: It is none, is newer, or misses something, said in `detail`.
    """
    if len(text) > MOST_CHARACTERS:
        raise SiteFileError("file_too_large")
    try:
        content = json.loads(text)
    except ValueError as err:
        raise SiteFileError("not_json", reason_of(err)) from err
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise SiteFileError("not_a_site")
    if content.get("version") != VERSION:
        raise SiteFileError("other_version", str(content.get("version")))
    site = _mapping(content, "site")
    options = _mapping(content, "options")
    try:
        checked_options(options)
    except OptionsError as err:
        raise SiteFileError("options_unusable", reason_of(err)) from err
    parts = _parts(content)
    ids = {str(part["id"]): new_id() for part in parts}
    return SiteFile(
        name=str(content.get("name", "")),
        data=_site(site),
        options=_renamed(options, ids),
        subentries=tuple(
            {
                "data": _renamed(part["data"], ids),
                "subentry_id": ids[str(part["id"])],
                "subentry_type": part["kind"],
                "title": str(part["title"]),
                "unique_id": None,
            }
            for part in parts
        ),
    )


def _site(site: Mapping[str, Any]) -> dict[str, Any]:
    known = {**_NEEDED, **_OPTIONAL}
    for key, kinds in known.items():
        if key in _NEEDED and key not in site:
            raise SiteFileError("site_incomplete", key)
        if key in site and not isinstance(site[key], kinds):
            raise SiteFileError("site_incomplete", key)
    if site[CONF_GRID_TYPE] not in {item.value for item in GridType}:
        raise SiteFileError("site_incomplete", CONF_GRID_TYPE)
    if site[CONF_CONTRACT_UNIT] not in {item.value for item in ContractUnit}:
        raise SiteFileError("site_incomplete", CONF_CONTRACT_UNIT)
    return {key: site[key] for key in known if key in site}


def _parts(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = content.get("parts")
    if not isinstance(parts, list):
        raise SiteFileError("part_unusable", "parts")
    kinds = {kind.value for kind in SubentryType}
    seen = set()
    for number, part in enumerate(parts, 1):
        complete = isinstance(part, dict) and isinstance(part.get("data"), dict)
        if not complete or part.get("kind") not in kinds or not part.get("title"):
            raise SiteFileError("part_unusable", str(number))
        if part.get("id") in seen or not isinstance(part.get("id"), str):
            raise SiteFileError("part_unusable", str(number))
        seen.add(part["id"])
    return parts


def _mapping(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise SiteFileError("site_incomplete", key)
    return value


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value with the ids of parts replaced wherever they stand."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {
            names.get(key, key): _renamed(item, names) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    return value


def _impersonal(value: Any) -> Any:
    """Return a value without what identifies a device or a person."""
    if isinstance(value, Mapping):
        return {
            key: _impersonal(item)
            for key, item in value.items()
            if key not in _PERSONAL
        }
    if isinstance(value, list | tuple):
        return [_impersonal(item) for item in value]
    return value

"""What the sites already have, wherever it is, when something announces itself."""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_MAC, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from ..const import DOMAIN
from ..coordinator import NetflexConfigEntry
from ..devices.ports import Transport
from ..entry_data import (
    CONF_CONTROL_ENTITY,
    CONF_PARAMS,
    CONF_PROFILE,
    CONF_SOURCE,
    CONF_TRANSPORT,
    DeviceSource,
)
from ..simulated_entry import CONF_SIMULATION
from .announced import Found
from .subentry import PARAM_SERIAL

type Member = tuple[NetflexConfigEntry, ConfigSubentry]

_NO_PARAMS: Final[Mapping[str, Any]] = {}


def real_sites(hass: HomeAssistant) -> list[NetflexConfigEntry]:
    """Return the sites that real devices can be part of."""
    return [
        entry
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        if CONF_SIMULATION not in entry.data
    ]


def members_of(hass: HomeAssistant) -> Iterator[Member]:
    """Go through the meters and assets of all sites."""
    for entry in real_sites(hass):
        for item in entry.subentries.values():
            yield entry, item


def members_at(hass: HomeAssistant, names: Collection[str]) -> list[Member]:
    """Return what is reached at one of a device's names and addresses.

    This also finds an asset that is driven through another integration's entities,
    if that integration reaches the device there.
    """
    return [
        (entry, item)
        for entry, item in members_of(hass)
        if _is_one_of(item.data.get(CONF_HOST), names)
        or any(_is_one_of(host, names) for host in _hosts_of_entity(hass, item.data))
    ]


def _is_one_of(host: object, names: Collection[str]) -> bool:
    if not isinstance(host, str):
        return False
    host = host.lower()
    return host in names or (not _is_address(host) and host.split(".")[0] in names)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _hosts_of_entity(hass: HomeAssistant, data: Mapping[str, Any]) -> Iterator[object]:
    registry = er.async_get(hass)
    if not (reference := data.get(CONF_CONTROL_ENTITY)):
        return
    entity_id = er.async_resolve_entity_id(registry, reference)
    entity = None if entity_id is None else registry.async_get(entity_id)
    if entity is None or entity.config_entry_id is None:
        return
    if entry := hass.config_entries.async_get_entry(entity.config_entry_id):
        yield entry.data.get(CONF_HOST)


def members_that_are(hass: HomeAssistant, found: Found) -> list[Member]:
    """Return what is the very device that was found, wherever it was reached so far."""
    return [
        (entry, item) for entry, item in members_of(hass) if _is_the_same(item, found)
    ]


def _is_the_same(item: ConfigSubentry, found: Found) -> bool:
    data = item.data
    if data.get(CONF_SOURCE) != found.source:
        return False
    if found.source is DeviceSource.P1:
        return found.serial is not None and item.unique_id == found.serial
    serial = data.get(CONF_PARAMS, _NO_PARAMS).get(PARAM_SERIAL)
    if serial and found.serial:
        return bool(serial == found.serial)
    return (
        found.mac is not None
        and data.get(CONF_MAC) == found.mac
        and data.get(CONF_PROFILE) == found.profile
    )


def learn_mac(hass: HomeAssistant, members: Collection[Member], mac: str) -> None:
    """Keep the hardware address of devices that are reached where it was heard."""
    for entry, item in members:
        if (
            item.data.get(CONF_SOURCE) == DeviceSource.PROFILE
            and item.data.get(CONF_TRANSPORT, Transport.TCP) == Transport.TCP
            and item.data.get(CONF_MAC) != mac
        ):
            _update(hass, entry, item, {CONF_MAC: mac})


def follow(hass: HomeAssistant, members: Collection[Member], found: Found) -> None:
    """Bring what has moved to its new address; the site keeps running.

    What still answers where it is stays there, and so does what is reached by its
    name or through something that sits before it.
    """
    for entry, item in members:
        if _answers(entry, item):
            continue
        if found.host is None:
            _update(hass, entry, item, {CONF_PORT: found.port})
            continue
        if (
            not _is_address(item.data[CONF_HOST])
            or item.data.get(CONF_TRANSPORT, Transport.TCP) != Transport.TCP
            or item.data[CONF_PORT] != found.port
        ):
            continue
        moved: dict[str, Any] = {CONF_HOST: found.host}
        if found.mac is not None:
            moved[CONF_MAC] = found.mac
        _update(hass, entry, item, moved)


def _answers(entry: NetflexConfigEntry, item: ConfigSubentry) -> bool:
    """Whether the running site has an answer of it now."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    view = entry.runtime_data.coordinator.data
    state = view.states.get(item.subentry_id) or view.meters.get(item.subentry_id)
    return state is not None and state.available


def _update(
    hass: HomeAssistant,
    entry: NetflexConfigEntry,
    item: ConfigSubentry,
    new: dict[str, Any],
) -> None:
    hass.config_entries.async_update_subentry(entry, item, data={**item.data, **new})

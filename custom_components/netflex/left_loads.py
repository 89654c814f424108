"""Loads of a site that is removed: each is enabled again, or said to stay off."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN, LOGGER
from .control.tuning import DEFAULT as TUNING
from .devices.chosen import ChosenUnits
from .devices.device import DeviceConfig, DeviceError
from .devices.factory import build_device
from .devices.profile_loader import ProfileLibrary
from .entry_site import site_config
from .links import Entities, SharedLinks
from .model.phrase import Phrase
from .profiles import async_profiles
from .site.giving_back import GivenBack, enable
from .stored import SiteStore, read_site_memory
from .words import words_of

LEFT_OFF: Final = "load_left_off"
"""Key of the repair that says it. It outlives the site: nobody else will say it."""
NOT_BACK_YET: Final = Phrase(
    "not_back_yet",
    "it was to be switched on again, which was not done before Home Assistant ended",
)
BETWEEN: Final = TUNING.stagger
"""s between two loads that are enabled."""


async def async_give_back_loads(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Enable what a removed site left off, one after the other, in the background.

    What a stop, a limit or its user held off stays off, and is said.
    """
    left_off = read_site_memory(await SiteStore(hass, entry.entry_id).async_load())
    if not left_off.left_off:
        return
    profiles = await async_profiles(hass)
    devices = {
        device.device_id: device
        for device in site_config(entry, profiles).devices
        if device.asset is not None
    }
    # Whatever ends this program in between, somebody knows of them.
    async_say_left_off(
        hass,
        entry,
        [
            GivenBack(
                asset_id=asset_id, name=devices[asset_id].name, reason=NOT_BACK_YET
            )
            for asset_id, reason in left_off.left_off.items()
            if reason is None and asset_id in devices
        ],
    )
    hass.async_create_background_task(
        _async_enable(hass, entry, profiles, devices, left_off.left_off),
        f"netflex give back the loads of {entry.title}",
    )


async def _async_enable(
    hass: HomeAssistant,
    entry: ConfigEntry,
    profiles: ProfileLibrary,
    devices: Mapping[str, DeviceConfig],
    left_off: Mapping[str, str | None],
) -> None:
    links, first = SharedLinks(hass, entry), True
    try:
        for asset_id, reason in left_off.items():
            config = devices.get(asset_id)
            if config is None or config.asset is None:
                continue
            if reason is not None:
                found = GivenBack(asset_id=asset_id, name=config.name, reason=reason)
            else:
                if not first:
                    await asyncio.sleep(BETWEEN)
                first = False
                found = await _async_enable_one(hass, links, profiles, config)
            async_say_left_off(hass, entry, [found])
    finally:
        await links.close()


async def _async_enable_one(
    hass: HomeAssistant,
    links: SharedLinks,
    profiles: ProfileLibrary,
    config: DeviceConfig,
) -> GivenBack:
    assert config.asset is not None
    try:
        device = build_device(
            config,
            units=ChosenUnits(links),
            entities=Entities(hass),
            profiles=profiles,
        )
    except DeviceError as err:
        return GivenBack(asset_id=config.device_id, name=config.name, reason=err.text)
    await device.start(lambda _state: None)
    try:
        return await enable(device, config.asset)
    finally:
        await device.stop()


@callback
def async_say_left_off(
    hass: HomeAssistant, entry: ConfigEntry, left: Iterable[GivenBack]
) -> None:
    """Raise a repair for each load that stays off."""
    for item in left:
        issue_id = f"{LEFT_OFF}_{entry.entry_id}_{item.asset_id}"
        if item.reason is None:
            LOGGER.info("%s is enabled again: the site let go of it", item.name)
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            continue
        if item.reason != NOT_BACK_YET:
            LOGGER.warning("%s stays off: %s", item.name, item.reason)
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            is_persistent=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=LEFT_OFF,
            translation_placeholders={
                "site": entry.title,
                "subject": item.name,
                "text": words_of(hass).say(item.reason),
            },
        )

"""Loads that leave a site are enabled again, unless something holds them off (S14)."""

import asyncio
from unittest.mock import patch

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.devices.device import Device, DeviceError
from custom_components.netflex.model.asset import Asset, Direction
from custom_components.netflex.site.giving_back import GivenBack, enable

from .test_real_site import OVEN, add_oven, running, shows, until  # noqa: F401
from .test_remote_actions import HOUR, call


def said(hass: HomeAssistant) -> list[ir.IssueEntry]:
    return [
        issue
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key == "load_left_off"
    ]


async def held_back(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    oven = await add_oven(hass, entry)
    await until(hass, shows(hass, OVEN, STATE_ON))
    await call(hass, "hold_back", oven, source="Evening", duration=HOUR)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    return oven


@pytest.mark.parametrize("whole", [False, True])
async def test_a_load_that_is_held_back_is_enabled_when_it_is_removed(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    whole: bool,
) -> None:
    oven = await held_back(hass, running)
    if whole:
        await hass.config_entries.async_remove(running.entry_id)
    else:
        hass.config_entries.async_remove_subentry(running, oven)
    await until(hass, shows(hass, OVEN, STATE_ON))
    await until(hass, lambda: not said(hass))


@pytest.mark.parametrize("whole", [False, True])
async def test_S14_a_load_that_a_stop_holds_stays_off_when_it_is_removed_and_that_is_said(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    whole: bool,
) -> None:
    oven = await held_back(hass, running)
    running.runtime_data.site.set_local_stop(Direction.CONSUMPTION, "panel", held=True)
    if whole:
        await hass.config_entries.async_remove(running.entry_id)
    else:
        hass.config_entries.async_remove_subentry(running, oven)
    await until(hass, lambda: bool(said(hass)))
    assert hass.states.is_state(OVEN, STATE_OFF)
    (issue,) = said(hass)
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["subject"] == "Oven"
    assert issue.translation_placeholders["text"]


async def test_a_load_that_is_still_to_be_enabled_is_said_until_it_is(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    """Whatever ends this program in between, somebody knows of it."""
    await held_back(hass, running)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(device: Device, asset: Asset) -> GivenBack:
        begun.set()
        await go_on.wait()
        return await enable(device, asset)

    with patch("custom_components.netflex.left_loads.enable", slowly):
        await hass.config_entries.async_remove(running.entry_id)
        async with asyncio.timeout(10):
            await begun.wait()
        (issue,) = said(hass)
        assert issue.is_persistent
        assert issue.translation_placeholders is not None
        assert "was to be switched on again" in issue.translation_placeholders["text"]
        go_on.set()
        await until(hass, lambda: not said(hass))
    assert hass.states.is_state(OVEN, STATE_ON)


async def test_a_load_that_its_user_switched_off_stays_off(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    await add_oven(hass, running)
    await until(hass, shows(hass, OVEN, STATE_ON))
    await hass.services.async_call(
        "switch", "turn_off", {"entity_id": "switch.oven_wanted"}, blocking=True
    )
    await until(hass, shows(hass, OVEN, STATE_OFF))
    await hass.config_entries.async_remove(running.entry_id)
    await until(hass, lambda: bool(said(hass)))
    assert hass.states.is_state(OVEN, STATE_OFF)


async def test_a_reload_switches_nothing_on(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    await held_back(hass, running)
    await hass.config_entries.async_unload(running.entry_id)
    await hass.async_block_till_done()
    assert hass.states.is_state(OVEN, STATE_OFF)
    assert await async_setup_component(hass, DOMAIN, {})
    assert await hass.config_entries.async_setup(running.entry_id)


async def test_what_a_load_followed_is_shown_by_its_class_and_share(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    oven = await held_back(hass, running)
    await call(hass, "release_load", oven)
    await until(
        hass, lambda: bool(running.runtime_data.site.flexibility.counts.get(oven))
    )
    known = running.runtime_data.site.view.flexibility[oven].now
    assert (known.commands, known.followed) == (1, 1)


async def test_a_load_that_cannot_be_reached_any_more_is_named(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
) -> None:
    await held_back(hass, running)
    with patch(
        "custom_components.netflex.left_loads.build_device",
        side_effect=DeviceError("config", "its profile is gone"),
    ):
        await hass.config_entries.async_remove(running.entry_id)
        await until(hass, lambda: bool(said(hass)))
    (issue,) = said(hass)
    assert "its profile is gone" in str(issue.translation_placeholders)

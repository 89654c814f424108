"""The forms and entities over the real site: from the form to the driven switch."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

from homeassistant.components.input_boolean import DOMAIN as INPUT_BOOLEAN
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.const import DOMAIN

from . import sites
from .test_commands import switch
from .test_repairs import issues

OVEN = "input_boolean.oven"


async def until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    """Wait for something that the site does by itself."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)
            await hass.async_block_till_done()


def shows(hass: HomeAssistant, entity_id: str, state: str) -> Callable[[], bool]:
    def check() -> bool:
        found = hass.states.get(entity_id)
        return found is not None and found.state == state

    return check


@pytest.fixture
async def running(hass: HomeAssistant) -> AsyncGenerator[MockConfigEntry]:
    """A site without telecontrol, meters and assets, and a switch of the house."""
    assert await async_setup_component(
        hass, INPUT_BOOLEAN, {INPUT_BOOLEAN: {"oven": {"initial": True}}}
    )
    entry = sites.site_entry(data={"telecontrol": False}, complete=False)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()


async def add_oven(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    flows = hass.config_entries.subentries
    result: Any = await flows.async_init(
        (entry.entry_id, "load"), context={"source": SOURCE_USER}
    )
    result = await flows.async_configure(result["flow_id"], {"next_step_id": "entity"})
    result = await flows.async_configure(
        result["flow_id"], {"name": "Oven", "control_entity": OVEN, "more": {}}
    )
    assert result["step_id"] == "asset", result
    result = await flows.async_configure(
        result["flow_id"],
        {
            "rated_power": 6000,
            "phases": "3",
            "lines": [],
            "never_shed": False,
            "more": {"priority": 0},
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    (subentry,) = entry.subentries.values()
    return subentry.subentry_id


async def test_from_the_form_to_the_driven_switch(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    runtime = running.runtime_data

    await add_oven(hass, running)

    assert running.runtime_data is runtime
    await until(hass, shows(hass, "switch.oven_wanted", STATE_ON))
    await until(hass, shows(hass, "binary_sensor.oven_running", STATE_ON))
    await switch(hass, "switch.oven_wanted", on=False)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    await until(hass, shows(hass, "sensor.oven_setpoint", STATE_OFF))
    cause = hass.states.get("sensor.oven_setpoint")
    assert cause is not None
    assert cause.attributes["source"] == "user"


async def test_the_sites_own_stop_is_carried_out_and_proved(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_oven(hass, running)
    await until(hass, shows(hass, "binary_sensor.oven_running", STATE_ON))

    await switch(hass, "switch.bakery_local_stop_consumption", on=True)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    await until(hass, shows(hass, "binary_sensor.bakery_consumption", STATE_ON))
    proof = "sensor.bakery_stop_of_consumption"
    await until(hass, shows(hass, proof, "confirmed"))
    await until(hass, shows(hass, "sensor.oven_setpoint", STATE_OFF))
    cause = hass.states.get("sensor.oven_setpoint")
    assert cause is not None
    assert cause.attributes["source"] == "local_stop"
    assert cause.attributes["emergency"] is True

    await switch(hass, "switch.bakery_local_stop_consumption", on=False)
    await until(hass, shows(hass, "binary_sensor.bakery_consumption", STATE_OFF))


async def test_a_switch_that_disappears_takes_its_values_along_and_says_so(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    oven = await add_oven(hass, running)
    await until(hass, shows(hass, "binary_sensor.oven_running", STATE_ON))

    hass.states.async_set(OVEN, STATE_UNAVAILABLE)
    await until(hass, shows(hass, "binary_sensor.oven_running", STATE_UNAVAILABLE))
    await until(hass, shows(hass, "binary_sensor.oven_problem", STATE_ON))
    reason = hass.states.get("sensor.oven_remark")
    assert reason is not None
    assert reason.state not in {STATE_UNAVAILABLE, "none"}

    hass.config_entries.async_remove_subentry(running, oven)
    await until(hass, lambda: hass.states.get("switch.oven_wanted") is None)
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), running.entry_id)
    assert [device.identifiers for device in devices] == [{(DOMAIN, running.entry_id)}]


async def test_problems_that_exist_at_the_start_become_repairs(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await until(hass, lambda: "no_site_meter" in issues(hass))

    await hass.config_entries.async_remove(running.entry_id)
    await hass.async_block_till_done()
    assert issues(hass) == {}


async def test_a_new_name_reaches_the_device(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    oven = await add_oven(hass, running)

    subentry = running.subentries[oven]
    hass.config_entries.async_update_subentry(running, subentry, title="Pizza oven")

    def renamed() -> bool:
        device = dr.async_get(hass).async_get_device_by_identifier(
            (DOMAIN, oven), running.entry_id
        )
        return device is not None and device.name == "Pizza oven"

    await until(hass, renamed)


async def test_S13_an_input_stops_a_site_without_telecontrol_too(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    await add_oven(hass, running)
    await until(hass, shows(hass, "binary_sensor.oven_running", STATE_ON))
    button = "binary_sensor.button"
    hass.states.async_set(button, STATE_ON)
    hass.config_entries.async_update_entry(
        running,
        options={"version": 1, "local_stop_inputs": {"consumption": [button]}},
    )
    await hass.async_block_till_done()

    hass.states.async_set(button, STATE_OFF)
    await until(hass, shows(hass, OVEN, STATE_OFF))
    stopped = hass.states.get("binary_sensor.bakery_consumption")
    assert stopped is not None
    assert stopped.attributes["local_holders"] == [button]
    await until(hass, shows(hass, "sensor.oven_setpoint", STATE_OFF))
    cause = hass.states.get("sensor.oven_setpoint")
    assert cause is not None
    assert button in cause.attributes["cause"]

    # There is no station, so there is no wire and nothing to read anew.
    assert running.runtime_data.wire_log() == ()
    await running.runtime_data.async_reload_certificates()


async def test_S13_a_silent_input_becomes_a_repair(
    hass: HomeAssistant, running: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(
        running,
        options={
            "version": 1,
            "local_stop_inputs": {"production": ["binary_sensor.x"]},
        },
    )
    await hass.async_block_till_done()
    assert "local_stop_input_silent" not in issues(hass)

    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await until(hass, lambda: "local_stop_input_silent" in issues(hass))
    hass.states.async_set("binary_sensor.x", STATE_ON)
    await until(hass, lambda: "local_stop_input_silent" not in issues(hass))

"""A smart meter on a real wire: from its form to its entities."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
import time

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.metering.esphome_proxy import serial_proxy
from tests.metering.recordings import STREAM, recorded, telegrams_of
from tests.metering.wires import Line, adapter

from . import sites
from .test_subentry_flows import Form, add_p1

pytestmark = pytest.mark.usefixtures("socket_enabled")

KINDS = ("socket", "pty", "esphome")
EXPECTED = {
    "sensor.p1_energy_import": "6708.04",
    "sensor.p1_voltage_l1": "224.5",
    "sensor.p1_current_l2": "1.17",
}
"""Of the first telegram of the recording, the only one that is played."""


@asynccontextmanager
async def port(kind: str) -> AsyncGenerator[str]:
    """Play one recorded telegram a second; yield where."""
    telegram = telegrams_of(recorded(STREAM))[0]

    async def play(send: Callable[[bytes], None]) -> None:
        while True:
            send(telegram)
            await asyncio.sleep(1.0)

    async with AsyncExitStack() as stack:
        if kind == "esphome":
            proxy = await stack.enter_async_context(serial_proxy(telegram))
            yield proxy.url
            return
        if kind == "socket":
            served = await stack.enter_async_context(adapter())
            send, url = served.send, served.url
        else:
            line = Line()
            stack.callback(line.close)
            send, url = line.send, line.device
        playing = asyncio.create_task(play(send))
        try:
            yield url
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)


def delta_entry() -> MockConfigEntry:
    """Return a site of the recording's grid without meters and assets."""
    data = {"telecontrol": False, "grid_type": "3x230"}
    return sites.site_entry(data=data, complete=False)


async def form_to_entities(
    hass: HomeAssistant, entry: MockConfigEntry, url: str
) -> float:
    """Add a meter in its form; return the s from its end to entities with values."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    form = Form(hass, entry, "meter")
    try:
        result = await add_p1(form, port=url)
        assert result["type"] is FlowResultType.CREATE_ENTRY, result
        finished = time.monotonic()
        async with asyncio.timeout(30):
            while shown(hass) != EXPECTED:
                await asyncio.sleep(0.02)
        return time.monotonic() - finished
    finally:
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_remove(entry.entry_id)
            await hass.async_block_till_done()


def shown(hass: HomeAssistant) -> dict[str, str]:
    """Return the expected entities as they are now."""
    states = {entity_id: hass.states.get(entity_id) for entity_id in EXPECTED}
    return {key: state.state for key, state in states.items() if state is not None}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_p1_port_becomes_entities(hass: HomeAssistant, kind: str) -> None:
    async with port(kind) as url:
        await form_to_entities(hass, delta_entry(), url)

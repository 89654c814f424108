"""Fixtures for a whole site in Home Assistant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from homeassistant.core import HomeAssistant
import pytest

from custom_components.netflex import runtime
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from tests.peers.c104 import C104Rtu, start_rtu
from tests.ports import free_port
from tests.site.bench import QUICK

from .bench import SiteBench, boiler_switch, make_entry


@pytest.fixture
def hass_config_dir(tmp_path: Path) -> str:
    """Keep every test's stored orders to itself."""
    return str(tmp_path)


@pytest.fixture
async def plant(socket_enabled: None) -> AsyncIterator[SimulatedSite]:
    """A simulated site whose devices listen on loopback."""
    plant = SimulatedSite(SiteSettings())
    await plant.start()
    plant.solar.sun = 0.8
    plant.car.plugged = True
    ticking = asyncio.create_task(plant.run())
    yield plant
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    await plant.stop()


@pytest.fixture
async def rtu(peer_python: Path, socket_enabled: None) -> AsyncIterator[C104Rtu]:
    """An RTU on an independent IEC 104 stack, in a process of its own."""
    async with start_rtu(peer_python) as rtu:
        yield rtu


@pytest.fixture
async def bench(
    hass: HomeAssistant,
    plant: SimulatedSite,
    rtu: C104Rtu,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[SiteBench]:
    """The site in Home Assistant, the RTU connected, the car charging."""
    monkeypatch.setattr(runtime, "TUNING", QUICK)
    await boiler_switch(hass, plant.ports["boiler"])
    port = free_port()
    entry = make_entry(plant, port)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    bench = SiteBench(hass, plant, entry, rtu, port)
    await bench.connect()
    await bench.until(lambda: bench.charger_register() >= 6.0)
    yield bench
    await rtu.disconnect()
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    await runtime.async_close_parked(hass, entry.entry_id)

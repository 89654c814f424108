"""An unloaded site leaves nothing behind: no task, no thread, no socket, no file."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
import os
from pathlib import Path
import socket
import threading

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from tests.ports import free_port

from . import sites

pytestmark = pytest.mark.usefixtures("socket_enabled")
GRACE = timedelta(seconds=11)
"""A station waits this long for its site to come back."""


def open_files() -> set[str]:
    """Return what this process has open that an integration could have opened."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(("socket:", "/")) and "/dev/" not in target:
            found.add(target)
    return found


def ours() -> set[str]:
    """Return the names of tasks and threads of a site."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    names |= {thread.name for thread in threading.enumerate()}
    return {name for name in names if "netflex" in name}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("removed", [False, True])
async def test_nothing_is_left(
    hass: HomeAssistant, tmp_path: Path, removed: bool
) -> None:
    hass.config.config_dir = str(tmp_path)
    plant = SimulatedSite(SiteSettings())
    await plant.start()
    ticking = asyncio.create_task(plant.run())
    port = free_port()
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Bakery",
        version=1,
        minor_version=1,
        data={**sites.SITE_DATA, "port": port, "allowed_clients": ["127.0.0.1"]},
        options={
            "version": 1,
            "readings": {"keep": True, "days": 7, "megabytes": 10.0},
        },
        subentries_data=[
            {
                "data": sites.P1_METER
                | {"port": f"socket://127.0.0.1:{plant.ports['meter']}"},
                "subentry_id": sites.METER_ID,
                "subentry_type": "meter",
                "title": "P1 port",
                "unique_id": None,
            },
            {
                "data": sites.CHARGER
                | {"host": "127.0.0.1", "port": plant.ports["charger"]},
                "subentry_id": sites.CHARGER_ID,
                "subentry_type": "charger",
                "title": "Charger",
                "unique_id": None,
            },
        ],
    )
    try:
        assert await async_setup_component(hass, DOMAIN, {})
        await hass.async_block_till_done()
        files, before = open_files(), ours()
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        coordinator = entry.runtime_data.coordinator

        def works() -> bool:
            view = entry.runtime_data.site.view
            charger = view.states.get(sites.CHARGER_ID)
            return (
                view.plan is not None
                and view.plan.metered
                and view.link.listening
                and charger is not None
                and charger.available
            )

        await until(works)
        assert coordinator.data is not None
        assert ours() > before
        assert len(open_files()) > len(files)

        if removed:
            await hass.config_entries.async_remove(entry.entry_id)
        else:
            assert await hass.config_entries.async_unload(entry.entry_id)
            # The station waits for a site that comes back, and nothing else does.
            assert "netflex controller" not in ours()
            async_fire_time_changed(hass, dt_util.utcnow() + GRACE)
        await hass.async_block_till_done()
        await until(lambda: ours() <= before)
        await until(lambda: open_files() <= files)
        # The station's port is free again.
        socket.create_server(("127.0.0.1", port)).close()
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await plant.stop()

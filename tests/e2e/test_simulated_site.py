"""The simulated site that a user tries first, from the choice to its removal."""

import asyncio
from pathlib import Path
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest

from custom_components.netflex.simulated_entry import CONF_SIMULATION

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.slow]


async def choose(hass: HomeAssistant, name: str) -> Any:
    flow = await hass.config_entries.flow.async_init(
        "netflex", context={"source": SOURCE_USER}
    )
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "simulated"}
    )
    return await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": name}
    )


async def until(condition: Any) -> None:
    async with asyncio.timeout(50):
        while not condition():
            await asyncio.sleep(0.02)


def processes(marker: str) -> list[str]:
    """Return the command lines of this machine's processes that contain a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if marker in line:
            found.append(line)
    return found


async def test_a_simulated_site_runs_on_real_wires_and_leaves_nothing(
    hass: HomeAssistant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hass.config.config_dir = str(tmp_path)
    result = await choose(hass, "Try me")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    await until(lambda: entry.state is ConfigEntryState.LOADED)
    wires = entry.data[CONF_SIMULATION]["wires"]
    marker = f"meter={wires['meter']}"
    station = f"--iec104-port {entry.data['port']}"
    assert entry.data["port"] != 2404, "the standard's port is left to a real site"
    coordinator = entry.runtime_data.coordinator
    await until(lambda: coordinator.data.link.connected)
    await until(
        lambda: (
            coordinator.data.plan is not None
            and coordinator.data.plan.metered
            and len(coordinator.data.states) == 4
            and all(state.available for state in coordinator.data.states.values())
        )
    )
    assert "does not answer" not in caplog.text
    assert len(processes(marker)) == len(processes(station)) == 1
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert processes(marker) == processes(station) == []


async def test_the_name_of_a_simulated_site_is_its_own(hass: HomeAssistant) -> None:
    result = await choose(hass, "  ")
    assert result["errors"] == {"name": "name_missing"}

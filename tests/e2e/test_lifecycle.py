"""Changing, reloading and losing things while the operator is connected."""

from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest

from .bench import SiteBench
from .test_operator import IOA, set_float, switch

pytestmark = pytest.mark.peer


def connections(bench: SiteBench) -> int:
    """How often the RTU's link has come up."""
    return bench.rtu.states.count("OPEN")


async def test_a_reload_does_not_drop_the_operator(bench: SiteBench) -> None:
    before = connections(bench)
    await set_float(bench, "maxsetp", 40.0)
    assert await bench.hass.config_entries.async_reload(bench.entry.entry_id)
    await set_float(bench, "maxsetp", 45.0)
    assert connections(bench) == before
    await bench.until(lambda: bench.charger_register() >= 6.0)
    await switch(bench, "emergency_stop_consumption", True)
    await bench.until(lambda: bench.charger_register() == 0)


async def test_a_stop_during_the_reload_drives_the_relay(bench: SiteBench) -> None:
    assert await bench.hass.config_entries.async_unload(bench.entry.entry_id)
    answer = await bench.rtu.command(
        IOA["emergency_stop_production"], "C_SC_NA_1", 1, wait=10.0
    )
    assert answer.accepted
    assert bench.coil()
    assert await bench.hass.config_entries.async_setup(bench.entry.entry_id)
    await bench.until(lambda: bench.plant.solar.power == 0)


async def test_devices_come_and_go_without_a_reload(bench: SiteBench) -> None:
    before = connections(bench)
    reloads = bench.entry.runtime_data
    await bench.remove("Charger")
    names = {device.name for device in dr.async_get(bench.hass).devices}
    assert "Charger" not in names
    await bench.until(lambda: bench.plant.wires["charger"].clients == 0)
    await bench.add("Charger")
    await bench.until(lambda: bench.charger_register() >= 6.0)
    await bench.until(
        lambda: bench.state("sensor", "setpoint", "Charger") not in (None, "unknown")
    )
    await bench.remove("Solar contactor")
    await bench.add("Solar contactor")
    await bench.until(
        lambda: (
            bench.subentry("Solar contactor").subentry_id
            in bench.entry.runtime_data.coordinator.data.states
        )
    )
    await switch(bench, "emergency_stop_production", True)
    assert bench.coil()
    assert bench.entry.runtime_data is reloads
    assert connections(bench) == before


async def test_a_changed_contract_recomputes_a_limit_at_once(bench: SiteBench) -> None:
    await set_float(bench, "maxsetp", 50.0)
    coordinator = bench.entry.runtime_data.coordinator

    def limit() -> float | None:
        state = bench.state("sensor", "import_limit")
        return None if state in (None, "unknown", "unavailable") else float(state)

    await bench.until(lambda: limit() is not None)
    before = limit()
    assert before is not None
    bench.hass.config_entries.async_update_entry(
        bench.entry, data={**bench.entry.data, "contract_consumption": 10.0}
    )
    await bench.until(lambda: (limit() or before) < before)
    assert coordinator is bench.entry.runtime_data.coordinator


async def test_S04_orders_survive_a_restart(
    bench: SiteBench, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await switch(bench, "emergency_stop_consumption", True)
    await set_float(bench, "minsetp", 25.0)
    await bench.rtu.disconnect()
    await hass.config_entries.async_set_disabled_by(
        bench.entry.entry_id, ConfigEntryDisabler.USER
    )
    bench.plant.socket.setpoint = 16.0
    await hass.config_entries.async_set_disabled_by(bench.entry.entry_id, None)
    assert bench.entry.state is ConfigEntryState.LOADED
    await bench.connect()
    await bench.rtu.interrogate()
    await bench.rtu.wait_point(
        IOA["emergency_stop_consumption_feedback"], lambda p: p.value == 1.0
    )
    await bench.rtu.wait_point(IOA["minsetp_feedback"], lambda p: p.value == 25.0)
    assert bench.charger_register() == 0


async def test_S06_a_local_stop_and_the_operators_stop_have_their_own_release(
    bench: SiteBench,
) -> None:
    entity_id = bench.entity("switch", "local_stop_consumption")
    assert entity_id is not None
    await bench.hass.services.async_call(
        "switch", "turn_on", {"entity_id": entity_id}, blocking=True
    )
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.rtu.wait_point(
        IOA["emergency_stop_consumption_feedback"], lambda p: p.value == 1.0
    )
    await switch_on_and_off(bench)
    await bench.until(lambda: not bench.boiler_on())
    assert bench.charger_register() == 0
    await bench.hass.services.async_call(
        "switch", "turn_off", {"entity_id": entity_id}, blocking=True
    )
    await bench.until(lambda: bench.charger_register() >= 6)


async def switch_on_and_off(bench: SiteBench) -> None:
    for on in (1, 0):
        answer = await bench.rtu.command(
            IOA["emergency_stop_consumption"], "C_SC_NA_1", on
        )
        assert answer.accepted


async def test_no_entity_is_left_behind(bench: SiteBench) -> None:
    charger = bench.subentry("Charger").subentry_id
    await bench.remove("Charger")
    registry = er.async_get(bench.hass)
    left = [
        entry.entity_id
        for entry in er.async_entries_for_config_entry(registry, bench.entry.entry_id)
        if entry.config_subentry_id == charger
    ]
    assert left == []

"""An independent RTU drives the site: every order, seen at the devices."""

import asyncio

import pytest

from custom_components.netflex.telecontrol.points import DEFAULT_POINTS

from .bench import CONTRACT_KW, SiteBench

pytestmark = pytest.mark.peer

IOA = {name: point.ioa for name, point in DEFAULT_POINTS.by_name.items()}
CONTRACT = CONTRACT_KW * 1000


async def switch(bench: SiteBench, name: str, on: bool) -> None:
    answer = await bench.rtu.command(IOA[name], "C_SC_NA_1", int(on))
    assert answer.accepted
    assert answer.terminated
    await bench.rtu.wait_point(
        IOA[f"{name}_feedback"], lambda point: point.value == float(on)
    )


async def set_float(bench: SiteBench, name: str, value: float) -> None:
    answer = await bench.rtu.command(IOA[name], "C_SE_NC_1", value)
    assert answer.accepted
    assert answer.terminated
    await bench.rtu.wait_point(
        IOA[f"{name}_feedback"], lambda point: point.value == value
    )


async def test_stop_of_production_reaches_relay_inverter_and_battery(
    bench: SiteBench,
) -> None:
    await switch(bench, "emergency_stop_production", True)
    assert bench.coil()
    await bench.until(lambda: bench.plant.solar.power == 0)
    await bench.until(lambda: bench.plant.storage.power >= 0)
    await bench.until(
        lambda: bench.state("binary_sensor", "production_stopped") == "on"
    )
    await switch(bench, "emergency_stop_production", False)
    await bench.until(lambda: not bench.coil())
    await bench.until(lambda: bench.plant.solar.power < -1000)


async def test_stop_of_consumption_reaches_charger_and_switch(bench: SiteBench) -> None:
    await switch(bench, "emergency_stop_consumption", True)
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.until(lambda: not bench.boiler_on())
    await bench.until(lambda: bench.hass.states.get("switch.boiler").state == "off")
    assert not bench.coil()
    await switch(bench, "emergency_stop_consumption", False)
    await bench.until(lambda: bench.charger_register() >= 6)
    await bench.until(bench.boiler_on)


async def test_limits_hold_at_the_connection_point(bench: SiteBench) -> None:
    bench.plant.solar.sun = 0.0
    bench.plant.storage.state_of_charge = 0.0
    await bench.until(lambda: bench.grid_power() > 0.4 * CONTRACT)
    await set_float(bench, "maxsetp", 30.0)
    await bench.until(lambda: bench.grid_power() <= 0.30 * CONTRACT * 1.02)
    await set_float(bench, "maxsetp", 100.0)
    bench.plant.solar.sun = 1.0
    bench.plant.car.plugged = False
    bench.plant.storage.state_of_charge = 100.0
    await bench.until(lambda: bench.grid_power() < -0.3 * CONTRACT)
    await set_float(bench, "minsetp", 10.0)
    await bench.until(lambda: bench.grid_power() >= -0.10 * CONTRACT * 1.05)


async def test_limits_hold_at_the_assets(bench: SiteBench) -> None:
    bench.plant.solar.sun = 1.0
    await set_float(bench, "maxsetap", 0.0)
    await bench.until(lambda: bench.plant.solar.power >= -100)
    await bench.until(lambda: bench.plant.storage.power >= 0)
    assert not bench.coil()
    await set_float(bench, "minsetap", 0.0)
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.until(lambda: not bench.boiler_on())


async def test_every_other_order_is_mirrored(bench: SiteBench) -> None:
    for name, value in (
        ("minsetq", -20.0),
        ("maxsetq", 20.0),
        ("redenp", 99.0),
        ("redenq", 1.0),
    ):
        await set_float(bench, name, value)
    answer = await bench.rtu.command(IOA["q_mode"], "C_DC_NA_1", 2)
    assert answer.accepted
    await bench.rtu.wait_point(IOA["q_mode_feedback"], lambda p: p.value == "ON")
    await switch(bench, "test", True)
    await bench.until(
        lambda: bench.entry.runtime_data.coordinator.data.orders.redenp is not None
    )
    assert bench.plant.solar.power < 0
    assert bench.charger_register() >= 6


async def test_the_operator_sees_every_point_and_the_measurements(
    bench: SiteBench,
) -> None:
    await bench.until(lambda: bench.plant.solar.power < -5_000)
    bench.rtu.points.clear()
    # Measurements are of a moment ago, and production may still be rising.
    async with asyncio.timeout(60.0):
        while True:
            await bench.rtu.interrogate()
            solar = await bench.rtu.wait_point(IOA["p_solar"])
            produced = bench.plant.solar.power / 1000
            if isinstance(solar.value, float) and abs(solar.value - produced) < 0.5:
                break
            await asyncio.sleep(0.05)
    expected = {
        point.ioa
        for name, point in DEFAULT_POINTS.by_name.items()
        if name.endswith("_feedback") or name.startswith(("p_", "q_", "interface"))
    } - {IOA["q_mode"]}
    await bench.rtu.wait_point(max(expected))
    assert set(bench.rtu.points) == expected
    assert solar.value < -1.0
    assert await bench.rtu.clock_sync()


async def test_every_order_fires_the_event_entity(bench: SiteBench) -> None:
    entity_id = bench.entity("event", "grid_order")
    await set_float(bench, "maxsetp", 55.0)
    await bench.until(
        lambda: (
            bench.hass.states.get(entity_id).attributes.get("event_type") == "maxsetp"
        )
    )
    state = bench.hass.states.get(entity_id)
    assert state.attributes["value"] == 55.0
    assert state.attributes["accepted"] is True
    answer = await bench.rtu.command(IOA["maxsetp"], "C_SE_NC_1", 250.0)
    assert not answer.accepted
    await bench.until(
        lambda: bench.hass.states.get(entity_id).attributes.get("accepted") is False
    )
    assert bench.hass.states.get(entity_id).attributes["reason"]

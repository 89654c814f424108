"""Each end unplugged: the safe state that the rules name, its reason, and back."""

import pytest

from .bench import SiteBench
from .test_operator import IOA, set_float, switch

pytestmark = pytest.mark.peer


async def test_S05_the_operator_unplugged(bench: SiteBench) -> None:
    await switch(bench, "emergency_stop_production", True)
    await set_float(bench, "maxsetp", 60.0)
    await bench.rtu.disconnect()
    await bench.until(lambda: bench.state("binary_sensor", "operator_link") == "off")
    await bench.until(
        lambda: bench.state("sensor", "link_reason") not in (None, "unknown")
    )
    assert bench.coil()
    assert bench.plant.solar.power == 0
    orders = bench.entry.runtime_data.coordinator.data.orders
    assert orders.maxsetp is not None
    await bench.connect()
    await bench.rtu.interrogate()
    await bench.rtu.wait_point(
        IOA["emergency_stop_production_feedback"], lambda p: p.value == 1.0
    )
    await bench.until(lambda: bench.state("binary_sensor", "operator_link") == "on")


@pytest.mark.slow
async def test_the_meter_unplugged(bench: SiteBench) -> None:
    """No limit rises on old data; then the car goes to its safe current."""
    before = bench.charger_register()
    await bench.plant.meter.unplug()
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Meter") == "on", 15.0
    )
    assert bench.state("sensor", "problem_reason", "Meter") not in (None, "unknown")
    assert bench.charger_register() <= before
    await bench.until(lambda: 6.0 >= bench.charger_register() > 0.0)
    await bench.plant.meter.plug()
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Meter") == "off", 20.0
    )
    await bench.until(lambda: bench.charger_register() > 6.0)


@pytest.mark.slow
async def test_the_charger_unplugged(bench: SiteBench) -> None:
    """It is named as missing, others go on, and it is stopped once it is back."""
    await bench.plant.wires["charger"].unplug()
    await switch(bench, "emergency_stop_consumption", True)
    await bench.until(lambda: not bench.boiler_on())
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Charger") == "on", 20.0
    )
    assert bench.state("sensor", "problem_reason", "Charger") not in (None, "unknown")
    proofs = bench.entry.runtime_data.coordinator.data.proofs
    assert any("Charger" in proof.missing for proof in proofs)
    await bench.plant.wires["charger"].plug()
    await bench.until(lambda: bench.charger_register() == 0, 30.0)
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Charger") == "off", 20.0
    )


@pytest.mark.slow
async def test_the_relay_module_unplugged(bench: SiteBench) -> None:
    """The stop reaches the inverter itself; the relay follows when it is back."""
    await bench.plant.wires["relay"].unplug()
    answer = await bench.rtu.command(
        IOA["emergency_stop_production"], "C_SC_NA_1", 1, wait=10.0
    )
    assert answer.accepted
    await bench.rtu.wait_point(
        IOA["emergency_stop_production_feedback"],
        lambda point: point.value == 1.0,
        timeout=8.0,
    )
    await bench.until(lambda: bench.plant.solar.power == 0)
    assert not bench.coil()
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Solar contactor") == "on",
        20.0,
    )
    assert bench.state("sensor", "problem_reason", "Solar contactor") not in (
        None,
        "unknown",
    )
    await bench.plant.wires["relay"].plug()
    await bench.until(bench.coil)


@pytest.mark.slow
async def test_the_inverter_unplugged(bench: SiteBench) -> None:
    """What does not answer counts at its rating; the relay stops it all the same."""
    await bench.plant.wires["inverter"].unplug()
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Solar") == "on", 20.0
    )
    await switch(bench, "emergency_stop_production", True)
    assert bench.coil()
    await bench.until(lambda: bench.plant.solar.power == 0)
    await bench.plant.wires["inverter"].plug()
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Solar") == "off", 40.0
    )


@pytest.mark.slow
async def test_the_switch_unavailable(bench: SiteBench) -> None:
    """A load whose entity is gone is named, and told again when it is back."""
    bench.hass.states.async_set("switch.boiler", "unavailable")
    await bench.until(
        lambda: bench.state("binary_sensor", "problem", "Boiler") == "on", 20.0
    )
    answer = await bench.rtu.command(
        IOA["emergency_stop_consumption"], "C_SC_NA_1", 1, wait=10.0
    )
    assert answer.accepted
    bench.hass.states.async_set("switch.boiler", "on")
    await bench.until(lambda: not bench.boiler_on())

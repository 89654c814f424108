"""The whole chain: order, decision, devices, read-back, feedback, measurements."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.model.plan import Source
from custom_components.netflex.site.config import DEFAULT_RULES

from .bench import CONTRACT, Bench, running

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.plant.solar.sun = 0.8
        bench.plant.car.plugged = True
        await bench.connect()
        await bench.until(lambda: bench.charger_register() >= 6.0)
        yield bench


async def test_emergency_stop_of_production(bench: Bench) -> None:
    result = await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
    assert result.accepted
    assert result.returned is True
    assert result.terminated is not None
    assert bench.coil()
    await bench.until(lambda: bench.plant.solar.power == 0)
    await bench.until(lambda: bench.plant.storage.power >= 0)
    feedback = bench.rtu.feedback(OrderName.EMERGENCY_STOP_PRODUCTION)
    assert feedback is not None
    assert feedback.value is True


async def test_emergency_stop_of_consumption(bench: Bench) -> None:
    result = await bench.rtu.order(OrderName.EMERGENCY_STOP_CONSUMPTION, True)
    assert result.accepted
    assert result.returned is True
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.until(lambda: not bench.switches.on("boiler"))
    assert not bench.coil()
    await bench.rtu.order(OrderName.EMERGENCY_STOP_CONSUMPTION, False)
    await bench.until(lambda: bench.charger_register() >= 6)


async def test_both_stops_hold_each_other(bench: Bench) -> None:
    await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
    await bench.rtu.order(OrderName.EMERGENCY_STOP_CONSUMPTION, True)
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.until(lambda: bench.plant.storage.power == 0)
    await bench.rtu.order(OrderName.EMERGENCY_STOP_CONSUMPTION, False)
    assert bench.coil()
    await bench.until(lambda: bench.charger_register() >= 6)
    assert bench.plant.solar.power == 0


async def test_maxsetp_holds_import_at_the_meter(bench: Bench) -> None:
    bench.plant.solar.sun = 0.0
    bench.plant.storage.state_of_charge = 0.0
    await bench.until(lambda: bench.grid_power() > 8_000.0)
    result = await bench.rtu.order(OrderName.MAXSETP, 25.0)
    assert result.returned == 25.0
    await bench.until(lambda: bench.grid_power() <= 0.25 * CONTRACT * 1.02)


async def test_the_contract_holds_at_the_meter_without_an_order(bench: Bench) -> None:
    bench.plant.solar.sun = 0.0
    bench.plant.storage.state_of_charge = 0.0
    await bench.until(lambda: bench.grid_power() > 8_000.0)
    contract = ConnectionPoint(
        grid_type=GridType.STAR, main_fuse=63.0, contract_consumption=6_000.0
    )
    bench.site.set_connection(contract)
    bench.site.set_rules(replace(DEFAULT_RULES, hold_contract=True))
    await bench.until(lambda: bench.grid_power() <= 6_000.0 * 1.02)
    plan = bench.site.view.plan
    assert plan is not None
    assert Source.CONTRACT in {limit.source for limit in plan.limits}


async def test_minsetp_holds_injection_at_the_meter(bench: Bench) -> None:
    bench.plant.solar.sun = 1.0
    bench.plant.car.plugged = False
    bench.plant.storage.state_of_charge = 100.0
    await bench.until(lambda: bench.grid_power() < -6_000.0)
    result = await bench.rtu.order(OrderName.MINSETP, 10.0)
    assert result.returned == 10.0
    await bench.until(lambda: bench.grid_power() >= -0.10 * CONTRACT * 1.05)
    await bench.rtu.order(OrderName.MINSETP, 0.0)
    await bench.until(lambda: bench.grid_power() >= -150.0)


async def test_maxsetap_limits_all_production(bench: Bench) -> None:
    bench.plant.solar.sun = 1.0
    result = await bench.rtu.order(OrderName.MAXSETAP, 50.0)
    assert result.accepted
    ratings = 12_000.0 + 5_000.0
    await bench.until(
        lambda: (
            -bench.plant.solar.power - min(bench.plant.storage.power, 0.0)
            <= 0.5 * ratings * 1.01
        ),
        10.0,
    )


async def test_minsetap_zero_stops_the_charger_and_the_boiler(bench: Bench) -> None:
    result = await bench.rtu.order(OrderName.MINSETAP, 0.0)
    assert result.accepted
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.until(lambda: not bench.switches.on("boiler"))


async def test_S02_feedback_mirrors_every_order(bench: Bench) -> None:
    values = {
        OrderName.MINSETP: 80.0,
        OrderName.MAXSETP: 70.0,
        OrderName.MAXSETAP: 60.0,
        OrderName.MINSETAP: 50.0,
        OrderName.MINSETQ: -10.0,
        OrderName.MAXSETQ: 10.0,
        OrderName.REDENP: 99.0,
        OrderName.REDENQ: 1.0,
    }
    for name, value in values.items():
        result = await bench.rtu.order(name, value)
        assert result.accepted, name
        assert result.returned == value, name
    assert (await bench.rtu.order(OrderName.Q_MODE, True)).accepted
    assert (await bench.rtu.order(OrderName.TEST, True)).returned is True
    assert bench.plant.solar.power < 0
    assert {event.name for event in bench.events} == set(OrderName) - {
        OrderName.EMERGENCY_STOP_PRODUCTION,
        OrderName.EMERGENCY_STOP_CONSUMPTION,
    }


async def test_the_operator_reads_what_the_assets_do(bench: Bench) -> None:
    def power(name: str) -> float:
        heard = bench.rtu.heard[name]
        assert isinstance(heard.value, float)
        return heard.value

    async with asyncio.timeout(20.0):
        while True:
            await bench.rtu.interrogate()
            if power("p_ev") > 1.0 and power("p_solar") < -1.0:
                break
            await asyncio.sleep(0.05)
    assert power("p_solar") == pytest.approx(bench.plant.solar.power / 1000, abs=2.0)
    assert power("p_wind") == 0.0
    assert bench.rtu.heard["p_wind"].good

"""Modes and the capacity tariff on a whole site: from the user to the charger."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.netflex.model.demand import CapacityHold, CapacityTariff
from custom_components.netflex.model.modes import BatteryMode, ChargerMode
from custom_components.netflex.model.snapshot import UserLimits

from .bench import Bench, running, site_config

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.plant.solar.sun = 0.0
        bench.plant.car.plugged = True
        bench.site.set_user_limits("battery", UserLimits(mode=BatteryMode.IDLE))
        await bench.connect()
        await bench.until(lambda: bench.charger_register() >= 6.0, 15.0)
        yield bench


def causes(bench: Bench) -> list[str]:
    plan = bench.site.view.plan
    assert plan is not None
    return [cause.key for cause in plan.setpoints["charger"].causes]


async def test_a_mode_reaches_the_charger_and_back(bench: Bench) -> None:
    bench.site.set_user_limits("charger", UserLimits(mode=ChargerMode.OFF))
    await bench.until(lambda: bench.charger_register() == 0.0, 10.0)
    assert causes(bench) == ["mode_off"]
    bench.site.set_user_limits("charger", UserLimits(mode=ChargerMode.MINIMUM))
    await bench.until(lambda: bench.charger_register() == 6.0, 10.0)
    bench.site.set_user_limits("charger", UserLimits(mode=ChargerMode.SOLAR))
    await bench.until(lambda: causes(bench)[0] == "solar_surplus", 10.0)
    bench.plant.solar.sun = 1.0
    await bench.until(lambda: bench.charger_register() > 6.0, 20.0)
    assert bench.grid_power() < 500.0


async def test_the_quarter_hour_is_held_as_the_meter_counts_it(bench: Bench) -> None:
    (meter,) = site_config(bench.plant).meters
    tariff = CapacityTariff(
        target=3000.0, minimum=0.0, price=50.0, hold=CapacityHold.TARGET
    )
    # What the month has reached already would be free.
    assert bench.site.view.demand is not None
    await bench.site.add_meter(replace(meter, tariff=tariff))
    await bench.until(
        lambda: (
            (plan := bench.site.view.plan) is not None and plan.capacity is not None
        ),
        10.0,
    )
    plan = bench.site.view.plan
    assert plan is not None
    assert plan.capacity is not None
    assert plan.capacity.free == bench.site.view.demand.target
    bench.site.set_peak_target(plan.capacity.free + 40_000.0)
    await bench.until(
        lambda: (
            (plan := bench.site.view.plan) is not None
            and plan.capacity is not None
            and plan.capacity.free > 40_000.0
        ),
        10.0,
    )

"""A stop of production on an islanded house: from the wire to the coil (S20)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.model.protection import Protection
from custom_components.netflex.site.config import DEFAULT_RULES

from .bench import Bench, running

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.plant.solar.sun = 0.8
        await bench.connect()
        await bench.until(lambda: bench.plant.solar.power < -5000.0, 15.0)
        yield bench


async def test_S20_the_operators_stop_waits_for_the_grid_on_every_path(
    bench: Bench,
) -> None:
    bench.site.set_islanded(True)
    # The operator is answered as ever: the stop is latched.
    await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
    orders = bench.site.view.orders
    assert orders.stopped(Direction.PRODUCTION)
    plan = bench.site.view.plan
    assert plan is not None
    assert not plan.stopped
    assert not bench.coil()
    assert bench.plant.solar.power < -5000.0
    # Back on the grid, it acts at once: on the setpoint and on the relay.
    bench.site.set_islanded(False)
    await bench.until(bench.coil)
    await bench.until(lambda: bench.plant.solar.power == 0, 10.0)


async def test_S20_a_stop_on_the_site_itself_acts_on_an_island(bench: Bench) -> None:
    bench.site.set_islanded(True)
    bench.site.set_local_stop(Direction.PRODUCTION, "fire panel", held=True)
    await bench.until(bench.coil)


async def test_S20_where_the_user_wants_it_the_operators_stop_acts_too(
    bench: Bench,
) -> None:
    wants = Protection(stop_blacks_out_island=True)
    bench.site.set_rules(replace(DEFAULT_RULES, protection=wants))
    bench.site.set_islanded(True)
    await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
    await bench.until(bench.coil)

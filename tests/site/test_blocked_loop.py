"""What goes on while the site's own loop, Home Assistant's, is blocked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import time

import pytest

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.operator import Rtu
from custom_components.netflex.site.door import LoopThread
from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import LOOPBACK, Switches, make_host, make_site, site_config
from .fakes import until

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.slow]

BLOCKED = 10.0


@asynccontextmanager
async def thread(name: str) -> AsyncIterator[LoopThread]:
    loop = LoopThread(name)
    await loop.start()
    try:
        yield loop
    finally:
        await loop.stop()


async def begin(plant: SimulatedSite) -> asyncio.Task[None]:
    await plant.start()
    return asyncio.create_task(plant.run())


async def test_S09_station_and_relay_work_while_the_loop_is_blocked_for_10_s(
    tmp_path: Path,
) -> None:
    profiles = ProfileLibrary.load()
    made: list[TelecontrolStation] = []
    async with thread("plant") as plant_loop, thread("operator") as operator_loop:
        plant = SimulatedSite(SiteSettings())
        ticking = await plant_loop.run(begin(plant))
        host = make_host(tmp_path / "orders", profiles, made)
        await host.start()
        site = make_site(site_config(plant), Switches(boiler=bool), host, profiles)
        await site.start()
        await until(lambda: made[-1].address is not None)
        rtu = Rtu()
        address = made[-1].address
        assert address is not None
        await operator_loop.run(rtu.connect(LOOPBACK, address[1]))

        async def order_during_the_block() -> tuple[float, float, float]:
            await asyncio.sleep(1.0)
            result = await rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
            assert result.accepted
            assert result.confirmed is not None
            assert result.terminated is not None
            coil = plant.relays.energised(0)
            assert coil
            await asyncio.sleep(6.0)
            await rtu.test_link()
            return result.confirmed, result.terminated, time.monotonic()

        future = asyncio.ensure_future(operator_loop.run(order_during_the_block()))
        await asyncio.sleep(0)
        time.sleep(BLOCKED)  # noqa: ASYNC251  the block is what is tested
        unblocked = time.monotonic()
        confirmed, terminated, tested = await future
        assert terminated >= confirmed
        assert tested < unblocked
        assert rtu.connected
        feedback = rtu.feedback(OrderName.EMERGENCY_STOP_PRODUCTION)
        assert feedback is not None
        assert feedback.value is True
        await until(lambda: plant.solar.power == 0)
        await operator_loop.run(rtu.disconnect())
        await site.stop()
        await host.stop()
        plant_loop.call(ticking.cancel)
        await plant_loop.run(plant.stop())

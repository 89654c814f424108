"""Shadow: decided and shown, nothing written; an operator's orders overrule it (S07)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.simulation.household import SimulatedSite, SiteSettings
from custom_components.netflex.simulation.operator import Rtu
from custom_components.netflex.site.rehearsal_seat import RehearsalRefusedError
from custom_components.netflex.telecontrol.rehearsal_run import Pace
from custom_components.netflex.telecontrol.station import TelecontrolStation

from .bench import Bench, Switches, make_host, make_site, running, site_config

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def shadow(store: Path) -> AsyncIterator[Bench]:
    """Run a site that only decides."""
    plant = SimulatedSite(SiteSettings())
    await plant.start()
    ticking = asyncio.create_task(plant.run())
    profiles = ProfileLibrary.load()
    switches = Switches(boiler=lambda on: setattr(plant.boiler.contactor, "closed", on))
    made: list[TelecontrolStation] = []
    host = make_host(store, profiles, made)
    await host.start()
    config = replace(site_config(plant), shadow=True)
    site = make_site(config, switches, host, profiles)
    bench = Bench(plant, switches, host, site, Rtu(), made)
    site.subscribe(lambda _view: None, bench.events.append)
    await site.start()
    try:
        yield bench
    finally:
        await bench.rtu.disconnect()
        await site.stop()
        await host.stop()
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        await plant.stop()


def written(bench: Bench) -> list[object]:
    """Every write that reached a simulated device, and the switch that is no device."""
    writes = [write for wire in bench.plant.wires.values() for write in wire.writes]
    return [*writes] + ([] if bench.switches.on("boiler") else ["boiler off"])


def told(bench: Bench, asset_id: str) -> float | None:
    plan = bench.site.view.plan
    return None if plan is None else plan.setpoints[asset_id].value


async def test_S07_shadow_decides_and_writes_nothing(tmp_path: Path) -> None:
    async with shadow(tmp_path / "orders") as bench:
        bench.plant.car.plugged = True
        await bench.until(
            lambda: (
                all(state.available for state in bench.site.view.states.values())
                and (told(bench, "charger") or 0.0) > 6.0
            ),
            30.0,
        )
        bench.site.set_local_stop(Direction.PRODUCTION, "test", held=True)
        bench.site.set_local_stop(Direction.CONSUMPTION, "test", held=True)
        assert told(bench, "charger") == 0.0
        assert told(bench, "solar") == 0.0
        assert told(bench, "boiler") == 0.0
        await asyncio.sleep(0.05)
        assert written(bench) == []
        view = bench.site.view
        assert view.shadow
        assert [problem.key for problem in view.problems].count("in_shadow") == 1
        with pytest.raises(RehearsalRefusedError) as refused:
            await bench.site.rehearsal.run(real=True, versions={}, pace=Pace())
        assert refused.value.key == "site_in_shadow"
        # Turned off, the same decision is carried out at once.
        await bench.site.set_shadow(False)
        await bench.until(bench.coil, 30.0)
        await bench.until(lambda: not bench.switches.on("boiler"), 30.0)
        assert not bench.site.view.shadow


async def test_S07_orders_of_the_operator_overrule_shadow(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        await bench.connect()
        await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
        await bench.until(bench.coil, 30.0)
        await bench.site.set_shadow(True)
        assert not bench.site.view.shadow
        keys = {problem.key for problem in bench.site.view.problems}
        assert "shadow_overruled" in keys
        assert bench.coil()
        await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, False)
        await bench.until(lambda: bench.site.view.shadow, 30.0)

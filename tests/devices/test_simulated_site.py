"""The shipped profiles against the simulated site that the demo runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.devices.factory import build_device, build_meter
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.simulation.household import (
    BATTERY,
    CHARGER,
    INVERTER,
    RELAY,
    SITE_METER,
    SimulatedSite,
    SiteSettings,
)

from .servers import eventually


@asynccontextmanager
async def simulated(**settings: float) -> AsyncIterator[SimulatedSite]:
    site = SimulatedSite(SiteSettings(**settings))  # type: ignore[arg-type]
    site.solar.sun = 0.8
    site.car.plugged = True
    await site.start()
    running = asyncio.create_task(site.run())
    try:
        yield site
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await site.stop()


def config(
    site: SimulatedSite,
    name: str,
    profile: str,
    asset: Asset | None,
    **params: float | str,
) -> DeviceConfig:
    return DeviceConfig(
        device_id=name,
        name=name,
        asset=asset,
        profile=profile,
        link=LinkParams(host="127.0.0.1", port=site.ports[name]),
        params=params,
    )


def asset(name: str, nature: Nature, category: Category = Category.EV) -> Asset:
    return Asset(
        id=name,
        name=name,
        nature=nature,
        category=category,
        rated_consumption=22000,
        rated_production=8000,
    )


@pytest.mark.parametrize(
    ("name", "profile", "nature", "kind", "value", "settings", "params"),
    [
        (CHARGER, "alfen_ng9xx", Nature.CHARGER, SetpointKind.CURRENT, 9.0, {}, {}),
        (
            INVERTER,
            "sunspec_inverter",
            Nature.INVERTER,
            SetpointKind.PRODUCTION,
            2000.0,
            {"inverter_controls": 123},
            {},
        ),
        (
            INVERTER,
            "sunspec_inverter",
            Nature.INVERTER,
            SetpointKind.PRODUCTION,
            2000.0,
            {"inverter_controls": 704},
            {},
        ),
        (
            BATTERY,
            "generic_battery",
            Nature.BATTERY,
            SetpointKind.POWER,
            -1500.0,
            {},
            {
                "soc_register": 0,
                "soc_scale": 0.1,
                "power_register": 2,
                "power_type": "s32",
                "echo_register": 4,
                "setpoint_register": 100,
                "setpoint_type": "s32",
                "mode_register": 102,
            },
        ),
        (
            RELAY,
            "moxa_iologik_e1214",
            Nature.RELAY,
            SetpointKind.SWITCH,
            1.0,
            {},
            {"output": 0},
        ),
    ],
)
async def test_every_nature_follows_and_stops(
    units: DedicatedUnits,
    shipped: ProfileLibrary,
    name: str,
    profile: str,
    nature: Nature,
    kind: SetpointKind,
    value: float,
    settings: dict[str, float],
    params: dict[str, float | str],
) -> None:
    async with simulated(**settings) as site:
        device = build_device(
            config(site, name, profile, asset(name, nature), **params),
            units=units,
            profiles=shipped,
        )
        await device.start(lambda state: None)
        applied = await device.apply(Setpoint(asset_id=name, kind=kind, value=value))
        assert applied.confirmed
        assert applied.readback == pytest.approx(value, abs=50 if value > 100 else 0.01)
        await eventually(lambda: device.state.follows)
        stopped = await device.apply(
            Setpoint(asset_id=name, kind=kind, value=0.0, emergency=True)
        )
        assert stopped.confirmed
        assert stopped.readback == 0.0
        await device.stop()


async def test_meter_behind_transformers(
    units: DedicatedUnits, shipped: ProfileLibrary
) -> None:
    async with simulated(current_ratio=40.0) as site:
        readings: list[MeterReading] = []
        meter = build_meter(
            config(site, SITE_METER, "acuvim_ii", None, ct1=200, ct2=5),
            units=units,
            profiles=shipped,
        )
        await meter.start(readings.append, lambda status: None)
        await eventually(lambda: readings)
        assert readings[-1].power is not None
        assert readings[-1].power == pytest.approx(
            sum(site.plant.connection.power), abs=500
        )
        await meter.stop()

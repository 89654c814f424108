"""SunSpec inverters: models 704 and 123, scale factors, release."""

import asyncio

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    Device,
    DeviceConfig,
    DeviceError,
    ProbeError,
)
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import common, model, sunspec
from .servers import Map, Server, eventually, serving

INVERTER = Asset(
    id="sun",
    name="Roof",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=10000,
    phases=3,
)

# Addresses of the maps below: "SunS" at 40000, model 1 at 40002 (length 66).
M103 = 40070
M120 = M103 + 52
M121 = M120 + 28
M123 = M121 + 32


def classic(base: int = 40000) -> Map:
    """A Fronius-like map: 103, 120, 121, 123."""
    return sunspec(
        common(),
        model(
            103,
            50,
            {
                2: 363,
                3: 121,
                4: 120,
                5: 122,
                6: -1,
                14: 8350,
                15: 0,
                20: -12,
                21: 1,
                24: 12,
                25: 0x3456,
                26: 0,
                38: 4,
            },
        ),
        model(120, 26, {3: 1000, 4: 1}),
        model(121, 30, {2: 10000, 22: 0}),
        model(123, 24, {4: 1, 5: 10000, 7: 0, 9: 0, 23: -2, 24: -2, 25: -2}),
        base=base,
    )


M701 = 40070
M702 = M701 + 155
M704 = M702 + 52


def modern() -> Map:
    """A map of the 700 series, W in tens, percent in tenths."""
    return sunspec(
        common(),
        model(
            701,
            153,
            {
                4: 3,
                5: 1,
                10: 835,
                12: 0x8000,
                22: 1234,
                45: 121,
                113: -1,
                116: 1,
                119: 0,
                120: 3,
            },
        ),
        model(702, 50, {2: 1000, 26: 900, 45: 1}),
        model(704, 65, {14: 0, 15: 1000, 54: -1, 55: 0}),
        model(123, 24, {4: 1, 5: 100, 9: 0, 23: 0}),
    )


def config(server: Server, **params: int) -> DeviceConfig:
    return DeviceConfig(
        device_id="sun",
        name="Roof",
        asset=INVERTER,
        profile="sunspec_inverter",
        link=server.link,
        params=params,
    )


def production(value: float | None, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="sun", kind=SetpointKind.PRODUCTION, value=value, emergency=emergency
    )


async def started(
    server: Server, units: DedicatedUnits, profiles: ProfileLibrary
) -> Device:
    device = build_device(config(server), units=units, profiles=profiles)
    await device.start(lambda state: None)
    await eventually(lambda: device.state.available)
    return device


@pytest.mark.parametrize("base", [40000, 0, 50000])
async def test_classic_models_are_found_at_every_base(
    units: DedicatedUnits, profiles: ProfileLibrary, base: int
) -> None:
    async with serving({1: classic(base)}) as server:
        device = await started(server, units, profiles)
        state = device.state
        assert state.power == -8350.0
        assert state.reactive_power == 120.0
        assert state.currents.l1 == 12.1
        assert state.energy_produced == 12 * 65536 + 0x3456
        assert state.enabled is True
        assert state.power_limit is None, "a limit that is not enabled is none"
        assert state.details["serial"] == "31234567"
        assert state.details["power_setting"] == 10000.0
        await device.stop()


async def test_123_percentage_first_then_the_timer_then_the_switch(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: classic()}) as server:
        device = await started(server, units, profiles)
        applied = await device.apply(production(4000.0))
        writes = [(w.function, w.address - M123, w.values) for w in server.writes()]
        assert writes == [(6, 5, [4000]), (6, 7, [90]), (6, 9, [1])]
        assert applied.confirmed
        assert applied.readback == 4000.0
        await eventually(lambda: device.state.power_limit == 4000.0)
        assert device.state.follows is True
        server.requests.clear()
        await device.apply(production(None))
        assert [(w.address - M123, w.values) for w in server.writes()] == [(9, [0])]
        await device.stop()


async def test_704_is_preferred_and_its_own_scale_is_used(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: modern()}) as server:
        device = await started(server, units, profiles)
        assert device.state.power == -8350.0
        assert device.state.reactive_power is None, "0x8000 is not implemented"
        assert device.state.energy_produced == 1234000.0
        assert device.state.details["power_setting"] == 9000.0
        applied = await device.apply(production(4500.0))
        writes = [(w.address - M704, w.values) for w in server.writes()]
        assert writes == [(15, [500]), (17, [1]), (18, [0, 90]), (14, [1])]
        assert applied.confirmed
        assert applied.readback == 4500.0
        await device.stop()


async def test_S12_an_emergency_stop_has_no_revert_timer_and_outlives_us(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: classic()}) as server:
        device = await started(server, units, profiles)
        await device.apply(production(4000.0))
        applied = await device.apply(production(0.0, emergency=True))
        assert applied.confirmed
        assert server.get(1, M123 + 5) == [0]
        assert server.get(1, M123 + 7) == [0]
        assert server.get(1, M123 + 9) == [1]
        await device.apply(production(2000.0))
        assert server.get(1, M123 + 7) == [90], "an ordinary limit has its timer again"
        await device.stop()


async def test_a_limit_is_never_rounded_up(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = modern()
    async with serving({1: contents}) as server:
        device = await started(server, units, profiles)
        await device.apply(production(4508.9))
        # 4508.9 W of 9000 W are 50.0989 %, in tenths.
        assert server.get(1, M704 + 15) == [500]
        await device.apply(production(99999.0))
        assert server.get(1, M704 + 15) == [1000]
        await device.stop()


async def test_garbled_scale_factors_at_dusk_keep_their_last_good_value(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: classic()}) as server:
        device = build_device(config(server), units=units, profiles=_fast())
        states = []
        await device.start(states.append)
        await eventually(lambda: device.state.available)
        for garbage in (0x8000, 77, 0xFF00):
            server.set(1, M103 + 15, [garbage])
            server.set(1, M123 + 23, [garbage])
            count = len(states)
            await eventually(lambda count=count: len(states) > count + 2)
            assert device.state.power == -8350.0
        await device.apply(production(4000.0))
        assert server.get(1, M123 + 5) == [4000]
        await device.stop()


def _fast() -> ProfileLibrary:
    source = (BUILT_IN / "sunspec_inverter.yaml").read_text()
    return ProfileLibrary(
        [
            read_file(
                source.replace("{fast: 5, slow: 60}", "{fast: 0.02, slow: 0.02}"), "f"
            )
        ]
    )


async def test_a_scale_that_never_was_good_writes_nothing(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = classic()
    contents.put(M123 + 23, [0x8000])
    async with serving({1: contents}) as server:
        device = await started(server, units, profiles)
        with pytest.raises(DeviceError, match="scale"):
            await device.apply(production(4000.0))
        assert not server.writes()
        await device.stop()


async def test_an_optional_timer_that_is_not_there_does_no_harm(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: classic()}) as server:
        server.refuse[6, M123 + 7] = ExcCodes.ILLEGAL_ADDRESS
        device = await started(server, units, profiles)
        assert (await device.apply(production(4000.0))).confirmed
        await device.stop()


async def test_an_inverter_that_ignores_us_is_said_not_to_follow(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: classic()}) as server:
        device = await started(server, units, profiles)

        def revert(server: Server, *_: object) -> None:
            asyncio.get_running_loop().call_soon(server.set, 1, M123 + 9, [0])

        server._on_write = revert
        applied = await device.apply(production(4000.0))
        assert not applied.confirmed
        assert device.state.follows is False
        assert "remote control" in (device.state.problem or "")
        await device.stop()


async def test_probe(units: DedicatedUnits, profiles: ProfileLibrary) -> None:
    async with serving({1: classic()}) as server:
        result = await probe(config(server), units=units, profiles=profiles)
        assert (result.serial, result.model, result.firmware) == (
            "31234567",
            "Symo GEN24 10.0",
            "1.34.6-1",
        )
    async with serving({1: Map(holding={40000: 1, 40001: 2})}) as server:
        with pytest.raises(ProbeError, match="SunSpec") as caught:
            await probe(config(server), units=units, profiles=profiles)
        assert caught.value.key == "not_enabled"


async def test_an_inverter_without_a_limit_cannot_be_driven_and_says_so(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = sunspec(common(), model(103, 50, {14: 100, 15: 0}))
    async with serving({1: contents}) as server:
        device = await started(server, units, profiles)
        with pytest.raises(DeviceError) as caught:
            await device.apply(production(0.0, emergency=True))
        assert caught.value.key == "no_control"
        await device.stop()

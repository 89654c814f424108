"""Families of inverters against maps laid out from their vendors' tables."""

import pytest

from custom_components.netflex.devices.budget import DailyBudget
from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature

from .families import Family, Told, by_name, check_state, check_writes, started
from .maps import common, model, sunspec
from .servers import Map, eventually, f32, s32, serving, u32, u64

SENTINEL_S32 = [0x8000, 0]


def little(words: list[int]) -> list[int]:
    return words[::-1]


def fronius() -> Map:
    """GEN24 with integers and scale factors: 103, 120, 121, 123 (percent x 100)."""
    return sunspec(
        common(),
        model(103, 50, {3: 121, 4: 120, 5: 122, 6: -1, 14: 8350, 15: 0, 38: 4}),
        model(120, 26, {3: 1000, 4: 1}),
        model(121, 30, {2: 10000, 22: 0}),
        model(123, 24, {4: 1, 5: 10000, 7: 0, 9: 0, 23: -2}),
    )


# Address of model 123 there: 40002 + 68 + 52 + 28 + 32.
M123 = 40182


def kostal() -> Map:
    """Plenticore: 103, 120, 123 with whole percents, on unit 71."""
    return sunspec(
        common(),
        model(103, 50, {3: 121, 4: 120, 5: 122, 6: -1, 14: 835, 15: 1, 38: 4}),
        model(120, 26, {3: 850, 4: 1}),
        model(123, 24, {4: 1, 5: 100, 7: 0, 9: 0, 23: 0}),
    )


K123 = 40150


def sma() -> Map:
    unit = Map()
    unit.put(30233, u32(10000))
    unit.put(30513, u64(12_345_678))
    unit.put(30775, s32(8350))
    unit.put(30835, u32(1079))
    unit.put(40149, [0, 0, 0, 0])
    return unit


def sma_asleep() -> Map:
    unit = sma()
    unit.put(30775, SENTINEL_S32)
    return unit


def data_manager() -> Map:
    unit = Map()
    unit.put(30775, s32(41500))
    unit.put(40016, [100])
    return unit


def solaredge(enabled: int = 0) -> Map:
    unit = sunspec(
        common(),
        model(103, 50, {3: 121, 4: 120, 5: 122, 6: -1, 14: 8350, 15: 0, 38: 4}),
    )
    unit.put(0xF300, [enabled])
    unit.put(0xF304, little(f32(10000.0)))
    unit.put(0xF310, little(u32(60 if enabled else 1000)))
    unit.put(0xF312, little(f32(100.0)))
    unit.put(0xF322, little(f32(100.0)))
    return unit


def huawei() -> Map:
    unit = Map()
    unit.put(30075, u32(11000))
    unit.put(32080, s32(8350))
    unit.put(32106, u32(1_234_567))
    unit.put(40126, u32(11000))
    return unit


def sungrow_string() -> Map:
    unit = Map()
    unit.put_input(5030, little(u32(8350)))
    unit.put(5006, [0x55, 1000])
    return unit


def sungrow_hybrid() -> Map:
    unit = Map()
    unit.put_input(13033, little(s32(-350)))
    unit.put(13088, [0x55, 1000])
    return unit


def any_inverter() -> Map:
    unit = Map()
    unit.put(10, s32(8350))
    unit.put(20, [1000, 0])
    return unit


def victron_pv() -> Map:
    """PV inverter behind a GX device: W per phase, the limit as a u32."""
    unit = Map()
    unit.put(1026, [1])
    unit.put(1029, [2800])
    unit.put(1033, [2750])
    unit.put(1037, [2800])
    unit.put(1056, u32(10000))
    return unit


FAMILIES = (
    Family(
        profile="victron_pvinverter",
        nature=Nature.INVERTER,
        contents={20: victron_pv()},
        params={"maximum_power": 10000},
        state={"power": -8350.0},
        told=(
            Told(value=2500.0, writes=[(16, 1056, [0, 2500])], readback=2500.0),
            Told(value=None, writes=[(16, 1056, [0, 10000])]),
        ),
    ),
    Family(
        profile="generic_inverter",
        nature=Nature.INVERTER,
        contents={1: any_inverter()},
        params={
            "power_register": 10,
            "limit_register": 20,
            "limit_scale": 0.1,
            "enable_register": 21,
            "full": 1000,
            "fallback_power": 0,
        },
        state={"power": -8350.0, "device_fallback": 0.0},
        told=(
            Told(value=2555.0, writes=[(6, 20, [255]), (6, 21, [1])]),
            Told(value=0.0, emergency=True, writes=[(6, 20, [0]), (6, 21, [1])]),
            Told(value=None, writes=[(6, 20, [1000]), (6, 21, [0])]),
        ),
    ),
    Family(
        id="generic_inverter_in_kw",
        profile="generic_inverter",
        nature=Nature.INVERTER,
        contents={1: any_inverter()},
        params={
            "power_register": 10,
            "power_sign": "load_positive",
            "limit_register": 20,
            "limit_type": "f32",
            "limit_in": "kW",
            "full": 10,
        },
        state={"power": 8350.0},
        # 2.5 kW is 40 20 00 00, 10 kW 41 20 00 00.
        told=(
            Told(value=2500.0, writes=[(16, 20, [0x4020, 0])]),
            Told(value=None, writes=[(16, 20, [0x4120, 0])]),
        ),
    ),
    Family(
        profile="fronius_inverter",
        nature=Nature.INVERTER,
        contents={1: fronius()},
        state={
            "power": -8350.0,
            "currents": (12.1, 12.0, 12.2),
            "enabled": True,
            "_serial": "31234567",
        },
        told=(
            # Percent x 100, then 90 s until it reverts, then the switch.
            Told(
                value=2500.0,
                writes=[
                    (6, M123 + 5, [2500]),
                    (6, M123 + 7, [90]),
                    (6, M123 + 9, [1]),
                ],
                readback=2500.0,
            ),
            # An emergency stop is written without a time after which it ends.
            Told(
                value=0.0,
                emergency=True,
                writes=[(6, M123 + 5, [0]), (6, M123 + 9, [1]), (6, M123 + 7, [0])],
                readback=0.0,
            ),
            Told(value=None, writes=[(6, M123 + 9, [0])]),
        ),
    ),
    Family(
        profile="kostal_plenticore",
        nature=Nature.INVERTER,
        contents={71: kostal()},
        state={"power": -8350.0},
        told=(
            # 33.3 % of 8500 W come out as 33 %: function 6 everywhere.
            Told(
                value=2830.0,
                writes=[(6, K123 + 5, [33]), (6, K123 + 7, [90]), (6, K123 + 9, [1])],
                readback=2805.0,
            ),
        ),
    ),
    Family(
        profile="sma_inverter",
        nature=Nature.INVERTER,
        contents={3: sma()},
        params={"fallback_power": 5000},
        state={
            "power": -8350.0,
            "energy_produced": 12_345_678.0,
            "device_fallback": 5000.0,
            "_operating_mode": 1079,
        },
        told=(
            Told(value=2500.0, writes=[(16, 40149, [0, 2500]), (16, 40151, [0, 802])]),
            Told(value=0.0, writes=[(16, 40149, [0, 0]), (16, 40151, [0, 802])]),
            Told(value=None, writes=[(16, 40151, [0, 803])]),
        ),
    ),
    Family(
        id="sma_inverter_at_night",
        profile="sma_inverter",
        nature=Nature.INVERTER,
        contents={3: sma_asleep()},
        state={"power": None},
    ),
    Family(
        profile="sma_data_manager",
        nature=Nature.INVERTER,
        contents={2: data_manager()},
        rated=50000.0,
        state={"power": -41500.0},
        told=(
            Told(value=12900.0, writes=[(16, 40016, [25])]),
            Told(value=0.0, emergency=True, writes=[(16, 40016, [0])]),
            Told(value=None, writes=[(16, 40016, [100])]),
        ),
    ),
    Family(
        profile="solaredge_inverter",
        nature=Nature.INVERTER,
        contents={1: solaredge()},
        state={"power": -8350.0, "device_fallback": 100.0, "_control_enabled": 0},
        told=(
            # 25 % is 41 C8 00 00 and 60 s 00 00 00 3C, the low word first; the
            # fall-back of 100 % is there already.
            Told(
                value=2500.0,
                writes=[
                    (6, 0xF300, [1]),
                    (16, 0xF310, [60, 0]),
                    (16, 0xF322, [0, 0x41C8]),
                ],
                readback=2500.0,
            ),
            Told(value=0.0, writes=[(16, 0xF322, [0, 0])], readback=0.0),
            Told(value=None, writes=[(16, 0xF322, [0, 0x42C8])]),
        ),
    ),
    Family(
        id="solaredge_inverter_prepared",
        profile="solaredge_inverter",
        nature=Nature.INVERTER,
        contents={1: solaredge(enabled=1)},
        told=(Told(value=2500.0, writes=[(16, 0xF322, [0, 0x41C8])]),),
    ),
    Family(
        profile="huawei_sun2000",
        nature=Nature.INVERTER,
        contents={1: huawei()},
        state={
            "power": -8350.0,
            "energy_produced": 12_345_670.0,
            "device_fallback": 11000.0,
        },
        told=(
            Told(value=2550.0, writes=[(16, 40126, [0, 2500])], readback=2500.0),
            # Less than the deadband: its memory is spared.
            Told(value=2650.0, writes=[]),
            Told(value=None, writes=[(16, 40126, [0, 11000])]),
        ),
    ),
    Family(
        profile="sungrow_inverter",
        nature=Nature.INVERTER,
        contents={1: sungrow_string()},
        state={"power": -8350.0, "power_limit": None},
        told=(
            Told(
                value=2555.0,
                writes=[(6, 5007, [255]), (6, 5006, [0xAA])],
                readback=2550.0,
            ),
            Told(value=0.0, writes=[(6, 5007, [0])], readback=0.0),
            Told(value=None, writes=[(6, 5006, [0x55])]),
        ),
    ),
    Family(
        id="sungrow_hybrid",
        profile="sungrow_inverter",
        nature=Nature.INVERTER,
        contents={1: sungrow_hybrid()},
        params={"series": "SH"},
        # Its battery charges from the grid.
        state={"power": 350.0},
        told=(Told(value=5000.0, writes=[(6, 13089, [500]), (6, 13088, [0xAA])]),),
    ),
)


@pytest.mark.parametrize("family", by_name(tuple(f for f in FAMILIES if f.state)))
async def test_state(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_state(family, units, profiles)


@pytest.mark.parametrize("family", by_name(tuple(f for f in FAMILIES if f.told)))
async def test_writes(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_writes(family, units, profiles)


async def test_S11_case_18_memory_that_wears_refuses_cyclic_control_never_a_cut(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Huawei: fifty writes a day, then only stops and tighter limits."""
    (family,) = [f for f in FAMILIES if f.profile == "huawei_sun2000"]
    spent = DailyBudget(lambda: 0.0)
    for _ in range(49):
        await spent.spend("device", "production_limit", 50, urgent=False)
    async with serving({1: huawei()}) as server:
        device = build_device(
            family.config(server), units=units, profiles=profiles, budget=spent
        )
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        await device.apply(family.setpoint(4000.0))
        with pytest.raises(DeviceError) as caught:
            await device.apply(family.setpoint(8000.0))
        assert caught.value.key == "write_budget"
        await device.apply(family.setpoint(2000.0))
        await device.apply(family.setpoint(0.0, emergency=True))
        assert [w.values for w in server.writes()] == [[0, 4000], [0, 2000], [0, 0]]
        await device.stop()


async def test_huawei_is_asked_by_one_client_only(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    (family,) = [f for f in FAMILIES if f.profile == "huawei_sun2000"]
    async with serving({1: huawei()}) as server:
        device = await started(family, server, units, profiles)
        await device.apply(family.setpoint(4000.0))
        await device.stop()
        assert server.connections == 1

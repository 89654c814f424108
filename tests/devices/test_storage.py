"""Families of batteries against maps laid out from their vendors' tables."""

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature
from tests.virtual_time import virtual_time

from .families import Family, Told, by_name, check_state, check_writes, started
from .maps import common, model, sunspec
from .servers import (
    Map,
    Server,
    eventually,
    f32,
    own_units,
    s32,
    serving,
    text,
    u32,
    u64,
)


def little(words: list[int]) -> list[int]:
    return words[::-1]


def gen24() -> Map:
    """A Fronius GEN24 Plus: 124 with rates in percent x 100."""
    return sunspec(
        common(),
        model(
            124,
            24,
            {
                2: 5120,
                5: 0,
                8: 7850,
                11: 4,
                12: 10000,
                13: 10000,
                18: 0,
                22: -2,
                25: -2,
            },
        ),
    )


# Model 124 there: 40002 + 68.
M124 = 40070


def der() -> Map:
    """A storage inverter of the 700 series with a battery model: 704, 713, 802."""
    return sunspec(
        common(),
        model(704, 65, {22: 0, 23: 0, 54: -1, 55: 1}),
        model(713, 7, {2: 1024, 3: 804, 4: 785, 5: 990, 6: 1, 7: 1, 8: -1}),
        model(
            802,
            62,
            # Over temperature as a warning (bit 2), and no charge left as an alarm (13).
            {4: 500, 5: 450, 11: 785, 16: 3, 22: 3, 26: 0, 27: 0x2004}
            | {47: -150, 54: 1, 56: -1, 63: 1},
        ),
    )


def unwell() -> Map:
    """The same battery with a fault: too hot (bit 1), its contactor stuck (bit 20)."""
    return sunspec(
        common(),
        model(704, 65, {22: 0, 23: 0, 54: -1, 55: 1}),
        model(
            802,
            62,
            {11: 785, 22: 99, 26: 0x0010, 27: 0x0006, 47: 0} | {54: 1, 56: -1, 63: 1},
        ),
    )


M704 = 40070


def bare_713() -> Map:
    """An older 713 that knows no scale of its percentages."""
    return sunspec(common(), model(713, 6, {2: 100, 3: 40, 4: 40, 5: 99, 7: 2}))


def sbs() -> Map:
    unit = Map()
    unit.put(30845, u32(78))
    unit.put_input(31393, [*u32(1500), *u32(0)])
    unit.put(31401, u64(12_345_678))
    unit.put(40236, [0, 0])
    unit.put(40793, [0] * 10)
    return unit


def storedge(mode: int = 1, status: int = 4) -> Map:
    unit = Map()
    unit.put(57348, [mode])
    unit.put(57354, [7])
    unit.put(57355, little(u32(3600)))
    unit.put(57357, [7])
    unit.put(57358, [*little(f32(5000.0)), *little(f32(5000.0))])
    unit.put(62836, little(f32(1500.0)))
    unit.put(62852, little(f32(78.5)))
    # Of 0xE100: mean and highest temperature, then the status (4 discharges, 5 fault).
    unit.put(57708, [*little(f32(24.5)), *little(f32(31.0))])
    unit.put(57734, little(u32(status)))
    return unit


def plenticore() -> Map:
    unit = sunspec(
        common(),
        model(
            802,
            62,
            # No fan (bit 21), and an unevenness that is a warning (bit 17).
            {4: 5000, 5: 4500, 11: 785, 22: 3, 26: 0x0022, 27: 0}
            | {47: 1500, 54: 0, 56: -1, 63: 0},
        ),
    )
    unit.put(1034, [0, 0])
    return unit


def gx() -> Map:
    unit = Map()
    unit.put(800, text("c0619ab12345", 6))
    unit.put(820, [100, 200, 0xFFFF - 49])
    unit.put(840, [521])
    unit.put(842, [1500, 78])
    unit.put(2902, [3])
    return unit


def vebus() -> Map:
    unit = Map()
    unit.put(31, [3, 24])
    unit.put(34, [2])
    unit.put(37, [0, 0, 0, 0, 0])
    # The battery management's error, and the battery's temperature.
    unit.put(60, [0, 235])
    return unit


def follows_vebus(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    """All of what the AC inputs draw goes into the battery."""
    if unit == 227 and address in {37, 40, 41}:
        at_inputs = {at: server.get(227, at)[0] for at in (37, 40, 41)}
        at_inputs[address] = values[0]
        total = sum(v - 65536 if v > 32767 else v for v in at_inputs.values())
        server.set(100, 842, [total & 0xFFFF])


def powerpack() -> Map:
    unit = Map()
    unit.put(100, [1])
    unit.put(102, text("1.46.3", 16))
    unit.put(118, text("TG0123456789", 16))
    unit.put(139, [*s32(100000), *s32(120000)])
    unit.put(145, s32(232000))
    unit.fill(200, 233)
    unit.put(201, s32(25000))
    unit.put(205, [*s32(220000), *s32(172700)])
    unit.put(218, [2])
    for at in (1000, 1001, 1022, 1023):
        unit.put(at, [0])
    unit.put(1020, [0, 0])
    return unit


def powerpack_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    if address == 1020:
        server.set(unit, 201, values)


def zeros(*addresses: int) -> list[tuple[int, int, list[int]]]:
    return [(16, at, [0, 0]) for at in addresses]


def bidirectional() -> Map:
    unit = Map()
    unit.put(10, [65536 - 3700, 62, 0b0100])
    unit.put(20, [0])
    unit.put(30, [0])
    return unit


def luna() -> Map:
    """LUNA2000 (huawei-solar-lib): charging positive, 1 charges, 2 discharges."""
    unit = Map()
    unit.put(37014, [2064])
    unit.put(37022, [65536 - 25])
    unit.put(37760, [625])
    unit.put(37765, s32(-1500))
    unit.put(47075, [*u32(5000), *u32(4500)])
    unit.put(47083, [0])
    unit.put(47100, [0])
    unit.put(47246, [0, *u32(0), *u32(0)])
    return unit


def sungrow_sh() -> Map:
    """SH hybrid: 13049 mode, 13050 command, 13051 W (addresses on the wire)."""
    unit = Map()
    unit.put_input(13021, [1500, 625, 990, 273])
    unit.put(13049, [0, 0xCC, 0])
    return unit


FAMILIES = (
    Family(
        profile="huawei_luna",
        nature=Nature.BATTERY,
        contents={1: luna()},
        state={
            "power": -1500.0,
            "state_of_charge": 62.5,
            "max_charge_power": 5000.0,
            "max_discharge_power": 4500.0,
            "temperature": -2.5,
            "_fault_code": 2064,
        },
        told=(
            Told(
                value=3060.0,
                writes=[
                    (6, 47246, [0]),
                    (6, 47083, [1440]),
                    (16, 47247, [0, 3000]),
                    (6, 47100, [1]),
                ],
            ),
            Told(
                value=-9000.0,
                writes=[
                    (6, 47246, [0]),
                    (6, 47083, [1440]),
                    (16, 47249, [0, 4500]),
                    (6, 47100, [2]),
                ],
            ),
            # Charging with nothing stands still; stopping would hand it back.
            Told(
                value=0.0,
                emergency=True,
                writes=[
                    (6, 47246, [0]),
                    (6, 47083, [1440]),
                    (16, 47247, [0, 0]),
                    (6, 47100, [1]),
                ],
            ),
            Told(value=None, writes=[(6, 47100, [0])]),
        ),
    ),
    Family(
        profile="sungrow_battery",
        nature=Nature.BATTERY,
        contents={1: sungrow_sh()},
        params={"maximum_power": 5000},
        state={
            "power": -1500.0,
            "state_of_charge": 62.5,
            "temperature": 27.3,
            "_command": 0xCC,
        },
        told=(
            Told(
                value=3005.0,
                writes=[(6, 13051, [3000]), (6, 13050, [0xAA]), (6, 13049, [2])],
            ),
            Told(
                value=-9000.0,
                # Not polled since: what it has is not known, so it is written.
                writes=[(6, 13051, [5000]), (6, 13050, [0xBB]), (6, 13049, [2])],
            ),
            Told(
                value=0.0,
                emergency=True,
                writes=[(6, 13050, [0xCC]), (6, 13049, [2])],
            ),
            Told(value=None, writes=[(6, 13049, [0])]),
        ),
    ),
    Family(
        profile="generic_bidirectional_charger",
        nature=Nature.BATTERY,
        contents={1: bidirectional()},
        params={
            "power_register": 10,
            "soc_register": 11,
            "plugged_register": 12,
            "plugged_value": 0b0110,
            "setpoint_register": 20,
            "echo_register": 20,
            "mode_register": 30,
            "mode_remote": 2,
            "silence": 60,
        },
        state={
            "power": -3700.0,
            "state_of_charge": 62.0,
            "device_fallback": 0.0,
            "_plugged_code": 2,
        },
        told=(
            Told(
                value=-3700.0,
                writes=[(6, 30, [2]), (6, 20, [65536 - 3700])],
                readback=-3700.0,
            ),
            Told(value=7400.0, writes=[(6, 20, [7400])], readback=7400.0),
            Told(value=0.0, emergency=True, writes=[(6, 20, [0])], readback=0.0),
            Told(value=None, writes=[(6, 20, [0]), (6, 30, [0])]),
        ),
    ),
    Family(
        id="sunspec_storage_124",
        profile="sunspec_storage",
        nature=Nature.BATTERY,
        contents={1: gen24()},
        state={"state_of_charge": 78.5, "max_charge_power": 5120.0, "power": None},
        told=(
            # 25 %: no discharging above -25 %, charging at most 25 %: exactly 1280 W.
            Told(
                value=1280.0,
                writes=[
                    (6, M124 + 12, [65536 - 2500]),
                    (6, M124 + 13, [2500]),
                    (6, M124 + 15, [60]),
                    (6, M124 + 5, [3]),
                ],
                readback=1280.0,
            ),
            Told(
                value=-2560.0,
                writes=[
                    (6, M124 + 12, [5000]),
                    (6, M124 + 13, [65536 - 5000]),
                    (6, M124 + 15, [60]),
                    (6, M124 + 5, [3]),
                ],
                readback=-2560.0,
            ),
            Told(
                value=0.0,
                emergency=True,
                writes=[
                    (6, M124 + 12, [0]),
                    (6, M124 + 13, [0]),
                    (6, M124 + 15, [60]),
                    (6, M124 + 5, [3]),
                ],
                readback=0.0,
            ),
            Told(value=None, writes=[(6, M124 + 5, [0])]),
        ),
    ),
    Family(
        id="sunspec_storage_704",
        profile="sunspec_storage",
        nature=Nature.BATTERY,
        contents={1: der()},
        state={
            # -150 x 10 in a model that counts discharging as positive.
            "power": 1500.0,
            "state_of_charge": 78.5,
            "max_charge_power": 5000.0,
            "max_discharge_power": 4500.0,
            "_alarms": 0,
            "_fault": "none",
        },
        told=(
            # In tens of W, charging negative.
            Told(
                value=2500.0,
                writes=[
                    (6, M704 + 23, [1]),
                    (16, M704 + 24, [0xFFFF, 65536 - 250]),
                    (6, M704 + 30, [1]),
                    (16, M704 + 31, [0, 60]),
                    (6, M704 + 22, [1]),
                ],
                readback=2500.0,
            ),
            Told(value=None, writes=[(6, M704 + 22, [0])]),
        ),
    ),
    Family(
        id="sunspec_storage_unwell",
        profile="sunspec_storage",
        nature=Nature.BATTERY,
        contents={1: unwell()},
        state={"_alarms": 0x0010_0002, "_fault": "fault"},
    ),
    Family(
        id="sunspec_storage_old_713",
        profile="sunspec_storage",
        nature=Nature.BATTERY,
        contents={1: bare_713()},
        state={"state_of_charge": 40.0},
    ),
    Family(
        profile="sma_storage",
        nature=Nature.BATTERY,
        contents={3: sbs()},
        state={
            "power": 1500.0,
            "state_of_charge": 78.0,
            "energy_produced": 12_345_678.0,
        },
        told=(
            Told(
                value=2500.0,
                writes=[
                    (16, 40236, [0, 2289]),
                    (16, 40793, [0, 2500]),
                    (16, 40795, [0, 2500]),
                    *zeros(40797, 40799, 40801),
                ],
            ),
            Told(
                value=-1800.0,
                writes=[
                    (16, 40236, [0, 2290]),
                    *zeros(40793, 40795),
                    (16, 40797, [0, 1800]),
                    (16, 40799, [0, 1800]),
                    *zeros(40801),
                ],
            ),
            Told(
                value=0.0,
                writes=[
                    (16, 40236, [0, 2424]),
                    *zeros(40793, 40795, 40797, 40799, 40801),
                ],
            ),
        ),
    ),
    Family(
        id="solaredge_storage_unwell",
        profile="solaredge_storage",
        nature=Nature.BATTERY,
        contents={1: storedge(status=5)},
        state={"_fault": "fault"},
    ),
    Family(
        profile="solaredge_storage",
        nature=Nature.BATTERY,
        contents={1: storedge()},
        state={
            "power": 1500.0,
            "state_of_charge": 78.5,
            "temperature": 24.5,
            "_cell_temperature_max": 31.0,
            "_fault": "none",
            "_control_mode": 1,
        },
        told=(
            # 2500 W is 45 1C 40 00, the low word first. The default mode is there.
            Told(
                value=2500.0,
                writes=[
                    (6, 57348, [4]),
                    (16, 57355, [60, 0]),
                    (16, 57358, [0x4000, 0x451C]),
                    (6, 57357, [3]),
                ],
            ),
            Told(
                value=-2500.0,
                writes=[(16, 57360, [0x4000, 0x451C]), (6, 57357, [4])],
            ),
            Told(value=0.0, writes=[*zeros(57358, 57360), (6, 57357, [0])]),
        ),
    ),
    Family(
        profile="kostal_battery",
        nature=Nature.BATTERY,
        contents={71: plenticore()},
        state={
            "power": -1500.0,
            "state_of_charge": 78.5,
            "max_charge_power": 5000.0,
            "max_discharge_power": 4500.0,
            "_alarms": 0x0020_0000,
            "_fault": "none",
        },
        told=(
            # Charging is negative: -2500 W is C5 1C 40 00, the low word first.
            Told(value=2500.0, writes=[(16, 1034, [0x4000, 0xC51C])]),
            Told(value=-2500.0, writes=[(16, 1034, [0x4000, 0x451C])]),
            # Not more than its own model says: -4500 W is 45 8C A0 00.
            Told(value=-9000.0, writes=[(16, 1034, [0xA000, 0x458C])]),
            Told(value=0.0, emergency=True, writes=[(16, 1034, [0, 0])]),
        ),
    ),
    Family(
        id="kostal_battery_big",
        profile="kostal_battery",
        nature=Nature.BATTERY,
        contents={71: plenticore()},
        params={"word_order": "big"},
        told=(Told(value=2500.0, writes=[(16, 1034, [0xC51C, 0x4000])]),),
    ),
    Family(
        profile="victron_ess",
        nature=Nature.BATTERY,
        contents={100: gx(), 227: vebus()},
        takes=follows_vebus,
        state={
            "temperature": 23.5,
            "_fault_code": 24,
            "_alarm": "high temperature",
            "_error": "none",
            "power": 1500.0,
            "state_of_charge": 78.0,
            "_grid_power_l3": -50.0,
            "_battery_voltage": 52.1,
            "_serial": "c0619ab12345",
        },
        told=(
            Told(value=2500.0, writes=[(6, 37, [2500])], readback=2500.0),
            Told(value=-1800.0, writes=[(6, 37, [65536 - 1800])], readback=-1800.0),
            Told(value=0.0, emergency=True, writes=[(6, 37, [0])], readback=0.0),
        ),
    ),
    Family(
        id="victron_ess_three_phases",
        profile="victron_ess",
        nature=Nature.BATTERY,
        contents={100: gx(), 227: vebus()},
        takes=follows_vebus,
        params={"phases": 3},
        told=(
            Told(
                value=-3000.0,
                writes=[(6, at, [65536 - 1000]) for at in (37, 40, 41)],
                readback=-3000.0,
            ),
        ),
    ),
    Family(
        profile="tesla_powerpack",
        nature=Nature.BATTERY,
        contents={1: powerpack()},
        takes=powerpack_takes,
        state={
            "power": None,
            "state_of_charge": 78.5,
            "max_charge_power": 100000.0,
            "max_discharge_power": 120000.0,
            # Discharging is positive in its registers.
            "power_limit": -25000.0,
            "_serial": "TG0123456789",
            "_available_blocks": 2,
        },
        told=(
            Told(
                value=25000.0,
                writes=[
                    (6, 1001, [1]),
                    (16, 1020, [0xFFFF, 65536 - 25000]),
                    (6, 1023, [10]),
                    (6, 1000, [1]),
                ],
                readback=25000.0,
            ),
            Told(
                value=-200000.0,
                writes=[(16, 1020, [1, 54464]), (6, 1023, [10]), (6, 1000, [1])],
                readback=-120000.0,
            ),
        ),
        beats=((6, 1022, [0xAA55]), (6, 1022, [0x55AA])),
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


async def test_victron_outside_of_external_control_is_said(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    (family,) = [f for f in FAMILIES if f.name == "victron_ess"]
    system = gx()
    system.put(2902, [1])
    async with serving({100: system, 227: vebus()}) as server:
        device = await started(family, server, units, profiles)
        applied = await device.apply(family.setpoint(2500.0))
        assert not applied.confirmed
        assert "ESS mode 3" in (device.state.problem or "")
        assert not server.writes(2902), "a setting that wears is not ours to write"
        await device.stop()


@virtual_time
async def test_tesla_heartbeat_alternates_and_ends_with_the_release(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    family = Family(
        profile="tesla_powerpack",
        nature=Nature.BATTERY,
        contents={1: powerpack()},
        params={"heartbeat_timeout": 4},
    )
    async with (
        serving({1: powerpack()}, powerpack_takes) as server,
        own_units() as units,
    ):
        device = await started(family, server, units, profiles)
        await device.apply(family.setpoint(1000.0))
        await eventually(lambda: len(server.writes(1022)) >= 3)
        beats = [write.values for write in server.writes(1022)]
        assert beats[:3] == [[0xAA55], [0x55AA], [0xAA55]]
        await device.apply(family.setpoint(None))
        assert server.get(1, 1020, 2) == [0, 0]
        count = len(server.writes(1022))
        await eventually(lambda: device.state.available)
        assert len(server.writes(1022)) <= count + 1
        await device.stop()

"""Families of chargers against maps laid out from their vendors' tables."""

import asyncio

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import ChargerState, Nature
from tests.virtual_time import virtual_time

from .families import Family, Told, by_name, check_state, check_writes, started
from .servers import Map, Server, f32, own_units, serving, text, u32, u64


def characters(value: str, count: int) -> list[int]:
    """One character per register."""
    return [ord(c) for c in value.ljust(count, "\0")]


def little(words: list[int]) -> list[int]:
    return words[::-1]


def keba(product: int = 335231, state: int = 3) -> Map:
    unit = Map()
    for at, value in {
        1000: state,
        1004: 7,
        1006: 0,
        1008: 15900,
        1010: 15800,
        1012: 15700,
        1014: 21012345,
        1016: product,
        1018: 0x030A2A00,
        1020: 10_950_000,
        1036: 12_345_678,
        1100: 16000,
        1110: 32000,
        1600: 6000,
        1602: 30,
    }.items():
        unit.put(at, u32(value))
    for at in (5004, 5014, 5016, 5018):
        unit.put(at, [0])
    return unit


def keba_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    if address == 5004 and values[0]:
        server.set(unit, 1100, u32(values[0]))
    if (address == 5004 and not values[0]) or address == 5014:
        server.set(unit, 1000, u32(3 if values[0] else 5))


def abb() -> Map:
    unit = Map()
    unit.fill(0x4000, 0x401F)
    # TACW1141719G0050, the serial number as eight bytes of digits.
    unit.put(0x4000, u64(0x1141719000005012))
    unit.put(0x4004, u32(0x01060500))
    unit.put(0x4006, u32(32000))
    unit.put(0x400A, u32(0x0111))
    unit.put(0x400C, u32(0x00008400))
    unit.put(0x400E, u32(16000))
    unit.put(0x4010, [*u32(15900), *u32(15800), *u32(15700)])
    unit.put(0x4016, [*u32(2301), *u32(2312), *u32(2295)])
    unit.put(0x401C, u32(10900))
    unit.put(0x401E, u32(5400))
    unit.put(0x4100, u32(0))
    return unit


def abb_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    if address == 0x4100:
        server.set(unit, 0x400E, values)


def bender() -> Map:
    unit = Map()
    unit.put(104, [2])
    unit.put(122, [3])
    unit.put(131, [10])
    unit.put(132, [60])
    unit.put(140, [1])
    unit.put(212, [*u32(15900), *u32(15800), [0xFFFF, 0xFFFF][0], 0xFFFF])
    unit.put(218, [*u32(1_234_567), *u32(10900), *u32(230), *u32(231), *u32(229)])
    unit.put(1000, [16])
    return unit


def compact() -> Map:
    unit = Map()
    unit.put(0x0001, text("2.0.15", 8))
    unit.put(0x0013, text("1234567890", 8))
    unit.put(0x0100, [5])
    unit.put(0x0108, [2])
    unit.put(0x0302, f32(16.0))
    unit.put(0x0500, [*f32(15.9), *f32(15.8), *f32(15.7)])
    unit.put(0x0506, [*f32(230.1), *f32(231.2), *f32(229.5)])
    unit.put(0x0512, f32(10900.0))
    unit.put(0x0D00, [0])
    unit.put(0x0D05, [1])
    unit.put(0x1000, f32(1234.5))
    return unit


def charx() -> Map:
    unit = Map()
    unit.put(100, text("CHARX", 10))
    unit.put(110, text("1.6.0", 4))
    unit.put(114, [2])
    unit.put(2232, [*u32(230100), *u32(231200), *u32(229500)])
    unit.put(2238, [*u32(15900), *u32(15800), *u32(15700)])
    unit.put(2244, u32(10_900_000))
    unit.put(2250, u64(1_234_567))
    unit.put(2299, text("C2", 1))
    unit.put(2300, [1, 16])
    return unit


def peblar() -> Map:
    unit = Map()
    unit.put_input(30000, u64(1_234_567))
    unit.put_input(30014, u32(10900))
    unit.put_input(30016, [*u32(230), *u32(231), *u32(229)])
    unit.put_input(30022, [*u32(15900), *u32(15800), *u32(15700)])
    unit.put_input(30050, text("23-45-A64-123", 12))
    unit.put_input(30062, text("6004-2300-8002", 12))
    unit.put_input(30074, text("1.6.1+1", 12))
    unit.put_input(30092, [3])
    unit.put_input(30110, [ord("C")])
    unit.put_input(30112, [3])
    unit.put(40000, u32(16000))
    return unit


def etrel(base: int = 0) -> Map:
    unit = Map()
    unit.put_input(base, [4])
    unit.put_input(base + 4, f32(16.0))
    unit.put_input(base + 14, [*f32(15.9), *f32(15.8), *f32(15.7)])
    unit.put_input(base + 26, f32(10.9))
    unit.put_input(990, text("123456", 10))
    unit.put_input(1000, text("G6", 10))
    unit.put_input(1015, text("5.2.1", 5))
    unit.put(base + 8, f32(0.0))
    return unit


def etrel_takes(base: int = 0):
    def takes(
        server: Server, unit: int, _function: int, address: int, values: list[int]
    ) -> None:
        if address == base + 8:
            server.set_input(unit, base + 4, values)

    return takes


def vestel(state: int = 1, cable: int = 3) -> Map:
    unit = Map()
    unit.put_input(100, characters("7312345678", 25))
    unit.put_input(190, characters("Vestel", 10))
    unit.put_input(210, characters("EVC04", 5))
    unit.put_input(1001, [state])
    unit.put_input(1004, [cable])
    for at, value in {1008: 15900, 1010: 15800, 1012: 15700}.items():
        unit.put_input(at, [value])
    for at, value in {1014: 230, 1016: 231, 1018: 229}.items():
        unit.put_input(at, [value])
    unit.put_input(1020, u32(10900))
    unit.put_input(1036, u32(12345))
    unit.put(2000, [6])
    unit.put(2002, [20])
    unit.put(5004, [16])
    unit.put(6000, [0])
    return unit


def webasto() -> Map:
    unit = Map()
    unit.put(1000, [3])
    for at, value in {1008: 15900, 1010: 15800, 1012: 15700}.items():
        unit.put_input(at, [value])
    unit.put(1020, u32(10900))
    unit.put(1036, u32(1_234_567))
    unit.put(2002, [60])
    unit.put(5004, [0])
    unit.put(6000, [0])
    return unit


def schneider() -> Map:
    unit = Map()
    unit.put(1, [8])
    unit.put(150, [2])
    unit.put(1150, [1])
    unit.put(2999, [*little(f32(15.9)), *little(f32(15.8)), *little(f32(15.7))])
    unit.put(3027, [*little(f32(230.1)), *little(f32(231.2)), *little(f32(229.5))])
    unit.put(3059, little(f32(10.9)))
    unit.put(3203, little(u64(1_234_567)))
    unit.put(4000, [0])
    unit.put(4004, [16])
    unit.put(4011, [0])
    return unit


def heidelberg() -> Map:
    unit = Map()
    unit.put_input(5, [7, 159, 158, 157, 0xFFD8, 230, 231, 229])
    unit.put_input(14, [10900])
    unit.put_input(17, u32(1_234_567))
    unit.put(257, [15000])
    unit.put(258, [0])
    unit.put(261, [160, 60])
    return unit


def go_e(force: int = 0) -> Map:
    unit = Map()
    unit.put_input(100, [2, 32])
    unit.put_input(105, text("60.4", 2))
    unit.put_input(107, [0])
    unit.put_input(108, [*u32(230), *u32(231), *u32(229)])
    unit.put_input(114, [*u32(159), *u32(158), *u32(157)])
    unit.put_input(120, u32(1090))
    unit.put_input(128, u32(12345))
    unit.put_input(200, [1])
    unit.put_input(304, text("123456", 6))
    unit.put(211, [32])
    unit.put(299, [16])
    unit.put(300, [16])
    unit.put(337, [force])
    return unit


def go_e_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    if address == 337:
        server.set_input(unit, 200, [0 if values[0] == 1 else 1])


def scn() -> Map:
    """Unit 200 of a station in a network of four sockets."""
    unit = Map()
    unit.put(123, text("6.4.0-4210", 17))
    unit.put(140, text("NG910", 17))
    unit.put(157, text("ACE0123456", 11))
    unit.put(1400, [*text("SCN1", 4), 4])
    unit.put(1405, [*f32(15.9), *f32(15.8), *f32(15.7)])
    unit.put(1411, [*f32(24.0), *f32(24.0), *f32(24.0)])
    unit.put(1417, [*f32(0.0), *f32(0.0), *f32(0.0)])
    unit.put(1423, [*u32(0), *u32(0), *u32(0)])
    unit.put(1429, [*f32(12.0), 1])
    return unit


def scn_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    server.set(unit, address - 6, values)
    server.set(unit, 1423 + address - 1417, u32(60))


def any_charger() -> Map:
    unit = Map()
    unit.put(10, [3, 109, 159, 158, 157])
    unit.put(20, [160])
    unit.put(21, [1])
    unit.put(30, [0])
    return unit


def any_charger_takes(
    server: Server, unit: int, _function: int, address: int, values: list[int]
) -> None:
    if address == 20:
        server.set(unit, 20, values)


ANY_CHARGER = {
    "limit_register": 20,
    "limit_scale": 0.1,
    "state_register": 10,
    "power_register": 11,
    "power_unit": "kW",
    "power_scale": 0.1,
    "current_l1_register": 12,
    "current_l2_register": 13,
    "current_l3_register": 14,
    "current_scale": 0.1,
    "minimum_current": 6,
    "maximum_current": 20,
}

CHARGING = {
    "charger_state": ChargerState.CHARGING,
    "currents": (15.9, 15.8, 15.7),
    "power": 10900.0,
}


def hcc3() -> Map:
    """AMTRON HCC3 (v01, 2021): input registers, the low word first."""
    unit = Map()
    unit.put_input(0x0302, [5])
    unit.put_input(0x030B, u32(130500123)[::-1])
    unit.put_input(0x030D, u32(12_345)[::-1])
    unit.put_input(0x030F, u32(10_900)[::-1])
    unit.put(0x0400, [16])
    return unit


def em_cp() -> Map:
    """EM-CP-PP-ETH: mA, tens of W and Wh, the low word first; 400 releases."""
    unit = Map(coils={400: True})
    unit.put_input(100, [ord("C")])
    for at, milliamperes in ((114, 15900), (116, 15800), (118, 15700)):
        unit.put_input(at, u32(milliamperes)[::-1])
    unit.put_input(120, u32(1090)[::-1])
    unit.put_input(128, u32(123_456)[::-1])
    unit.put(300, [16])
    return unit


FAMILIES = (
    Family(
        profile="mennekes_hcc3",
        nature=Nature.CHARGER,
        contents={255: hcc3()},
        state={
            "power": 10900.0,
            "charger_state": ChargerState.CHARGING,
            "current_limit": 16.0,
            "_energy_session": 12_345.0,
            "_serial": 130500123,
        },
        told=(
            Told(value=10.7, writes=[(6, 0x0400, [10])], readback=10.0),
            Told(value=0.0, emergency=True, writes=[(6, 0x0400, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="phoenix_em_cp",
        nature=Nature.CHARGER,
        contents={180: em_cp()},
        state={
            "power": 10900.0,
            "currents": (15.9, 15.8, 15.7),
            "energy_consumed": 1_234_560.0,
            "charger_state": ChargerState.CHARGING,
        },
        told=(
            Told(value=10.0, writes=[(6, 300, [10])], readback=10.0),
            Told(value=0.0, emergency=True, writes=[(5, 400, [0])], readback=0.0),
            Told(value=8.0, writes=[(6, 300, [8]), (5, 400, [1])], readback=8.0),
        ),
    ),
    Family(
        profile="alfen_scn",
        nature=Nature.CHARGER,
        contents={200: scn()},
        takes=scn_takes,
        params={"maximum_current": 63},
        state={
            "currents": (15.9, 15.8, 15.7),
            "current_limit": 24.0,
            "device_fallback": 12.0,
            "_sockets": 4,
            "_network": "SCN1",
        },
        told=(
            # 7.0 A is 40 E0 00 00 on every line.
            Told(
                value=7.0,
                writes=[(16, at, [0x40E0, 0]) for at in (1417, 1419, 1421)],
                readback=7.0,
            ),
            Told(
                value=0.0,
                emergency=True,
                writes=[(16, at, [0, 0]) for at in (1417, 1419, 1421)],
                readback=0.0,
            ),
        ),
    ),
    Family(
        profile="generic_charger",
        nature=Nature.CHARGER,
        contents={1: any_charger()},
        takes=any_charger_takes,
        params={**ANY_CHARGER, "echo_register": 20, "fallback_current": 6},
        state={**CHARGING, "device_fallback": 6.0, "current_limit": 16.0},
        told=(
            Told(value=10.0, writes=[(6, 20, [100])], readback=10.0),
            Told(value=5.0, writes=[(6, 20, [0])], readback=0.0),
            Told(value=32.0, writes=[(6, 20, [200])], readback=20.0),
        ),
    ),
    Family(
        id="generic_charger_with_a_switch",
        profile="generic_charger",
        nature=Nature.CHARGER,
        contents={1: any_charger()},
        params={
            **ANY_CHARGER,
            "state_charging": 5,
            "state_connected": 3,
            "pause": "register",
            "enable_register": 21,
            "limit_function": 16,
            "heartbeat_register": 30,
            "heartbeat_kind": "constant",
        },
        state={"charger_state": ChargerState.CONNECTED},
        told=(
            Told(value=10.0, writes=[(16, 20, [100]), (16, 21, [1])]),
            Told(value=0.0, writes=[(16, 21, [0])]),
        ),
        beats=((6, 30, [1]),),
    ),
    Family(
        profile="keba_kecontact",
        nature=Nature.CHARGER,
        contents={255: keba()},
        takes=keba_takes,
        params={"failsafe_current": 6, "failsafe_timeout": 30},
        state={
            **CHARGING,
            "power": 10950.0,
            "energy_consumed": 1_234_567.8,
            "current_limit": 16.0,
            "device_fallback": 6.0,
            "_serial": 21012345,
            "_product": 335231,
            "_failsafe_timeout": 30,
        },
        told=(
            # Guide: 5016 in mA, 5018 in s, 5004 in mA, 5014 switches charging.
            Told(
                value=10.0,
                writes=[(6, 5016, [6000]), (6, 5004, [10000]), (6, 5014, [1])],
                readback=10.0,
            ),
            Told(value=3.0, writes=[(6, 5014, [0])], readback=0.0),
            Told(value=0.0, emergency=True, writes=[(6, 5014, [0])]),
            Told(value=40.0, writes=[(6, 5004, [32000]), (6, 5014, [1])]),
        ),
        beats=((6, 5018, [30]),),
    ),
    Family(
        id="keba_p40",
        profile="keba_kecontact",
        nature=Nature.CHARGER,
        contents={255: keba(product=4325231, state=2)},
        takes=keba_takes,
        params={"model": "P40", "energy_scale": 1},
        state={"charger_state": ChargerState.CONNECTED, "energy_consumed": 12_345_678},
        told=(
            Told(value=10.0, writes=[(6, 5004, [10000])], readback=10.0),
            Told(value=0.0, writes=[(6, 5004, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="abb_terra_ac",
        nature=Nature.CHARGER,
        contents={1: abb()},
        takes=abb_takes,
        params={"fallback_current": 6},
        state={
            **CHARGING,
            "current_limit": 16.0,
            "device_fallback": 6.0,
            "_voltage_l2": 231.2,
            "_session_energy": 5400,
            "_serial": 0x1141719000005012,
        },
        told=(
            Told(value=12.5, writes=[(16, 0x4100, [0, 12500])], readback=12.5),
            Told(value=0.0, writes=[(16, 0x4100, [0, 0])], readback=0.0),
            Told(value=None, writes=[(16, 0x4100, [0, 32000])]),
        ),
    ),
    Family(
        profile="bender_cc612",
        nature=Nature.CHARGER,
        contents={255: bender()},
        state={
            **CHARGING,
            # 0xFFFFFFFF is no value, and never 4.3 million amperes.
            "currents": (15.9, 15.8, None),
            "energy_consumed": 1_234_567.0,
            "device_fallback": 10.0,
            "_safe_timeout": 60,
        },
        told=(
            Told(value=10.7, writes=[(16, 1000, [10])], readback=10.0),
            Told(value=0.0, writes=[(16, 1000, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="mennekes_amtron_compact",
        nature=Nature.CHARGER,
        contents={50: compact()},
        state={**CHARGING, "energy_consumed": 1_234_500.0, "_serial": "1234567890"},
        told=(
            # 10.0 A is 41 20 00 00.
            Told(
                value=10.0,
                writes=[(16, 0x0302, [0x4120, 0]), (6, 0x0D05, [1])],
                readback=10.0,
            ),
            Told(
                value=0.0, writes=[(6, 0x0D05, [0]), (16, 0x0302, [0, 0])], readback=0.0
            ),
        ),
        beats=((6, 0x0D00, [0x55AA]),),
    ),
    Family(
        profile="phoenix_charx",
        nature=Nature.CHARGER,
        contents={1: charx()},
        params={"connector": 2},
        state={**CHARGING, "energy_consumed": 1_234_567.0, "_voltage_l1": 230.1},
        told=(
            # The release is on already and stays untouched.
            Told(value=10.0, writes=[(16, 2301, [10])], readback=10.0),
            Told(value=0.0, writes=[(16, 2300, [0])], readback=0.0),
            Told(value=8.0, writes=[(16, 2301, [8]), (16, 2300, [1])]),
            Told(value=0.0, emergency=True, writes=[(16, 2300, [0])]),
        ),
    ),
    Family(
        profile="peblar",
        nature=Nature.CHARGER,
        contents={255: peblar()},
        state={
            **CHARGING,
            "energy_consumed": 1_234_567.0,
            "_serial": "23-45-A64-123",
            "_limit_source": 3,
        },
        told=(
            Told(value=10.0, writes=[(16, 40000, [0, 10000])], readback=10.0),
            Told(value=0.0, writes=[(16, 40000, [0, 0])], readback=0.0),
        ),
    ),
    Family(
        profile="etrel_inch",
        nature=Nature.CHARGER,
        contents={1: etrel()},
        takes=etrel_takes(),
        state={**CHARGING, "current_limit": 16.0, "_serial": "123456"},
        told=(
            Told(value=10.0, writes=[(16, 8, [0x4120, 0])], readback=10.0),
            Told(value=0.0, writes=[(16, 8, [0, 0])], readback=0.0),
        ),
    ),
    Family(
        id="etrel_inch_second_connector",
        profile="etrel_inch",
        nature=Nature.CHARGER,
        contents={1: etrel(100)},
        takes=etrel_takes(100),
        params={"connector": 2},
        state=CHARGING,
        told=(Told(value=6.0, writes=[(16, 108, [0x40C0, 0])], readback=6.0),),
    ),
    Family(
        profile="vestel_evc04",
        nature=Nature.CHARGER,
        contents={255: vestel()},
        state={
            **CHARGING,
            "energy_consumed": 1_234_500.0,
            "device_fallback": 6.0,
            "_serial": "7312345678",
            "_model": "EVC04",
        },
        told=(
            Told(value=10.9, writes=[(6, 5004, [10])], readback=10.0),
            Told(value=0.0, writes=[(6, 5004, [0])], readback=0.0),
        ),
        beats=((6, 6000, [1]),),
    ),
    Family(
        id="vestel_evc04_plugged_not_charging",
        profile="vestel_evc04",
        nature=Nature.CHARGER,
        contents={255: vestel(state=0, cable=2)},
        state={"charger_state": ChargerState.CONNECTED},
    ),
    Family(
        id="vestel_evc04_no_car",
        profile="vestel_evc04",
        nature=Nature.CHARGER,
        contents={255: vestel(state=0, cable=1)},
        state={"charger_state": ChargerState.IDLE},
    ),
    Family(
        profile="webasto_next",
        nature=Nature.CHARGER,
        contents={255: webasto()},
        params={"fallback_current": 8},
        state={
            **CHARGING,
            "energy_consumed": 1_234_567.0,
            "current_limit": None,
            "device_fallback": 8.0,
        },
        told=(
            Told(value=10.0, writes=[(16, 5004, [10])]),
            Told(value=0.0, writes=[(16, 5004, [0])]),
        ),
        beats=((6, 6000, [1]),),
    ),
    Family(
        profile="schneider_evlink",
        nature=Nature.CHARGER,
        contents={255: schneider()},
        state={**CHARGING, "energy_consumed": 1_234_567.0, "_voltage_l3": 229.5},
        told=(
            Told(value=10.0, writes=[(6, 4004, [10])], readback=10.0),
            Told(value=0.0, writes=[(6, 4004, [0])], readback=0.0),
        ),
        beats=((6, 4000, [1]),),
    ),
    Family(
        profile="heidelberg_energy_control",
        nature=Nature.CHARGER,
        contents={1: heidelberg()},
        state={
            **CHARGING,
            "energy_consumed": 1_234_567.0,
            "device_fallback": 6.0,
            "_temperature": -4.0,
            "_failsafe_timeout": 15.0,
        },
        told=(
            Told(value=10.0, writes=[(16, 258, [4]), (16, 261, [100])], readback=10.0),
            Told(value=0.0, writes=[(16, 261, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="go_e",
        nature=Nature.CHARGER,
        contents={1: go_e()},
        takes=go_e_takes,
        state={
            **CHARGING,
            "energy_consumed": 1_234_500.0,
            "current_limit": 16.0,
            "_serial": "123456",
            "_firmware": "60.4",
        },
        told=(
            Told(value=10.0, writes=[(16, 299, [10])], readback=10.0),
            Told(value=0.0, writes=[(16, 337, [1])], readback=0.0),
            Told(value=8.0, writes=[(16, 299, [8]), (16, 337, [0])], readback=8.0),
            Told(value=0.0, emergency=True, writes=[(16, 337, [1])], readback=0.0),
        ),
    ),
)


@pytest.mark.parametrize("family", by_name(FAMILIES))
async def test_state(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_state(family, units, profiles)


@pytest.mark.parametrize("family", by_name(tuple(f for f in FAMILIES if f.told)))
async def test_writes(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_writes(family, units, profiles)


def _family(name: str) -> Family:
    (family,) = [family for family in FAMILIES if family.name == name]
    return family


async def test_keba_is_read_one_value_at_a_time(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    family = _family("keba_kecontact")
    async with serving({255: keba()}) as server:
        device = await started(family, server, units, profiles)
        await device.stop()
        assert {(r.function, r.count) for r in server.requests} == {(3, 2)}


async def test_go_e_never_touches_the_register_that_wears(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    family = _family("go_e")
    async with serving({1: go_e()}, go_e_takes) as server:
        device = await started(family, server, units, profiles)
        for amperes in (10.0, 0.0, 12.0):
            await device.apply(family.setpoint(amperes))
        await device.stop()
        touched = [r for r in server.requests if r.address <= 300 < r.address + r.count]
        assert not [r for r in touched if r.function in {3, 6, 16}]


async def test_a_switch_that_wears_is_not_written_again_while_it_holds(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Somebody else's pause: the forced state is off already."""
    family = _family("go_e")
    async with serving({1: go_e(force=1)}, go_e_takes) as server:
        server.refuse = {}
        device = await started(family, server, units, profiles)
        await device.apply(family.setpoint(0.0))
        assert not server.writes(337)
        await device.apply(family.setpoint(0.0, emergency=True))
        assert [w.values for w in server.writes(337)] == [[1]], "a stop always writes"
        # What was read before our own write is not taken for the truth.
        await device.apply(family.setpoint(10.0))
        await device.apply(family.setpoint(0.0))
        assert [w.values for w in server.writes(337)] == [[1], [0], [1]]
        await device.stop()


@virtual_time
async def test_S10_the_life_bit_ends_with_the_owner_of_the_setpoint(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    """Nobody stands by the setpoint any more: the charger's fall-back takes over."""
    for time_to_live, beats in ((0.3, 1), (30.0, 2)):
        family = Family(
            profile="vestel_evc04",
            nature=Nature.CHARGER,
            contents={255: vestel()},
            params={"alive": 1, "time_to_live": time_to_live},
        )
        async with serving({255: vestel()}) as server, own_units() as units:
            device = await started(family, server, units, profiles)
            await device.apply(family.setpoint(10.0))
            await asyncio.sleep(1.3)
            assert len(server.writes(6000)) == beats
            await device.stop()

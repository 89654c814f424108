"""Families of meters against maps laid out from their vendors' tables."""

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.factory import probe
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature

from .families import Family, by_name, check_reading
from .maps import common, model, sunspec
from .servers import Map, f32, s32, serving, text, u32


def countis() -> Map:
    """Table "MODBUS tables of Countis": V/100, Hz/1000, A/1000, 10 W, 10 Wh."""
    unit = Map()
    unit.put(50000, [0x53, 0x4F, 0x43, 0x4F, 100, 1])
    unit.put(50050, text("COUNTIS E27", 8))
    unit.put(50514, [*u32(40012), *u32(40100), *u32(39990)])
    unit.put(50520, [*u32(23010), *u32(23120), *u32(22950)])
    unit.put(50526, u32(49980))
    unit.put(50528, [*u32(15900), *u32(15800), *u32(1500), *u32(250)])
    unit.put(50536, [*s32(690), *s32(-1), *u32(700), *s32(995)])
    unit.put(50544, [*s32(365), *s32(360), *s32(-35)])
    unit.put(50550, [0xFFFF] * 18)
    unit.put(50946, u32(1_234_567))
    unit.put(50952, u32(6_543))
    return unit


def sdm630() -> Map:
    unit = Map()
    unit.put_input(0x00, [*f32(230.1), *f32(231.2), *f32(229.5)])
    unit.put_input(0x06, [*f32(15.9), *f32(15.8), *f32(1.5)])
    unit.put_input(0x0C, [*f32(3650.0), *f32(3600.0), *f32(-350.0)])
    unit.put_input(0x34, f32(6900.0))
    unit.put_input(0x3C, f32(-12.5))
    unit.put_input(0x46, [*f32(49.98), *f32(12345.67), *f32(65.43)])
    return unit


def wye() -> Map:
    """Model 203: integers with scale factors, as SolarEdge sends them."""
    return sunspec(
        common(),
        model(
            203,
            105,
            {
                2: 332,
                3: 159,
                4: 158,
                5: 15,
                6: -1,
                8: 2301,
                9: 2312,
                10: 2295,
                15: -1,
                16: 4998,
                17: -2,
                18: 690,
                19: 365,
                20: 360,
                21: -35,
                22: 1,
                28: -12,
                32: 0,
                38: 0,
                39: 65430,
                46: 188,
                47: 0x6146,
                54: 0,
            },
        ),
    )


def floats() -> Map:
    """Model 213, as a Fronius Smart Meter sends it on unit 200."""
    body = [0] * 124
    for offset, value in {
        4: 15.9,
        6: 15.8,
        8: 1.5,
        12: 230.1,
        14: 231.2,
        16: 229.5,
        26: 49.98,
        28: 6900.0,
        30: 3650.0,
        32: 3600.0,
        34: -350.0,
        44: -12.0,
        60: 65430.0,
        68: 12345670.0,
    }.items():
        body[offset - 2 : offset] = f32(value)
    return sunspec(common(), (213, body))


READING = {
    "power": 6900.0,
    "frequency": 49.98,
    "line_current": (15.9, 15.8, 1.5),
    "line_voltage": (230.1, 231.2, 229.5),
    "line_power": (3650.0, 3600.0, -350.0),
}
TURNED = {
    **READING,
    "power": -6900.0,
    "line_power": (-3650.0, -3600.0, 350.0),
}

FAMILIES = (
    Family(
        profile="socomec_countis",
        nature=Nature.METER,
        contents={5: countis()},
        state={
            **READING,
            # All ones are 10 var of the other sign here, not a missing value.
            "reactive_power": -10.0,
            "energy_import": 12_345_670.0,
            "energy_export": 65_430.0,
            "_current_neutral": 0.25,
        },
    ),
    Family(
        id="socomec_countis_turned",
        profile="socomec_countis",
        nature=Nature.METER,
        contents={5: countis()},
        params={"direction": "load_negative"},
        state={**TURNED, "energy_import": 65_430.0, "energy_export": 12_345_670.0},
    ),
    Family(
        profile="eastron_sdm630",
        nature=Nature.METER,
        contents={1: sdm630()},
        state={
            **READING,
            "reactive_power": -12.5,
            "energy_import": 12_345_670.0,
            "energy_export": 65_430.0,
        },
    ),
    Family(
        id="sunspec_meter_solaredge",
        profile="sunspec_meter",
        nature=Nature.METER,
        contents={1: wye()},
        params={"direction": "load_negative"},
        state={
            **TURNED,
            "reactive_power": 12.0,
            "energy_import": 65_430.0,
            "energy_export": 12_345_670.0,
            "_serial": "31234567",
        },
    ),
    Family(
        id="sunspec_meter_fronius",
        profile="sunspec_meter",
        nature=Nature.METER,
        contents={200: floats()},
        params={"unit": 200},
        state={
            **READING,
            "reactive_power": -12.0,
            "energy_import": 12_345_670.0,
            "energy_export": 65_430.0,
        },
    ),
)


@pytest.mark.parametrize("family", by_name(FAMILIES))
async def test_reading(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_reading(family, units, profiles)


async def test_countis_is_read_in_the_one_block_that_its_table_has(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({5: countis()}) as server:
        await probe(FAMILIES[0].config(server), units=units, profiles=profiles)
        assert (50514, 54) in {(r.address, r.count) for r in server.requests}


async def test_eastron_is_asked_for_thirty_values_at_most(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: sdm630()}) as server:
        await probe(FAMILIES[2].config(server), units=units, profiles=profiles)
        assert max(r.count for r in server.requests) <= 60

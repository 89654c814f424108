"""Reactive power beside the setpoint: SunSpec 704 and 123, Fronius, SMA, Huawei.

Registers are laid out by hand: sunspec/models 123, 702, 704; SMA 40149 to 40153;
wlcrs/huawei-solar-lib 30077 (VA) and 40123 (Q/S, a thousand is all of it).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import common, model, sunspec
from .servers import Map, eventually, s32, serving, u32

ASSET = Asset(
    id="sun",
    name="Roof",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=10000,
    phases=3,
)
M120 = 40070 + 52
M123 = M120 + 28
N702 = 40070 + 52
N704 = N702 + 52


def classic() -> Map:
    """103, 120 (6000 var), 123 with percent in hundredths."""
    return sunspec(
        common(),
        model(103, 50, {14: 5000, 15: 0, 38: 4}),
        model(120, 26, {3: 1000, 4: 1, 7: 600, 11: 1}),
        model(123, 24, {4: 1, 5: 10000, 9: 0, 23: -2, 24: -2, 25: -2}),
    )


def modern() -> Map:
    """103, 702 (4400 var to be absorbed), 704 with var in tens."""
    return sunspec(
        common(),
        model(103, 50, {14: 5000, 15: 0, 38: 4}),
        model(702, 50, {2: 1000, 26: 1000, 33: 440, 45: 1, 48: 1}),
        model(704, 65, {15: 1000, 54: -1, 57: 1}),
    )


def sma() -> Map:
    unit = Map()
    unit.put(30233, u32(10000))
    unit.put(30775, s32(5000))
    unit.put(40149, [0] * 6)
    return unit


def huawei() -> Map:
    unit = Map()
    unit.put(30075, u32(10000))
    unit.put(30077, u32(11000))
    unit.put(32080, s32(5000))
    unit.put(40123, [0])
    unit.put(40126, u32(10000))
    return unit


@dataclass(frozen=True, kw_only=True)
class Row:
    profile: str
    unit: Map
    unit_id: int = 1
    params: Mapping[str, str] | None = None
    most: float | None
    absorb: list[tuple[int, list[int]]]
    """Writes of +3300 var, into the device."""
    release: list[tuple[int, list[int]]]


ROWS = (
    Row(
        profile="sunspec_inverter",
        unit=modern(),
        most=4400.0,
        # As var (4); absorbing is negative there: -330 tens; 90 s until it reverts.
        absorb=[
            (N704 + 36, [4]),
            (N704 + 38, [0xFFFF, 65536 - 330]),
            (N704 + 44, [1]),
            (N704 + 45, [0, 90]),
            (N704 + 35, [1]),
        ],
        release=[(N704 + 35, [0])],
    ),
    Row(
        profile="fronius_inverter",
        unit=classic(),
        most=6000.0,
        # 55 % of VArMax (2), in hundredths.
        absorb=[
            (M123 + 21, [2]),
            (M123 + 16, [65536 - 5500]),
            (M123 + 19, [90]),
            (M123 + 22, [1]),
        ],
        release=[(M123 + 22, [0])],
    ),
    Row(
        profile="sma_inverter",
        unit=sma(),
        unit_id=3,
        params={"reactive": "load_negative"},
        most=None,
        absorb=[(40153, [0xFFFF, 65536 - 3300])],
        release=[(40153, [0, 0])],
    ),
    Row(
        profile="huawei_sun2000",
        unit=huawei(),
        most=11000.0,
        absorb=[(40123, [65536 - 300])],
        release=[(40123, [0])],
    ),
)


def told(reactive: float | None, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="sun",
        kind=SetpointKind.PRODUCTION,
        value=0.0 if emergency else 8000.0,
        emergency=emergency,
        reactive=reactive,
    )


def config(row: Row, link: object) -> DeviceConfig:
    return DeviceConfig(
        device_id="sun",
        name="Roof",
        asset=ASSET,
        profile=row.profile,
        link=link,  # type: ignore[arg-type]
        params=row.params or {},
    )


@pytest.mark.parametrize("row", [pytest.param(row, id=row.profile) for row in ROWS])
async def test_reactive_power_reaches_the_registers(
    row: Row, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({row.unit_id: row.unit}) as server:
        device = build_device(config(row, server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        assert device.state.takes_reactive
        assert device.state.max_reactive == row.most
        await device.apply(told(None))
        before = len(server.writes())
        assert device.state.reactive_setpoint is None

        def written() -> list[tuple[int, list[int]]]:
            return [
                (write.address, list(map(int, write.values or ())))
                for write in server.writes()[before:]
            ]

        await device.apply(told(3300.0))
        assert written() == row.absorb
        assert device.state.reactive_setpoint == 3300.0
        assert device.state.problem is None
        await device.apply(told(None))
        assert written() == row.absorb + row.release
        assert device.state.reactive_setpoint is None
        await device.stop()


async def test_a_stop_is_not_held_up_by_reactive_power(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Refused or not: the limit is written, and the refusal is said."""
    row = ROWS[1]
    async with serving({1: row.unit}) as server:
        server.refuse[(6, M123 + 16)] = ExcCodes.ILLEGAL_VALUE
        device = build_device(config(row, server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        applied = await device.apply(told(3300.0))
        assert applied.confirmed
        assert "reactive power" in (device.state.problem or "")
        before = len(server.writes())
        await device.apply(told(3300.0, emergency=True))
        assert {write.address for write in server.writes()[before:]} <= {
            M123 + 5,
            M123 + 7,
            M123 + 9,
        }
        await device.stop()


async def test_a_device_without_it_says_so(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    row = replace(ROWS[2], params={})
    async with serving({3: row.unit}) as server:
        device = build_device(config(row, server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        assert not device.state.takes_reactive
        await device.apply(told(3300.0))
        assert not server.writes(40153)
        await device.stop()

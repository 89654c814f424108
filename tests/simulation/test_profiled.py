"""Every shipped profile has a simulated device, and drives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import re

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    Device,
    DeviceConfig,
    DeviceError,
    ParamValue,
)
from custom_components.netflex.devices.factory import build_device, build_meter
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile import Persistence, Profile
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileFile,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.profile_params import ParamType
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.profiled import SimulatedDevice

IDS = [path.stem for path in sorted(BUILT_IN.glob("*.yaml"))]
KINDS = {
    Nature.CHARGER: (SetpointKind.CURRENT, 10.0, 0.0),
    Nature.BATTERY: (SetpointKind.POWER, -3000.0, 0.0),
    Nature.INVERTER: (SetpointKind.PRODUCTION, 4000.0, 0.0),
    Nature.RELAY: (SetpointKind.SWITCH, 1.0, 0.0),
}
"""What an asset is told, and what stops it."""


@pytest.fixture(scope="session")
def quick() -> ProfileLibrary:
    """The shipped profiles without the pauses that real devices need."""
    files = []
    for path in sorted(BUILT_IN.glob("*.yaml")):
        source = path.read_text()
        for key, value in (
            ("spacing", "0"), ("connect_delay", "0"), ("within_s", "0.3"),
            ("min_interval", "0"), ("wait", "0"),
        ):  # fmt: skip
            source = re.sub(rf"\b{key}: [\d.]+", f"{key}: {value}", source)
        files.append(read_file(source, path.name))
    return ProfileLibrary(files)


def params_of(file: ProfileFile) -> dict[str, ParamValue]:
    """Fill in what must be: registers of a generic device get places of their own."""
    params: dict[str, ParamValue] = {}
    free = 10
    for name, spec in file.params.items():
        if not spec.required:
            continue
        if spec.type is ParamType.INT and "register" in name:
            params[name] = free
            free += 10
        else:
            wanted = 32 if "current" in name else 10_000
            params[name] = spec.choices[0] if spec.choices else wanted
    return params


@asynccontextmanager
async def simulated(
    profile: Profile, **values: object
) -> AsyncIterator[tuple[SimulatedDevice, ModbusWire, Clock]]:
    clock = Clock()
    device = SimulatedDevice(profile, **values)  # type: ignore[arg-type]
    wire = ModbusWire(
        name=profile.id,
        units=device.units,
        clock=clock,
        max_clients=profile.link.max_clients,
    )
    await wire.plug()
    try:
        yield device, wire, clock
    finally:
        await wire.unplug()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def config(
    profile: Profile, wire: ModbusWire, params: dict[str, ParamValue]
) -> DeviceConfig:
    nature = profile.kind
    asset = Asset(
        id="sim",
        name="Simulated",
        nature=nature,
        category=Category.EV,
        rated_consumption=10_000,
        rated_production=10_000,
        phases=3,
        lines=(Line.L1, Line.L2, Line.L3),
    )
    return DeviceConfig(
        device_id="sim",
        name="Simulated",
        asset=None if nature is Nature.METER else asset,
        profile=profile.id,
        link=LinkParams(host="127.0.0.1", port=wire.port),
        params=params,
    )


def setpoint(
    nature: Nature, value: float | None, *, emergency: bool = False
) -> Setpoint:
    return Setpoint(
        asset_id="sim", kind=KINDS[nature][0], value=value, emergency=emergency
    )


async def until(condition, limit: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.01)


async def running(
    profile: Profile,
    wire: ModbusWire,
    units: DedicatedUnits,
    library: ProfileLibrary,
    params: dict[str, ParamValue],
) -> Device:
    device = build_device(config(profile, wire, params), units=units, profiles=library)
    await device.start(lambda state: None)
    await until(lambda: device.state.available)
    return device


@pytest.fixture
async def units(socket_enabled: None) -> AsyncIterator[DedicatedUnits]:
    factory = DedicatedUnits()
    yield factory
    await factory.close()


@pytest.mark.parametrize("profile_id", IDS)
async def test_every_profile_drives_its_simulated_device(
    profile_id: str, units: DedicatedUnits, quick: ProfileLibrary
) -> None:
    """Read, told, stopped; then left alone until it falls back."""
    file = quick.get(profile_id)
    params = params_of(file)
    profile = file.bind(params)
    async with simulated(profile) as (simulation, wire, clock):
        if profile.kind is Nature.METER:
            readings: list[MeterReading] = []
            meter = build_meter(
                config(profile, wire, params), units=units, profiles=quick
            )
            await meter.start(readings.append, lambda status: None)
            await until(lambda: readings)
            assert readings[0].power is not None
            await meter.stop()
            return
        nature = profile.kind
        _, told, stop = KINDS[nature]
        device = await running(profile, wire, units, quick, params)
        assert device.state.power is not None or "power" not in profile.points
        applied = await device.apply(setpoint(nature, told))
        assert applied.confirmed, device.state.problem
        simulation.refresh(clock.now)
        assert simulation.applied == pytest.approx(told, rel=0.02)
        applied = await device.apply(setpoint(nature, stop, emergency=True))
        assert applied.confirmed, device.state.problem
        simulation.refresh(clock.now)
        assert simulation.applied == 0
        await device.stop()
        if (left := simulation.seconds_left(clock.now)) is not None:
            clock.now += left + 1
            simulation.refresh(clock.now)
            assert simulation.seconds_left(clock.now) == 0
        for controls in profile.controls.values():
            if controls[0].persistence is Persistence.EEPROM:
                assert simulation.wear, "what wears is counted"


async def test_a_setpoint_that_is_not_refreshed_falls_back(
    units: DedicatedUnits, quick: ProfileLibrary
) -> None:
    profile = quick.get("alfen_ng9xx").bind({})
    async with simulated(profile, validity=30.0) as (simulation, wire, clock):
        device = await running(profile, wire, units, quick, {})
        await device.apply(setpoint(Nature.CHARGER, 12.0))
        assert device.state.details["validity"] == 30
        await device.stop()
        clock.now += 29
        simulation.refresh(clock.now)
        assert simulation.applied == 12.0
        clock.now += 2
        simulation.refresh(clock.now)
        assert simulation.applied == 6.0, "its safe current"


async def test_it_ramps(units: DedicatedUnits, quick: ProfileLibrary) -> None:
    params: dict[str, ParamValue] = {}
    profile = quick.get("sunspec_inverter").bind(params)
    async with simulated(profile, ramp=1000.0) as (simulation, wire, clock):
        device = await running(profile, wire, units, quick, params)
        await device.apply(setpoint(Nature.INVERTER, 4000.0))
        assert simulation.applied > 9000
        clock.now += 3
        simulation.refresh(clock.now)
        assert simulation.applied == pytest.approx(7000, abs=100)
        await device.stop()


async def test_one_client_too_many_is_refused(
    units: DedicatedUnits, quick: ProfileLibrary
) -> None:
    profile = quick.get("huawei_sun2000").bind({})
    async with simulated(profile) as (_, wire, _clock):
        device = await running(profile, wire, units, quick, {})
        others = DedicatedUnits()
        unit = await others.unit(LinkParams(host="127.0.0.1", port=wire.port), 1)
        with pytest.raises(Exception, match=r"."):
            await unit.read_holding_registers(32080, 2)
        assert device.state.available
        await others.close()
        await device.stop()


@pytest.mark.parametrize(
    "variant",
    ["low_word_first", "counted_from_one", "counted_from_one_low_word_first"],
)
async def test_another_layout_is_recognised(
    units: DedicatedUnits, quick: ProfileLibrary, variant: str
) -> None:
    profile = quick.get("alfen_ng9xx").bind({})
    async with simulated(profile, variant=variant) as (simulation, wire, clock):
        device = await running(profile, wire, units, quick, {})
        assert device.state.details["variant"] == variant
        await device.apply(setpoint(Nature.CHARGER, 12.0))
        simulation.refresh(clock.now)
        assert simulation.applied == 12.0
        await device.stop()


@pytest.mark.parametrize("fault", ["busy", "short", "wrong_unit", "cut", "slow"])
async def test_faults_of_the_wire_are_survived(
    units: DedicatedUnits, quick: ProfileLibrary, fault: str
) -> None:
    profile = quick.get("abb_terra_ac").bind({})
    async with simulated(profile) as (simulation, wire, clock):
        device = await running(profile, wire, units, quick, {})

        async def told(current: float) -> bool:
            try:
                return (await device.apply(setpoint(Nature.CHARGER, current))).confirmed
            except DeviceError:
                return False

        if fault == "cut":
            wire.cut_every = 1
        elif fault == "slow":
            wire.delay = 0.1
        else:
            setattr(wire, fault, True)
        # A slow answer is one; the others tell nothing.
        assert await told(10.0) is (fault == "slow")
        wire.busy = wire.short = wire.wrong_unit = False
        wire.cut_every, wire.delay = None, 0.0
        async with asyncio.timeout(10):
            while not await told(12.0):
                await asyncio.sleep(0.05)
        simulation.refresh(clock.now)
        assert simulation.applied == 12.0
        await device.stop()

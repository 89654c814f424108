"""Device families as tables: what registers hold, what must come of it.

A family's registers and the values expected of them are entered by hand from the
documents that its profile names; nothing here reads the profile.
"""

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import Applied, Device, DeviceConfig
from custom_components.netflex.devices.factory import build_device, build_meter, probe
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from custom_components.netflex.model.reading import MeterReading
from tests.virtual_time import now

from .servers import Map, OnWrite, Server, eventually, serving

type Write = tuple[int, int, list[int]]
"""Function, address, registers."""

_KINDS = {
    Nature.CHARGER: SetpointKind.CURRENT,
    Nature.BATTERY: SetpointKind.POWER,
    Nature.INVERTER: SetpointKind.PRODUCTION,
    Nature.RELAY: SetpointKind.SWITCH,
}
_CATEGORIES = {
    Nature.CHARGER: Category.EV,
    Nature.BATTERY: Category.STORAGE,
    Nature.INVERTER: Category.SOLAR,
    Nature.RELAY: Category.FLEXIBLE_CONSUMPTION,
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """A setpoint, and the writes that it must cause, in their order."""

    value: float | None
    writes: list[Write]
    emergency: bool = False
    readback: float | None = None
    confirmed: bool = True


@dataclass(frozen=True, kw_only=True)
class Family:
    """One table."""

    profile: str
    nature: Nature
    contents: Mapping[int, Map]
    params: Mapping[str, int | float | str] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    beats: tuple[Write, ...] = ()
    """Writes of the heartbeat that must be seen; left out of `told`."""
    takes: OnWrite | None = None
    """What the device does with a write."""
    rated: float = 10000.0
    id: str = ""

    @property
    def name(self) -> str:
        return self.id or self.profile

    @property
    def asset(self) -> Asset:
        return Asset(
            id="device",
            name="Device",
            nature=self.nature,
            category=_CATEGORIES[self.nature],
            rated_consumption=self.rated,
            rated_production=self.rated,
            phases=3,
            lines=(Line.L1, Line.L2, Line.L3),
        )

    def config(self, server: Server) -> DeviceConfig:
        return DeviceConfig(
            device_id="device",
            name="Device",
            asset=None if self.nature is Nature.METER else self.asset,
            profile=self.profile,
            link=server.link,
            params=self.params,
        )

    def setpoint(self, value: float | None, *, emergency: bool = False) -> Setpoint:
        return Setpoint(
            asset_id="device",
            kind=_KINDS[self.nature],
            value=value,
            emergency=emergency,
        )


def by_name(families: tuple[Family, ...]) -> list[Any]:
    """Return parameters of a test, one per family."""
    return [pytest.param(family, id=family.name) for family in families]


async def started(
    family: Family, server: Server, units: DedicatedUnits, profiles: ProfileLibrary
) -> Device:
    device = build_device(
        family.config(server), units=units, profiles=profiles, clock=now
    )
    await device.start(lambda state: None)
    await eventually(lambda: device.state.at is not None)
    # All of the first pass, the slow points last.
    await eventually(lambda: device.state.available)
    return device


def check(
    expected: Mapping[str, Any], said: object, details: Mapping[str, Any]
) -> None:
    """Compare what a device says with a table's words; `_x` is a detail x."""
    for key, value in expected.items():
        seen = details.get(key[1:]) if key.startswith("_") else getattr(said, key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert seen == pytest.approx(value), key
        elif isinstance(value, tuple):
            lines = (seen.l1, seen.l2, seen.l3)
            assert lines == pytest.approx(value), key
        else:
            assert seen == value, key


async def check_state(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """The device is recognised, read, and nothing is written to it."""
    async with serving(deepcopy(family.contents)) as server:
        device = await started(family, server, units, profiles)
        check(family.state, device.state, device.state.details)
        await device.stop()
        assert not server.writes()


async def check_writes(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Every setpoint of the table causes its writes, and no other."""
    async with serving(deepcopy(family.contents), family.takes) as server:
        device = await started(family, server, units, profiles)
        beats = {address for _, address, _ in family.beats}
        seen = 0

        def written() -> list[Write]:
            return [
                (request.function, request.address, [int(v) for v in request.values])
                for request in server.writes()
                if request.values is not None and request.address not in beats
            ]

        for told in family.told:
            applied: Applied = await device.apply(
                family.setpoint(told.value, emergency=told.emergency)
            )
            assert written()[seen:] == told.writes, told
            seen += len(told.writes)
            assert applied.confirmed is told.confirmed, (told, applied)
            if told.readback is not None:
                assert applied.readback == pytest.approx(told.readback), told
            # So that what the device does now is polled before the next setpoint.
            await asyncio.sleep(0)
        for function, address, values in family.beats:
            await eventually(
                lambda address=address, values=values, function=function: any(
                    request.function == function and request.values == values
                    for request in server.writes(address)
                )
            )
        await device.stop()


async def check_reading(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """A meter's registers come out as its reading."""
    async with serving(deepcopy(family.contents)) as server:
        readings: list[MeterReading] = []
        meter = build_meter(family.config(server), units=units, profiles=profiles)
        await meter.start(readings.append, lambda status: None)
        await eventually(lambda: readings)
        await meter.stop()
        result = await probe(family.config(server), units=units, profiles=profiles)
        check(family.state, readings[0], result.values)
        assert not server.writes()

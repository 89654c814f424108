"""Doubles of what the site drives, for tests of its own behaviour only."""

import asyncio
from collections.abc import Callable

from custom_components.netflex.devices.device import Applied, DeviceError, MeterStatus
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from custom_components.netflex.model.reading import MeterReading


class FakeDevice:
    """A device whose answers the test decides."""

    def __init__(self, device_id: str = "boiler") -> None:
        self.device_id = device_id
        self.state = AssetState(asset_id=device_id, available=True, at=0.0)
        self.applied: list[Setpoint] = []
        self.started = self.stopped = False
        self.delay = 0.0
        self.error: DeviceError | None = None
        self.gate: asyncio.Event | None = None
        self.newest: Setpoint | None = None

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        self.started = True
        self.on_state = on_state

    async def apply(self, setpoint: Setpoint) -> Applied:
        self.newest = setpoint
        if self.gate is not None:
            await self.gate.wait()
        if self.newest is not setpoint:
            raise DeviceError("superseded", "a newer setpoint took its place")
        self.applied.append(setpoint)
        if self.error is not None:
            raise self.error
        return Applied(written_at=0.0, confirmed=True, readback=setpoint.value)

    async def stop(self) -> None:
        self.stopped = True


class FakeMeter:
    """A meter that says what the test wants."""

    def __init__(self, meter_id: str) -> None:
        self.meter_id = meter_id
        self.status = MeterStatus()
        self.starts = self.stops = 0

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        self.starts += 1
        self.read = on_reading
        self.tell = on_status

    async def stop(self) -> None:
        self.stops += 1


def switch(value: float, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="boiler",
        kind=SetpointKind.SWITCH,
        value=value,
        emergency=emergency,
    )


def load(asset_id: str = "boiler") -> Asset:
    return Asset(
        id=asset_id,
        name=asset_id.title(),
        nature=Nature.LOAD,
        category=Category.FLEXIBLE_CONSUMPTION,
        rated_consumption=2000.0,
    )


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until a condition holds; fails loudly when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)

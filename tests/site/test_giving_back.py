"""What becomes of a load that leaves the site: who has it moved, who holds it off."""

import asyncio
from collections.abc import Callable

import pytest

from custom_components.netflex.devices.device import Applied, DeviceError
from custom_components.netflex.model.asset import Asset, Category, HeatPumpState, Nature
from custom_components.netflex.model.plan import Cause, Setpoint, SetpointKind, Source
from custom_components.netflex.site.giving_back import (
    PATIENCE,
    enable,
    holds_off,
    is_moved,
)
from tests.virtual_time import now, virtual_time

from .fakes import FakeDevice

LOAD = Asset(
    id="load",
    name="Heat pump",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=3000,
)
BATTERY = Asset(
    id="load", name="Battery", nature=Nature.BATTERY, category=Category.STORAGE
)


def told(
    value: float | None,
    heat_pump: HeatPumpState | None = None,
    source: Source | None = None,
) -> Setpoint:
    return Setpoint(
        asset_id="load",
        kind=SetpointKind.SWITCH,
        value=value,
        heat_pump=heat_pump,
        causes=()
        if source is None
        else (Cause(source=source, key="cause", text="because"),),
    )


@pytest.mark.parametrize(
    ("setpoint", "moved"),
    [
        (None, False),
        (told(1.0), False),
        (told(0.0), True),
        (told(0.0, HeatPumpState.BLOCKED), True),
        (told(1.0, HeatPumpState.NORMAL), False),
        (told(1.0, HeatPumpState.RECOMMENDED), True),
        (told(1.0, HeatPumpState.FORCED), True),
    ],
)
def test_a_load_is_moved_that_is_off_or_runs_harder_than_by_itself(
    setpoint: Setpoint | None, moved: bool
) -> None:
    assert is_moved(LOAD, setpoint) is moved
    assert not is_moved(BATTERY, setpoint)


@pytest.mark.parametrize(
    ("source", "held"),
    [
        (Source.EMERGENCY_STOP, True),
        (Source.FUSE, True),
        (Source.GRID_OPERATOR, True),
        (Source.USER, True),
        (Source.DISPATCH, False),
        (Source.SAFE_STATE, False),
    ],
)
def test_S14_a_stop_a_limit_and_the_user_hold_it_off_a_source_outside_does_not(
    source: Source, held: bool
) -> None:
    assert (holds_off(told(0.0, source=source)) is not None) is held
    # What runs is held off by nobody, whatever bounds it.
    assert holds_off(told(1.0, HeatPumpState.FORCED, source)) is None


class Deaf(FakeDevice):
    """A load that takes what it is told and stays as it is."""

    async def apply(self, setpoint: Setpoint) -> Applied:
        await super().apply(setpoint)
        return Applied(written_at=0.0, confirmed=False)


class Faulty(FakeDevice):
    """A load whose driver has a fault."""

    async def apply(self, setpoint: Setpoint) -> Applied:
        raise ZeroDivisionError("float division by zero")


def hung() -> FakeDevice:
    device = FakeDevice()
    device.gate = asyncio.Event()
    return device


def refusing() -> FakeDevice:
    device = FakeDevice()
    device.error = DeviceError("unavailable", "the plug does not answer")
    return device


@virtual_time
async def test_a_load_that_is_left_to_itself_is_on_and_an_sg_ready_one_runs_as_it_likes() -> (
    None
):
    device = FakeDevice()
    left = await enable(device, LOAD)
    assert (left.asset_id, left.name, left.reason) == ("load", "Heat pump", None)
    (setpoint,) = device.applied
    assert (setpoint.value, setpoint.heat_pump) == (1.0, HeatPumpState.NORMAL)


@virtual_time
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Deaf, "it does not do what it was told"),
        (hung, "it does not do what it was told"),
        (refusing, "the plug does not answer"),
        (Faulty, "its driver has a fault: ZeroDivisionError"),
    ],
)
async def test_S14_of_a_load_that_cannot_be_enabled_it_is_said_why(
    make: Callable[[], FakeDevice], reason: str
) -> None:
    left = await enable(make(), LOAD)
    assert left.reason is not None
    assert reason in left.reason
    # It is waited for, and not for ever.
    assert now() == (PATIENCE if make is hung else 0.0)

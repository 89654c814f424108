"""Changing the number of phases of a charger: at rest, with pauses, rarely."""

import asyncio

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import Device, DeviceConfig, DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import alfen, alfen_takes
from .servers import OnWrite, Server, as_f32, eventually, serving

CHARGER = Asset(
    id="alfen", name="Alfen", nature=Nature.CHARGER, category=Category.EV, phases=3
)


def current(
    value: float, phases: int | None = None, *, emergency: bool = False
) -> Setpoint:
    return Setpoint(
        asset_id="alfen",
        kind=SetpointKind.CURRENT,
        value=value,
        phases=phases,
        emergency=emergency,
    )


async def started(
    server: Server, units: DedicatedUnits, profiles: ProfileLibrary
) -> Device:
    config = DeviceConfig(
        device_id="alfen",
        name="Alfen",
        asset=CHARGER,
        profile="alfen_ng9xx",
        link=server.link,
    )
    device = build_device(config, units=units, profiles=profiles)
    await device.start(lambda state: None)
    await eventually(lambda: device.state.available)
    return device


def car(*, obeys: bool = True) -> OnWrite:
    """A car that follows what it is offered, on three phases."""
    takes = alfen_takes()

    def on_write(
        server: Server, unit: int, function: int, address: int, values: list[int]
    ) -> None:
        takes(server, unit, function, address, values)
        if address == 1210 and obeys:
            for at in (320, 322, 324):
                server.set(1, at, values)

    return on_write


def told(server: Server) -> list[tuple[int, float]]:
    """Return what was written: amperes at 1210, phases at 1215."""
    return [
        (
            w.address,
            as_f32([int(v) for v in w.values]) if w.address == 1210 else w.values[0],
        )
        for w in server.writes()
        if w.values is not None
    ]


async def test_a_switch_is_made_at_rest_and_charging_goes_on_after_a_pause(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car()) as server:
        device = await started(server, units, profiles)
        applied = await device.apply(current(16.0, phases=1))
        assert applied.confirmed
        assert told(server) == [(1210, 0.0), (1215, 1), (1210, 16.0)]
        switched, resumed = (w.at for w in server.writes()[1:])
        assert resumed - switched >= 0.045, "its contactors need their time"
        await device.stop()


async def test_phases_that_are_in_use_already_are_left_alone(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Three phases carry current; the register's own answer of 3 is not asked."""
    async with serving(alfen(), car()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(10.0, phases=3))
        await device.apply(current(11.0))
        assert told(server) == [(1210, 10.0), (1210, 11.0)]
        await device.stop()


async def test_a_number_of_phases_that_it_does_not_offer_is_not_asked_for(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car()) as server:
        device = await started(server, units, profiles)
        assert device.state.phase_choices == (1, 3)
        await device.apply(current(10.0, phases=2))
        assert told(server) == [(1210, 10.0)]
        await device.stop()


async def test_a_car_that_goes_on_drawing_keeps_its_phases(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car(obeys=False)) as server:
        device = await started(server, units, profiles)
        await device.apply(current(10.0, phases=1))
        assert told(server) == [(1210, 0.0), (1210, 10.0)]
        await device.apply(current(11.0, phases=1))
        assert told(server)[2:] == [(1210, 11.0)], "not tried again at once"
        await device.stop()


async def test_two_switches_are_minutes_apart(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(16.0, phases=1))
        await device.apply(current(10.0, phases=3))
        assert told(server)[3:] == [(1210, 10.0)]
        await device.stop()


async def test_a_refusal_says_what_to_switch_on(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car()) as server:
        server.refuse[6, 1215] = ExcCodes.ILLEGAL_VALUE
        device = await started(server, units, profiles)
        with pytest.raises(DeviceError, match="Allow 1- and 3-phased"):
            await device.apply(current(16.0, phases=1))
        # The actor asks again, and the current counts whatever the phases do.
        await device.apply(current(16.0, phases=1))
        assert told(server)[-1] == (1210, 16.0)
        await device.stop()


async def test_a_stop_in_the_middle_of_a_switch_is_the_last_word(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), car(obeys=False)) as server:
        device = await started(server, units, profiles)
        switching = asyncio.create_task(device.apply(current(16.0, phases=1)))
        await eventually(lambda: server.writes(1210))
        await device.apply(current(0.0, emergency=True))
        with pytest.raises(DeviceError) as caught:
            await switching
        assert caught.value.key == "superseded"
        assert {value for address, value in told(server)} == {0.0}
        await device.stop()


async def test_after_the_switch_nothing_charges_before_it_has_settled(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """A newer setpoint does not shorten the pause."""
    async with serving(alfen(), car()) as server:
        device = await started(server, units, profiles)
        switching = asyncio.create_task(device.apply(current(16.0, phases=1)))
        await eventually(lambda: server.writes(1215))
        await device.apply(current(12.0, phases=1))
        with pytest.raises(DeviceError):
            await switching
        assert told(server)[-1] == (1210, 12.0)
        # The newer setpoint switches again where the first was not read back yet.
        switch = server.writes(1215)[-1]
        assert server.writes()[-1].at - switch.at >= 0.045
        await device.stop()

"""Alfen NG9xx against a station laid out from Alfen's own table."""

import asyncio
import itertools
import math

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import (
    Device,
    DeviceConfig,
    DeviceError,
    ProbeError,
)
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.session import SLOW_POLLS
from custom_components.netflex.model.asset import Asset, Category, ChargerState, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from tests.virtual_time import now, virtual_time

from .maps import alfen, alfen_takes
from .servers import Server, as_f32, eventually, f32, own_units, serving, text, u32, u64

CHARGER = Asset(
    id="alfen",
    name="Alfen",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22000,
    phases=3,
    lines=(Line.L2, Line.L3, Line.L1),
    maximum_current=32,
)


def config(server: Server, **params: float | str) -> DeviceConfig:
    return DeviceConfig(
        device_id="alfen",
        name="Alfen",
        asset=CHARGER,
        profile="alfen_ng9xx",
        link=server.link,
        params=params,
    )


def current(value: float | None, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="alfen", kind=SetpointKind.CURRENT, value=value, emergency=emergency
    )


async def started(
    server: Server,
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    **params: float | str,
) -> Device:
    device = build_device(
        config(server, **params), units=units, profiles=profiles, clock=now
    )
    await device.start(lambda state: None)
    await eventually(lambda: device.state.at is not None)
    return device


async def test_state_of_a_charging_car(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        device = await started(server, units, profiles)
        await eventually(lambda: device.state.energy_consumed is not None)
        # What belongs to slow polls has come once, however often the rest came.
        await eventually(lambda: device.state.details[SLOW_POLLS] == 1)
        state = device.state
        assert state.available
        assert state.power == 10700.0
        assert (state.currents.l2, state.currents.l3, state.currents.l1) == (
            15.5,
            15.25,
            15.75,
        )
        assert state.charger_state is ChargerState.CHARGING
        assert state.energy_consumed == 1234567.0
        assert state.current_limit == 10.0
        assert state.device_fallback == 10.0
        assert state.follows is None
        assert state.details["serial"] == "ACE0123456"
        assert state.details["voltage_l1"] == 230.5
        await device.stop()
        assert not server.writes()


async def test_setpoint_is_written_in_one_request_and_read_back(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        applied = await device.apply(current(7.0))
        # Golden: 7.0 A is 40 E0 00 00 at 1210 (evcc wire trace 10 04ba 0002 04 40e00000).
        (write,) = server.writes()
        assert (write.function, write.address, write.values) == (16, 1210, [0x40E0, 0])
        assert applied.confirmed
        assert applied.readback == 7.0
        assert device.state.follows is True
        await device.stop()


@pytest.mark.parametrize(
    ("asked", "written"),
    [(16.04, 16.0), (5.9, 0.0), (6.0, 6.0), (0.0, 0.0), (40.0, 32.0), (None, 32.0)],
)
async def test_S18_a_charger_gets_zero_or_at_least_its_minimum(
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    asked: float | None,
    written: float,
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(asked))
        assert math.isclose(as_f32(server.get(1, 1210, 2)), written, rel_tol=1e-6)
        await device.stop()


async def test_the_same_setpoint_again_costs_no_traffic(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        first = await device.apply(current(10.0))
        again = await device.apply(current(10.05))
        assert len(server.writes()) == 1
        assert again.confirmed
        assert again.written_at == first.written_at
        await device.stop()


@virtual_time
async def test_nothing_is_kept_alive_that_we_did_not_write(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    """A fresh station reads 0 A at 1210; echoing that would stop the car."""
    async with serving(alfen(), alfen_takes(1)) as server, own_units() as units:
        device = await started(server, units, profiles)
        await asyncio.sleep(300.0)
        assert not server.writes()
        await device.stop()


@virtual_time
async def test_keep_alive_learns_the_validity_and_keeps_its_period(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    async with serving(alfen(), alfen_takes(2)) as server, own_units() as units:
        device = await started(server, units, profiles)
        await device.apply(current(10.0))
        await eventually(lambda: len(server.writes()) >= 4)
        times = [write.at for write in server.writes()]
        periods = [later - earlier for earlier, later in itertools.pairwise(times)]
        # A third of the validity of 2 s that the station showed after the write.
        assert periods == pytest.approx([2 / 3] * 3)
        assert device.state.details["validity"] == 2.0
        assert "2 s only" in (device.state.problem or "")
        await device.stop()
        count = len(server.writes())
        await asyncio.sleep(300.0)
        assert len(server.writes()) == count


@virtual_time
async def test_S10_keep_alive_ends_without_its_owner_but_holds_a_stop(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    async with serving(alfen(), alfen_takes(2)) as server, own_units() as units:
        device = await started(server, units, profiles, time_to_live=0.8)
        await device.apply(current(10.0))
        await asyncio.sleep(1.6)
        count = len(server.writes())
        assert count == 2, "within 0.8 s, every 2/3 s"
        await asyncio.sleep(300.0)
        assert len(server.writes()) == count, "nobody stands by the 10 A any more"
        assert "nobody stands by" in (device.state.problem or "")
        await device.apply(current(0.0))
        count = len(server.writes())
        await asyncio.sleep(20.1)
        assert len(server.writes()) == count + 30, "a stop is held on"
        await device.stop()


@virtual_time
async def test_S10_what_the_safe_current_exceeds_is_held_on_without_its_owner(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    """8 A with a safe current of 10 A: silence would let it draw more."""
    async with serving(alfen(), alfen_takes(2)) as server, own_units() as units:
        device = await started(server, units, profiles, time_to_live=0.5)
        await eventually(lambda: device.state.device_fallback == 10.0)
        await device.apply(current(8.0))
        await asyncio.sleep(1.6)
        count = len(server.writes())
        await asyncio.sleep(20.1)
        assert len(server.writes()) == count + 30
        assert "nobody stands by" not in (device.state.problem or "")
        await device.stop()


async def test_a_station_that_ignores_us_is_said_not_to_follow(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Monitoring mode: the write is taken and nothing happens (1214 stays 0)."""
    async with serving(alfen()) as server:
        device = await started(server, units, profiles)
        applied = await device.apply(current(6.0))
        assert not applied.confirmed
        assert applied.readback == 10.0
        assert device.state.follows is False
        assert "data source" in (device.state.problem or "")
        await device.stop()


async def test_refusals_are_told_in_the_users_words(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        server.refuse[16, 1210] = ExcCodes.ILLEGAL_FUNCTION
        device = await started(server, units, profiles)
        with pytest.raises(DeviceError) as caught:
            await device.apply(current(6.0))
        assert caught.value.key == "refused"
        assert "ACE Service Installer" in caught.value.text
        assert caught.value.placeholders == {"code": "1"}
        assert device.state.available
        await device.stop()


@pytest.mark.parametrize(
    ("swap", "shift", "variant"),
    [
        (True, 0, "low_word_first"),
        (False, -1, "counted_from_one"),
        (True, -1, "counted_from_one_low_word_first"),
    ],
)
async def test_another_layout_is_recognised_before_the_first_write(
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    swap: bool,
    shift: int,
    variant: str,
) -> None:
    behaviour = alfen_takes(swap=swap, shift=shift)
    async with serving(alfen(swap=swap, shift=shift), behaviour) as server:
        device = await started(server, units, profiles)
        assert device.state.details["variant"] == variant
        assert device.state.power == 10700.0
        applied = await device.apply(current(16.0))
        assert applied.confirmed
        words = server.get(1, 1210 + shift, 2)
        assert as_f32(words[::-1] if swap else words) == 16.0
        await device.stop()


async def test_a_meter_that_is_off_does_not_spoil_the_recognition(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    units_map = alfen()
    units_map[1].put(336, [0xFFFF, 0xFFFF])
    async with serving(units_map) as server:
        device = await started(server, units, profiles)
        assert "variant" not in device.state.details
        await device.stop()


async def test_nothing_is_written_to_a_device_that_is_no_alfen(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[200].put(140, text("Wallbox X", 17))
    async with serving(contents) as server:
        device = build_device(config(server), units=units, profiles=profiles)
        await device.start(lambda state: None)
        for emergency in (False, True):
            with pytest.raises(DeviceError) as caught:
                await device.apply(current(0.0, emergency=emergency))
            assert caught.value.key == "wrong_device"
        await eventually(lambda: device.state.problem is not None)
        assert "no Alfen" in (device.state.problem or "")
        assert not device.state.available
        assert not server.writes()
        await device.stop()


async def test_another_serial_at_the_address_is_never_written_to(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        device = build_device(
            config(server, serial="ACE9999999"), units=units, profiles=profiles
        )
        await device.start(lambda state: None)
        with pytest.raises(DeviceError, match="ACE0123456 instead of ACE9999999"):
            await device.apply(current(0.0))
        assert not server.writes()
        await device.stop()


async def test_a_meter_that_repeats_itself_is_not_believed(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[1].put(301, u64(60000))
    async with serving(contents) as server:
        device = await started(server, units, profiles)
        assert device.state.power is None
        assert device.state.currents.total() is None
        assert device.state.current_limit == 10.0
        await device.stop()


async def test_missing_values_are_unknown_and_not_zero(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    contents[1].put(344, [0xFFFF, 0xFFFF])
    contents[1].put(374, [0xFFFF] * 4)
    async with serving(contents) as server:
        device = await started(server, units, profiles)
        await eventually(lambda: "serial" in device.state.details)
        assert device.state.power is None
        assert device.state.energy_consumed is None
        await device.stop()


async def test_probe_tells_who_answers(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving(alfen()) as server:
        result = await probe(config(server), units=units, profiles=profiles)
        assert result.nature is Nature.CHARGER
        assert (result.serial, result.model, result.firmware) == (
            "ACE0123456",
            "NG910",
            "6.4.0-4210",
        )
        assert result.values["power"] == 10700.0
        assert not server.writes()


async def test_probe_tells_what_is_wrong(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    contents = alfen()
    async with serving(contents) as server:
        server.refuse[3, 0] = ExcCodes.ILLEGAL_ADDRESS
        with pytest.raises(ProbeError, match="Active Load Balancing") as caught:
            await probe(config(server), units=units, profiles=profiles)
        assert caught.value.key == "not_enabled"
        server.refuse.clear()
        server.set(200, 140, text("SMA", 17))
        with pytest.raises(ProbeError) as caught:
            await probe(config(server), units=units, profiles=profiles)
        assert caught.value.key == "wrong_device"
        gone = config(server)
    with pytest.raises(ProbeError, match="2 connections") as caught:
        await probe(gone, units=units, profiles=profiles)
    assert caught.value.key == "cannot_connect"


async def test_lost_and_back(units: DedicatedUnits, profiles: ProfileLibrary) -> None:
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(16.0))
        await server.stop()
        with pytest.raises(DeviceError) as caught:
            await device.apply(current(8.0))
        assert caught.value.key == "link"
        await server.start()
        server.set(1, 1206, f32(10.0))
        server.set(1, 1208, u32(0))
        applied = await device.apply(current(8.0))
        assert applied.confirmed
        assert as_f32(server.get(1, 1210, 2)) == 8.0
        await device.stop()


async def test_a_busy_station_is_still_known_and_can_be_stopped(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """Busy says nothing of who it is; a stop is written all the same."""
    async with serving(alfen(), alfen_takes()) as server:
        device = await started(server, units, profiles)
        await device.apply(current(16.0))
        server.refuse[3, 0] = ExcCodes.DEVICE_BUSY
        session = device._session  # type: ignore[attr-defined]
        session.available = session._ready = False
        session.poke()
        await eventually(lambda: "busy" in (device.state.problem or ""))
        await device.apply(current(0.0, emergency=True))
        assert as_f32(server.get(1, 1210, 2)) == 0.0
        await device.stop()

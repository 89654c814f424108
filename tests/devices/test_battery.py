"""The generic battery: registers that the user fills in."""

import asyncio
from dataclasses import replace

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import Device, DeviceConfig, DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.modbus_device import Tasks
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.devices.silence import Silenceable, SilenceFacts
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind
from tests.virtual_time import now, virtual_time

from .servers import Map, Server, eventually, own_units, s32, serving

BATTERY = Asset(
    id="battery",
    name="Battery",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    rated_consumption=5000,
    rated_production=5000,
)

MINIMAL = {"power_register": 10, "setpoint_register": 20}


def contents() -> Map:
    unit = Map()
    unit.fill(0, 60)
    unit.put(10, [65536 - 1500])
    unit.put(12, [785])
    unit.put(14, [40, 50])
    return unit


def config(server: Server, params: dict[str, int | float | str]) -> DeviceConfig:
    return DeviceConfig(
        device_id="battery",
        name="Battery",
        asset=BATTERY,
        profile="generic_battery",
        link=server.link,
        params=params,
    )


def power(value: float | None, *, emergency: bool = False) -> Setpoint:
    return Setpoint(
        asset_id="battery", kind=SetpointKind.POWER, value=value, emergency=emergency
    )


async def started(
    server: Server,
    units: DedicatedUnits,
    profiles: ProfileLibrary,
    params: dict[str, int | float | str],
) -> Device:
    device = build_device(
        config(server, params), units=units, profiles=profiles, clock=now
    )
    await device.start(lambda state: None)
    await eventually(lambda: device.state.available)
    return device


async def test_two_registers_are_enough(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: contents()}) as server:
        device = await started(server, units, profiles, dict(MINIMAL))
        assert device.state.power == -1500.0
        assert device.state.state_of_charge is None
        applied = await device.apply(power(-2500.5))
        assert applied.confirmed
        assert applied.readback is None
        assert server.get(1, 20) == [65536 - 2500]
        await device.stop()


async def test_everything_filled_in_with_other_units_and_the_other_sign(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    params = {
        **MINIMAL,
        "soc_register": 12,
        "soc_scale": 0.1,
        "power_unit": "kW",
        "power_scale": 0.1,
        "power_sign": "load_negative",
        "max_charge_register": 14,
        "max_discharge_register": 15,
        "limits_unit": "kW",
        "limits_scale": 0.1,
        "setpoint_type": "s32",
        "setpoint_sign": "load_negative",
        "word_order": "little",
        "echo_register": 20,
        "mode_register": 30,
        "mode_remote": 7,
        "mode_local": 3,
        "silence": 60,
    }
    async with serving({1: contents()}) as server:
        device = await started(server, units, profiles, params)
        state = device.state
        assert state.power == 150000.0
        assert state.state_of_charge == pytest.approx(78.5)
        assert state.max_charge_power == 4000.0
        assert state.max_discharge_power == 5000.0
        applied = await device.apply(power(1200.0))
        assert applied.confirmed
        assert applied.readback == 1200.0
        assert server.get(1, 20, 2) == s32(-1200)[::-1]
        assert [w.address for w in server.writes()] == [30, 20], "remote control first"
        assert server.get(1, 30) == [7]
        assert device.state.device_fallback == 0.0
        assert device.state.fallback_in is not None
        assert 58 < device.state.fallback_in <= 60
        await device.apply(power(None))
        assert server.get(1, 20, 2) == [0, 0]
        assert server.get(1, 30) == [3]
        await device.stop()


async def test_temperature_and_faults_where_their_registers_are_named(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    params = {
        **MINIMAL,
        "temperature_register": 16,
        "temperature_scale": 0.1,
        "fault_register": 17,
    }
    unit = contents()
    unit.put(16, [65536 - 52, 0x8004])
    async with serving({1: unit}) as server:
        device = await started(server, units, profiles, params)
        await eventually(lambda: device.state.temperature is not None)
        assert device.state.temperature == pytest.approx(-5.2)
        assert device.state.details["fault"] == 0x8004
        await device.stop()
        device = await started(server, units, profiles, dict(MINIMAL))
        assert device.state.temperature is None
        assert "fault" not in device.state.details
        await device.stop()


async def test_a_setpoint_after_a_release_takes_control_again(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: contents()}) as server:
        device = await started(
            server, units, profiles, {**MINIMAL, "mode_register": 30}
        )
        await device.apply(power(100.0))
        await device.apply(power(None))
        assert server.get(1, 30) == [0]
        await device.apply(power(100.0))
        assert server.get(1, 30) == [1]
        await device.stop()


@virtual_time
async def test_heartbeat_toggles_only_once_we_are_in_control(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    params = {
        **MINIMAL,
        "heartbeat_register": 40,
        "heartbeat_kind": "toggle",
        "heartbeat_every": 0.2,
    }
    async with serving({1: contents()}) as server, own_units() as units:
        device = await started(server, units, profiles, params)
        await asyncio.sleep(60.0)
        assert not server.writes()
        await device.apply(power(0.0))
        await eventually(lambda: len(server.writes(40)) >= 3)
        beats = [write.values[0] for write in server.writes(40) if write.values]
        assert set(beats[:2]) == {0xAA55, 0x55AA}
        assert beats[0] == beats[2]
        await device.stop()


@virtual_time
async def test_a_heartbeat_that_is_refused_is_tried_again(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    """What it writes is another register's matter: the setpoint stands."""
    params = {**MINIMAL, "heartbeat_register": 40, "heartbeat_every": 0.2}
    async with serving({1: contents()}) as server, own_units() as units:
        device = await started(server, units, profiles, params)
        server.refuse[6, 40] = server.refuse[16, 40] = ExcCodes.DEVICE_BUSY
        assert (await device.apply(power(500.0))).confirmed
        await eventually(lambda: len(server.writes(40)) >= 3)
        server.refuse.clear()
        beat = server.get(1, 40)
        await eventually(lambda: server.get(1, 40) != beat)
        await device.stop()


@virtual_time
async def test_what_never_reached_the_device_is_not_repeated(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    async with serving({1: contents()}) as server, own_units() as units:
        device = await started(server, units, profiles, dict(MINIMAL))
        await server.stop()
        with pytest.raises(DeviceError) as caught:
            await device.apply(power(500.0))
        assert caught.value.key == "link"
        await asyncio.sleep(25.0)
        await server.start()
        await eventually(lambda: device.state.available)
        await asyncio.sleep(25.0)
        assert not server.writes()
        await device.stop()


@virtual_time
async def test_what_the_device_never_took_is_not_repeated(
    profiles: ProfileLibrary, socket_enabled: None
) -> None:
    async with serving({1: contents()}) as server, own_units() as units:
        device = await started(server, units, profiles, dict(MINIMAL))
        server.refuse[6, 0] = server.refuse[16, 0] = ExcCodes.ILLEGAL_VALUE
        with pytest.raises(DeviceError) as caught:
            await device.apply(power(500.0))
        assert caught.value.key == "refused"
        server.refuse.clear()
        tried = len(server.writes())
        await asyncio.sleep(25.0)
        assert len(server.writes()) == tried
        await device.apply(power(500.0))
        await asyncio.sleep(25.0)
        assert len(server.writes()) >= tried + 3
        await device.stop()


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        ({"silence": 60.0}, SilenceFacts(after=60.0, fallback=0.0)),
        ({}, SilenceFacts(after=None, fallback=None)),
        ({"persistence": "eeprom"}, None),
    ],
)
def test_what_is_known_of_it_when_it_is_left_alone(
    profiles: ProfileLibrary,
    params: dict[str, int | float | str],
    facts: SilenceFacts | None,
) -> None:
    """A battery that keeps its setpoint for ever needs no refreshing."""
    device = build_device(
        config(Server({}), {**MINIMAL, **params}),
        units=DedicatedUnits(),
        profiles=profiles,
    )
    assert isinstance(device, Silenceable)
    assert device.silence_facts == facts


async def test_a_battery_takes_a_power_only(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    device = build_device(
        config(Server({}), dict(MINIMAL)), units=units, profiles=profiles
    )
    assert device.device_id == "battery"
    with pytest.raises(DeviceError, match="a battery takes power, not current"):
        await device.apply(replace(power(5.0), kind=SetpointKind.CURRENT))


async def test_a_task_that_has_failed_is_said_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    tasks = Tasks()
    tasks.start("battery polling", fail())
    await asyncio.sleep(0)
    await tasks.stop()
    (told,) = [item for item in caplog.records if "netflex" in item.name]
    assert "task had failed" in told.message
    assert told.exc_info is not None


async def test_S11_a_budget_never_blocks_a_stop_or_a_tightening(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    class Spent:
        def __init__(self) -> None:
            self.asked: list[bool] = []

        async def spend(
            self, device: str, control: str, limit: int, *, urgent: bool
        ) -> bool:
            self.asked.append(urgent)
            return urgent

        def left(self, device: str, control: str, limit: int) -> int:
            return 0

    budget = Spent()
    async with serving({1: contents()}) as server:
        device = build_device(
            config(server, {**MINIMAL, "persistence": "eeprom"}),
            units=units,
            profiles=profiles,
            budget=budget,
        )
        await device.start(lambda state: None)
        await device.apply(power(1000.0))
        await device.apply(power(800.0))
        with pytest.raises(DeviceError) as caught:
            await device.apply(power(900.0))
        assert caught.value.key == "write_budget"
        await device.apply(power(0.0))
        await device.apply(power(0.0, emergency=True))
        assert [w.values for w in server.writes()] == [[1000], [800], [0], [0]]
        await device.stop()


async def test_a_newer_setpoint_supersedes_and_no_old_write_lands_after_it(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: contents()}) as server:
        device = await started(server, units, profiles, dict(MINIMAL))
        server.write_delay = 0.03
        older = [
            asyncio.create_task(device.apply(power(1000.0 + step))) for step in range(5)
        ]
        await asyncio.sleep(0.01)
        newest = await device.apply(power(0.0, emergency=True))
        assert newest.confirmed
        results = await asyncio.gather(*older, return_exceptions=True)
        superseded = [r for r in results if isinstance(r, DeviceError)]
        assert {err.key for err in superseded} == {"superseded"}
        assert len(superseded) >= 4
        await asyncio.sleep(0.05)
        assert server.writes()[-1].values == [0]
        assert server.get(1, 20) == [0]
        await device.stop()


async def test_wrong_params_are_told_with_their_name(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: contents()}) as server:
        with pytest.raises(DeviceError, match=r"params\.power_register.*filled in"):
            build_device(
                config(server, {"setpoint_register": 1}), units=units, profiles=profiles
            )
        with pytest.raises(DeviceError, match=r"params\.word_order.*big, little"):
            build_device(
                config(server, {**MINIMAL, "word_order": "middle"}),
                units=units,
                profiles=profiles,
            )

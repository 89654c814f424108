"""Moxa ioLogik E1214: a relay with read-back, also on a loop of its own."""

import asyncio
import threading

from pymodbus.constants import ExcCodes
import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceConfig, DeviceError
from custom_components.netflex.devices.factory import build_device, probe
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.plan import Setpoint, SetpointKind

from .maps import moxa
from .servers import Server, eventually, serving

RELAY = Asset(
    id="relay",
    name="Relay",
    nature=Nature.RELAY,
    category=Category.OTHER_PRODUCTION,
)


def config(link: LinkParams, output: int = 0, **params: int) -> DeviceConfig:
    return DeviceConfig(
        device_id="relay",
        name="Relay",
        asset=RELAY,
        profile="moxa_iologik_e1214",
        link=link,
        params={"output": output, **params},
    )


def switch(on: bool, *, emergency: bool = True) -> Setpoint:
    return Setpoint(
        asset_id="relay",
        kind=SetpointKind.SWITCH,
        value=float(on),
        emergency=emergency,
    )


@pytest.mark.parametrize("output", [0, 5])
async def test_coil_is_written_and_read_back(
    units: DedicatedUnits, profiles: ProfileLibrary, output: int
) -> None:
    async with serving({1: moxa()}) as server:
        device = build_device(
            config(server.link, output), units=units, profiles=profiles
        )
        await device.start(lambda state: None)
        applied = await device.apply(switch(True))
        assert applied.confirmed
        assert applied.readback == 1.0
        assert server.coil(1, output)
        assert device.state.enabled is True
        (write,) = server.writes()
        assert (write.function, write.address) == (5, output)
        applied = await device.apply(switch(False))
        assert applied.confirmed
        assert not server.coil(1, output)
        await device.stop()
        assert not server.coil(1, output)


async def test_S10_stopping_leaves_the_relay_as_it_was_told(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        device = build_device(config(server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(switch(True))
        await device.stop()
        assert server.coil(1, 0)


async def test_S13_a_latched_output_is_recognised_and_said(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    def latched(
        server: Server, unit: int, _f: int, address: int, values: list[int]
    ) -> None:
        asyncio.get_running_loop().call_soon(server.set_coil, unit, address, False)

    async with serving({1: moxa()}, latched) as server:
        device = build_device(config(server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        applied = await device.apply(switch(True))
        assert not applied.confirmed
        assert applied.readback == 0.0
        assert device.state.follows is False
        assert "latched" in (device.state.problem or "")
        await device.stop()


async def test_someone_else_who_switches_the_coil_is_noticed(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        device = build_device(config(server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(switch(True))
        server.set_coil(1, 0, False)
        await eventually(lambda: device.state.follows is False)
        await device.apply(switch(True, emergency=False))
        assert server.coil(1, 0)
        assert device.state.follows is True
        await device.stop()


async def test_auxiliary_contact_and_what_an_older_firmware_lacks(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        server.refuse[2, 4112] = ExcCodes.ILLEGAL_ADDRESS
        device = build_device(
            config(server.link, contact=3), units=units, profiles=profiles
        )
        await device.start(lambda state: None)
        server.set_coil(1, 3, True, "d")
        await eventually(lambda: device.state.details.get("contact") is True)
        assert device.state.available
        assert device.state.details["safe_status"] is None
        asked = [r for r in server.requests if r.address == 4112]
        assert len(asked) == 1, "a register that is not there is asked for once"
        await device.stop()


async def test_several_outputs_of_one_module_share_one_connection(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        devices = [
            build_device(config(server.link, output), units=units, profiles=profiles)
            for output in range(6)
        ]
        for device in devices:
            await device.start(lambda state: None)
        await asyncio.gather(*(device.apply(switch(True)) for device in devices))
        assert all(server.coil(1, output) for output in range(6))
        assert server.connections == 1
        for device in devices[:-1]:
            await device.stop()
        assert (await devices[-1].apply(switch(False))).confirmed
        await devices[-1].stop()


async def test_an_unreachable_module_is_said_and_found_again(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        device = build_device(config(server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(switch(False))
        await server.stop()
        with pytest.raises(DeviceError) as caught:
            await device.apply(switch(True))
        assert caught.value.key == "link"
        await eventually(lambda: not device.state.available)
        assert device.state.problem
        await server.start()
        assert (await device.apply(switch(True))).confirmed, "a stop does not back off"
        await eventually(lambda: device.state.available)
        await device.stop()


async def test_probe(units: DedicatedUnits, profiles: ProfileLibrary) -> None:
    async with serving({1: moxa()}) as server:
        result = await probe(config(server.link), units=units, profiles=profiles)
        assert result.nature is Nature.RELAY
        assert result.values["enabled"] is False


async def test_a_refused_write_is_tried_twice_and_told(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with serving({1: moxa()}) as server:
        device = build_device(config(server.link), units=units, profiles=profiles)
        await device.start(lambda state: None)
        await device.apply(switch(False, emergency=False))
        server.requests.clear()
        server.refuse[5, 0] = ExcCodes.DEVICE_FAILURE
        with pytest.raises(DeviceError) as caught:
            await device.apply(switch(True))
        assert caught.value.key == "refused"
        assert len(server.writes()) == 2
        await device.stop()


async def test_S09_on_a_loop_of_its_own_while_this_one_is_blocked(
    units: DedicatedUnits, shipped: ProfileLibrary, socket_enabled: None
) -> None:
    """The module and the relay run on two loops in threads; ours stands still."""
    ready, finish = threading.Event(), threading.Event()
    module: list[Server] = []

    async def serve() -> None:
        async with serving({1: moxa()}) as server:
            module.append(server)
            ready.set()
            while not finish.is_set():
                await asyncio.sleep(0.01)

    confirmed: list[int] = []

    async def station() -> None:
        own_units = DedicatedUnits()
        device = build_device(config(module[0].link), units=own_units, profiles=shipped)
        await device.start(lambda state: None)
        await device.apply(switch(False))
        for step in range(20):
            assert (await device.apply(switch(step % 2 == 0))).confirmed
            confirmed.append(step)
        await device.stop()
        await own_units.close()

    server_thread = threading.Thread(target=asyncio.run, args=(serve(),))
    server_thread.start()
    assert ready.wait(20)
    station_thread = threading.Thread(target=asyncio.run, args=(station(),))
    station_thread.start()
    station_thread.join(30)  # this loop is blocked here
    finish.set()
    server_thread.join(20)
    assert confirmed == list(range(20))

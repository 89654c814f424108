"""Families of relay modules against maps laid out from their vendors' tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import struct

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.device import DeviceError
from custom_components.netflex.devices.factory import build_device
from custom_components.netflex.devices.ports import LinkParams, ModbusUnit
from custom_components.netflex.devices.profile_loader import ProfileLibrary
from custom_components.netflex.model.asset import Nature
from tests.virtual_time import virtual_time

from .families import Family, Told, by_name, check_state, check_writes, started
from .servers import Map, Server, eventually, own_units, serving


def outputs(count: int, *, on: int | None = None, inputs: int = 0) -> Map:
    return Map(
        coils={at: at == on for at in range(count)},
        discrete={
            **dict.fromkeys(range(inputs), True),
            **dict.fromkeys(range(4112, 4112 + inputs), False),
        },
    )


FAMILIES = (
    Family(
        profile="moxa_iologik_e1211",
        nature=Nature.RELAY,
        contents={1: outputs(16, on=15)},
        params={"output": 15},
        state={"enabled": True},
        told=(
            Told(value=0.0, writes=[(5, 15, [0])], readback=0.0),
            Told(value=1.0, writes=[(5, 15, [1])], readback=1.0),
            Told(value=0.0, emergency=True, writes=[(5, 15, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="moxa_iologik_e1212",
        nature=Nature.RELAY,
        contents={1: outputs(8, inputs=8)},
        params={"output": 3, "contact": 2},
        state={"enabled": False, "_contact": True, "_safe_status": False},
        told=(Told(value=1.0, writes=[(5, 3, [1])], readback=1.0),),
    ),
    Family(
        profile="waveshare_relay",
        nature=Nature.RELAY,
        contents={1: outputs(8, inputs=8)},
        params={"output": 7, "contact": 0},
        state={"enabled": False, "_contact": True},
        told=(
            Told(value=1.0, writes=[(5, 7, [1])], readback=1.0),
            Told(value=0.0, writes=[(5, 7, [0])], readback=0.0),
        ),
    ),
    Family(
        profile="generic_relay",
        nature=Nature.RELAY,
        contents={9: outputs(32, on=20)},
        params={"unit": 9, "register": 20},
        state={"enabled": True},
        told=(Told(value=0.0, writes=[(5, 20, [0])], readback=0.0),),
    ),
    Family(
        id="generic_relay_register",
        profile="generic_relay",
        nature=Nature.RELAY,
        contents={1: Map(holding={40: 0})},
        params={
            "area": "holding",
            "register": 40,
            "on_value": 0x0100,
            "off_value": 0x0200,
            "function": 16,
            "silence": 30,
        },
        state={"enabled": False, "device_fallback": 0.0},
        told=(
            Told(value=1.0, writes=[(16, 40, [0x0100])], readback=1.0),
            Told(value=0.0, writes=[(16, 40, [0x0200])], readback=0.0),
        ),
    ),
)


@pytest.mark.parametrize("family", by_name(FAMILIES))
async def test_state(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_state(family, units, profiles)


@pytest.mark.parametrize("family", by_name(FAMILIES))
async def test_writes(
    family: Family, units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    await check_writes(family, units, profiles)


class Waveshare:
    """A module with its own function 5, as its wiki shows it, on a bare socket.

    "Flash on" of relay 0 for 0.7 s is 01 05 02 00 00 07; the answer repeats it.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.on_until = [0.0] * 8

    def is_on(self, relay: int) -> bool:
        return asyncio.get_running_loop().time() < self.on_until[relay]

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        now = asyncio.get_running_loop().time
        try:
            while True:
                header = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(header[4:6]) - 1)
                function, address, value = struct.unpack(">BHH", pdu[:5])
                answer = pdu
                if function == 5:
                    self.frames.append(pdu)
                    flash = address & 0xFF00 == 0x0200
                    length = value / 10 if flash else 1e9 if value == 0xFF00 else -1e9
                    self.on_until[address & 0xFF] = now() + length
                else:
                    bits = sum(self.is_on(i) << i for i in range(8)) >> address
                    answer = bytes([function, 1, bits & ((1 << value) - 1)])
                writer.write(header[:4] + (len(answer) + 1).to_bytes(2))
                writer.write(header[6:] + answer)
                await writer.drain()
        except asyncio.IncompleteReadError, ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def waveshare() -> AsyncIterator[tuple[Waveshare, LinkParams]]:
    module = Waveshare()
    server = await asyncio.start_server(module.serve, "127.0.0.1", 0)
    async with server:
        yield (
            module,
            LinkParams(host="127.0.0.1", port=server.sockets[0].getsockname()[1]),
        )
        server.close_clients()


PULSE = Family(
    profile="waveshare_relay",
    nature=Nature.RELAY,
    contents={},
    params={"output": 2, "hold": "pulse", "pulse": 2},
)


@virtual_time
async def test_S13_a_pulse_falls_off_by_itself_once_we_are_gone(
    profiles: ProfileLibrary,
    socket_enabled: None,
) -> None:
    async with waveshare() as (module, link), own_units() as units:
        server = Server({})
        server.port = link.port
        device = await started(PULSE, server, units, profiles)
        applied = await device.apply(PULSE.setpoint(1.0))
        # Relay 2, 2 s in steps of 0.1 s.
        assert module.frames[0].hex() == "0502020014"
        assert applied.confirmed
        assert device.state.device_fallback == 0.0
        await eventually(lambda: len(module.frames) >= 4)
        assert module.is_on(2), "refreshed before it runs out"
        await device.stop()
        await eventually(lambda: not module.is_on(2))


async def test_a_pulse_is_ended_by_switching_off(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    async with waveshare() as (module, link):
        server = Server({})
        server.port = link.port
        device = await started(PULSE, server, units, profiles)
        await device.apply(PULSE.setpoint(1.0))
        assert (await device.apply(PULSE.setpoint(0.0, emergency=True))).confirmed
        assert module.frames[-1].hex() == "0500020000"
        assert not module.is_on(2)
        await device.stop()


async def test_a_pulse_needs_a_connection_of_its_own(
    units: DedicatedUnits, profiles: ProfileLibrary
) -> None:
    """A shared connection knows Modbus' own function 5 only."""

    class Shared:
        async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
            return Plain(await units.unit(link, unit_id))  # type: ignore[return-value]

        async def release(self, link: LinkParams) -> None:
            await units.release(link)

    class Plain:
        def __init__(self, unit: ModbusUnit) -> None:
            self._unit = unit

        def __getattr__(self, name: str) -> object:
            if name == "pulse_coil":
                raise AttributeError(name)
            return getattr(self._unit, name)

    async with serving({1: outputs(8)}) as server:
        device = build_device(PULSE.config(server), units=Shared(), profiles=profiles)
        await device.start(lambda state: None)
        await eventually(lambda: device.state.available)
        with pytest.raises(DeviceError, match="one of its own"):
            await device.apply(PULSE.setpoint(1.0))
        assert not server.writes()
        await device.stop()

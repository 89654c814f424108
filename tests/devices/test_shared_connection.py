"""Home Assistant's shared connections: what becomes of an attempt that nobody awaits."""

import asyncio
from typing import Any

from modbus_connection import ModbusConnectionError, ModbusTcpParams
from modbus_connection.tmodbus import ModbusConnection

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.devices.factory import build_meter
from custom_components.netflex.devices.own_units import OwnUnits
from custom_components.netflex.devices.ports import LinkParams
from custom_components.netflex.devices.profile_loader import ProfileLibrary


class SlowToRefuse(ModbusConnection):
    """The library's own connection to a peer that refuses when the test says so."""

    def __init__(self, link: LinkParams) -> None:
        super().__init__(ModbusTcpParams(host=link.host, port=link.port))
        self.attempts = asyncio.Semaphore(0)
        self.refuse = asyncio.Event()

    async def _connect_client(self) -> Any:
        self.attempts.release()
        await self.refuse.wait()
        raise ModbusConnectionError("could not connect")


async def test_a_device_removed_in_its_first_refused_connection_raises_into_no_log(
    profiles: ProfileLibrary,
) -> None:
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: contexts.append(context)
    )
    made: list[SlowToRefuse] = []

    def connect(link: LinkParams) -> SlowToRefuse:
        made.append(SlowToRefuse(link))
        return made[-1]

    units = OwnUnits(connect, SlowToRefuse.for_unit)
    meter = build_meter(
        DeviceConfig(
            device_id="meter",
            name="Meter",
            profile="eastron_sdm630",
            link=LinkParams(host="127.0.0.1", port=9),
        ),
        units=units,
        profiles=profiles,
    )
    await meter.start(lambda _reading: None, lambda _status: None)
    async with asyncio.timeout(10):
        while not made:
            await asyncio.sleep(0)
        await made[0].attempts.acquire()
        removing = asyncio.create_task(meter.stop())
        await asyncio.sleep(0.02)
        assert not removing.done(), "the attempt is waited out, as the library does"
        made[0].refuse.set()
        await removing
    await asyncio.sleep(0)
    assert contexts == []

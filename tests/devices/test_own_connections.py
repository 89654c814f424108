"""Connections of our own, strict and tolerant: every function, and every way to fail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
import socket

from modbus_connection import (
    ModbusConnectionError,
    ModbusError,
    ModbusProtocolError,
    ModbusTimeoutError,
)
from pymodbus import FramerType
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
import pytest
from tmodbus.exceptions import ModbusConnectionError as WireError, TModbusError

from custom_components.netflex.devices.dedicated import (
    DedicatedConnection,
    DedicatedUnits,
)
from custom_components.netflex.devices.ports import LinkParams, ModbusUnit, Transport
from custom_components.netflex.devices.tolerant import TolerantConnection, TolerantUnits
from tests.virtual_time import now, virtual_time

from .servers import Map, Server, serving

type Units = DedicatedUnits | TolerantUnits
OURS = [DedicatedUnits, TolerantUnits]


@pytest.fixture(params=OURS)
async def own(
    request: pytest.FixtureRequest, socket_enabled: None
) -> AsyncIterator[Units]:
    units: Units = request.param()
    yield units
    await units.close()


def registers() -> Map:
    unit = Map(coils=dict.fromkeys(range(10), True), discrete={3: True, 4: False})
    unit.fill(0, 20, 7)
    unit.put_input(0, [5, 6])
    return unit


async def every_function(unit: ModbusUnit, server: Server) -> None:
    assert await unit.read_holding_registers(0, 20) == [7] * 20
    assert await unit.read_input_registers(0, 2) == [5, 6]
    assert await unit.read_coils(0, 10) == [True] * 10
    assert await unit.read_discrete_inputs(3, 2) == [True, False]
    await unit.write_register(1, 9)
    await unit.write_registers(2, [1, 2])
    await unit.write_coil(4, False)
    await unit.write_coils(6, [False, True])
    assert server.get(1, 0, 4) == [7, 9, 1, 2]
    assert [server.coil(1, at) for at in (4, 5, 6, 7)] == [False, True, False, True]
    assert [write.function for write in server.writes()] == [6, 16, 5, 15]
    assert unit.connected


@pytest.mark.parametrize("framer", [FramerType.SOCKET, FramerType.RTU])
async def test_every_function_in_frames_of_either_kind(
    own: Units, framer: FramerType
) -> None:
    server = Server({1: registers()})
    server.framer = framer
    await server.start()
    transport = Transport.TCP if framer is FramerType.SOCKET else Transport.RTU_OVER_TCP
    link = LinkParams(host="127.0.0.1", port=server.port, transport=transport)
    await every_function(await own.unit(link, 1), server)
    await own.close()
    await server.stop()


async def test_a_dropped_connection_is_opened_by_the_next_request(own: Units) -> None:
    async with serving({1: registers()}) as server:
        unit = await own.unit(server.link, 1)
        assert not unit.connected
        await unit.read_holding_registers(0, 1)
        await unit.disconnect()
        assert not unit.connected
        assert await unit.read_holding_registers(0, 1) == [7]
        assert server.connections == 2


@pytest.mark.parametrize("kind", OURS)
@virtual_time
async def test_a_device_that_wants_a_pause_after_connecting_gets_it(
    kind: type[Units], socket_enabled: None
) -> None:
    units = kind()
    async with serving({1: registers()}) as server:
        unit = await units.unit(server.link, 1)
        unit.require_connect_delay(30.0)
        begun = now()
        await unit.read_holding_registers(0, 1)
        connected = now()
        assert connected - begun >= 30.0
        await unit.read_holding_registers(0, 1)
        assert now() - connected < 30.0
        await units.close()


async def test_where_nobody_listens_it_is_said_where(
    own: Units, unused_tcp_port: int
) -> None:
    link = LinkParams(host="127.0.0.1", port=unused_tcp_port)
    unit = await own.unit(link, 1)
    with pytest.raises(ModbusConnectionError, match=f"127.0.0.1:{unused_tcp_port}: "):
        await unit.read_holding_registers(0, 1)
    assert not unit.connected


async def test_a_host_that_takes_no_connection_is_a_timeout(
    socket_enabled: None,
) -> None:
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # What is waiting to be accepted fills it; nobody accepts.
        for _ in range(2):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        units = DedicatedUnits()
        link = LinkParams(host="127.0.0.1", port=full.getsockname()[1])
        unit = await units.unit(link, 1)
        unit.require_timeout(0.05)
        with pytest.raises(ModbusTimeoutError, match="no connection to 127.0.0.1"):
            await unit.read_holding_registers(0, 1)


async def test_a_serial_port_of_this_machine_is_not_for_the_tolerant_one() -> None:
    units = TolerantUnits()
    link = LinkParams(host="/dev/ttyUSB0", transport=Transport.SERIAL)
    unit = await units.unit(link, 1)
    with pytest.raises(ModbusConnectionError, match="gateways in the network only"):
        await unit.read_holding_registers(0, 1)


async def test_a_serial_port_that_is_not_there_is_said() -> None:
    units = DedicatedUnits()
    link = LinkParams(host="/dev/netflex-no-such-port", transport=Transport.SERIAL)
    unit = await units.unit(link, 1)
    with pytest.raises(ModbusConnectionError, match="/dev/netflex-no-such-port"):
        await unit.read_holding_registers(0, 1)


def failing(error: BaseException) -> Callable[[object], object]:
    async def fail(_client: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "ours", "stays"),
    [
        (TimeoutError("late"), ModbusTimeoutError, True),
        (WireError("gone"), ModbusConnectionError, False),
        (OSError("gone"), ModbusConnectionError, False),
        (TModbusError("odd"), ModbusProtocolError, True),
    ],
)
async def test_what_the_strict_library_raises_is_one_of_ours(
    socket_enabled: None, error: Exception, ours: type[ModbusError], stays: bool
) -> None:
    async with serving({1: registers()}) as server:
        connection = DedicatedConnection(server.link)
        with pytest.raises(ours, match=str(error)):
            await connection.do(1, failing(error))  # type: ignore[arg-type]
        assert connection.connected is stays
        await connection.close()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (ConnectionException("gone"), ModbusConnectionError),
        (OSError("gone"), ModbusConnectionError),
        (ModbusIOException("late"), ModbusTimeoutError),
        (TimeoutError("late"), ModbusTimeoutError),
        (ModbusException("odd"), ModbusProtocolError),
        (asyncio.CancelledError(), ModbusTimeoutError),
    ],
)
async def test_what_the_tolerant_library_raises_is_one_of_ours_and_ends_it(
    socket_enabled: None, error: BaseException, ours: type[ModbusError]
) -> None:
    """Its next answer could be the one that has not come."""
    async with serving({1: registers()}) as server:
        connection = TolerantConnection(server.link)
        with pytest.raises(ours):
            await connection.do(3, failing(error))  # type: ignore[arg-type]
        assert not connection.connected
        await connection.close()


async def test_a_fault_that_is_none_of_the_wire_is_not_hidden(
    socket_enabled: None,
) -> None:
    async with serving({1: registers()}) as server:
        connection = TolerantConnection(server.link)
        with pytest.raises(ZeroDivisionError):
            await connection.do(3, failing(ZeroDivisionError()))  # type: ignore[arg-type]
        await connection.close()

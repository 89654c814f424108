"""Modbus connections of our own, on whatever event loop runs.

For emergency relays, which live on the station's loop, for command lines and for
tests. Unlike Home Assistant's shared connections they hand a busy answer back at
once: tmodbus would repeat the request for a minute with its line closed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
import struct

from modbus_connection import (
    ModbusConnectionError,
    ModbusDesyncError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusTimeoutError,
)
from tmodbus import AsyncModbusClient, create_async_rtu_client, create_async_tcp_client
from tmodbus.exceptions import (
    FunctionCodeError,
    HeaderMismatchError,
    InvalidResponseError,
    ModbusConnectionError as WireConnectionError,
    ModbusResponseError,
    TModbusError,
)
from tmodbus.pdu.coils import WriteSingleCoilPDU

from ..model.phrase import Phrase
from .own_units import OwnUnits, keep_wish
from .ports import LinkParams, Transport

_DEFAULT_TIMEOUT = 3.0
_SOCKET_BAUDRATE = 115200
"""Sets tmodbus's gap between frames; the socket itself has no speed."""


class DedicatedConnection:
    """One connection, opened by the first request and again after a loss."""

    def __init__(self, link: LinkParams) -> None:
        """Describe a connection; nothing is opened yet."""
        self.timeouts: dict[int, float] = {}
        self.delays: dict[int, float] = {}
        self._link = link
        self._client: AsyncModbusClient | None = None
        self._units: dict[int, AsyncModbusClient] = {}
        self._opening = asyncio.Lock()
        self._line = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the connection is up."""
        return self._client is not None

    async def do[T](
        self, unit_id: int, request: Callable[[AsyncModbusClient], Awaitable[T]]
    ) -> T:
        """Do one request. Raises the errors of modbus_connection."""
        client = await self._unit(unit_id)
        try:
            async with self._line:
                return await request(client)
        except (HeaderMismatchError, FunctionCodeError) as err:
            await self.close()
            raise ModbusDesyncError(str(err)) from err
        except InvalidResponseError as err:
            raise ModbusProtocolError(str(err)) from err
        except ModbusResponseError as err:
            raise ModbusExceptionError.from_code(int(err.error_code)) from err
        except TimeoutError as err:
            raise ModbusTimeoutError(str(err)) from err
        except (WireConnectionError, OSError) as err:
            await self.close()
            raise ModbusConnectionError(str(err) or "connection lost") from err
        except TModbusError as err:
            raise ModbusProtocolError(str(err)) from err

    async def _unit(self, unit_id: int) -> AsyncModbusClient:
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
            if unit_id not in self._units:
                self._units[unit_id] = self._client.for_unit_id(unit_id)
            return self._units[unit_id]

    async def _open(self) -> AsyncModbusClient:
        link = self._link
        timeout = max(self.timeouts.values(), default=_DEFAULT_TIMEOUT)
        if link.transport is Transport.TCP:
            client = create_async_tcp_client(
                link.host,
                link.port,
                unit_id=1,
                timeout=timeout,
                connect_timeout=timeout,
                auto_reconnect=False,
                retry_on_device_busy=False,
                on_connection_lost=self._lost,
            )
        else:
            serial = link.transport is Transport.SERIAL
            client = create_async_rtu_client(
                link.host if serial else f"socket://{link.host}:{link.port}",
                unit_id=1,
                baudrate=link.baudrate if serial else _SOCKET_BAUDRATE,
                timeout=timeout,
                auto_reconnect=False,
                retry_on_device_busy=False,
                on_connection_lost=self._lost,
            )
        try:
            await client.connect()
        except TimeoutError as err:
            raise ModbusTimeoutError(
                Phrase("no_connection_to", "no connection to {link}", link=str(link))
            ) from err
        except (TModbusError, OSError) as err:
            raise ModbusConnectionError(f"{link}: {err.__cause__ or err}") from err
        if delay := max(self.delays.values(), default=0.0):
            await asyncio.sleep(delay)
        return client

    def _lost(self, _: Exception | None) -> None:
        self._client = None
        self._units.clear()

    async def close(self) -> None:
        """Drop the connection; the next request opens a new one."""
        client, self._client = self._client, None
        self._units.clear()
        if client is not None:
            with suppress(TModbusError, OSError):
                await client.disconnect()


class _PulseCoil(WriteSingleCoilPDU):
    """A write of a coil that resets itself; the answer repeats the request."""

    def __init__(self, address: int, tenths: int) -> None:
        super().__init__(address, value=True)
        self._tenths = tenths

    def encode_request(self) -> bytes:
        return struct.pack(">BHH", self.function_code, self.address, self._tenths)


class DedicatedUnit:
    """One unit on a connection of our own. Fulfils `ModbusUnit`."""

    def __init__(self, connection: DedicatedConnection, unit_id: int) -> None:
        """Address a unit."""
        self._connection = connection
        self._unit_id = unit_id

    @property
    def connected(self) -> bool:
        """Whether the connection below is up."""
        return self._connection.connected

    async def _do[T](self, request: Callable[[AsyncModbusClient], Awaitable[T]]) -> T:
        return await self._connection.do(self._unit_id, request)

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Function 3."""
        return await self._do(lambda unit: unit.read_holding_registers(address, count))

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Function 4."""
        return await self._do(lambda unit: unit.read_input_registers(address, count))

    async def read_coils(self, address: int, count: int) -> list[bool]:
        """Function 1."""
        return await self._do(lambda unit: unit.read_coils(address, count))

    async def read_discrete_inputs(self, address: int, count: int) -> list[bool]:
        """Function 2."""
        return await self._do(lambda unit: unit.read_discrete_inputs(address, count))

    async def write_register(self, address: int, value: int) -> None:
        """Function 6."""
        await self._do(lambda unit: unit.write_single_register(address, value))

    async def write_registers(self, address: int, values: list[int]) -> None:
        """Function 16."""
        await self._do(lambda unit: unit.write_multiple_registers(address, values))

    async def write_coil(self, address: int, value: bool) -> None:
        """Function 5."""
        await self._do(lambda unit: unit.write_single_coil(address, value))

    async def pulse_coil(self, address: int, tenths: int) -> None:
        """Function 5 with a time in 0.1 s where ON or OFF stands."""
        await self._do(lambda unit: unit.execute(_PulseCoil(address, tenths)))

    async def write_coils(self, address: int, values: list[bool]) -> None:
        """Function 15."""
        await self._do(lambda unit: unit.write_multiple_coils(address, values))

    def require_timeout(self, seconds: float | None) -> None:
        """Ask for a timeout of at least so many s, from the next connection on."""
        keep_wish(self._connection.timeouts, self._unit_id, seconds)

    def require_connect_delay(self, seconds: float | None) -> None:
        """Ask for a pause of at least so many s after the link opens."""
        keep_wish(self._connection.delays, self._unit_id, seconds)

    async def disconnect(self) -> None:
        """Drop the connection; the next request opens a new one."""
        await self._connection.close()


class DedicatedUnits(OwnUnits[DedicatedConnection]):
    """Units on connections that nobody shares, by Home Assistant's own library."""

    def __init__(self) -> None:
        """Start without a connection."""
        super().__init__(DedicatedConnection, DedicatedUnit)

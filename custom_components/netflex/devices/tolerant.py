"""Connections for gateways that bend the rules, on pymodbus.

The strict connections give up on an answer whose transaction number is 0 or whose
frame is followed by stray bytes; some gateways send nothing else. Here such answers
are taken. An answer of another function or of another unit never is, and one that is
too short is refused by `link.py`.

pymodbus swallows the cancellation of a request, opens connections behind one's back
and waits out the whole time-out when the peer has closed: none of that is left to it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
import logging

from modbus_connection import (
    ModbusConnectionError,
    ModbusDesyncError,
    ModbusError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusTimeoutError,
)
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from ..model.phrase import Phrase
from .own_units import OwnUnits, keep_wish
from .ports import LinkParams, Transport

_LOGGER = logging.getLogger(__name__)

_DEFAULT_TIMEOUT = 3.0


class TolerantConnection:
    """One client connection; it opens with the first request and after a loss."""

    def __init__(self, link: LinkParams) -> None:
        """Keep where it goes; nothing is opened."""
        self._link = link
        self._client: AsyncModbusTcpClient | None = None
        self._lost: asyncio.Future[None] | None = None
        self._opening = asyncio.Lock()
        self._line = asyncio.Lock()
        self._abandoned: set[asyncio.Future[ModbusPDU]] = set()
        self.timeouts: dict[int, float] = {}
        self.delays: dict[int, float] = {}

    @property
    def connected(self) -> bool:
        """Whether it is open."""
        return self._client is not None and self._client.connected

    async def do(
        self,
        function: int,
        request: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]],
    ) -> ModbusPDU:
        """Do one request of a function. Raises the errors of modbus_connection."""
        async with self._line:
            client = await self._open()
            task = asyncio.ensure_future(request(client))
            assert self._lost is not None
            try:
                await asyncio.wait(
                    (task, self._lost), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                if not task.done():
                    # Its answer may still come, and where numbers mean nothing it
                    # would be taken for the next one's.
                    self._abandon(task)
                    self._drop()
            if not task.done():
                raise ModbusConnectionError(
                    Phrase("device_closed", "the device has closed the connection")
                )
            try:
                answer = _answer(task)
            except ModbusError:
                self._drop()
                raise
            if isinstance(answer, ExceptionResponse):
                raise ModbusExceptionError.from_code(answer.exception_code)
            if answer.function_code != function:
                self._drop()
                raise ModbusDesyncError(
                    Phrase(
                        "other_function",
                        "function {answer} answers function {function}",
                        answer=str(answer.function_code),
                        function=str(function),
                    )
                )
            return answer

    def _abandon(self, task: asyncio.Future[ModbusPDU]) -> None:
        """End a request that the library will not end by itself at once."""
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[ModbusPDU]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    async def _open(self) -> AsyncModbusTcpClient:
        async with self._opening:
            if self._client is not None and self._client.connected:
                return self._client
            await self.close()
            link = self._link
            if link.transport is Transport.SERIAL:
                raise ModbusConnectionError(
                    Phrase(
                        "tolerant_tcp_only",
                        "the tolerant connection is for gateways in the network only",
                    )
                )
            timeout = max(self.timeouts.values(), default=_DEFAULT_TIMEOUT)
            self._lost = asyncio.get_running_loop().create_future()
            client = AsyncModbusTcpClient(
                link.host,
                port=link.port,
                framer=FramerType.SOCKET
                if link.transport is Transport.TCP
                else FramerType.RTU,
                timeout=timeout,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._trace(self._lost),
            )
            if not await client.connect():
                client.close()
                raise ModbusConnectionError(
                    Phrase(
                        "nobody_listens", "{link}: nobody listens there", link=str(link)
                    )
                )
            self._client = client
            if delay := max(self.delays.values(), default=0.0):
                await asyncio.sleep(delay)
            return client

    @staticmethod
    def _trace(lost: asyncio.Future[None]) -> Callable[[bool], None]:
        def changed(connected: bool) -> None:
            if not connected and not lost.done():
                lost.set_result(None)

        return changed

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def close(self) -> None:
        """Drop the connection; the next request opens a new one."""
        self._drop()
        if self._abandoned:
            with suppress(TimeoutError):
                await asyncio.wait(self._abandoned, timeout=0.5)


def _answer(task: asyncio.Future[ModbusPDU]) -> ModbusPDU:
    if task.cancelled():
        raise ModbusTimeoutError(Phrase("given_up", "the request was given up"))
    if (err := task.exception()) is None:
        return task.result()
    # First of all: a TimeoutError is an OSError.
    if isinstance(err, ModbusIOException | TimeoutError):
        raise ModbusTimeoutError(str(err)) from err
    if isinstance(err, ConnectionException | OSError):
        raise ModbusConnectionError(str(err)) from err
    if isinstance(err, ModbusException):
        raise ModbusProtocolError(str(err)) from err
    raise err


class TolerantUnit:
    """One unit on a tolerant connection. Fulfils `ModbusUnit`."""

    def __init__(self, connection: TolerantConnection, unit_id: int) -> None:
        """Address a unit."""
        self._connection = connection
        self._unit = unit_id

    @property
    def connected(self) -> bool:
        """Whether the connection below is up."""
        return self._connection.connected

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Function 3."""
        answer = await self._connection.do(
            3,
            lambda client: client.read_holding_registers(
                address, count=count, device_id=self._unit
            ),
        )
        return list(answer.registers)

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Function 4."""
        answer = await self._connection.do(
            4,
            lambda client: client.read_input_registers(
                address, count=count, device_id=self._unit
            ),
        )
        return list(answer.registers)

    async def read_coils(self, address: int, count: int) -> list[bool]:
        """Function 1."""
        answer = await self._connection.do(
            1,
            lambda client: client.read_coils(
                address, count=count, device_id=self._unit
            ),
        )
        return _bits(answer.bits, count)

    async def read_discrete_inputs(self, address: int, count: int) -> list[bool]:
        """Function 2."""
        answer = await self._connection.do(
            2,
            lambda client: client.read_discrete_inputs(
                address, count=count, device_id=self._unit
            ),
        )
        return _bits(answer.bits, count)

    async def write_register(self, address: int, value: int) -> None:
        """Function 6."""
        await self._connection.do(
            6,
            lambda client: client.write_register(address, value, device_id=self._unit),
        )

    async def write_registers(self, address: int, values: list[int]) -> None:
        """Function 16."""
        await self._connection.do(
            16,
            lambda client: client.write_registers(
                address, values, device_id=self._unit
            ),
        )

    async def write_coil(self, address: int, value: bool) -> None:
        """Function 5."""
        await self._connection.do(
            5,
            lambda client: client.write_coil(address, value, device_id=self._unit),
        )

    async def write_coils(self, address: int, values: list[bool]) -> None:
        """Function 15."""
        await self._connection.do(
            15,
            lambda client: client.write_coils(address, values, device_id=self._unit),
        )

    def require_timeout(self, seconds: float | None) -> None:
        """Ask for a timeout of at least so many s, from the next connection on."""
        keep_wish(self._connection.timeouts, self._unit, seconds)

    def require_connect_delay(self, seconds: float | None) -> None:
        """Ask for a pause of at least so many s after the link opens."""
        keep_wish(self._connection.delays, self._unit, seconds)

    async def disconnect(self) -> None:
        """Drop the connection; the next request opens a new one."""
        await self._connection.close()


def _bits(bits: Sequence[bool], count: int) -> list[bool]:
    """Return what was asked for; answers are padded to whole bytes."""
    return list(bits[:count])


class TolerantUnits(OwnUnits[TolerantConnection]):
    """Units on connections that forgive what gateways do to answers."""

    def __init__(self) -> None:
        """Start without a connection."""
        super().__init__(TolerantConnection, TolerantUnit)

"""The socket on which chargers ask for a meter's registers, on pymodbus.

A charger can only be told an address and a unit, its port is fixed: meters of
several chargers therefore share one listener and are told apart by unit.
"""

import asyncio
from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
import logging
import time
from typing import Protocol, cast, override

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
)
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from ..model.phrase import Phrase

_LOGGER = logging.getLogger(__name__)

CLIENT_LIMIT = 8
"""Connections of one listener; a charger holds one."""
STRANGER_LIMIT = 32
"""Addresses of refused clients that are remembered."""
_READS = {3: ReadHoldingRegistersResponse, 4: ReadInputRegistersResponse}

type Network = IPv4Network | IPv6Network
type Answer = list[int] | ExcCodes | None
"""Registers, a refusal, or None: silence."""


def networks(allowed: tuple[str, ...]) -> tuple[Network, ...]:
    """Return addresses and networks (192.168.1.0/24) as networks.

    Raises:
        ValueError: One of them is neither.
    """
    return tuple(ip_network(entry, strict=False) for entry in allowed)


def within(client: str, allowed: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks, IPv4 inside IPv6 included."""
    try:
        address: IPv4Address | IPv6Address = ip_address(client.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in allowed)


class ServedMeter(Protocol):
    """What answers under one unit."""

    @property
    def unit(self) -> int:
        """The Modbus unit."""

    @property
    def allowed(self) -> tuple[Network, ...]:
        """Who may ask."""

    def asked(self, client: str, function: int, address: int, count: int) -> Answer:
        """Answer a read, all from one moment; None is silence."""


class MeterListener:
    """One listening socket with the meters behind it."""

    def __init__(self, host: str, port: int, clock: Callable[[], float]) -> None:
        """Prepare; nothing listens before `open`."""
        self.host, self.port = host, port
        self.clock = clock
        self.meters: dict[int, ServedMeter] = {}
        self.strangers: dict[str, int] = {}
        """Refused connections by address."""
        self._server: _Server | None = None

    @property
    def listening_port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        return self.port if self._server is None else self._server.listening_port()

    async def open(self) -> None:
        """Listen. Raises OSError where the address or the port cannot be used."""
        server = _Server(self)
        server.is_listener = True
        # What its own `listen` does, but that hides why it cannot.
        server.transport = await server.call_create()
        self._server = server

    async def close(self) -> None:
        """Drop every client and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]

    def admits(self, client: str) -> bool:
        """Whether a client may connect at all; a refused one is remembered."""
        if any(within(client, meter.allowed) for meter in self.meters.values()):
            return True
        if client in self.strangers or len(self.strangers) < STRANGER_LIMIT:
            self.strangers[client] = self.strangers.get(client, 0) + 1
        if self.strangers.get(client) == 1:
            _LOGGER.warning(
                "%s asked for the virtual meter and is no allowed client: if it is "
                "the charger, add its address to the virtual meter's allowed clients",
                client,
            )
        return False

    def ask(
        self, client: str, unit: int, function: int, address: int, count: int
    ) -> Answer:
        """Answer a read for whoever has the unit, and nobody else's."""
        meter = self.meters.get(unit)
        if meter is None or not within(client, meter.allowed):
            return None
        return meter.asked(client, function, address, count)


class MeterServers:
    """The listeners of a site: meters on the same address and port share one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Listen nowhere yet."""
        self._clock = clock
        self._listeners: dict[tuple[str, int], MeterListener] = {}
        self._lock = asyncio.Lock()

    async def attach(self, host: str, port: int, meter: ServedMeter) -> MeterListener:
        """Serve a meter.

        Raises:
            OSError: The address or the port cannot be used.
            ValueError: Another meter has this unit there.
        """
        async with self._lock:
            key = (host, port)
            listener = self._listeners.get(key)
            if listener is None:
                listener = MeterListener(host, port, self._clock)
                await listener.open()
                self._listeners[key] = listener
            if meter.unit in listener.meters:
                raise ValueError(
                    Phrase(
                        "unit_taken",
                        "another virtual meter has unit {unit}",
                        unit=str(meter.unit),
                    )
                )
            listener.meters[meter.unit] = meter
            return listener

    async def detach(self, meter: ServedMeter) -> None:
        """Serve a meter no more; the last one closes the socket."""
        async with self._lock:
            for key, listener in list(self._listeners.items()):
                if listener.meters.get(meter.unit) is not meter:
                    continue
                del listener.meters[meter.unit]
                if not listener.meters:
                    del self._listeners[key]
                    await listener.close()


class _Client(ServerRequestHandler):
    """One client's connection."""

    def __init__(self, owner: _Server) -> None:
        super().__init__(owner, None, None, None)  # type: ignore[no-untyped-call]
        self._front = owner.front
        self.address = ""
        self.heard = owner.front.clock()

    @override
    def callback_connected(self) -> None:
        super().callback_connected()
        transport = cast(asyncio.Transport, self.transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._front.admits(self.address):
            transport.abort()

    @override
    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        self.heard = self._front.clock()
        return int(super().callback_data(data, addr))

    @override
    async def handle_request(self) -> None:
        """Answer one request without a store of registers in between."""
        request: ModbusPDU | None = self.last_pdu
        if request is None:
            return
        response = self._response(request)
        if response is not None:
            response.transaction_id = request.transaction_id
            response.dev_id = request.dev_id
            self.server_send(response, self.last_addr)  # type: ignore[no-untyped-call]

    def _response(self, request: ModbusPDU) -> ModbusPDU | None:
        function = request.function_code
        if (form := _READS.get(function)) is None:
            return ExceptionResponse(function, ExcCodes.ILLEGAL_FUNCTION)
        answer = self._front.ask(
            self.address, request.dev_id, function, request.address, request.count
        )
        if answer is None:
            return None
        if isinstance(answer, ExcCodes):
            return ExceptionResponse(function, answer)
        return form(registers=answer)


class _Server(ModbusTcpServer):
    """A pymodbus server whose answers come from the listener's meters."""

    def __init__(self, listener: MeterListener) -> None:
        # A server wants a store of its own; nothing is ever read from it.
        unused = SimDevice(0, [SimData(0, datatype=DataType.UINT16)])
        super().__init__([unused], address=(listener.host, listener.port))
        self.front = listener

    @override
    def callback_new_connection(self) -> _Client:
        handlers = [
            handler
            for handler in self.active_connections.values()
            if isinstance(handler, _Client)
        ]
        if len(handlers) >= CLIENT_LIMIT:
            # A charger that lost its link comes back without having said goodbye.
            min(handlers, key=lambda handler: handler.heard).close()
        return _Client(self)

    def listening_port(self) -> int:
        """Return the port that the system gave."""
        listener = cast(asyncio.Server, self.transport)
        return int(listener.sockets[0].getsockname()[1])

"""Modbus TCP servers of simulated devices, on pymodbus.

A `SimulatedUnit` is one unit id with its own registers, computed when they are
read; a `ModbusWire` is the network socket of one device, which can be unplugged,
made silent or slow, and which may limit its clients as real devices do.
"""

from abc import ABC, abstractmethod
import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
import logging
import struct
from typing import cast, override

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

_LOGGER = logging.getLogger(__name__)

_SPACE_OF_FUNCTION = {
    1: "coils",
    5: "coils",
    15: "coils",
    2: "discrete",
    3: "holding",
    6: "holding",
    16: "holding",
    22: "holding",
    23: "holding",
    4: "inputs",
}


class Words:
    """An address space of 16-bit words; only what was put there exists.

    Values of several words are big-endian, high word first.
    """

    def __init__(self) -> None:
        """Start with no address at all."""
        self._words: dict[int, int] = {}

    def __contains__(self, address: object) -> bool:
        """Tell whether an address exists."""
        return address in self._words

    @property
    def extent(self) -> tuple[int, int]:
        """First address and count up to the last one; (0, 1) when empty."""
        if not self._words:
            return 0, 1
        first = min(self._words)
        return first, max(self._words) - first + 1

    def fill(self, address: int, count: int, word: int = 0) -> None:
        """Create `count` addresses with the same word."""
        for offset in range(count):
            self._words[address + offset] = word

    def put(self, address: int, words: Iterable[int]) -> None:
        """Store raw words."""
        for offset, word in enumerate(words):
            self._words[address + offset] = word & 0xFFFF

    def pack(self, address: int, form: str, value: float) -> None:
        """Store a number in a `struct` form without byte order ("f", "i", "Q")."""
        raw = struct.pack(f">{form}", value if form in "fd" else round(value))
        self.put(address, struct.unpack(f">{len(raw) // 2}H", raw))

    def text(self, address: int, count: int, value: str) -> None:
        """Store ASCII, two characters a word, padded with zeros."""
        raw = value.encode("ascii")[: 2 * count].ljust(2 * count, b"\0")
        self.put(address, struct.unpack(f">{count}H", raw))

    def get(self, address: int, count: int) -> list[int] | None:
        """Return raw words, None if one of them does not exist."""
        if any(address + offset not in self._words for offset in range(count)):
            return None
        return [self._words[address + offset] for offset in range(count)]

    def unpack(self, address: int, form: str) -> float:
        """Return a number stored in a `struct` form."""
        return unpack(self.get(address, struct.calcsize(f">{form}") // 2) or [], form)


def unpack(words: Sequence[int], form: str) -> float:
    """Return the number that words hold, high word first."""
    raw = struct.pack(f">{len(words)}H", *words)
    return cast(float, struct.unpack(f">{form}", raw)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One accepted write: monotonic s, unit, space, address and values."""

    at: float
    unit: int
    space: str
    address: int
    values: tuple[int, ...]


class SimulatedUnit(ABC):
    """One unit id of a simulated device."""

    def __init__(self, unit: int) -> None:
        """Start without registers; subclasses lay them out."""
        self.unit = unit
        self.holding = Words()
        self.inputs = Words()
        self.coils = Words()
        self.discrete = Words()
        self.split_values_refused: frozenset[int] | None = None
        """Addresses of second words: a read that starts or ends there fails."""

    def space(self, name: str) -> Words:
        """Return an address space by name."""
        return cast(Words, getattr(self, name))

    @abstractmethod
    def refresh(self, now: float) -> None:
        """Bring every register up to date before it is read."""

    @abstractmethod
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        """Take a write; return the exception code of a refusal."""

    def read(self, space: str, address: int, count: int) -> list[int] | ExcCodes:
        """Return the words of a read request."""
        second = self.split_values_refused
        if second and (address in second or address + count in second):
            return ExcCodes.ILLEGAL_ADDRESS
        words = self.space(space).get(address, count)
        return ExcCodes.ILLEGAL_ADDRESS if words is None else words


@dataclass(slots=True, kw_only=True)
class ModbusWire:
    """The network socket of one device, with its faults.

    `max_clients` refuses more clients than the device takes; `idle_close` closes
    a connection without requests after that many s. `delay` s before each answer.
    """

    name: str
    units: Sequence[SimulatedUnit]
    clock: Callable[[], float]
    host: str = "127.0.0.1"
    port: int = 0
    max_clients: int | None = None
    idle_close: float | None = None
    delay: float = 0.0
    silent: bool = False
    busy: bool = False
    """Every request is refused with exception 6."""
    short: bool = False
    """Every answer of a read lacks its last register."""
    wrong_unit: bool = False
    """Every answer comes from the unit behind the one that was asked."""
    cut_every: int | None = None
    """The connection is dropped instead of every so many answers."""
    writes: deque[Write] = field(default_factory=lambda: deque(maxlen=2000))
    _server: _Server | None = None

    @property
    def plugged(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def clients(self) -> int:
        """Connections open now."""
        return 0 if self._server is None else len(self._server.active_connections)

    async def plug(self) -> None:
        """Listen, on the same port as before."""
        if self._server is not None:
            return
        server = _Server(self)
        await server.serve_forever(background=True)
        self.port = server.listening_port()
        self._server = server

    async def unplug(self) -> None:
        """Stop listening and drop every connection."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]

    def close_idle(self) -> None:
        """Drop connections that were silent for longer than the device allows."""
        if self._server is not None and self.idle_close is not None:
            self._server.close_idle(self.clock() - self.idle_close)

    def device(self, unit: SimulatedUnit) -> SimDevice:
        """Return the pymodbus device whose every access asks the unit."""

        async def action(
            function: int,
            start: int,
            address: int,
            count: int,
            registers: list[int],
            values: list[int] | list[bool] | None,
        ) -> ExcCodes | None:
            if self.delay and values is None:
                await asyncio.sleep(self.delay)
            if self.busy:
                return ExcCodes.DEVICE_BUSY
            space = _SPACE_OF_FUNCTION[function]
            now = self.clock()
            if values is not None:
                written = [int(value) for value in values]
                return self._write(unit, space, address, written, now)
            unit.refresh(now)
            if space in {"coils", "discrete"}:
                return _load_bits(unit.space(space), address, registers)
            words = unit.read(space, address, count)
            if isinstance(words, ExcCodes):
                return words
            registers[address - start : address - start + count] = words
            return None

        return SimDevice(
            unit.unit,
            (
                [_bit_span(unit.coils)],
                [_bit_span(unit.discrete)],
                [_word_span(unit.holding)],
                [_word_span(unit.inputs)],
            ),
            action=action,
        )

    def _write(
        self,
        unit: SimulatedUnit,
        space: str,
        address: int,
        values: list[int],
        now: float,
    ) -> ExcCodes | None:
        if unit.space(space).get(address, len(values)) is None:
            return ExcCodes.ILLEGAL_ADDRESS
        refused = unit.write(space, address, values, now)
        if refused is None:
            self.writes.append(
                Write(
                    at=now,
                    unit=unit.unit,
                    space=space,
                    address=address,
                    values=tuple(values),
                )
            )
        return refused


def _word_span(words: Words) -> SimData:
    first, count = words.extent
    return SimData(first, count=count, datatype=DataType.UINT16)


def _bit_span(bits: Words) -> SimData:
    first, count = bits.extent
    size = -(-(first + count) // 16) * 16
    return SimData(0, values=[False] * size, datatype=DataType.BITS)


def _load_bits(bits: Words, address: int, registers: list[int]) -> ExcCodes | None:
    """Fill pymodbus' packed memory; it starts at bit 0."""
    if address not in bits:
        return ExcCodes.ILLEGAL_ADDRESS
    for index in range(len(registers)):
        registers[index] = sum(
            1 << offset
            for offset in range(16)
            if (bits.get(16 * index + offset, 1) or [0])[0]
        )
    return None


class _Handler(ServerRequestHandler):
    """One client's connection."""

    def __init__(self, owner: _Server) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            owner, owner.packet, None, None
        )
        self.wire = owner.wire
        self.heard = self.wire.clock()
        self.refused = False

    @override
    def callback_connected(self) -> None:
        super().callback_connected()
        if self.refused:
            self.close()

    @override
    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        self.heard = self.wire.clock()
        if self.wire.silent:
            return len(data)
        return int(super().callback_data(data, addr))


class _Server(ModbusTcpServer):
    """A pymodbus server that knows its wire."""

    def __init__(self, wire: ModbusWire) -> None:
        super().__init__(
            [wire.device(unit) for unit in wire.units],
            address=(wire.host, wire.port),
        )
        self.wire = wire
        self._answers = 0

    def packet(self, sending: bool, data: bytes) -> bytes:
        """Spoil an answer as the wire's faults want it; nothing is silence."""
        if not sending or len(data) < 9:
            return data
        wire = self.wire
        self._answers += 1
        if wire.cut_every and self._answers % wire.cut_every == 0:
            for handler in list(self.active_connections.values()):
                handler.close()
            return b""
        if wire.wrong_unit:
            data = data[:6] + bytes([(data[6] + 1) & 0xFF]) + data[7:]
        if wire.short and data[7] in {3, 4} and data[8] > 2:
            body = bytes([data[7], data[8] - 2]) + data[9:-2]
            data = data[:4] + struct.pack(">H", len(body) + 1) + data[6:7] + body
        return data

    @override
    def callback_new_connection(self) -> _Handler:
        handler = _Handler(self)
        limit = self.wire.max_clients
        if limit is not None and len(self.active_connections) >= limit:
            _LOGGER.warning("%s refuses a client too many", self.wire.name)
            handler.refused = True
        return handler

    def listening_port(self) -> int:
        """Return the port that the system gave."""
        listener = cast(asyncio.Server, self.transport)
        return int(listener.sockets[0].getsockname()[1])

    def close_idle(self, before: float) -> None:
        """Close connections that were last heard before a time."""
        for handler in list(self.active_connections.values()):
            if isinstance(handler, _Handler) and handler.heard < before:
                handler.close()

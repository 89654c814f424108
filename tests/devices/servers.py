"""Simulated Modbus devices on loopback, on pymodbus: not on the code under test.

Registers are laid out by the tests from the vendors' tables; faults are injected
per server. Values are big-endian, high word first, unless a test says otherwise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import struct

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.ports import LinkParams
from tests.virtual_time import now

type Registers = dict[int, int]


def f32(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def f64(value: float) -> list[int]:
    return list(struct.unpack(">HHHH", struct.pack(">d", value)))


def u32(value: int) -> list[int]:
    return [value >> 16, value & 0xFFFF]


def s32(value: int) -> list[int]:
    return u32(value & 0xFFFFFFFF)


def u64(value: int) -> list[int]:
    return [(value >> shift) & 0xFFFF for shift in (48, 32, 16, 0)]


def text(value: str, count: int) -> list[int]:
    raw = value.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(raw[i : i + 2]) for i in range(0, 2 * count, 2)]


def as_f32(words: list[int]) -> float:
    value: float = struct.unpack(">f", struct.pack(">HH", *words))[0]
    return value


@dataclass
class Map:
    """Contents of one unit; what is not named does not exist (exception 2)."""

    holding: Registers = field(default_factory=dict)
    input: Registers = field(default_factory=dict)
    coils: dict[int, bool] = field(default_factory=dict)
    discrete: dict[int, bool] = field(default_factory=dict)

    def put(self, at: int, words: list[int]) -> None:
        self.holding.update({at + index: word for index, word in enumerate(words)})

    def put_input(self, at: int, words: list[int]) -> None:
        self.input.update({at + index: word for index, word in enumerate(words)})

    def fill(self, first: int, last: int, value: int = 0) -> None:
        for at in range(first, last + 1):
            self.holding.setdefault(at, value)


def _registers(values: Registers) -> list[SimData]:
    data = []
    run: list[int] = []
    start = 0
    for at in sorted(values):
        if run and at != start + len(run):
            data.append(SimData(start, values=run, datatype=DataType.UINT16))
            run = []
        if not run:
            start = at
        run.append(values[at])
    if run:
        data.append(SimData(start, values=run, datatype=DataType.UINT16))
    return data or [SimData(0xFFFF, datatype=DataType.UINT16)]


def _bits(values: dict[int, bool]) -> list[SimData]:
    words: Registers = {}
    for at, value in values.items():
        words[at // 16] = words.get(at // 16, 0) | (int(value) << (at % 16))
    return [
        SimData(
            16 * at,
            values=[bool(word >> bit & 1) for bit in range(16)],
            datatype=DataType.BITS,
        )
        for at, word in sorted(words.items())
    ] or [SimData(0xFFF0, values=[False] * 16, datatype=DataType.BITS)]


@dataclass
class Request:
    """One request as the server saw it."""

    at: float
    unit: int
    function: int
    address: int
    count: int
    values: list[int] | list[bool] | None

    @property
    def writes(self) -> bool:
        return self.values is not None


type OnWrite = Callable[["Server", int, int, int, list[int]], None]


class Server:
    """A simulated device (or gateway) with faults."""

    def __init__(
        self, units: Mapping[int, Map], on_write: OnWrite | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.read_delay = 0.0
        self.write_delay = 0.0
        self.refuse: dict[tuple[int, int], ExcCodes] = {}
        """By function and first address; 0 as the address refuses all."""
        self.garble: Callable[[bytes], bytes] | None = None
        """Changes the bytes of every answer; empty bytes are silence."""
        self.connections = 0
        self.port = 0
        self.framer = FramerType.SOCKET
        self._thinking = 0
        self._stopping = asyncio.Event()
        self._on_write = on_write
        self._units = units
        self._server: ModbusTcpServer | None = None

    @property
    def link(self) -> LinkParams:
        return LinkParams(host="127.0.0.1", port=self.port)

    async def start(self) -> None:
        devices = [
            SimDevice(
                unit,
                (
                    _bits(contents.coils),
                    _bits(contents.discrete),
                    _registers(contents.holding),
                    _registers(contents.input),
                ),
                action=self._action(unit),
            )
            for unit, contents in self._units.items()
        ]
        self._server = ModbusTcpServer(
            devices,
            address=("127.0.0.1", self.port),
            framer=self.framer,
            trace_packet=self._packet,
            trace_connect=self._connect,
        )
        await self._server.serve_forever(background=True)
        transport = self._server.transport
        assert transport is not None
        self.port = transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._stopping.set()
            while self._thinking:
                await asyncio.sleep(0)
            await self._server.shutdown()
            self._server = None
            self._stopping.clear()

    def _connect(self, connected: bool) -> None:
        self.connections += connected

    def _packet(self, sending: bool, data: bytes) -> bytes:
        return self.garble(data) if sending and self.garble else data

    def _action(self, unit: int):
        async def action(
            function: int,
            _start: int,
            address: int,
            count: int,
            _registers: list[int],
            values: list[int] | list[bool] | None,
        ) -> ExcCodes | None:
            at = now()
            if function in {5, 6} and values is None:
                # pymodbus reads back what a single write stored, for its answer.
                return None
            self.requests.append(
                Request(
                    at, unit, function, address, count, list(values) if values else None
                )
            )
            if delay := (self.write_delay if values else self.read_delay):
                await self._think(delay)
            code = self.refuse.get((function, address), self.refuse.get((function, 0)))
            if code is not None:
                return code
            if values and self._on_write is not None:
                self._on_write(self, unit, function, address, [int(v) for v in values])
            return None

        return action

    async def _think(self, delay: float) -> None:
        self._thinking += 1
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            pass
        finally:
            self._thinking -= 1

    def _block(self, unit: int, block: str) -> tuple[int, list[int]]:
        assert self._server is not None
        start, _, registers, _ = self._server.context.devices[unit].block[block]
        return start, registers

    def get(self, unit: int, at: int, count: int = 1) -> list[int]:
        start, registers = self._block(unit, "h")
        return registers[at - start : at - start + count]

    def set(self, unit: int, at: int, words: list[int]) -> None:
        start, registers = self._block(unit, "h")
        registers[at - start : at - start + len(words)] = words

    def set_input(self, unit: int, at: int, words: list[int]) -> None:
        start, registers = self._block(unit, "i")
        registers[at - start : at - start + len(words)] = words

    def coil(self, unit: int, at: int) -> bool:
        start, registers = self._block(unit, "c")
        return bool(registers[at // 16 - start] >> (at % 16) & 1)

    def set_coil(self, unit: int, at: int, value: bool, block: str = "c") -> None:
        start, registers = self._block(unit, block)
        mask = 1 << (at % 16)
        word = registers[at // 16 - start]
        registers[at // 16 - start] = word | mask if value else word & ~mask

    def writes(self, address: int | None = None) -> list[Request]:
        return [
            request
            for request in self.requests
            if request.writes and address in {None, request.address}
        ]


@asynccontextmanager
async def serving(
    units: Mapping[int, Map], on_write: OnWrite | None = None
) -> AsyncIterator[Server]:
    server = Server(units, on_write)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def own_units() -> AsyncIterator[DedicatedUnits]:
    """Connections of the running loop, where a fixture's are on another."""
    units = DedicatedUnits()
    try:
        yield units
    finally:
        await units.close()


async def eventually(condition: Callable[[], object], limit: float = 20.0) -> None:
    """Wait until something holds; fails the test where it does not."""
    deadline = now() + limit
    while not condition():
        assert now() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)

"""Many Alfen stations in a process of their own: plain sockets, no Modbus library.

Run as a program: the number of stations is its argument, their ports are its first
line. Lines of JSON come in: {"all" or "station": …, "delay": s, "busy": bool, "cut":
bool, "silent": bool, "garble": bool}; {"writes": true} answers with all writes since
the last time, as [station, monotonic s, amperes].
"""

import asyncio
from dataclasses import dataclass, field
import json
import struct
import sys
import time

VALIDITY = 9.0
"""s for which a station holds its current."""


def _f32(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def _text(value: str, count: int) -> list[int]:
    raw = value.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(raw[i : i + 2]) for i in range(0, 2 * count, 2)]


@dataclass
class Station:
    """One station: its registers by unit, and what is wrong with it."""

    number: int
    units: dict[int, dict[int, int]] = field(default_factory=dict)
    delay: float = 0.0
    busy: bool = False
    silent: bool = False
    garble: bool = False
    written_at: float = 0.0
    server: asyncio.Server | None = None
    port: int = 0
    clients: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        station: dict[int, int] = dict.fromkeys(range(100, 179), 0)
        socket: dict[int, int] = dict.fromkeys(range(300, 426), 0xFFFF)
        station.update(dict.fromkeys(range(1100, 1106), 0))
        socket.update(dict.fromkeys(range(1200, 1216), 0))
        self.units = {200: station, 1: socket}
        self.put(200, 123, _text("6.4.0-4210", 17))
        self.put(200, 140, _text("NG910", 17))
        self.put(200, 157, _text(f"ACE{self.number:07}", 11))
        self.put(200, 1100, _f32(32.0))
        self.put(200, 1105, [1])
        self.put(1, 301, [0, 0, 0, 500])
        for at in (320, 322, 324):
            self.put(1, at, _f32(10.0))
        self.put(1, 336, _f32(50.0))
        self.put(1, 344, _f32(6900.0))
        self.put(1, 1201, _text("C2", 5))
        self.put(1, 1212, _f32(6.0))

    def put(self, unit: int, at: int, words: list[int]) -> None:
        for offset, word in enumerate(words):
            self.units[unit][at + offset] = word

    def answer(self, unit: int, body: bytes, writes: list[list[float]]) -> bytes:
        """Return the answer's body to a request's body."""
        function, at, count = struct.unpack(">BHH", body[:5])
        registers = self.units.get(unit)
        if registers is None:
            return bytes([function | 0x80, 11])
        if self.busy and function != 16:
            return bytes([function | 0x80, 6])
        if any(at + offset not in registers for offset in range(count)):
            return bytes([function | 0x80, 2])
        now = time.monotonic()
        if function == 3:
            left = max(0.0, self.written_at + VALIDITY - now)
            self.put(1, 1208, [0, int(left + 0.5)])
            words = [registers[at + offset] for offset in range(count)]
            return struct.pack(f">BB{count}H", 3, 2 * count, *words)
        words = list(struct.unpack(f">{count}H", body[6:]))
        self.put(unit, at, words)
        if at == 1210:
            self.put(1, 1206, words)
            self.put(1, 1214, [1])
            self.written_at = now
            writes.append(
                [self.number, now, struct.unpack(">f", struct.pack(">HH", *words))[0]]
            )
        return struct.pack(">BHH", 16, at, count)


def say(answer: object) -> None:
    """Write one line for the benchmark."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Plant:
    """All stations of the process."""

    def __init__(self, count: int) -> None:
        self.stations = [Station(number) for number in range(count)]
        self.writes: list[list[float]] = []

    async def open(self, station: Station) -> None:
        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            station.clients.add(writer)
            try:
                await self._serve(station, reader, writer)
            except OSError, asyncio.IncompleteReadError:
                pass
            finally:
                station.clients.discard(writer)
                writer.close()

        station.server = await asyncio.start_server(
            serve, "127.0.0.1", station.port, reuse_address=True
        )
        station.port = station.server.sockets[0].getsockname()[1]

    async def _serve(
        self,
        station: Station,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            head = await reader.readexactly(7)
            transaction, _, length, unit = struct.unpack(">HHHB", head)
            body = await reader.readexactly(length - 1)
            if station.delay and body[0] == 3:
                await asyncio.sleep(station.delay)
            answer = station.answer(unit, body, self.writes)
            if station.silent:
                continue
            if station.garble:
                answer = bytes(byte ^ 0x55 for byte in answer)
            writer.write(
                struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer
            )
            await writer.drain()

    async def do(self, order: dict[str, object]) -> None:
        if order.get("writes"):
            done, self.writes = self.writes, []
            say(done)
            return
        which = order.get("station")
        for station in self.stations:
            if which is not None and station.number != which:
                continue
            for name in ("delay", "busy", "silent", "garble"):
                if name in order:
                    setattr(station, name, order[name])
            if order.get("reset"):
                self.hang_up(station)
            if "cut" in order:
                await self.cut(station, cut=bool(order["cut"]))

    def hang_up(self, station: Station) -> None:
        for writer in tuple(station.clients):
            writer.transport.abort()

    async def cut(self, station: Station, *, cut: bool) -> None:
        if cut and station.server is not None:
            station.server.close()
            station.server = None
            self.hang_up(station)
        elif not cut and station.server is None:
            await self.open(station)


async def main(count: int) -> None:
    """Serve until the standard input ends."""
    plant = Plant(count)
    for station in plant.stations:
        await plant.open(station)
    say([station.port for station in plant.stations])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        await plant.do(json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

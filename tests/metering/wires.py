"""The other end of a P1 wire: a TCP adapter and a serial line."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
import os
import pty
import time
import tty

from custom_components.netflex.metering.p1_reader import P1Source
from custom_components.netflex.metering.source import MeterStatus
from custom_components.netflex.model.reading import MeterReading


class Adapter:
    """A TCP server that plays a P1 port to whoever connects."""

    def __init__(self) -> None:
        self.accepted = 0
        self.greeting = b""
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._port = 0

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listen, on the same port again after `close`."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop who is connected."""
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()
            self._server = None

    def drop(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def send(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        self._writers.append(writer)
        writer.write(self.greeting)


@asynccontextmanager
async def adapter() -> AsyncGenerator[Adapter]:
    """Serve a P1 port on TCP."""
    served = Adapter()
    await served.open()
    try:
        yield served
    finally:
        await served.close()


class Line:
    """A serial line: what is sent comes out of the device."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)

    def set_blocking(self, blocking: bool) -> None:
        """Whether sending waits for room; without waiting it raises BlockingIOError."""
        os.set_blocking(self._master, blocking)

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def close(self) -> None:
        """Pull the plug."""
        for end in (self._master, self._slave):
            if end >= 0:
                os.close(end)
        self._master = self._slave = -1


class Listener:
    """Keeps what a source says."""

    def __init__(self) -> None:
        self.readings: list[MeterReading] = []
        self.statuses: list[MeterStatus] = []

    async def start(self, source: P1Source) -> None:
        await source.start(self.readings.append, self.statuses.append)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)

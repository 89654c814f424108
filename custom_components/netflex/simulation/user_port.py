"""A meter's user port on a TCP socket: it only ever sends, to whoever listens."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class UserPort:
    """What the ports of all meters share.

    `silent` keeps connections open and sends nothing.
    """

    host: str = "127.0.0.1"
    port: int = 0
    silent: bool = False
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def plugged(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._writers)

    async def plug(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        """Stop listening and drop every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    def _broadcast(self, data: bytes, most: int | None = None) -> None:
        """Send to everybody; who does not keep up loses it, as on the real line.

        `most` octets may wait for a reader, eight times the data unless said.
        """
        for writer in self._writers:
            waiting = writer.transport.get_write_buffer_size()
            if waiting < (8 * len(data) if most is None else most):
                writer.write(data)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError):
                while await reader.read(1024):
                    continue
        finally:
            self._writers.discard(writer)
            writer.close()

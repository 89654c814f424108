"""Remote control of a simulation process: JSON lines on a loopback TCP socket.

A request is one object on one line, `{"do": name, ...arguments}`; the answer is one
object on one line with `ok` and either the result's keys or `error`. Requests of
one connection are answered in order; connections are served side by side.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
import json
import logging
import os
from typing import Any

_LOGGER = logging.getLogger(__name__)

LIMIT = 2**20
"""Most octets of a line, either way."""

type Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class RemoteError(Exception):
    """A request that cannot be carried out, in words."""


class RemoteServer:
    """Serves named requests on 127.0.0.1."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        """Take the requests by name; nothing listens yet."""
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes any."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the socket and every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError):
                while line := await reader.readline():
                    writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            handler = self._handlers[request["do"]]
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": f"not a request: {error!r}"}
        try:
            return {"ok": True, **await handler(request)}
        except (RemoteError, KeyError, ValueError, TypeError, OSError) as error:
            _LOGGER.debug("Request %s failed", request, exc_info=True)
            return {"ok": False, "error": str(error) or repr(error)}


class RemoteClient:
    """Asks one simulation process."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take an open connection; `connect` opens one."""
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()

    @classmethod
    async def connect(cls, port: int) -> RemoteClient:
        """Connect on 127.0.0.1; OSError where nobody listens."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=LIMIT))

    async def ask(
        self, do: str, *, timeout: float = 30.0, **arguments: Any
    ) -> dict[str, Any]:
        """Send a request; RemoteError with the other side's words on failure."""
        async with self._lock, asyncio.timeout(timeout):
            self._writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            await self._writer.drain()
            line = await self._reader.readline()
        if not line:
            raise RemoteError(f"the process closed the connection during {do}")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok", False):
            raise RemoteError(str(answer.get("error")))
        return answer

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


async def wait_for_parent() -> None:
    """Return once the process that started this one is gone.

    The end of a parent gives a process another one; half a second later it is seen.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.5)

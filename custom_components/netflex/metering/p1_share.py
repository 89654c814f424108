"""The P1 port served again over TCP, so that several energy systems can read it."""

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
import logging
from typing import cast, override

_LOGGER = logging.getLogger(__name__)

CLIENT_LIMIT = 8
SLOW_LIMIT = 32
"""Slow readers that are named in the log."""
BACKLOG_LIMIT = 65536
"""Bytes that a reader may lag behind, a minute of telegrams, before it is dropped."""


class P1Share:
    """Sends the bytes of a P1 port, raw and unchanged, to readers that are allowed.

    Give `send` to a `P1Source` as `on_bytes`. A reader that is slow or dead is dropped
    and holds up nobody; what a reader sends is ignored.
    """

    def __init__(self, host: str, port: int, allowed: Iterable[str]) -> None:
        """Prepare a server; `allowed` are addresses or networks (192.168.1.0/24).

        Raises:
            ValueError: One of them is neither.
        """
        self._host = host
        self._port = port
        self._allowed = tuple(ip_network(entry, strict=False) for entry in allowed)
        self._server: asyncio.Server | None = None
        self._readers: set[asyncio.Transport] = set()
        self._slow: set[str] = set()
        self.refused = 0
        """Connections from addresses that are not allowed, or one too many."""

    @property
    def readers(self) -> int:
        """How many readers are connected."""
        return len(self._readers)

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        if self._server is None or not self._server.sockets:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def where(self) -> str:
        """The address and port that readers are told, for a user."""
        return f"{self._host} port {self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address or the port cannot be used.
        """
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Reader(self), self._host, self._port
        )

    async def stop(self) -> None:
        """Drop every reader and stop listening."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for reader in tuple(self._readers):
            reader.abort()
        await server.wait_closed()

    def send(self, data: bytes) -> None:
        """Send bytes to every reader."""
        for reader in tuple(self._readers):
            if reader.get_write_buffer_size() > BACKLOG_LIMIT:
                self._cut_off(reader)
            else:
                reader.write(data)

    def _cut_off(self, reader: asyncio.Transport) -> None:
        """Drop a reader that does not keep up; each address is named once."""
        host = reader.get_extra_info("peername")[0]
        if host not in self._slow and len(self._slow) < SLOW_LIMIT:
            self._slow.add(host)
            _LOGGER.warning(
                "The P1 reader %s is a minute of telegrams behind and is cut off, each "
                "time anew: look at its program or its network",
                host,
            )
        reader.abort()

    def admits(self, transport: asyncio.Transport) -> bool:
        """Take a new reader, unless it is not allowed or one too many."""
        peer = transport.get_extra_info("peername")
        allowed = peer is not None and _within(peer[0], self._allowed)
        if not allowed or len(self._readers) >= CLIENT_LIMIT:
            self.refused += 1
            return False
        self._readers.add(transport)
        return True

    def forget(self, transport: asyncio.Transport) -> None:
        """Note that a reader has gone."""
        self._readers.discard(transport)


class _Reader(asyncio.Protocol):
    """The connection of one reader."""

    def __init__(self, share: P1Share) -> None:
        self._share = share
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._share.admits(self._transport):
            self._transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._share.forget(self._transport)


def _within(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is in one of the networks, IPv4 inside IPv6 included."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)

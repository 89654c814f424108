"""The controlled station: listener, redundancy group, status."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
import logging
import socket
import ssl
from typing import Final

from .application import Application, ConnectionInfo, StationObserver
from .asdu import Cause
from .config import StationConfig
from .connection import Connection
from .group import Counters, RedundancyGroup
from .information_objects import MonitorObject
from .link_user import (
    CloseCode,
    CloseReason,
    Direction,
    LinkState,
    LoopTimers,
    Timers,
    WireHook,
)
from .time_tag import utc_now

_LOGGER = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT: Final = 10.0
ACCEPT_RETRY: Final = 1.0
STOP_TIMEOUT: Final = 6.0
BACKLOG: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StationStatus:
    """What a station is doing. Times are aware UTC, the clock offset is in seconds.

    `client` is the started client, or else the newest connected one. The offset is
    the operator's clock minus ours at the last clock synchronization. `overflow`
    says that events were lost since the last completed interrogation.
    """

    listening: bool
    client: ConnectionInfo | None
    state: LinkState | None
    connections: int
    events_waiting: int
    events_dropped: int
    overflow: bool
    counters: Counters
    last_close: CloseReason | None
    last_close_at: datetime | None
    last_interrogation: datetime | None
    last_clock_sync: datetime | None
    clock_offset: float | None


type StationWireHook = Callable[[ConnectionInfo, Direction, bytes], None]


class ControlledStation:
    """An IEC 60870-5-104 controlled station (server) on the running event loop.

    `application` is asked for values and carries out commands, `observer` learns
    what happens, `wire_log` sees every APDU. `timers` replaces the loop's clock
    and `time_source` the host's.
    """

    def __init__(
        self,
        config: StationConfig,
        application: Application,
        *,
        observer: StationObserver | None = None,
        wire_log: StationWireHook | None = None,
        time_source: Callable[[], datetime] = utc_now,
        timers: Timers | None = None,
    ) -> None:
        """Prepare a station; `start` opens it."""
        self._config = config
        self._wire_log = wire_log
        self._group = RedundancyGroup(
            config,
            application,
            StationObserver() if observer is None else observer,
            LoopTimers() if timers is None else timers,
            time_source,
        )
        self._listener: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._numbers = 0

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port that are listened on, None while closed."""
        if self._listener is None:
            return None
        host, port = self._listener.getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Listen. Raises OSError when address, port or TLS files are not usable."""
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        tls = self._config.tls
        if tls is not None:
            self._tls = await loop.run_in_executor(None, tls.server_context)
        self._listener = await self._listen(loop)
        self._group.initialization_due = True
        self._accepting = loop.create_task(
            self._accept(loop, self._listener), name="iec104 accept"
        )

    async def stop(self) -> None:
        """Close listener and connections; events and overflow are kept for a start."""
        if self._listener is None:
            return
        tasks = [*self._opening]
        if self._accepting is not None:
            tasks.append(self._accepting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()
        self._listener = None
        closing = list(self._group.connections)
        for connection in closing:
            connection.link.close(CloseReason(CloseCode.STATION_STOPPED))
        if closing:
            waiting = [asyncio.create_task(one.link.lost.wait()) for one in closing]
            _, late = await asyncio.wait(waiting, timeout=STOP_TIMEOUT)
            for wait in late:
                wait.cancel()

    async def reload_certificates(self) -> None:
        """Read the TLS files anew for new connections; those that are up stay.

        Raises OSError (ssl.SSLError among them) and keeps the old ones when the
        files are not usable.
        """
        if self._config.tls is not None:
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(
                None, self._config.tls.server_context
            )

    def report(
        self,
        obj: MonitorObject,
        cause: int = Cause.SPONTANEOUS,
        *,
        at: datetime | None = None,
    ) -> None:
        """Report a value with cause 3, 11, 12 (queued until acknowledged) or 1, 2.

        Periodic values are sent to a started client only, the latest of each
        point. A type with a time tag gets `at`, or now. Raises ValueError when the
        value does not fit its type.
        """
        self._group.report(obj, cause, at)

    def set_allowed_clients(self, clients: frozenset[str] | None) -> None:
        """Change who may connect; only connections not allowed any more are closed.

        Raises ParameterError for what is no IP address.
        """
        self._config = replace(self._config, allowed_clients=clients)
        for connection in list(self._group.connections):
            refusal = self._refused_address(connection.info.address)
            if refusal is not None:
                connection.link.close(refusal)

    def close_connections(self, detail: str) -> None:
        """Close every connection, naming the reason; clients may connect again."""
        for connection in list(self._group.connections):
            connection.link.close(CloseReason(CloseCode.STATION_STOPPED, detail))

    @property
    def status(self) -> StationStatus:
        """Return what the station is doing now."""
        group = self._group
        connections = group.connections
        shown = group.active or max(
            connections, key=lambda one: one.info.number, default=None
        )
        received = sum(one.link.received for one in connections)
        sent = sum(one.link.sent for one in connections)
        sync = group.last_clock_sync
        closed_at, _, reason = group.last_close or (None, None, None)
        return StationStatus(
            listening=self._listener is not None,
            client=None if shown is None else shown.info,
            state=None if shown is None else shown.link.state,
            connections=len(connections),
            events_waiting=group.events.events,
            events_dropped=group.events.dropped,
            overflow=group.events.overflow,
            counters=replace(
                group.counters,
                apdus_received=group.counters.apdus_received + received,
                apdus_sent=group.counters.apdus_sent + sent,
            ),
            last_close=reason,
            last_close_at=closed_at,
            last_interrogation=group.last_interrogation,
            last_clock_sync=None if sync is None else sync.received_at,
            clock_offset=None if sync is None else sync.offset,
        )

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        found = await loop.getaddrinfo(
            self._config.host,
            self._config.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        family, _, _, _, address = found[0]
        listener = socket.create_server(
            (str(address[0]), int(address[1])), family=family, backlog=BACKLOG
        )
        listener.setblocking(False)
        # Clients' sockets inherit it, and asyncio sets it only on its own. Without it
        # what follows a confirmation waits for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    async def _accept(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
    ) -> None:
        group = self._group
        while True:
            try:
                client, address = await loop.sock_accept(listener)
            except OSError as err:
                # Out of descriptors, or the interface is gone: what is connected
                # goes on, and new clients get another chance.
                _LOGGER.debug("Accepting failed: %s", err)
                await asyncio.sleep(ACCEPT_RETRY)
                continue
            host, port = address[:2]
            refusal = self._refusal(host)
            if refusal is not None:
                client.close()
                group.refuse(host, refusal)
                continue
            self._numbers += 1
            info = ConnectionInfo(
                number=self._numbers, address=host, port=port, opened_at=group.now()
            )
            connection = Connection(group, info, self._wire_hook(info))
            group.connections.add(connection)
            task = loop.create_task(self._open(loop, client, connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(
        self,
        loop: asyncio.AbstractEventLoop,
        client: socket.socket,
        connection: Connection,
    ) -> None:
        try:
            await loop.connect_accepted_socket(
                lambda: connection.link,
                client,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_TIMEOUT,
            )
        except OSError as err:
            reason = CloseReason(CloseCode.TLS, str(err))
            self._group.refuse(connection.info.address, reason)
        finally:
            # Refused or cancelled in the handshake: nobody will tell of its end.
            if connection.link.transport is None:
                self._group.connections.discard(connection)

    def _wire_hook(self, info: ConnectionInfo) -> WireHook | None:
        log = self._wire_log
        if log is None:
            return None
        return lambda direction, apdu: log(info, direction, apdu)

    def _refusal(self, host: str) -> CloseReason | None:
        if (refusal := self._refused_address(host)) is not None:
            return refusal
        connected = len(self._group.connections)
        if connected >= self._config.max_connections:
            return CloseReason(CloseCode.CONNECTION_LIMIT, f"{connected} are connected")
        return None

    def _refused_address(self, host: str) -> CloseReason | None:
        if self._config.allows(host):
            return None
        return CloseReason(CloseCode.ADDRESS_REFUSED, f"{host} is not allowed")

"""A controlled station whose protocol is lib60870's, through c104.

The same face as ControlledStation, the same checks of every command: c104 hands
over the command's octets, and what it would let pass is refused here. What c104
answers differently all the same is listed in `lib60870_deviations`.

Everything here runs on the station's loop. c104's threads come in through `Calls`
and may wait for the loop, never longer than a bound; the loop waits for none of
them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
import logging
import socket
from typing import Final, cast

from .application import Application, ClockSync, RejectionReason, StationObserver
from .asdu import (
    GLOBAL_ADDRESS,
    Asdu,
    Cause,
    MalformedAsduError,
    UnknownTypeError,
    decode_asdu,
    mirror,
)
from .config import EndOfInitializationRule, StationConfig
from .controlled_station import StationStatus, StationWireHook
from .group import RedundancyGroup
from .information_objects import (
    COMMAND_TYPES,
    ClockSynchronization,
    MonitorObject,
    TypeId,
)
from .lib60870 import CONTROL_FIELD, Lib60870Server, Report, Verdict
from .lib60870_calls import Calls
from .lib60870_clients import Client, Clients
from .lib60870_commands import CheckedApplication, Commands
from .lib60870_values import current, reported, returned
from .link_user import CloseCode, CloseReason, Direction, LoopTimers
from .time_tag import utc_now

_LOGGER = logging.getLogger(__name__)

START_TIMEOUT: Final = 10.0
STOP_TIMEOUT: Final = 6.0

_STARTDT_CON: Final = 0x0B
_STOPDT_CON: Final = 0x23
_REFUSALS: Final = {
    Cause.UNKNOWN_TYPE: RejectionReason.TYPE,
    Cause.UNKNOWN_CAUSE: RejectionReason.CAUSE,
    Cause.UNKNOWN_COMMON_ADDRESS: RejectionReason.COMMON_ADDRESS,
    Cause.UNKNOWN_OBJECT_ADDRESS: RejectionReason.OBJECT_ADDRESS,
}


class Lib60870Station:
    """A controlled station on c104, on the running event loop.

    As ControlledStation; `command_addresses` are all addresses that the
    application describes as command points.
    """

    def __init__(
        self,
        config: StationConfig,
        application: Application,
        *,
        command_addresses: Iterable[int],
        observer: StationObserver | None = None,
        wire_log: StationWireHook | None = None,
        time_source: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare a station; `start` opens it."""
        self._config = config
        self._command_addresses = tuple(command_addresses)
        self._wire_log = wire_log
        self._application = CheckedApplication(application)
        self._group = RedundancyGroup(
            config,
            self._application,
            StationObserver() if observer is None else observer,
            LoopTimers(),
            time_source,
        )
        self._clients = Clients(self._group)
        self._commands = Commands(
            self._group, self._application, self._send_return_information
        )
        self._address: tuple[str, int] | None = None
        self._calls: Calls | None = None
        self._server: Lib60870Server | None = None
        self._events: deque[Report] = deque()
        self._events_dropped = 0
        self._overflow = False
        self._cyclic: dict[tuple[int, int], Report] = {}

    # For the station's user.

    @property
    def config(self) -> StationConfig:
        """Return the settings."""
        return self._config

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port that are listened on, None while closed."""
        return self._address

    @property
    def status(self) -> StationStatus:
        """Return what the station is doing now, as far as c104 tells."""
        group = self._group
        shown = self._clients.speaking
        sync = group.last_clock_sync
        closed_at, _, reason = group.last_close or (None, None, None)
        return StationStatus(
            listening=self._address is not None,
            client=None if shown is None else shown.info,
            state=None if shown is None else shown.state,
            connections=len(self._clients),
            events_waiting=len(self._events),
            events_dropped=self._events_dropped,
            overflow=self._overflow,
            counters=replace(group.counters),
            last_close=reason,
            last_close_at=closed_at,
            last_interrogation=group.last_interrogation,
            last_clock_sync=None if sync is None else sync.received_at,
            clock_offset=None if sync is None else sync.offset,
        )

    async def start(self) -> None:
        """Listen. Raises OSError when c104 or the address is not usable."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        # c104 says nothing when it starts on an address that it cannot have.
        address = await self._usable_address(loop)
        calls = Calls(self, loop)
        server = Lib60870Server(
            self._config,
            address,
            {obj.ioa: obj.type_id for obj in self._application.points()},
            self._application.control_points(self._command_addresses),
            calls,
        )
        self._calls, self._server = calls, server
        self._group.initialization_due = True
        server.start()
        try:
            async with asyncio.timeout(START_TIMEOUT):
                fault = await calls.start
        except BaseException:
            server.stop()
            self._calls = self._server = None
            raise
        if fault is not None:
            self._calls = self._server = None
            await server.ended()
            raise OSError(f"c104 does not start: {fault}") from fault
        self._address = address

    async def stop(self) -> None:
        """Close listener and connections; events that wait are kept for a start."""
        server, calls = self._server, self._calls
        if server is None or calls is None:
            return
        self._server = self._calls = self._address = None
        server.stop()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await calls.stop
                await server.ended()
        except TimeoutError:
            _LOGGER.error("c104 has not stopped in %s s; leaving it", STOP_TIMEOUT)
        calls.close()
        self._clients.forget(CloseReason(CloseCode.STATION_STOPPED))
        self._follow_clients()

    def report(
        self,
        obj: MonitorObject,
        cause: int = Cause.SPONTANEOUS,
        *,
        at: datetime | None = None,
    ) -> None:
        """Report a value with cause 3, 11, 12 (kept until a client is started) or 1, 2.

        Raises ValueError when the value does not fit its type.
        """
        report = reported(self._group, obj, cause, at)
        if cause not in (Cause.PERIODIC, Cause.BACKGROUND):
            self._send(report)
        elif self._clients.active is not None:
            if not self._cyclic:
                asyncio.get_running_loop().call_soon(self._send_cyclic)
            self._cyclic[cause, obj.ioa] = report

    def set_allowed_clients(self, clients: frozenset[str] | None) -> None:
        """Change who may connect.

        c104 cannot close one connection: when one has to go, all are closed and
        those that are allowed may come again.
        """
        self._config = replace(self._config, allowed_clients=clients)
        gone = [one for one in self._clients.addresses if not self._config.allows(one)]
        if gone and self._server is not None:
            detail = f"{gone[0]} is not allowed"
            self._clients.forget(CloseReason(CloseCode.ADDRESS_REFUSED, detail))
            self._follow_clients()
            self._server.drop_clients()

    async def reload_certificates(self) -> None:
        """Do nothing: there is no TLS on c104, see `check_engine`."""

    async def _usable_address(self, loop: asyncio.AbstractEventLoop) -> tuple[str, int]:
        found = await loop.getaddrinfo(
            self._config.host,
            self._config.port,
            family=socket.AF_INET,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        host, port = found[0][4][:2]
        with socket.create_server((str(host), int(port))) as probe:
            host, port = probe.getsockname()
        return host, port

    # Values.

    def _send(self, report: Report) -> None:
        if self._calls is not None:
            self._calls.reported(report)
        if self._clients.active is not None and self._server is not None:
            self._server.send(report)
        else:
            self.keep(report)

    def _send_return_information(self, asdu: Asdu) -> None:
        for report in returned(asdu):
            self._send(report)

    def _send_cyclic(self) -> None:
        reports, self._cyclic = self._cyclic, {}
        together: dict[tuple[int, int], list[Report]] = {}
        for report in reports.values():
            key = (report.cause, report.obj.type_id)
            together.setdefault(key, []).append(report)
        if self._server is not None and self._clients.active is not None:
            for batch in together.values():
                self._server.send_cyclic(batch)

    # Called by `Calls`.

    def keep(self, report: Report) -> None:
        """Let an event wait for a client; the oldest go when there are too many."""
        self._events.append(report)
        while len(self._events) > self._config.max_events:
            self._events.popleft()
            self._events_dropped += 1
            self._overflow = True

    def image(self) -> dict[int, Report]:
        """Return all current values."""
        return current(self._group, self._application.points())

    def take(self, raw: bytes, verdict: Future[Verdict]) -> None:
        """Carry out a command that c104 waits with."""
        self._begin(self._clients.gave_command())
        self._commands.take(raw, self._clients.active, verdict)

    def admitted(self, address: str) -> None:
        """Take a new client in."""
        self._clients.admitted(address)
        self._follow_clients()

    def turned_away(self, address: str, reason: CloseReason) -> None:
        """Tell of a client that was not let in."""
        self._group.refuse(address, reason)

    def counted(self, connected: int, started: int) -> None:
        """Give up clients that c104 does not count any more."""
        self._clients.counted(connected, started)
        self._follow_clients()

    def passed(self, direction: Direction, apdu: bytes) -> None:
        """Learn from an APDU what c104 tells in no other way."""
        received = direction is Direction.RECEIVED
        if received:
            self._group.counters.apdus_received += 1
        else:
            self._group.counters.apdus_sent += 1
        client = self._clients.speaking
        if client is None:
            return
        if self._wire_log is not None:
            self._wire_log(client.info, direction, apdu)
        control = apdu[2]
        if control & 1:
            if not received and control == _STARTDT_CON:
                self._begin(self._clients.started())
            elif not received and control == _STOPDT_CON:
                self._clients.stopped()
                self._follow_clients()
        elif received:
            self._heard(apdu[CONTROL_FIELD:], client)
        else:
            self._said(apdu[CONTROL_FIELD:], client)

    # What follows from it.

    def _follow_clients(self) -> None:
        """Let go of what needs a started client, and have clients counted."""
        active = self._clients.active is not None
        if not active:
            self._cyclic.clear()
            self._commands.drop_selections()
        if self._calls is not None:
            self._calls.occupied = active
            self._calls.present = len(self._clients) > 0

    def _begin(self, client: Client | None) -> None:
        """Send a client that was just started what waits for it."""
        if client is None or self._server is None:
            return
        self._follow_clients()
        if (
            self._group.initialization_due
            if self._config.end_of_initialization is EndOfInitializationRule.ON_START
            else not client.has_started
        ):
            self._group.initialization_due = False
            self._server.announce()
        client.has_started = True
        while self._events:
            self._server.send(self._events.popleft())

    def _heard(self, raw: bytes, client: Client) -> None:
        try:
            request = decode_asdu(raw)
        except MalformedAsduError, UnknownTypeError:
            return
        if request.type_id == TypeId.C_CS_NA_1:
            self._synchronize(request, client)
        elif request.type_id in COMMAND_TYPES:
            self._commands.heard(raw, request)

    def _said(self, raw: bytes, client: Client) -> None:
        cause = raw[2] & 0x3F
        if raw[0] == TypeId.C_IC_NA_1 and cause == Cause.ACTIVATION_TERMINATION:
            self._overflow = False
            self._group.counters.interrogations += 1
            self._group.last_interrogation = self._group.now()
            self._group.observer.interrogated(client.info)
        elif cause in _REFUSALS:
            request = mirror(raw, Cause.ACTIVATION)
            self._commands.rejected(request, cause, _REFUSALS[Cause(cause)], client)
        elif raw[0] in COMMAND_TYPES and raw[2] & 0x40:
            self._commands.refused(raw, client)

    def _synchronize(self, request: Asdu, client: Client) -> None:
        """Take a clock synchronization; c104 confirms also what is none."""
        sync = cast(ClockSynchronization, request.objects[0])
        received_at = self._group.now()
        own = (self._config.common_address, GLOBAL_ADDRESS)
        if (
            request.cause != Cause.ACTIVATION
            or request.common_address not in own
            or request.test
            or request.negative
            or sync.ioa
            or sync.time_tag.invalid
        ):
            return
        try:
            time = self._config.time_zone.moment(sync.time_tag, received_at)
        except ValueError:
            return
        clock = ClockSync(
            time=time,
            received_at=received_at,
            offset=(time - received_at).total_seconds(),
            connection=client.info,
        )
        self._group.last_clock_sync = clock
        self._group.counters.clock_synchronizations += 1
        self._group.observer.clock_synchronized(clock)

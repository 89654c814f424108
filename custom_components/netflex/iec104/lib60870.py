"""c104's server: the one file that imports c104.

c104 is Fraunhofer FIT's Python binding of MZ Automation's lib60870-C. Both are
under the GNU General Public License, version 3. This file calls the installed
package and holds none of its code; the package is neither shipped with the
integration nor asked for by it, and who installs it does so under its licence.

Threads: every call into c104 is made on a thread of our own, and c104 calls back on
threads of its own. The station's loop waits for neither, so that a callback may
wait for the loop whatever locks c104 holds meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import reduce
import logging
import operator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Protocol

from .application import Execution
from .config import StationConfig
from .information_objects import DoublePoint, MonitorObject, Quality, TypeId
from .link_user import Direction
from .parameters import LinkParameters

if TYPE_CHECKING:
    import c104

_LOGGER = logging.getLogger(__name__)

TICK_MS: Final = 50
"""How often c104 sends what is spontaneous; its shortest."""
POLL_INTERVAL: Final = 0.1
CONTROL_FIELD: Final = 6
"""Octets before the ASDU in what c104 hands over as a message."""

_QUALITIES: Final = {
    Quality.OVERFLOW: "Overflow",
    Quality.BLOCKED: "Blocked",
    Quality.SUBSTITUTED: "Substituted",
    Quality.NOT_TOPICAL: "NonTopical",
    Quality.INVALID: "Invalid",
}
_CAUSES: Final = {
    1: "PERIODIC",
    2: "BACKGROUND_SCAN",
    3: "SPONTANEOUS",
    11: "RETURN_INFO_REMOTE",
    12: "RETURN_INFO_LOCAL",
}


class Verdict(Enum):
    """How c104 answers a command."""

    POSITIVE = auto()
    NEGATIVE = auto()
    SILENT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A value to be sent; `recorded_at` is the wall clock of its time tag."""

    obj: MonitorObject
    cause: int
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """A command point as c104 can have one."""

    ioa: int
    type_id: int
    execution: Execution


class ServerUser(Protocol):
    """Who uses the server. Every call comes on a thread that is not the loop's."""

    def started(self, fault: Exception | None) -> None:
        """Learn that the server listens, or why it does not."""

    def stopped(self) -> None:
        """Learn that the server is gone."""

    def admits(self, address: str) -> bool:
        """Let a client connect; must not wait."""

    def apdu(self, direction: Direction, apdu: bytes) -> None:
        """Learn of an APDU, a little after it passed; must not wait."""

    def counted(self, connected: int, started: int) -> None:
        """Learn how many clients there are; must not wait."""

    def command(self, asdu: bytes) -> Verdict:
        """Carry out a command; may wait for the loop, within bounds."""

    def current(self, ioa: int) -> Report | None:
        """Return a value that is asked for; may wait for the loop, within bounds."""

    def unsent(self, report: Report) -> None:
        """Take back an event that no client was there for; must not wait."""


class Lib60870Server:
    """One c104 server and the thread that owns it.

    Whatever is asked of it happens later and in order.
    """

    def __init__(
        self,
        config: StationConfig,
        address: tuple[str, int],
        monitored: Mapping[int, int],
        controlled: Iterable[ControlPoint],
        user: ServerUser,
    ) -> None:
        """Prepare a server; `monitored` has the type of each monitored address."""
        self._config = config
        self._address = address
        self._monitored = monitored
        self._controlled = tuple(controlled)
        self._user = user
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._server: Any = None
        self._station: Any = None
        self._points: dict[int, tuple[int, Any]] = {}
        self._thread = Thread(target=self._run, name="iec104 c104", daemon=True)

    # Called on the station's loop.

    def start(self) -> None:
        """Begin; `started` tells the user how it went."""
        self._thread.start()

    def stop(self) -> None:
        """End, once everything asked before is done; `stopped` tells the user."""
        self._tasks.put(None)

    def announce(self) -> None:
        """Send the end of initialization."""
        self._tasks.put(self._announce)

    def send(self, report: Report) -> None:
        """Send an event."""
        self._tasks.put(lambda: self._send(report))

    def send_cyclic(self, reports: Sequence[Report]) -> None:
        """Send values of one cause and type in as few ASDUs as they need."""
        self._tasks.put(lambda: self._send_cyclic(reports))

    def drop_clients(self) -> None:
        """Close every connection: c104 cannot close a single one."""
        self._tasks.put(self._restart)

    async def ended(self) -> None:
        """Wait until the thread is gone, once it has said that it goes."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # On the server's own thread.

    def _run(self) -> None:
        try:
            self._build()
            self._server.start()
        except Exception as err:  # noqa: BLE001 - whatever c104 raises is told
            self._user.started(err)
            return
        self._user.started(None)
        while True:
            try:
                task = self._tasks.get(timeout=POLL_INTERVAL)
            except Empty:
                pass
            else:
                if task is None:
                    break
                try:
                    task()
                except Exception:
                    _LOGGER.exception("c104 failed at something it was asked for")
            self._user.counted(
                self._server.open_connection_count,
                self._server.active_connection_count,
            )
        try:
            self._server.stop()
        except Exception:
            _LOGGER.exception("c104 failed to stop")
        self._points.clear()
        self._station = self._server = None
        self._user.stopped()

    def _build(self) -> None:
        import c104  # noqa: PLC0415 - only who chose this engine needs it

        config = self._config
        host, port = self._address
        self._server = server = c104.Server(
            ip=host,
            port=port,
            tick_rate_ms=TICK_MS,
            select_timeout_ms=round(config.select_timeout * 1000),
            max_connections=config.max_connections,
        )
        _set_link(server.protocol_parameters, config.link)
        user = self._user

        # c104 compares these signatures with its own, names and types alike.
        def on_connect(server: c104.Server, ip: str) -> bool:
            return user.admits(ip)

        def on_receive_raw(server: c104.Server, data: bytes) -> None:
            user.apdu(Direction.RECEIVED, data)

        def on_send_raw(server: c104.Server, data: bytes) -> None:
            user.apdu(Direction.SENT, data)

        def on_command(
            point: c104.Point,
            previous_info: c104.Information,
            message: c104.IncomingMessage,
        ) -> c104.ResponseState:
            verdict = user.command(message.raw[CONTROL_FIELD:])
            if verdict is Verdict.POSITIVE:
                return c104.ResponseState.SUCCESS
            if verdict is Verdict.NEGATIVE:
                return c104.ResponseState.FAILURE
            return c104.ResponseState.NONE

        def on_read(point: c104.Point) -> None:
            report = user.current(point.io_address)
            if report is not None:
                point.info = _information(c104, report)

        self._on_read = on_read
        server.on_connect(callable=on_connect)
        server.on_receive_raw(callable=on_receive_raw)
        server.on_send_raw(callable=on_send_raw)
        self._station = server.add_station(common_address=config.common_address)
        for control in self._controlled:
            point = self._station.add_point(
                io_address=control.ioa,
                type=_type(c104, control.type_id),
                command_mode=(
                    c104.CommandMode.SELECT_AND_EXECUTE
                    if control.execution is Execution.SBO
                    else c104.CommandMode.DIRECT
                ),
            )
            point.on_receive(callable=on_command)
        for ioa, type_id in self._monitored.items():
            self._monitor(ioa, type_id)

    def _monitor(self, ioa: int, type_id: int) -> Any:
        """Return c104's point of an address, made anew when its type has changed."""
        import c104  # noqa: PLC0415

        known = self._points.get(ioa)
        if known is not None:
            if known[0] == type_id:
                return known[1]
            self._station.remove_point(ioa)
        point = self._station.add_point(io_address=ioa, type=_type(c104, type_id))
        if point is None:
            raise ValueError(f"c104 has another point at address {ioa}")
        point.on_before_read(callable=self._on_read)
        self._points[ioa] = (type_id, point)
        return point

    def _filled(self, report: Report) -> Any:
        import c104  # noqa: PLC0415

        point = self._monitor(report.obj.ioa, report.obj.type_id)
        point.info = _information(c104, report)
        return point

    def _send(self, report: Report) -> None:
        import c104  # noqa: PLC0415

        cause = getattr(c104.Cot, _CAUSES[report.cause])
        if not self._filled(report).transmit(cause=cause):
            self._user.unsent(report)

    def _send_cyclic(self, reports: Sequence[Report]) -> None:
        import c104  # noqa: PLC0415

        points = [self._filled(report) for report in reports]
        cause = getattr(c104.Cot, _CAUSES[reports[0].cause])
        self._server.transmit_batch(c104.Batch(cause=cause, points=points))

    def _announce(self) -> None:
        import c104  # noqa: PLC0415

        self._station.signal_initialized(cause=c104.Coi.LOCAL_POWER_ON)

    def _restart(self) -> None:
        self._server.stop()
        self._server.start()


def _type(module: Any, type_id: int) -> Any:
    return getattr(module.Type, TypeId(type_id).name)


def _set_link(parameters: Any, link: LinkParameters) -> None:
    """Set times, which c104 takes in whole seconds, and windows."""
    parameters.connection_timeout = round(link.t0)
    parameters.message_timeout = round(link.t1)
    parameters.confirm_interval = round(link.t2)
    parameters.keep_alive_interval = round(link.t3)
    parameters.send_window_size = link.k
    parameters.receive_window_size = link.w


def _information(module: Any, report: Report) -> Any:
    """Return a value as c104 has it."""
    obj, recorded_at = report.obj, report.recorded_at
    bits = [
        getattr(module.Quality, name)
        for bit, name in _QUALITIES.items()
        if obj.quality & bit
    ]
    quality = reduce(operator.or_, bits, module.Quality())
    value = obj.value
    match obj.type_id:
        case TypeId.M_SP_NA_1 | TypeId.M_SP_TB_1:
            return module.SingleInfo(bool(value), quality, recorded_at)
        case TypeId.M_DP_NA_1 | TypeId.M_DP_TB_1:
            state = getattr(module.Double, DoublePoint(int(value)).name)
            return module.DoubleInfo(state, quality, recorded_at)
        case TypeId.M_ME_NA_1 | TypeId.M_ME_TD_1:
            normalized = module.NormalizedFloat(value)
            return module.NormalizedInfo(normalized, quality, recorded_at)
        case TypeId.M_ME_NB_1 | TypeId.M_ME_TE_1:
            scaled = module.Int16(int(value))
            return module.ScaledInfo(scaled, quality, recorded_at)
        case _:
            return module.ShortInfo(float(value), quality, recorded_at)

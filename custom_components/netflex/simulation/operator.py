"""The grid operator's RTU: an IEC 60870-5-104 client that gives Netflex orders.

It connects as the operator's RTU does (end of initialization, interrogation, clock
synchronization), gives orders by their names, and remembers what it reads back.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
import time

from ..iec104 import (
    Asdu,
    CloseReason,
    ControllingConfig,
    ControllingStation,
    DoublePoint,
    LinkState,
    MonitorObject,
    PointValue,
    Quality,
    TypeId,
)
from ..iec104.information_objects import TAGGED
from ..model.orders import OrderName
from ..telecontrol.points import DEFAULT_POINTS, PointTable, feedback_name

type OrderValue = bool | float
"""Stops and test: True or False; Q mode: True is remote; the rest are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One value that the RTU read: monotonic s, cause of transmission, good or not."""

    at: float
    value: PointValue
    cause: int
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """How a connection began. Times in ms since the TCP connection stood.

    `points` is how many information objects the interrogation brought.
    """

    started: float
    initialized: float | None
    interrogated: float | None
    points: int
    synchronized: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """What came back for an order. Times in ms since it was sent.

    `sent_at` is monotonic s, `returned` the value of the return information.
    """

    sent_at: float
    accepted: bool
    confirmed: float | None
    returned: PointValue | None
    returned_after: float | None
    terminated: float | None


@dataclass(slots=True)
class _Session:
    """One connection."""

    station: ControllingStation
    initialized: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str | None = None


class Rtu:
    """The operator's RTU. One connection at a time; `heard` outlives it."""

    def __init__(
        self,
        *,
        points: PointTable = DEFAULT_POINTS,
        common_address: int = 100,
        response_timeout: float = 10.0,
        initialization_timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare an unconnected RTU."""
        self._points = points
        self._config = ControllingConfig(
            common_address=common_address, response_timeout=response_timeout
        )
        self._initialization_timeout = initialization_timeout
        self._clock = clock
        self._names = {
            point.ioa: name
            for name, point in points.by_name.items()
            if point.ioa not in points.orders
        }
        self._session: _Session | None = None
        self.heard: dict[str, Heard] = {}
        self.asdus = 0

    @property
    def connected(self) -> bool:
        """Whether data transfer is started."""
        session = self._session
        return session is not None and session.station.state is LinkState.STARTED

    @property
    def close_reason(self) -> str | None:
        """Why the last connection ended, in words."""
        return None if self._session is None else self._session.reason

    async def connect(self, host: str, port: int) -> Welcome:
        """Connect and begin as the operator does.

        Raises OSError where nobody listens and LinkClosedError where the station
        closes again (an address that it does not know).
        """
        await self.disconnect()
        session = self._open()
        try:
            return await self._begin(session, host, port)
        except BaseException:
            await session.station.close()
            raise

    async def disconnect(self) -> None:
        """Close the connection, as a pulled cable would for the station."""
        if self._session is not None:
            await self._session.station.close()

    async def lost(self) -> str:
        """Wait until the connection is gone; return why, in words."""
        session = self._require()
        await session.closed.wait()
        return session.reason or "closed"

    async def interrogate(self) -> int:
        """Interrogate the station; return how many objects it sent."""
        result = await self._require().station.general_interrogation()
        return len(result.objects)

    async def test_link(self) -> float:
        """Send TESTFR; return the ms that the answer took."""
        return 1000 * await self._require().station.test()

    async def order(
        self,
        name: OrderName,
        value: OrderValue,
        *,
        tagged: bool = False,
        wait: bool = True,
    ) -> OrderResult:
        """Give one order and wait for its termination, or for its confirmation only.

        `tagged` uses the type with a time tag. LinkClosedError when the connection
        ends meanwhile.
        """
        point = self._points.by_name[name]
        type_id = TypeId(point.type_id)
        if tagged:
            type_id = TypeId(TAGGED[type_id])
        station = self._require().station
        sent_at = self._clock()
        result = await station.command(
            point.ioa, type_id, _on_the_wire(name, value), wait_termination=wait
        )
        mirror = self._points.feedback(name)
        returned = [
            obj.value
            for obj in result.return_information
            if mirror is not None and obj.ioa == mirror.ioa
        ]
        return OrderResult(
            sent_at=sent_at,
            accepted=result.accepted,
            confirmed=_ms(
                None if result.confirmation is None else result.confirmation.after
            ),
            returned=returned[-1] if returned else None,
            returned_after=_ms(result.returned_after),
            terminated=_ms(result.terminated_after),
        )

    def feedback(self, name: OrderName) -> Heard | None:
        """Return what the station mirrored last for an order."""
        return self.heard.get(feedback_name(name))

    async def _begin(self, session: _Session, host: str, port: int) -> Welcome:
        await session.station.connect(host, port)
        begun = self._clock()
        await session.station.start_dt()
        started = self._since(begun)
        initialized = None
        try:
            async with asyncio.timeout(self._initialization_timeout):
                await session.initialized.wait()
            initialized = self._since(begun)
        except TimeoutError:
            pass
        interrogation = await session.station.general_interrogation()
        interrogated = self._since(begun) if interrogation.terminated else None
        confirmation = await session.station.clock_sync()
        return Welcome(
            started=started,
            initialized=initialized,
            interrogated=interrogated,
            points=len(interrogation.objects),
            synchronized=self._since(begun) if confirmation.positive else None,
        )

    def _open(self) -> _Session:
        session = _Session(
            ControllingStation(
                self._config, on_asdu=self._on_asdu, on_closed=self._on_closed
            )
        )
        self._session = session
        return session

    def _require(self) -> _Session:
        if self._session is None:
            raise ConnectionError("the RTU is not connected")
        return self._session

    def _since(self, begun: float) -> float:
        return 1000 * (self._clock() - begun)

    def _on_asdu(self, asdu: Asdu) -> None:
        self.asdus += 1
        if asdu.type_id == TypeId.M_EI_NA_1 and self._session is not None:
            self._session.initialized.set()
            return
        now = self._clock()
        for obj in asdu.objects:
            if isinstance(obj, MonitorObject) and obj.ioa in self._names:
                self.heard[self._names[obj.ioa]] = Heard(
                    at=now,
                    value=obj.value,
                    cause=asdu.cause,
                    good=obj.quality == Quality.GOOD,
                )

    def _on_closed(self, reason: CloseReason) -> None:
        if self._session is not None:
            self._session.reason = str(reason)
            self._session.closed.set()


def _on_the_wire(name: OrderName, value: OrderValue) -> PointValue:
    """Return the value of a default point table's command object."""
    if name is OrderName.Q_MODE:
        return DoublePoint.ON if value else DoublePoint.OFF
    if isinstance(value, bool):
        return value
    return float(value)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds

"""A telecontrol station with everything it tells, and an RTU that talks to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from custom_components.netflex.iec104 import (
    Cause,
    CommandResult,
    ControllingConfig,
    ControllingStation,
    MonitorObject,
    TimeTag,
    TypeId,
)
from custom_components.netflex.iec104.asdu import Asdu
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import (
    STOP_ORDERS,
    GridOrders,
    LinkState,
    OrderEvent,
    OrderName,
)
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS, PointTable
from custom_components.netflex.telecontrol.settings import TelecontrolSettings, Timing
from custom_components.netflex.telecontrol.station import TelecontrolStation

POINTS = DEFAULT_POINTS.by_name
# What has to be waited for is short. What fails a test of something else where a
# busy machine is late is not: those who wait for it take one of the two below.
FAST = Timing(
    write_timeout=10.0,
    flush_timeout=10.0,
    output_grace=0.05,
    stop_deadline=10.0,
    store_retry=0.05,
    measurement_interval=0.05,
    measurement_timeout=60.0,
    bind_retry=0.03,
    link_alarm=10.0,
    alive_mark=0.03,
    link_recheck=0.02,
)
SETTINGS = TelecontrolSettings(
    bind_address="127.0.0.1", port=0, allowed_clients=None, timing=FAST
)
IMPATIENT = replace(
    SETTINGS,
    timing=replace(FAST, write_timeout=2.0, flush_timeout=0.2, stop_deadline=0.2),
)
"""Gives up a disk and outputs that do not answer."""
ALARMED = replace(SETTINGS, timing=replace(FAST, link_alarm=0.02))
"""Says at once that the link is lost."""


class Clock:
    """The host's clocks, moved by hand; boot time runs with the real one."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.boot = 1000.0
        self.identity = "boot-1"

    def utc(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def boot_time(self) -> float:
        return self.boot

    def boot_id(self) -> str:
        return self.identity


@dataclass
class Told:
    """Everything that the station has told, and where it writes stops."""

    events: list[OrderEvent] = field(default_factory=list)
    orders: list[GridOrders] = field(default_factory=list)
    links: list[LinkState] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    problem_log: list[tuple[str, str | None]] = field(default_factory=list)
    outputs: Callable[[Direction], tuple[str, ...] | None] = lambda _direction: ()
    """What a stop's outputs miss at once; None: nothing is heard of them."""
    station: TelecontrolStation | None = None

    def on_order(self, event: OrderEvent, orders: GridOrders) -> None:
        self.events.append(event)
        self.orders.append(orders)
        direction = STOP_ORDERS.get(event.name)
        if event.accepted and event.value is True and direction is not None:
            missing = self.outputs(direction)
            if missing is not None and self.station is not None:
                self.station.stop_written(direction, missing)

    def on_link(self, link: LinkState) -> None:
        self.links.append(link)

    def on_problem(self, key: str, text: str | None) -> None:
        self.problem_log.append((key, text))
        if text is None:
            self.problems.pop(key, None)
        else:
            self.problems[key] = text


@dataclass
class Rtu:
    """The operator's RTU: orders by name, everything heard in `asdus`."""

    client: ControllingStation
    asdus: list[Asdu]
    points: PointTable

    async def order(
        self, name: str, value: float | bool, *, tagged: bool = False, **options: Any
    ) -> CommandResult:
        point = self.points.by_name[name]
        type_id = TypeId(point.type_id)
        if tagged or "time_tag" in options:
            type_id = TypeId(type_id + 13)
            options.setdefault("time_tag", TimeTag.from_wall_clock(datetime.now(UTC)))
        return await self.client.command(point.ioa, type_id, value, **options)

    async def feedback(self, name: str) -> MonitorObject:
        """Read an order's feedback."""
        return await self.read(f"{name}_feedback")

    async def read(self, name: str) -> MonitorObject:
        found = await self.client.read(self.points.by_name[name].ioa)
        assert found is not None
        return found

    def heard(self, name: str) -> list[tuple[int, Any]]:
        """Cause and value of everything that came for a point or a command."""
        ioa = self.points.by_name[name].ioa
        return [
            (asdu.cause, obj.value)
            for asdu in self.asdus
            for obj in asdu.objects
            if obj.ioa == ioa
        ]

    def sequence(self, name: str) -> list[int]:
        """Causes of an order's answers and of its feedback, in order."""
        wanted = {self.points.by_name[n].ioa for n in (name, f"{name}_feedback")}
        return [
            asdu.cause
            for asdu in self.asdus
            if any(obj.ioa in wanted for obj in asdu.objects)
            and asdu.cause != Cause.REQUEST
        ]


@asynccontextmanager
async def running(
    told: Told,
    *,
    settings: TelecontrolSettings = SETTINGS,
    path: Path | None = None,
    store: OrderStore | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[TelecontrolStation]:
    """Run a station; with `path` its orders are stored."""
    if path is not None:
        store = OrderStore(path)
    station = TelecontrolStation(
        settings,
        store,
        on_order=told.on_order,
        on_link=told.on_link,
        on_problem=told.on_problem,
        clock=clock,
    )
    told.station = station
    try:
        await station.load()
        await station.start()
        yield station
    finally:
        await station.stop()


@asynccontextmanager
async def connected(
    station: TelecontrolStation, *, start: bool = True
) -> AsyncIterator[Rtu]:
    """Connect an RTU and start data transfer."""
    asdus: list[Asdu] = []
    client = ControllingStation(
        ControllingConfig(response_timeout=20.0), on_asdu=asdus.append
    )
    assert station.address is not None
    await client.connect(*station.address)
    try:
        if start:
            await client.start_dt()
        yield Rtu(client, asdus, station.settings.points)
    finally:
        await client.close()


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


def with_points(**changes: dict[str, Any]) -> PointTable:
    """Return the default table with fields of some points changed."""
    return PointTable(
        points=tuple(
            replace(point, **changes.get(point.name, {}))
            for point in DEFAULT_POINTS.points
        )
    )


ORDERS: dict[OrderName, tuple[Any, Any]] = {
    OrderName.EMERGENCY_STOP_PRODUCTION: (True, False),
    OrderName.EMERGENCY_STOP_CONSUMPTION: (True, False),
    OrderName.TEST: (True, False),
    OrderName.Q_MODE: (2, 1),
    OrderName.MINSETP: (50.0, 100.0),
    OrderName.MAXSETP: (40.0, 100.0),
    OrderName.MAXSETAP: (30.0, 100.0),
    OrderName.MINSETAP: (20.0, 100.0),
    OrderName.MINSETQ: (-20.0, -100.0),
    OrderName.MAXSETQ: (10.0, 100.0),
    OrderName.REDENP: (99.0, 0.0),
    OrderName.REDENQ: (1.0, 0.0),
}
"""A binding and a loose value of every order on the wire."""

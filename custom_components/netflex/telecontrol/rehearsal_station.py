"""The second station of a rehearsal: its own listener, orders and end (S07).

It listens on the loopback interface beside the operator's station, keeps a set of
orders of its own in memory only, and ends at once when the operator is there.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
import logging
from typing import Any, Final

from ..iec104 import SecondClientRule
from ..iec104.engine import Engine
from ..model.asset import Direction
from ..model.measurement import Measurements
from ..model.orders import (
    NO_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    OrderEvent,
    OrderSource,
)
from .journal_format import RecordKind
from .link_loss import LinkLossPolicy
from .rehearsal_orders import as_rehearsal
from .settings import TelecontrolSettings
from .station import TelecontrolStation

_LOGGER = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
LONGEST: Final = 1800.0
"""s after which a rehearsal ends, whatever its client still does."""
ABSENCE: Final = 20.0
"""s that a rehearsal waits for its client, at the beginning and after a loss."""


class RehearsalEnd(StrEnum):
    """Why a rehearsal is over."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    CLIENT_LOST = "client_lost"
    OPERATOR_CONNECTED = "operator_connected"
    OPERATOR_ORDER = "operator_order"
    STATION_CLOSED = "station_closed"
    FAILED = "failed"
    """The rehearsal itself had a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalState:
    """A rehearsal as the site sees it.

    `orders` are the rehearsal's own, whether they are in force (`real`) or only looked
    at. `ended` is None while it runs.
    """

    real: bool
    orders: GridOrders = NO_ORDERS
    ended: RehearsalEnd | None = None


type StateHook = Callable[[RehearsalState, OrderEvent | None], None]
type RecordHook = Callable[[RecordKind, Mapping[str, Any]], None]


def rehearsal_settings(settings: TelecontrolSettings) -> TelecontrolSettings:
    """Return the site's settings for a station that only this machine can reach.

    Always our own engine: c104 keeps state that two stations of a process share.
    """
    return replace(
        settings,
        bind_address=LOOPBACK,
        port=0,
        allowed_clients=frozenset({LOOPBACK}),
        second_client=SecondClientRule.REFUSE,
        link_loss=LinkLossPolicy(),
        bench=False,
        tls=None,
        engine=Engine.BUILTIN,
    )


class RehearsalStation:
    """One rehearsal on the loop of the operator's station; used once.

    `on_state` is called with every change of what the rehearsal orders, at once, and
    with its end. Nothing is ever stored.
    """

    def __init__(
        self,
        settings: TelecontrolSettings,
        *,
        real: bool,
        on_state: StateHook,
        record: RecordHook,
        longest: float = LONGEST,
        absence: float = ABSENCE,
    ) -> None:
        """Prepare a rehearsal; nothing happens before `start`."""
        self._real = real
        self._on_state = on_state
        self._record = record
        self._longest = longest
        self._absence = absence
        self._orders = NO_ORDERS
        self._present = False
        self._ended: RehearsalEnd | None = None
        self._operator = LinkState()
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._station = TelecontrolStation(
            rehearsal_settings(settings),
            None,
            on_order=self._take,
            on_link=self._link_changed,
            on_problem=self._problem,
            # What a rehearsal provokes on purpose is no warning for a user.
            problem_level=logging.DEBUG,
        )

    @property
    def orders(self) -> GridOrders:
        """What the rehearsal orders now; nothing once it has ended."""
        return self._orders

    @property
    def in_force(self) -> GridOrders:
        """What of it is to be carried out."""
        return self._orders if self._real else NO_ORDERS

    @property
    def ended(self) -> RehearsalEnd | None:
        """Why it is over, None while it runs."""
        return self._ended

    async def start(
        self, operator: LinkState, local: LocalStops, measurements: Measurements | None
    ) -> tuple[str, int]:
        """Listen; return host and port. Raises OSError where that is not possible."""
        self._operator = operator
        self._station.set_local_stops(local)
        if measurements is not None:
            self._station.set_measurements(measurements)
        await self._station.start()
        if (address := self._station.address) is None:
            problem = self._station.link.problem
            await self._station.stop()
            raise OSError(problem or "the rehearsal's station does not listen")
        if self._ended is not None:
            # The operator came while the listener was being opened.
            await self._station.stop()
            return address
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(
            self._longest, self.end, RehearsalEnd.TIMED_OUT
        )
        self._wait_for_client()
        self._note("started", real=self._real, port=address[1])
        return address

    def end(self, reason: RehearsalEnd) -> None:
        """End it now: its orders are gone before this returns."""
        if self._ended is not None:
            return
        self._ended = reason
        self._orders = NO_ORDERS
        for timer in (self._deadline, self._waiting):
            if timer is not None:
                timer.cancel()
        self._note("ended", reason=reason)
        self._tell(None)
        self._follow(self._station.stop())

    async def close(self, reason: RehearsalEnd = RehearsalEnd.STATION_CLOSED) -> None:
        """End it and wait until its listener is gone."""
        self.end(reason)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What happens beside it.

    def operator_link(self, link: LinkState) -> None:
        """End when the operator's RTU starts data transfer."""
        before, self._operator = self._operator, link
        if link.connected and (not before.connected or link.since != before.since):
            self.end(RehearsalEnd.OPERATOR_CONNECTED)

    def operator_order(self, _event: OrderEvent) -> None:
        """End when anything about the operator's own orders happens."""
        self.end(RehearsalEnd.OPERATOR_ORDER)

    def set_measurements(self, measurements: Measurements) -> None:
        """Take the site's measurements, as the operator's station does."""
        if self._ended is None:
            self._station.set_measurements(measurements)

    def set_local_stops(self, local: LocalStops) -> None:
        """Take the site's own stops, as the operator's station does."""
        if self._ended is None:
            self._station.set_local_stops(local)

    def stop_written(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Take what a stop's outputs confirm; in shadow there is nothing to write."""
        if self._ended is None and self._real:
            self._station.stop_written(direction, missing)

    # The rehearsal's own station.

    def _take(self, event: OrderEvent, orders: GridOrders) -> None:
        if self._ended is not None:
            return
        event = replace(event, source=OrderSource.REHEARSAL)
        self._note(
            "order" if event.accepted else "order_refused",
            name=event.name,
            value=event.value,
            reason=event.reason,
        )
        if not event.accepted:
            return
        # What comes while nobody is there only releases what has ended already.
        self._orders = as_rehearsal(orders) if self._present else NO_ORDERS
        self._tell(event)
        if not self._real:
            for direction in Direction:
                if orders.stopped(direction):
                    self._station.stop_written(direction, ())

    def _link_changed(self, link: LinkState) -> None:
        if self._ended is not None or link.connected is self._present:
            return
        self._present = link.connected
        if link.connected:
            self._note("connected", client=link.client)
            if self._waiting is not None:
                self._waiting.cancel()
            return
        had = bool(self._orders.present())
        self._orders = NO_ORDERS
        self._note("disconnected", reason=link.last_close_reason)
        if had:
            self._tell(None)
        self._follow(
            self._station.release_orders("rehearsal", "its connection was lost")
        )
        self._wait_for_client()

    def _wait_for_client(self) -> None:
        self._waiting = asyncio.get_running_loop().call_later(
            self._absence, self.end, RehearsalEnd.CLIENT_LOST
        )

    def _problem(self, key: str, text: str | None) -> None:
        if text is not None and self._ended is None:
            self._note("problem", name=key, text=text)

    def _tell(self, event: OrderEvent | None) -> None:
        state = RehearsalState(real=self._real, orders=self._orders, ended=self._ended)
        try:
            self._on_state(state, event)
        except Exception:
            _LOGGER.exception("A listener to the rehearsal failed")

    def _note(self, event: str, **data: object) -> None:
        self._record(RecordKind.REHEARSAL, {"event": event, "real": self._real} | data)

    def _follow(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="netflex rehearsal")
        self._tasks.add(task)
        task.add_done_callback(self._followed)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _LOGGER.error("The rehearsal's station failed", exc_info=fault)

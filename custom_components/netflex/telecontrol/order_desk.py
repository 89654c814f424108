"""Takes orders: in force, stored, confirmed, in the order that safety demands (S01).

An order that does not relax acts at once and is stored meanwhile; it is confirmed
even when storing fails. An order that relaxes is stored first. Confirmations go out
in the order of the commands.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
import logging
from typing import Final, Protocol

from ..iec104 import Cause, Command, Responder
from ..model.asset import Direction
from ..model.failure import reason_of
from ..model.orders import (
    NO_ORDERS,
    STOP_ORDERS,
    AnyOrder,
    GridOrders,
    OrderEvent,
    OrderName,
    OrderSource,
)
from ..model.phrase import Phrase
from .link_loss import HostClock, LinkMark
from .meaning import OrderRefusedError, OrderValue, decode_order, relaxes
from .order_book import OrderBook, apply_link_loss, make_order
from .order_keeper import OrderKeeper
from .order_store import OrderStoreError, StoreTicket
from .point import Point, Sign
from .settings import TelecontrolSettings
from .stop_feedback import Holder, StopFeedback

_LOGGER = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
"""Orders that may wait for the disk; beyond it they are answered without waiting."""
NOT_STORED: Final = Phrase(
    "refused_not_stored", "it relaxes what is in force and could not be stored"
)
ON_THE_BENCH: Final = Phrase(
    "refused_bench", "the station runs on a bench and carries out no orders"
)


class DeskHooks(Protocol):
    """Whom the desk tells. Called on the station's loop; must not raise."""

    def order_event(self, event: OrderEvent, orders: GridOrders) -> None:
        """Learn of an order and of what is in force after it."""

    def report(self, name: OrderName, cause: int) -> None:
        """Send the feedback of an order to the operator."""

    async def recorded(self) -> None:
        """Wait, for a bounded time, until what was told outlives the process."""

    def confirmed(self, name: OrderName, client: str, *, positive: bool) -> None:
        """Learn that an order was answered."""

    def terminated(self, name: OrderName, client: str) -> None:
        """Learn that the end of an order's execution was reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One accepted command on its way to its confirmation.

    `ticket` is the write of an order that is in force already, None where nothing
    is stored or where the order has to be stored first (`relaxes`).
    """

    arrival: int
    name: OrderName
    order: AnyOrder
    client: str
    responder: Responder
    relaxes: bool
    ticket: StoreTicket | None = None

    @property
    def stops(self) -> Direction | None:
        """The direction that the order stops, None for every other order."""
        return STOP_ORDERS.get(self.name) if self.order.value is True else None


class OrderDesk:
    """The operator's orders and everything that happens to them on one loop."""

    def __init__(
        self,
        settings: TelecontrolSettings,
        keeper: OrderKeeper,
        stops: StopFeedback,
        clock: HostClock,
        hooks: DeskHooks,
    ) -> None:
        """Start with no orders."""
        self.book = OrderBook()
        self.orders = NO_ORDERS
        self._settings = settings
        self._keeper = keeper
        self._stops = stops
        self._clock = clock
        self._hooks = hooks
        self._lost_since: datetime | None = None
        self._arrivals = 0
        self._acted: dict[OrderName, int] = {}
        self._jobs: deque[_Job | Callable[[], None]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._tails: set[asyncio.Task[None]] = set()

    def set_settings(self, settings: TelecontrolSettings) -> None:
        """Take other settings; the reactive band may change its sign."""
        self._settings = settings
        self._renew(OrderSource.LOCAL)

    def restore(self, book: OrderBook) -> None:
        """Put orders from before the start in force."""
        self.book = book
        self.orders = self._in_force(book)
        for direction in Direction:
            if self.orders.stopped(direction):
                self._stops.restore(direction)

    def set_mark(self, mark: LinkMark) -> None:
        """Store a mark of the link's state with the orders."""
        self.book = replace(self.book, link=mark)
        self._keeper.write(self.book)

    def set_link_lost(self, lost: bool) -> None:
        """Put the policy for a lost link in force, or the operator's own orders."""
        self._lost_since = self._clock.utc() if lost else None
        self._renew(OrderSource.FALLBACK)

    async def close(self) -> None:
        """End everything that still waits."""
        tasks = [*self._tails]
        if self._worker is not None:
            tasks.append(self._worker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Orders of the operator.

    def take(self, point: Point, command: Command, responder: Responder) -> None:
        """Carry out a command; its answers come at once or later."""
        name = OrderName(point.name)
        client = command.connection.address
        try:
            value = self._value(point, command)
        except OrderRefusedError as err:
            self.refused(name, command, reason_of(err))
            self._in_turn(responder, lambda: self._deny(name, client, responder))
            return
        order = make_order(name, value, OrderSource.OPERATOR, command.received_at)
        before = self.book.accepted.get(name)
        loosens = relaxes(name, None if before is None else before.value, value)
        self._arrivals += 1
        ticket: StoreTicket | None = None
        if not loosens:
            ticket = self._act(name, order, client)
        job = _Job(
            arrival=self._arrivals,
            name=name,
            order=order,
            client=client,
            responder=responder,
            relaxes=loosens,
            ticket=ticket,
        )
        if self._busy or self._keeper.keeps:
            if len(self._jobs) < MAX_WAITING:
                responder.defer()
                self._queue(job)
            else:
                self._conclude(job, stored=not loosens)
        else:
            if loosens:
                self._put_in_force(job, self._with(job))
            self._conclude(job, stored=True)

    def _value(self, point: Point, command: Command) -> OrderValue:
        if self._settings.bench:
            raise OrderRefusedError(ON_THE_BENCH)
        return decode_order(point, command.value)

    def refused(self, name: OrderName, command: Command, reason: str) -> None:
        """Tell of an order that was refused and changed nothing."""
        event = OrderEvent(
            name=name,
            value=command.value,
            source=OrderSource.OPERATOR,
            at=command.received_at,
            accepted=False,
            reason=reason,
            client=command.connection.address,
        )
        self._hooks.order_event(event, self.orders)

    async def release(self, name: str, reference: str) -> None:
        """Make all orders as never received, on the operator's instruction (S06).

        Raises ValueError without a name or reference and OrderStoreError when it
        cannot be stored; nothing has changed then.
        """
        name, reference = name.strip(), reference.strip()
        if not name or not reference:
            raise ValueError(
                Phrase(
                    "release_needs",
                    "a release needs the operator's name and a reference",
                )
            )
        book = await self._store_first(lambda: OrderBook(link=self.book.link))
        if book is None:
            raise OrderStoreError(
                Phrase(
                    "release_not_stored", "the release could not be stored; orders hold"
                )
            )
        released = self.book.accepted.present()
        # Orders that still wait to relax something are overtaken by the release.
        self._arrivals += 1
        self._acted = dict.fromkeys(OrderName, self._arrivals)
        self._set(book)
        at = self._clock.utc()
        for order_name, order in released.items():
            self._release_stop(order_name)
            event = OrderEvent(
                name=order_name,
                value=None,
                source=OrderSource.LOCAL,
                at=at,
                reason=f"released on the instruction of {name}, {reference}",
                relaxes=relaxes(order_name, order.value, None),
            )
            self._hooks.order_event(event, self.orders)
        for order_name in released:
            self._hooks.report(order_name, Cause.RETURN_LOCAL)

    # In force.

    def _in_force(self, book: OrderBook) -> GridOrders:
        points = self._settings.points.by_name
        reverse = points[OrderName.MINSETQ].sign is Sign.NEGATIVE
        orders = book.in_force(reverse_band=reverse)
        if self._lost_since is None:
            return orders
        return apply_link_loss(orders, self._settings.link_loss, self._lost_since)

    def _set(self, book: OrderBook) -> None:
        self.book = book
        self.orders = self._in_force(book)

    def _act(self, name: OrderName, order: AnyOrder, client: str) -> StoreTicket | None:
        """Put an order in force before anything else, and have it stored."""
        self._acted[name] = self._arrivals
        direction = STOP_ORDERS.get(name)
        if direction is not None and order.value is True:
            self._stops.begin_command(direction)
            self._stops.latch(direction, Holder.OPERATOR)
        self._set(self.book.with_order(name, order))
        self._tell(name, order, client, loosens=False)
        return self._keeper.write(self.book)

    def _put_in_force(self, job: _Job, book: OrderBook) -> None:
        """Put a stored order in force that relaxes."""
        self._set(book)
        self._release_stop(job.name)
        self._tell(job.name, job.order, job.client, loosens=True)

    def _release_stop(self, name: OrderName) -> None:
        direction = STOP_ORDERS.get(name)
        if direction is not None:
            self._stops.release(direction, Holder.OPERATOR)

    def _tell(
        self, name: OrderName, order: AnyOrder, client: str, *, loosens: bool
    ) -> None:
        event = OrderEvent(
            name=name,
            value=order.value,
            source=order.source,
            at=order.at,
            client=client,
            relaxes=loosens,
        )
        self._hooks.order_event(event, self.orders)

    def _renew(self, source: OrderSource) -> None:
        """Put in force what other circumstances make of the accepted orders."""
        before, self.orders = self.orders, self._in_force(self.book)
        at = self._clock.utc()
        for name in OrderName:
            old, new = before.get(name), self.orders.get(name)
            if old == new:
                continue
            old_value = None if old is None else old.value
            new_value = None if new is None else new.value
            event = OrderEvent(
                name=name,
                value=new_value,
                source=source if new is None else new.source,
                at=at,
                relaxes=relaxes(name, old_value, new_value),
            )
            self._hooks.order_event(event, self.orders)

    # Stored and confirmed, in turn.

    @property
    def _busy(self) -> bool:
        return self._worker is not None

    def _in_turn(self, responder: Responder, answer: Callable[[], None]) -> None:
        """Give an answer that waits for nothing but the answers before it."""
        if self._busy:
            responder.defer()
            self._queue(answer)
        else:
            answer()

    def _queue(self, job: _Job | Callable[[], None]) -> None:
        self._jobs.append(job)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(
                self._work(), name="netflex orders"
            )

    async def _work(self) -> None:
        try:
            while self._jobs:
                try:
                    await self._do(self._jobs.popleft())
                except Exception:
                    # The next order may well be the stop that matters.
                    _LOGGER.exception("Answering an order failed")
        finally:
            self._worker = None

    async def _do(self, job: _Job | Callable[[], None]) -> None:
        if not isinstance(job, _Job):
            job()
        elif job.relaxes:
            await self._relax(job)
        else:
            await self._keeper.written(job.ticket, self._keeper.deadline())
            await self._hooks.recorded()
            self._conclude(job, stored=True)

    async def _relax(self, job: _Job) -> None:
        if self._overtaken(job):
            self._conclude(job, stored=True)
            return
        book = await self._store_first(lambda: self._with(job))
        if book is not None and not self._overtaken(job):
            self._put_in_force(job, book)
            await self._hooks.recorded()
        self._conclude(job, stored=book is not None)

    def _with(self, job: _Job) -> OrderBook:
        return self.book.with_order(job.name, job.order)

    def _overtaken(self, job: _Job) -> bool:
        """Tell whether a later order of the same name is in force already."""
        return self._acted.get(job.name, 0) > job.arrival

    async def _store_first(self, make: Callable[[], OrderBook]) -> OrderBook | None:
        """Return what `make` makes of the book once exactly that is stored, or None.

        Orders that act meanwhile change the book; it is then stored again with them.
        """
        deadline = self._keeper.deadline()
        while True:
            base = self.book
            book = make()
            if not await self._keeper.written(self._keeper.write(book), deadline):
                # What may still reach the disk later must not be what was refused.
                self._keeper.write(self.book)
                return None
            if self.book is base:
                return book

    def _conclude(self, job: _Job, *, stored: bool) -> None:
        """Answer a command whose order is in force, or was not stored."""
        if not stored:
            self._refuse(job)
            return
        job.responder.confirm()
        self._hooks.confirmed(job.name, job.client, positive=True)
        if (direction := job.stops) is not None:
            self._follow(self._finish_stop(job, direction))
            return
        self._hooks.report(job.name, self._settings.feedback_cause(job.name))
        if job.name in STOP_ORDERS and self._keeper.keeps:
            self._follow(self._finish_release(job))
        else:
            self._terminate(job)

    def _refuse(self, job: _Job) -> None:
        event = OrderEvent(
            name=job.name,
            value=job.order.value,
            source=job.order.source,
            at=job.order.at,
            accepted=False,
            reason=NOT_STORED,
            client=job.client,
            relaxes=True,
        )
        self._hooks.order_event(event, self.orders)
        self._deny(job.name, job.client, job.responder)

    def _deny(self, name: OrderName, client: str, responder: Responder) -> None:
        responder.confirm(positive=False)
        self._hooks.confirmed(name, client, positive=False)

    def _terminate(self, job: _Job) -> None:
        job.responder.terminate()
        self._hooks.terminated(job.name, job.client)

    async def _finish_stop(self, job: _Job, direction: Direction) -> None:
        """Report a stop once it is written; its termination waits a little only."""
        timing = self._settings.timing
        try:
            shown = await self._stops.wait_shown(direction, timing.output_grace)
            if shown:
                self._hooks.report(job.name, Cause.RETURN_REMOTE)
            await self._keeper.flushed(job.ticket)
            self._terminate(job)
            if not shown and await self._stops.wait_shown(direction, None):
                self._hooks.report(job.name, Cause.RETURN_REMOTE)
        finally:
            self._stops.end_command(direction)

    async def _finish_release(self, job: _Job) -> None:
        """Terminate the release of a stop once a power cut cannot undo it."""
        await self._keeper.flushed(self._keeper.newest)
        self._terminate(job)

    def _follow(self, tail: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(tail, name="netflex stop")
        self._tails.add(task)
        task.add_done_callback(self._tails.discard)

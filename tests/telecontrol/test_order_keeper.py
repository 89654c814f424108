"""Orders handed to a disk that hangs, fails or is closed: bounded waits and retries."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from custom_components.netflex.model.orders import OrderName, OrderSource
from custom_components.netflex.telecontrol.order_book import OrderBook, make_order
from custom_components.netflex.telecontrol.order_keeper import SLOW, OrderKeeper
from custom_components.netflex.telecontrol.order_store import (
    OrderStore,
    OrderStoreError,
    StoreTicket,
)
from custom_components.netflex.telecontrol.settings import ProblemKey, Timing
from tests.virtual_time import now, virtual_time

TIMING = Timing(write_timeout=0.5, flush_timeout=2.0, store_retry=5.0)
AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
BOOK = OrderBook().with_order(
    OrderName.MAXSETP, make_order(OrderName.MAXSETP, 30.0, OrderSource.OPERATOR, AT)
)
HOUR = 3600.0


class Disk(OrderStore):
    """A store whose disk answers when and what the test wants."""

    def __init__(self) -> None:
        super().__init__(Path("orders"))
        self.closed = False
        self.asked: list[tuple[float, OrderBook]] = []
        self.tickets: list[StoreTicket] = []

    def write(self, book: OrderBook) -> StoreTicket:
        self.asked.append((now(), book))
        if self.closed:
            raise OrderStoreError("the stored orders are closed")
        loop = asyncio.get_running_loop()
        self.tickets.append(StoreTicket(loop.create_future(), loop.create_future()))
        return self.tickets[-1]

    def answer(self) -> None:
        """Have the newest write stored and flushed."""
        self.tickets[-1].written.set_result(None)
        self.tickets[-1].synced.set_result(None)


class Bench:
    """A keeper of a disk, and the problems that it told."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.problems: list[tuple[str, str | None]] = []
        self.keeper = OrderKeeper(
            self.disk, TIMING, lambda key, text: self.problems.append((key, text))
        )


@virtual_time
async def test_a_flush_that_hangs_is_waited_for_for_a_bounded_time_and_tried_again() -> (
    None
):
    bench = Bench()
    ticket = bench.keeper.write(BOOK)
    assert ticket is not None
    ticket.written.set_result(None)
    await bench.keeper.flushed(ticket)
    assert now() == TIMING.flush_timeout
    ((key, text),) = bench.problems
    assert key is ProblemKey.ORDERS_NOT_STORED
    assert text is not None
    assert "in force but not stored" in text
    assert SLOW in text

    # Again and again, until the disk answers: then the problem is over.
    await asyncio.sleep(2 * TIMING.store_retry + 1.0)
    assert [at for at, _book in bench.disk.asked] == [0.0, 7.0, 12.0]
    assert bench.disk.asked[-1][1] is BOOK
    bench.disk.answer()
    await asyncio.sleep(HOUR)
    assert bench.problems[1:] == [(ProblemKey.ORDERS_NOT_STORED, None)]
    assert len(bench.disk.asked) == 3


@virtual_time
async def test_a_store_that_is_closed_keeps_nothing_and_is_not_asked_again() -> None:
    bench = Bench()
    bench.disk.closed = True
    ticket = bench.keeper.write(BOOK)
    assert not await bench.keeper.written(ticket, bench.keeper.deadline())
    ((key, text),) = bench.problems
    assert key is ProblemKey.ORDERS_NOT_STORED
    assert text is not None
    assert "the stored orders are closed" in text
    await asyncio.sleep(HOUR)
    assert len(bench.disk.asked) == 1


@virtual_time
async def test_what_fails_while_the_station_ends_is_told_and_not_tried_again() -> None:
    bench = Bench()
    bench.keeper.write(BOOK)
    bench.keeper.close()
    bench.disk.closed = True
    full = OrderStoreError("No space left on device")
    bench.disk.tickets[-1].written.set_exception(full)
    await asyncio.sleep(HOUR)
    ((_key, text),) = bench.problems
    assert text is not None
    assert "No space left" in text
    assert len(bench.disk.asked) == 1


@virtual_time
async def test_closing_ends_the_retries_of_a_disk_that_fails() -> None:
    bench = Bench()
    bench.keeper.write(BOOK)
    bench.disk.tickets[-1].written.set_exception(OrderStoreError("Input/output error"))
    await asyncio.sleep(TIMING.store_retry + 1.0)
    assert len(bench.disk.asked) == 2
    bench.keeper.close()
    await asyncio.sleep(HOUR)
    assert len(bench.disk.asked) == 2

"""Has orders stored with bounded waits, and retries until the disk works again."""

import asyncio
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .order_book import OrderBook
from .order_store import OrderStore, OrderStoreError, StoreTicket
from .settings import ProblemKey, Timing
from .stop_feedback import ProblemHook

SLOW: Final = Phrase("disk_slow", "the disk did not answer in time")


class OrderKeeper:
    """The store as the desk sees it. Without a store nothing outlives the process."""

    def __init__(
        self, store: OrderStore | None, timing: Timing, on_problem: ProblemHook
    ) -> None:
        """Wrap a store that is loaded, or will be before the first write."""
        self.timing = timing
        self._store = store
        self._on_problem = on_problem
        self._failing = False
        self.newest: StoreTicket | None = None
        """The newest write: once it is flushed, so is everything before it."""
        self._book: OrderBook | None = None
        self._retry: asyncio.TimerHandle | None = None

    @property
    def keeps(self) -> bool:
        """Whether orders are stored at all."""
        return self._store is not None

    def write(self, book: OrderBook) -> StoreTicket | None:
        """Have the newest orders stored; None where nothing is stored."""
        if self._store is None:
            return None
        self._book = book
        try:
            ticket = self._store.write(book)
        except OrderStoreError as err:
            # What it does not even take it will not take later either.
            self._book = None
            self._fail(reason_of(err))
            loop = asyncio.get_running_loop()
            ticket = StoreTicket(loop.create_future(), loop.create_future())
            for future in (ticket.written, ticket.synced):
                future.set_exception(err)
                future.exception()
            self.newest = ticket
            return ticket
        ticket.written.add_done_callback(self._note_written)
        ticket.synced.add_done_callback(self._note_synced)
        self.newest = ticket
        return ticket

    def deadline(self) -> float:
        """Return until when an order may wait for its storing (loop time)."""
        return asyncio.get_running_loop().time() + self.timing.write_timeout

    async def written(self, ticket: StoreTicket | None, deadline: float) -> bool:
        """Wait until a process that is killed would keep the orders; False: it fails.

        A disk that is known to hang is not waited for again.
        """
        if ticket is None or self._store is None:
            return True
        if not ticket.written.done():
            left = deadline - asyncio.get_running_loop().time()
            if self._store.stalled(self.timing.write_timeout):
                left = 0.0
            await asyncio.wait((ticket.written,), timeout=max(0.0, left))
        if not ticket.written.done():
            ticket.written.cancel()
            ticket.synced.cancel()
            self._fail(SLOW)
            return False
        return ticket.written.exception() is None

    async def flushed(self, ticket: StoreTicket | None) -> None:
        """Wait, for a bounded time, until a power cut would keep the orders."""
        if ticket is None or ticket.synced.done():
            return
        await asyncio.wait((ticket.synced,), timeout=self.timing.flush_timeout)
        if not ticket.synced.done():
            ticket.synced.cancel()
            self._fail(SLOW)

    def close(self) -> None:
        """End the retries; what fails from now on is not tried again."""
        self._book = None
        self._end_retry()

    def _end_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _note_written(self, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and (error := written.exception()) is not None:
            self._fail(reason_of(error))

    def _note_synced(self, synced: asyncio.Future[None]) -> None:
        if synced.cancelled():
            return
        if (error := synced.exception()) is not None:
            self._fail(reason_of(error))
        elif self._failing:
            self._failing = False
            self._end_retry()
            self._on_problem(ProblemKey.ORDERS_NOT_STORED, None)

    def _fail(self, text: str) -> None:
        if not self._failing:
            self._failing = True
            self._on_problem(
                ProblemKey.ORDERS_NOT_STORED,
                Phrase(
                    "orders_not_stored",
                    "The grid operator's orders are in force but not stored: {why}",
                    why=text,
                ),
            )
        self._retry_later()

    def _retry_later(self) -> None:
        if self._retry is None and self._book is not None:
            self._retry = asyncio.get_running_loop().call_later(
                self.timing.store_retry, self._try_again
            )

    def _try_again(self) -> None:
        self._retry = None
        if self._book is not None:
            self.write(self._book)
            if self._failing:
                # A write that hangs tells nothing: ask again until one succeeds.
                self._retry_later()

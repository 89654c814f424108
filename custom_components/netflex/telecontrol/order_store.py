"""The operator's orders on disk, so that they outlive kill -9 and a power cut.

Nothing here blocks the caller's event loop. One thread writes into the page cache,
which a killed process cannot lose; a second one flushes to the disk. While a slot is
not flushed, newer orders overwrite that same slot: the other one stays on the disk.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
import fcntl
from functools import partial
import logging
import os
from pathlib import Path
import threading
import time
from typing import Any, Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .disk import reserve, sync_folder, write_all
from .order_book import BookFormatError, OrderBook
from .order_slots import (
    FILE_SIZE,
    SLOT_SIZE,
    DamagedStoreError,
    OrderStoreError,
    UnknownFormatError,
    encode_slot,
    read_slots,
)

__all__ = [
    "DamagedStoreError",
    "LoadedOrders",
    "OrderStore",
    "OrderStoreError",
    "StoreInUseError",
    "StoreTicket",
    "UnknownFormatError",
    "set_aside",
]

_LOGGER = logging.getLogger(__name__)

CLOSE_TIMEOUT: Final = 2.0


class StoreInUseError(OrderStoreError):
    """Another process, or another station, holds the stored orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedOrders:
    """Orders as read back.

    `copied`: the file is not the one that was written to, so it came out of a
    backup. `torn`: the newest slot was unreadable, orders may be older than that.
    """

    book: OrderBook
    copied: bool = False
    torn: bool = False


@dataclass(frozen=True, slots=True)
class StoreTicket:
    """The fate of one write: into the page cache, and to the disk.

    Both end with OrderStoreError when they fail, and both may end early because
    newer orders were written instead.
    """

    written: asyncio.Future[None]
    synced: asyncio.Future[None]


@dataclass(slots=True)
class _Waiting:
    """A ticket with the sequence number that it waits for."""

    sequence: int
    ticket: StoreTicket
    loop: asyncio.AbstractEventLoop


class OrderStore:
    """Stored orders of one station; `load` first, all methods on one event loop."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is touched before `load`."""
        self.path = path
        self._fd: int | None = None
        self._lock = threading.Condition()
        self._closing = False
        self._threads: tuple[threading.Thread, ...] = ()
        self._serving = 0
        # All below is guarded by the lock. `_started` is the newest sequence that
        # the writer has begun, `_written` has ended, `_flushed` is on the disk.
        self._sequence = 0
        self._pending: tuple[int, bytes] | None = None
        self._started = 0
        self._written = 0
        self._flushed = 0
        self._durable_slot = 0
        self._busy_since: float | None = None
        self._to_write: list[_Waiting] = []
        self._to_flush: list[_Waiting] = []

    async def load(self) -> LoadedOrders:
        """Read the orders back, or make a new file; locks it until `close`.

        Raises UnknownFormatError, DamagedStoreError, StoreInUseError, or plain
        OrderStoreError when the file cannot be reached at all.
        """
        try:
            loaded = await asyncio.to_thread(self._open)
        except OSError as err:
            raise OrderStoreError(
                Phrase(
                    "file_unusable",
                    "{file} cannot be used: {reason}",
                    file=self.path.name,
                    reason=reason_of(err),
                )
            ) from err
        self._threads = tuple(
            threading.Thread(target=self._serve, args=(work,), name=name, daemon=True)
            for name, work in (
                ("orders write", self._write_on),
                ("orders flush", self._flush_on),
            )
        )
        self._serving = len(self._threads)
        for thread in self._threads:
            thread.start()
        return loaded

    def write(self, book: OrderBook) -> StoreTicket:
        """Hand the newest orders to the writer; older ones that wait are dropped."""
        loop = asyncio.get_running_loop()
        ticket = StoreTicket(loop.create_future(), loop.create_future())
        for future in (ticket.written, ticket.synced):
            future.add_done_callback(_retrieve)
        with self._lock:
            if self._fd is None or self._closing:
                raise OrderStoreError(
                    Phrase("orders_closed", "the stored orders are closed")
                )
            self._sequence += 1
            content = encode_slot(self._sequence, _stamped(book, self._fd))
            self._pending = (self._sequence, content)
            waiting = _Waiting(self._sequence, ticket, loop)
            # Whoever gave up waiting leaves nothing behind, however long it hangs.
            self._to_write = [one for one in self._to_write if _wanted(one)]
            self._to_flush = [one for one in self._to_flush if _wanted(one)]
            self._to_write.append(waiting)
            self._to_flush.append(waiting)
            self._lock.notify_all()
        return ticket

    def stalled(self, longer_than: float) -> bool:
        """Tell whether one write has been taking more than so many seconds."""
        busy_since = self._busy_since
        return busy_since is not None and time.monotonic() - busy_since > longer_than

    async def close(self) -> None:
        """Write and flush what waits, for a bounded time, and unlock the file."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if not await asyncio.to_thread(self._join):
            _LOGGER.error("The disk does not answer; the newest orders may be lost")

    # In threads of their own.

    def _open(self) -> LoadedOrders:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            loaded = self._read(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self._closing = False
        return loaded

    def _read(self, fd: int) -> LoadedOrders:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise StoreInUseError(
                Phrase("file_in_use", "{file} is in use already", file=self.path.name)
            ) from err
        content = os.pread(fd, FILE_SIZE + 1, 0)
        slots = read_slots(content)
        if slots.newest is None:
            self._create(fd)
            return LoadedOrders(book=OrderBook())
        data = slots.newest.data
        try:
            inode = data.pop("inode")
            book = OrderBook.from_json(data)
        except (AttributeError, KeyError, TypeError, BookFormatError) as err:
            raise UnknownFormatError(
                Phrase(
                    "os_file",
                    "{file}: {reason}",
                    file=self.path.name,
                    reason=reason_of(err),
                )
            ) from err
        # What a killed process left in the page cache has to be safe before the
        # other slot is written to.
        os.fdatasync(fd)
        self._begin_after(slots.newest.sequence, slots.newest.index)
        return LoadedOrders(
            book=book, copied=inode != os.fstat(fd).st_ino, torn=slots.torn
        )

    def _create(self, fd: int) -> None:
        """Take the space now: later a full disk shall not keep an order out."""
        reserve(fd, 0, FILE_SIZE)
        write_all(fd, encode_slot(1, _stamped(OrderBook(), fd)), 0)
        os.fsync(fd)
        sync_folder(self.path.parent)
        self._begin_after(1, 0)

    def _begin_after(self, sequence: int, slot: int) -> None:
        self._sequence = self._started = self._written = self._flushed = sequence
        self._durable_slot = slot

    def _join(self) -> bool:
        deadline = time.monotonic() + CLOSE_TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self, work: Callable[[], None]) -> None:
        """Do one thread's work; whoever ends last unlocks the file, however late."""
        try:
            work()
        finally:
            with self._lock:
                self._serving -= 1
                if not self._serving and self._fd is not None:
                    os.close(self._fd)
                    self._fd = None

    def _write_on(self) -> None:
        while True:
            with self._lock:
                while self._pending is None and not self._closing:
                    self._lock.wait()
                if self._pending is None or self._fd is None:
                    return
                (sequence, content), self._pending = self._pending, None
                self._started = sequence
                slot = 1 - self._durable_slot
                self._busy_since = time.monotonic()
                fd = self._fd
            error = _attempt(partial(write_all, fd, content, slot * SLOT_SIZE))
            with self._lock:
                self._busy_since = None
                if error is None:
                    self._written = sequence
                due = _take(self._to_write, sequence)
                if error is not None:
                    # What was not written will not be flushed either.
                    _settle(_take(self._to_flush, sequence), "synced", error)
                self._lock.notify_all()
            _settle(due, "written", error)

    def _flush_on(self) -> None:
        tried = self._flushed
        while True:
            with self._lock:
                while self._written <= tried and not self._may_end():
                    self._lock.wait()
                if self._written <= tried or self._fd is None:
                    return
                tried = sequence = self._written
                fd = self._fd
            error = _attempt(partial(os.fdatasync, fd))
            with self._lock:
                if error is None and self._started == sequence:
                    self._flushed = sequence
                    self._durable_slot = 1 - self._durable_slot
                elif error is None:
                    # The slot was written to meanwhile: only the next flush counts.
                    continue
                due = _take(self._to_flush, sequence)
            _settle(due, "synced", error)

    def _may_end(self) -> bool:
        return self._closing and self._pending is None and self._busy_since is None


def set_aside(path: Path, now: datetime) -> Path | None:
    """Rename stored orders that cannot be read, so that a station may start without.

    Only on a person's decision: orders in force may be among them. Returns the new
    name, None where there was no file.
    """
    target = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%S}.unreadable")
    try:
        path.rename(target)
    except FileNotFoundError:
        return None
    return target


def _stamped(book: OrderBook, fd: int) -> dict[str, Any]:
    """Add the file's own identity, which a copy does not share."""
    return book.to_json() | {"inode": os.fstat(fd).st_ino}


def _attempt(action: Callable[[], None]) -> OrderStoreError | None:
    try:
        action()
    except OSError as err:
        return OrderStoreError(
            Phrase(
                "orders_lost",
                "the orders could not be stored: {reason}",
                reason=reason_of(err),
            )
        )
    return None


def _wanted(waiting: _Waiting) -> bool:
    return not (
        waiting.ticket.written.cancelled() and waiting.ticket.synced.cancelled()
    )


def _take(waiting: list[_Waiting], sequence: int) -> list[_Waiting]:
    due = [one for one in waiting if one.sequence <= sequence]
    waiting[:] = [one for one in waiting if one.sequence > sequence]
    return due


def _settle(due: list[_Waiting], stage: str, error: OrderStoreError | None) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for one in due:
        by_loop.setdefault(one.loop, []).append(getattr(one.ticket, stage))
    for loop, futures in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, futures, error)
        except RuntimeError:
            _LOGGER.debug("The orders were stored after their event loop had closed")


def _resolve(
    futures: list[asyncio.Future[None]], error: OrderStoreError | None
) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _retrieve(future: asyncio.Future[None]) -> None:
    """Mark a failure as seen: nobody has to wait for either stage."""
    if not future.cancelled():
        future.exception()

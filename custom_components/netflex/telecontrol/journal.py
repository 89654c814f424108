"""The journal: what was ordered, answered, written and measured, for the record.

Records are handed over from any thread and never wait: one thread writes them into
the page cache, which a killed process cannot lose, a second one flushes and keeps
house, and a third checks the whole chain once after the start. A disk that is full
or hangs delays nothing but the records: they wait in a bounded queue, and what does
not fit is counted in a gap record once there is room again.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
import logging
from pathlib import Path
import shutil
import threading
import time
from typing import Any, Final

from ..model.failure import reason_of
from ..model.orders import AnyOrder, OrderName
from ..model.phrase import Phrase
from .journal_files import flush_files, list_segments
from .journal_format import URGENT, ChainEnd, Draft, RecordKind, Stamp, timestamp
from .journal_house import Housekeeping
from .journal_queue import NameBreaks, Reconcile, RecordQueue, Work
from .journal_verify import Break, Pacer, Verdict, verify
from .journal_waits import Waits, within
from .journal_writer import SEGMENT_SIZE, JournalWriter, compare_orders
from .link_loss import HostClock, SystemClock

_LOGGER = logging.getLogger(__name__)

QUEUE_SIZE: Final = 20_000
CLOSE_TIMEOUT: Final = 2.0
STALLED_AFTER: Final = 0.5
"""s after which nobody waits any more for a write that goes on."""
HUNG_AFTER: Final = 5.0
FLUSH_INTERVAL: Final = 5.0
HOUSEKEEPING_INTERVAL: Final = 3600.0


class JournalProblem(StrEnum):
    """What the journal reports as a problem, with a text, until it has ended."""

    NOT_WRITTEN = "journal_not_written"
    BROKEN = "journal_broken"
    DISK_SHORT = "journal_disk_short"


type ProblemHook = Callable[[str, str | None], None]


class Journal:
    """The journal of one site. Used once: `start`, then `close`.

    `record` may be called on any thread. `free_space` returns the free octets of the
    disk that a folder is on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: HostClock | None = None,
        queue_size: int = QUEUE_SIZE,
        segment_size: int = SEGMENT_SIZE,
        retry: float = 2.0,
        free_space: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        """Name the folder; nothing is touched before `start`."""
        self.folder = folder
        self._clock = SystemClock() if clock is None else clock
        self._retry = retry
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._ended: list[int] = []
        self._writer = JournalWriter(
            folder, self._stamp, self._ended.append, segment_size=segment_size
        )
        self._house = Housekeeping(folder, free_space)
        self._threads: list[threading.Thread] = []
        self._on_problem: ProblemHook = lambda _key, _text: None
        # All below is guarded by the lock. `_done` and `_flushed` count records that
        # were written, and flushed to the disk. `_old` are the descriptors of ended
        # segments: only the flushing thread closes them.
        self._queue = RecordQueue(queue_size, self._stamp)
        self._done = self._flushed = 0
        self._fd: int | None = None
        self._old: list[int] = []
        self._writes = Waits()
        self._flushes = Waits()
        self._flush_soon = False
        self._busy_since: float | None = None
        self._opened = self._verified = self._closing = self._drained = False
        self._failing = False
        self._flushing = True
        self._tending = False
        self._problems: dict[str, str] = {}

    # -------------------------------------------------------------------- any thread

    def start(self, on_problem: ProblemHook) -> None:
        """Begin to write; `on_problem` is called on a thread of the journal's own."""
        self._on_problem = on_problem
        for name, work in (
            ("journal write", self._write_on),
            ("journal flush", self._flush_on),
            ("journal check", self._check),
        ):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def record(self, kind: RecordKind, data: Mapping[str, Any]) -> None:
        """Hand over one record; its time is now, `data` is not to be changed later."""
        draft = Draft(kind, self._stamp(), data)
        with self._lock:
            if self._closing:
                return
            self._queue.put(draft)
            self._work.notify()
            hung = self._busy_for() > HUNG_AFTER
        if hung:
            self._report(
                JournalProblem.NOT_WRITTEN, _not_written(Phrase("it_hangs", "it hangs"))
            )

    def reconcile(self, orders: Mapping[OrderName, AnyOrder]) -> None:
        """Record where orders in force after a start and the journal differ."""
        stored = {
            name.value: {"at": timestamp(order.at), "value": order.value}
            for name, order in orders.items()
        }
        with self._lock:
            if not self._closing:
                self._queue.add(Reconcile(stored))
                self._work.notify()

    @property
    def head(self) -> ChainEnd:
        """The newest record that was written."""
        return self._writer.end

    def hold_segment(self, hold: bool) -> None:
        """Begin, compress and delete no files while a backup reads them.

        What was begun is ended: `still` waits for it.
        """
        with self._lock:
            self._writer.hold = self._house.hold = hold

    def _busy_for(self) -> float:
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def _stamp(self) -> Stamp:
        clock = self._clock
        return Stamp(
            utc=clock.utc(), boot_time=clock.boot_time(), boot_id=clock.boot_id()
        )

    def _report(self, key: JournalProblem, text: str | None) -> None:
        with self._lock:
            if self._problems.get(key) == text:
                return
            if text is None:
                del self._problems[key]
            else:
                self._problems[key] = text
        try:
            self._on_problem(key, text)
        except Exception:
            _LOGGER.exception("A listener to the journal's problems failed")

    # --------------------------------------------------------------- any event loop

    async def settled(self, timeout: float) -> bool:
        """Wait until all that was recorded is written; False: not within `timeout` s.

        A disk that is known to fail or hang is not waited for.
        """
        with self._lock:
            if self._done >= self._queue.count:
                return True
            if self._failing or self._busy_for() > STALLED_AFTER:
                return False
            future = self._writes.add(self._queue.count)
        return await within(timeout, future)

    async def flush(self, timeout: float) -> bool:
        """Wait until all that was recorded is on the disk; False: not in time."""
        with self._lock:
            if self._flushed >= self._queue.count:
                return True
            self._flush_soon = True
            future = self._flushes.add(self._queue.count)
            self._changed.notify_all()
        return await within(timeout, future)

    async def still(self, timeout: float) -> bool:
        """Wait, once files are held, until nobody moves one; False: not in time."""
        return await asyncio.to_thread(self._wait_still, timeout)

    def _wait_still(self, timeout: float) -> bool:
        with self._lock:
            return self._changed.wait_for(lambda: not self._tending, timeout)

    async def close(self) -> None:
        """Write and flush what waits, for a bounded time, and end."""
        self.record(RecordKind.STOPPED, {})
        with self._lock:
            self._closing = True
            self._work.notify_all()
            self._changed.notify_all()
        if not await asyncio.to_thread(self._join):
            _LOGGER.error("The disk does not answer; the newest records may be lost")

    def _join(self) -> bool:
        deadline = time.monotonic() + CLOSE_TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        try:
            self._writer.close()
        except OSError as err:
            _LOGGER.error("The journal could not be closed in order: %s", err)
            self._writer.close_files()
        return True

    # -------------------------------------------------------------- the writing thread

    def _write_on(self) -> None:
        while (batch := self._next()) is not None:
            try:
                if not self._opened:
                    self._open()
                count = self._carry_out(batch)
            except Exception as err:  # noqa: BLE001  this thread must not end
                self._failed(batch, err)
                continue
            with self._lock:
                self._wrote()
                self._failing = False
                self._done += count
                self._writes.settle(self._done, True)
                self._changed.notify_all()
                idle = not self._queue
            if idle and JournalProblem.NOT_WRITTEN in self._problems:
                self._report(JournalProblem.NOT_WRITTEN, None)
        with self._lock:
            self._drained = True
            self._changed.notify_all()

    def _next(self) -> Work | None:
        """Wait for something to do; None: it is over."""
        with self._lock:
            while True:
                if not self._queue:
                    self._queue.end_gap()
                if self._queue or not self._opened:
                    break
                if self._closing:
                    return None
                self._work.wait()
            self._busy_since = time.monotonic()
            return self._queue.take()

    def _wrote(self) -> None:
        """Take over which files there are now to be flushed and closed."""
        self._busy_since = None
        self._fd = self._writer.fd
        self._old.extend(self._ended)
        self._ended.clear()

    def _open(self) -> None:
        self._writer.open()
        self._broken([one for one in self._writer.breaks if not one.explained])
        with self._lock:
            self._opened = True
            self._changed.notify_all()

    def _carry_out(self, batch: Work) -> int:
        if isinstance(batch, Reconcile):
            self._writer.append(
                compare_orders(self._writer.orders, batch.orders, self._stamp())
            )
            return 1
        if isinstance(batch, NameBreaks):
            stamp = self._stamp()
            if not self._writer.hold:
                self._writer.begin_segment(stamp, "damaged")
            self._writer.append(
                [Draft(RecordKind.BREAK, stamp, one.to_data()) for one in batch.breaks]
            )
            return 1
        self._writer.append(batch)
        with self._lock:
            if any(draft.kind in URGENT for draft in batch):
                self._flush_soon = True
        return len(batch)

    def _failed(self, batch: Work, err: Exception) -> None:
        """Keep what was not written for another try."""
        if not isinstance(err, OSError) and not self._failing:
            _LOGGER.error("Writing the journal failed", exc_info=err)
        with self._lock:
            self._wrote()
            self._failing = True
            self._queue.give_back(batch)
            self._writes.settle(self._queue.count, False)
        self._report(JournalProblem.NOT_WRITTEN, _not_written(reason_of(err)))
        with self._lock:
            if self._closing:
                self._queue.clear()
                self._opened = True
            else:
                self._work.wait_for(lambda: self._closing, self._retry)

    # ------------------------------------------------------------- the flushing thread

    def _flush_on(self) -> None:
        going_on = True
        while going_on:
            with self._lock:
                going_on = self._wait_to_flush()
                self._flush_soon = False
                old, self._old[:] = list(self._old), []
                fd, done = self._fd, self._done
            failed = flush_files(old, fd)
            self._say_flushed(failed)
            with self._lock:
                if failed is None:
                    self._flushed = done
                self._flushes.settle(done, failed is None)
                self._house.due |= bool(old)
            if going_on and self._house.due and self._verified:
                self._keep_house()

    def _say_flushed(self, failed: OSError | None) -> None:
        """Say once that the disk takes nothing for good, and once that it does."""
        if failed is not None and self._flushing:
            _LOGGER.warning(
                "The journal could not be flushed; look after the disk of %s: %s",
                self.folder,
                failed,
            )
        elif failed is None and not self._flushing:
            _LOGGER.info("The journal is flushed again")
        self._flushing = failed is None

    def _wait_to_flush(self) -> bool:
        """Wait until there is something to flush or to tend; False: for the last time.

        Orders and the like are flushed at once, everything else is collected.
        """
        begun = time.monotonic()
        while not (self._closing and self._drained):
            dirty = self._done > self._flushed or bool(self._old)
            waited = time.monotonic() - begun
            if dirty and (self._flush_soon or waited >= FLUSH_INTERVAL):
                return True
            if waited >= HOUSEKEEPING_INTERVAL:
                self._house.due = True
            if self._house.due and self._verified:
                return True
            limit = FLUSH_INTERVAL if dirty else HOUSEKEEPING_INTERVAL
            self._changed.wait(max(0.01, limit - waited))
        return False

    def _keep_house(self) -> None:
        segment = self._writer.segment
        if segment is None:
            return
        with self._lock:
            self._tending = True
        try:
            for kind, data in self._house.run(segment, self._stamp()):
                self.record(kind, data)
                if not self._wait_written():
                    return
            self._report(JournalProblem.DISK_SHORT, self._house.shortage)
        finally:
            with self._lock:
                self._tending = False
                self._changed.notify_all()

    def _wait_written(self) -> bool:
        """Wait until what was recorded is written; False: it may never be."""
        with self._lock:
            put = self._queue.count
            self._changed.wait_for(
                lambda: self._closing or self._done >= put, FLUSH_INTERVAL
            )
            return not self._closing and self._done >= put

    # ------------------------------------------------------------- the checking thread

    def _check(self) -> None:
        with self._lock:
            self._changed.wait_for(lambda: self._opened or self._closing)
            if self._closing:
                return
            upto = self._writer.end.sequence
        try:
            verdict = verify(
                list_segments(self.folder),
                upto=upto,
                pause=Pacer(lambda: self._closing),
            )
        except OSError as err:
            _LOGGER.error("The journal could not be verified: %s", err)
            verdict = None
        if verdict is not None:
            self._judge(verdict)
        with self._lock:
            self._verified = True
            self._house.due = True
            self._changed.notify_all()

    def _judge(self, verdict: Verdict) -> None:
        if verdict.unnamed:
            with self._lock:
                if not self._closing:
                    self._queue.add(NameBreaks(tuple(verdict.unnamed)))
                    self._work.notify()
        self._broken(verdict.alarming)

    def _broken(self, breaks: list[Break]) -> None:
        if not breaks:
            return
        first = breaks[0].words
        self._report(
            JournalProblem.BROKEN,
            Phrase(
                "journal_broken_once",
                "The journal was damaged or changed in one place, first in {first}",
                first=first,
            )
            if len(breaks) == 1
            else Phrase(
                "journal_broken",
                "The journal was damaged or changed in {places} places, first in "
                "{first}",
                places=str(len(breaks)),
                first=first,
            ),
        )


def _not_written(why: str) -> str:
    return Phrase(
        "journal_waits",
        "Records of the journal wait in memory and may be lost: {why}",
        why=why,
    )

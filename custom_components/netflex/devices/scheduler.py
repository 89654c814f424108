"""Who may use an endpoint next: one request in flight, the urgent ones first.

Modbus libraries queue first in, first out; behind six reads of half a second a
stop would wait for three. Here a request takes its turn by priority, and a stop
that finds a read in flight gives it up after a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
import math
import time

_AGED = 10.0
"""s after which a slow poll waits in line with the fast ones."""
_PATIENCE = 0.25
"""s that a stop waits for a read in flight that may be given up."""
_LOOK_AGAIN = 0.02
"""s between two looks whether a request may be cancelled by now."""
_LEFT_FOR = 10.0
"""s that one which must not be cancelled is waited for beyond its limit."""


class Priority(IntEnum):
    """What goes first (lower wins)."""

    EMERGENCY = 0
    PROOF = 1
    """Reading back what a stop has done."""
    KEEP_ALIVE = 2
    SETPOINT = 3
    FAST = 4
    SLOW = 5
    STATIC = 6


class Preempted(Exception):
    """A read was given up for a stop; ask again."""


class RequestTimeout(Exception):
    """A request was not over within its time."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A read that a stop may interrupt, and whether it is better left alone now."""

    task: asyncio.Task[object]
    leave: Callable[[], bool]


@dataclass(slots=True, kw_only=True)
class _Waiter:
    priority: Priority
    since: float
    turn: asyncio.Future[None]

    def rank(self, now: float) -> tuple[int, float]:
        priority: int = self.priority
        if priority > Priority.FAST and now - self.since > _AGED:
            priority = Priority.FAST
        return priority, self.since


class Scheduler:
    """The line in front of one endpoint, on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nobody waiting."""
        self._clock = clock
        self._busy = False
        self._waiting: list[_Waiter] = []
        self._in_flight: _InFlight | None = None
        self._given_up: set[asyncio.Task[object]] = set()
        self._left: set[asyncio.Task[object]] = set()
        """Requests that nobody waits for any more, and that end by themselves."""
        self._preempting: asyncio.TimerHandle | None = None
        self._called: asyncio.Future[None] | None = None
        self._finished_at = -math.inf

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    async def run[T](
        self,
        priority: Priority,
        request: Callable[[], Awaitable[T]],
        *,
        limit: Callable[[], float],
        guard: Callable[[], None] | None = None,
        may_give_up: bool = False,
        leave: Callable[[], bool] = _never,
        spacing: float = 0.0,
    ) -> T:
        """Do one request when its turn comes.

        `limit` s (asked at its turn) is the most that it may take, measured here and
        not in the library, which may swallow a cancellation: RequestTimeout.
        `guard` is called at its turn and may raise to step back. `may_give_up` marks
        a read that a stop may interrupt: Preempted. `leave` tells whether the request
        is at a stage in which it must not be cancelled: a caller who goes away then
        leaves it to end by itself, and its limit waits for the end of that stage. `spacing` s are kept since the last request, except
        before a stop and its read-back.
        """
        since = self._clock()
        await self._take_turn(priority, since)
        while priority > Priority.PROOF:
            pause = self._finished_at + spacing - self._clock()
            if pause <= 0:
                break
            if await self._stay_quiet(pause):
                self._next()
                await self._take_turn(priority, since)
        try:
            if guard is not None:
                guard()
            return await self._bounded(request, limit(), may_give_up, leave)
        finally:
            self._finished_at = self._clock()
            self._next()

    async def _stay_quiet(self, pause: float) -> bool:
        """Wait with the turn in hand; returns whether a stop wants it."""
        if self._stop_waits:
            return True
        self._called = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({self._called}, timeout=pause)
        except asyncio.CancelledError:
            self._next()
            raise
        finally:
            called = self._called.done()
            self._called = None
        return called

    @property
    def _stop_waits(self) -> bool:
        return any(entry.priority is Priority.EMERGENCY for entry in self._waiting)

    async def _take_turn(self, priority: Priority, since: float) -> None:
        if not self._busy:
            self._busy = True
            return
        waiter = _Waiter(
            priority=priority,
            since=since,
            turn=asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(waiter)
        if priority is Priority.EMERGENCY:
            self._hurry()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif waiter.turn.done() and not waiter.turn.cancelled():
                # The turn was given in the same moment: pass it on.
                self._next()
            raise

    def _next(self) -> None:
        if self._preempting is not None:
            self._preempting.cancel()
            self._preempting = None
        now = self._clock()
        while self._waiting:
            waiter = min(self._waiting, key=lambda entry: entry.rank(now))
            self._waiting.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_result(None)
                return
        self._busy = False

    def _hurry(self) -> None:
        if self._called is not None and not self._called.done():
            self._called.set_result(None)
        if self._in_flight is None or self._preempting is not None:
            return
        self._preempting = asyncio.get_running_loop().call_later(
            _PATIENCE, self._preempt, self._in_flight
        )

    def _preempt(self, read: _InFlight) -> None:
        """Give up a read for a stop, as soon as it may be cancelled."""
        if read.leave():
            self._preempting = asyncio.get_running_loop().call_later(
                _LOOK_AGAIN, self._preempt, read
            )
        else:
            read.task.cancel()

    async def _bounded[T](
        self,
        request: Callable[[], Awaitable[T]],
        limit: float,
        may_give_up: bool,
        leave: Callable[[], bool],
    ) -> T:
        async def do() -> T:
            return await request()

        task = asyncio.create_task(do())
        if may_give_up:
            self._in_flight = _InFlight(task, leave)
            if self._stop_waits:
                # It came between the turn's passing on and this moment.
                self._hurry()
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
            end = self._clock() + _LEFT_FOR
            while not done and leave() and self._clock() < end:
                done, _ = await asyncio.wait({task}, timeout=_LOOK_AGAIN)
        except asyncio.CancelledError:
            if not task.done() and leave():
                self._let_end(task, self._left)
            raise
        finally:
            self._in_flight = None
            if not task.done() and task not in self._left:
                self._give_up(task)
        if not done:
            raise RequestTimeout
        if task.cancelled():
            raise Preempted
        return task.result()

    def _give_up[T](self, task: asyncio.Task[T]) -> None:
        """Cancel a request; a library that does not listen ends it when it will."""
        task.cancel()
        self._let_end(task, self._given_up)

    def _let_end[T](
        self, task: asyncio.Task[T], among: set[asyncio.Task[object]]
    ) -> None:
        """Keep a task until it has ended, and take what it raises."""

        def forget(task: asyncio.Task[T]) -> None:
            among.discard(task)
            if not task.cancelled():
                task.exception()

        among.add(task)
        task.add_done_callback(forget)

    async def close(self) -> None:
        """Wait shortly for requests that were given up."""
        if self._given_up:
            with suppress(TimeoutError):
                await asyncio.wait(self._given_up, timeout=1.0)

"""Keeping a setpoint alive: refreshing it, and heartbeat registers."""

import asyncio
from contextlib import suppress
import logging

from .link import LinkError
from .scheduler import Priority
from .session import Session
from .writer import Writer

_LOGGER = logging.getLogger(__name__)

_IDLE = 1.0
"""s between two looks when there is nothing to keep alive."""


class Refresher:
    """The background work of one writer. Only what was written here is refreshed."""

    def __init__(self, writer: Writer, session: Session) -> None:
        """Refresh what a writer wrote."""
        self._writer = writer
        self._session = session
        self._beat = 0

    async def keep_alive(self) -> None:
        """Refresh what was written in this run, until cancelled."""
        while True:
            await self._until_written()
            period = self._writer.period
            if period is None or self._writer.on_wire_at is None:
                await asyncio.sleep(_IDLE)
                continue
            # From the request, not its answer: a slow answer must not add up.
            pause = self._writer.on_wire_at + period - self._session.clock()
            if pause > 0:
                await self._sleep(pause)
                continue
            if self._writer.orphaned or self._writer.silent:
                self._writer.on_change()
                await asyncio.sleep(_IDLE)
                continue
            await self._writer.refresh()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but wake up when something was written or learned."""
        self._writer.wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._writer.wake.wait()

    async def _until_written(self) -> None:
        while self._writer.wanted is None or self._writer.wanted.value is None:
            self._writer.wake.clear()
            await self._writer.wake.wait()

    async def beat(self) -> None:
        """Keep a heartbeat register changing, until cancelled."""
        due = self._session.clock()
        while True:
            # On a grid of its own: what one beat takes must not put off the next.
            await asyncio.sleep(max(0.0, due - self._session.clock()))
            await self._until_written()
            control = self._writer.control
            now = self._session.clock()
            if control is None or control.heartbeat is None:
                due = now + _IDLE
                continue
            heartbeat = control.heartbeat
            # Late ones are not caught up on.
            due = max(due + heartbeat.every, now)
            if (
                self._writer.orphaned
                or self._writer.silent
                or not self._session.identified
            ):
                continue
            self._beat = (self._beat + 1) % len(heartbeat.values)
            register = heartbeat.register
            assert register.at is not None
            try:
                link = await self._session.link(register.unit)
                await link.write(
                    register.area,
                    register.at,
                    [heartbeat.values[self._beat]],
                    heartbeat.function,
                    Priority.KEEP_ALIVE,
                )
            except LinkError as err:
                _LOGGER.debug("%s: heartbeat failed: %s", self._session.name, err)
            # A link on which a beat takes longer than its period has others to serve.
            due = max(due, self._session.clock() + heartbeat.every / 2)

"""Keeps the store on a thread of its own: nothing is written on an event loop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
import logging
from pathlib import Path
import sqlite3
import time
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .sampler import Minute, Sampler
from .store import TelemetryStore, TelemetryStoreError
from .values import Series

_LOGGER = logging.getLogger(__name__)

WAITING_MINUTES: Final = 60
"""Minutes that are kept while the disk does not take them; then the oldest go."""
PRUNE_EVERY: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept: days of readings, and megabytes of everything."""

    days: int = 400
    megabytes: float = 500.0


DEFAULT_BOUNDS: Final = Bounds()


class TelemetryKeeper:
    """Samples, stores and answers; owned by one loop."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds = DEFAULT_BOUNDS,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is opened before `start`."""
        self._path = path
        self._bounds = bounds
        self._clock = clock
        self._sampler = Sampler()
        self._waiting: list[Minute] = []
        self._store: TelemetryStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="netflex telemetry")
        self._writing: asyncio.Task[None] | None = None
        self._pruned = 0.0
        self._lost = 0
        """Minutes that the disk did not take in time, since it last did."""
        self.problem: str | None = None
        """Why nothing is stored now, in words."""

    async def start(self) -> None:
        """Open the store; a file that cannot be used is said and left alone."""
        try:
            self._store = await self._run(lambda: TelemetryStore(self._path))
        except (TelemetryStoreError, OSError) as err:
            self._fail(reason_of(err))

    async def stop(self) -> None:
        """Store what there is and close the file."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if (minute := self._sampler.close(self._clock() + 60)) is not None:
            self._waiting.append(minute)
        await self._write()
        if (store := self._store) is not None:
            self._store = None
            await self._run(store.close)
        self._thread.shutdown(wait=False)

    def take(
        self, values: Mapping[Series, float | None], texts: Mapping[Series, str | None]
    ) -> None:
        """Take over what holds now; a minute that has ended is stored soon."""
        minute = self._sampler.take(self._clock(), values, texts)
        if minute is None:
            return
        self._waiting.append(minute)
        if len(self._waiting) > WAITING_MINUTES:
            if not self._lost:
                _LOGGER.warning(
                    "Readings are lost: %s minutes of them wait for the disk of %s",
                    WAITING_MINUTES,
                    self._path,
                )
            self._lost += 1
            del self._waiting[0]
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(
                self._write(), name="netflex telemetry write"
            )

    async def ask[T](self, question: Callable[[TelemetryStore], T]) -> T:
        """Run a question on the store's thread; raises TelemetryStoreError."""
        if (store := self._store) is None:
            raise TelemetryStoreError(
                self.problem or Phrase("store_closed", "the store is not open")
            )
        if self._writing is not None:
            # Minutes that have ended belong to the answer.
            await asyncio.wait({self._writing})
        return await self._run(lambda: question(store))

    async def hold_file(self, hold: bool) -> None:
        """Leave the file as it is while a backup copies it, or no longer.

        Raises:
            sqlite3.Error: The file cannot be used.
        """
        if (store := self._store) is not None:
            await self._run(lambda: store.hold(hold))

    async def _write(self) -> None:
        if (store := self._store) is None:
            self._waiting.clear()
            return
        while self._waiting:
            minute = self._waiting[0]
            try:
                await self._run(partial(store.write, minute.readings, minute.texts))
                await self._prune(store)
            except (sqlite3.Error, OSError, ValueError) as err:
                # The minutes wait for the next try: a full disk may be emptied.
                self._fail(reason_of(err))
                return
            if self._waiting and self._waiting[0] is minute:
                # Where it took very long it may have made room for newer ones.
                del self._waiting[0]
            if self.problem is not None:
                _LOGGER.info(
                    "Readings are stored again; %s minutes of them are lost", self._lost
                )
                self.problem, self._lost = None, 0

    async def _prune(self, store: TelemetryStore) -> None:
        now = self._clock()
        if now - self._pruned < PRUNE_EVERY:
            return
        self._pruned = now
        bounds = self._bounds
        await self._run(lambda: store.prune(int(now), bounds.days, bounds.megabytes))

    def _fail(self, text: str) -> None:
        if self.problem is None:
            _LOGGER.warning("Readings are not stored in %s: %s", self._path, text)
        self.problem = text

    async def _run[T](self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

"""Write budgets for memory that wears: counted before the write, and kept.

The count outlives kill -9: a line is in the page cache before the write that it
counts is sent. A write that only changes its mind waits for its line; a stop, a fuse
cut or a tighter limit does not (S11).
"""

import asyncio
from collections.abc import Callable
import logging
import os
from pathlib import Path
import time

_LOGGER = logging.getLogger(__name__)

DAY = 86400.0
RESERVE = 0.5
"""Share of a day's budget that is kept besides for stops, fuse cuts and tightening."""
_PATIENCE = 1.0
"""s that an ordinary write waits for its line on the disk."""
_MOST_LINES = 5000
"""Lines of the file above which it is written anew, without what is over."""


def reserve_of(limit: int) -> int:
    """Return the writes of a day that only urgent ones may use."""
    return max(1, round(limit * RESERVE))


class DailyBudget:
    """Counts writes per device and control over the last day (rolling, in s).

    It forgets at a restart: `StoredBudget` does not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing spent."""
        self._clock = clock
        self._spent: dict[tuple[str, str], list[float]] = {}

    async def spend(
        self, device_id: str, control: str, limit: int, *, urgent: bool
    ) -> bool:
        """Count one write and return whether it may be done; urgent ones always."""
        allowed = urgent or self.left(device_id, control, limit) > 0
        if allowed:
            self._count(device_id, control, self._clock())
        return allowed

    def left(self, device_id: str, control: str, limit: int) -> int:
        """Return the ordinary writes that are left; below 0 the reserve is used."""
        return limit - len(self._recent(device_id, control))

    def _count(self, device_id: str, control: str, at: float) -> None:
        self._spent[device_id, control] = [*self._recent(device_id, control), at]

    def _recent(self, device_id: str, control: str) -> list[float]:
        now = self._clock()
        # What is later than now was counted before the clock was set back.
        return [
            at for at in self._spent.get((device_id, control), ()) if at > now - DAY
        ]


class StoredBudget(DailyBudget):
    """The same in a file of lines `UTC s, device, control`, one per write."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Name the file; `load` reads it, blocking."""
        super().__init__(clock)
        self._path = path
        self._tasks: set[asyncio.Task[bool]] = set()
        self._counting = True

    def load(self) -> None:
        """Read what was spent before; blocking. A damaged line counts for nothing."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        except OSError as err:
            _LOGGER.error("The counted writes cannot be read: %s", err)
            return
        for line in lines:
            try:
                at, device_id, control = line.split(",")
                self._count(device_id, control, float(at))
            except ValueError:
                _LOGGER.warning("A line of the counted writes is damaged: %r", line)
        if len(lines) > _MOST_LINES:
            self._shorten()

    def _shorten(self) -> None:
        text = "".join(
            f"{at},{device_id},{control}\n"
            for (device_id, control), times in self._spent.items()
            for at in times
        )
        new = self._path.with_suffix(".new")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(self._path)
        except OSError as err:
            _LOGGER.warning("The counted writes cannot be shortened: %s", err)

    async def spend(
        self, device_id: str, control: str, limit: int, *, urgent: bool
    ) -> bool:
        """Count one write; one that is not urgent is refused where that fails."""
        if not await super().spend(device_id, control, limit, urgent=urgent):
            return False
        line = f"{self._clock()},{device_id},{control}\n"
        task = asyncio.create_task(
            asyncio.to_thread(self._append, line), name="netflex count a write"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if urgent:
            return True
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE)
        return bool(done) and task.result()

    def _append(self, line: str) -> bool:
        try:
            file = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(file, line.encode())
                os.fdatasync(file)
            finally:
                os.close(file)
        except OSError as err:
            if self._counting:
                _LOGGER.error(
                    "Writes to devices cannot be counted, so that only urgent ones are "
                    "done; look after the disk of %s: %s",
                    self._path,
                    err,
                )
            self._counting = False
            return False
        if not self._counting:
            _LOGGER.info("Writes to devices are counted again")
        self._counting = True
        return True

    async def close(self) -> None:
        """Wait for lines that are still on their way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE)

"""How late the event loop runs what is due: another part's fault delays everything.

The station has a loop of its own and does not suffer; meters, devices and the decision
do. What is measured is the lateness of a timer, so a block is seen once it is over.
"""

import asyncio
from collections import deque
from collections.abc import Callable
import logging
from typing import Final

_LOGGER = logging.getLogger(__name__)

INTERVAL: Final = 0.5
"""s between two timers."""
WINDOW: Final = 60.0
"""s over which the worst is shown."""
SERIOUS: Final = 1.0
"""s of lateness that is recorded: as much as a meter's period."""
ENDANGERING: Final = 3
"""Serious ones within `EPISODE` that endanger a reaction."""
EPISODE: Final = 300.0


class LoopLag:
    """Measures the loop that it is started on."""

    def __init__(self, on_serious: Callable[[float], None]) -> None:
        """Call `on_serious` with each lateness of at least `SERIOUS` s."""
        self._on_serious = on_serious
        self._measured: deque[tuple[float, float]] = deque()
        self._serious: deque[float] = deque(maxlen=ENDANGERING)
        self._timer: asyncio.TimerHandle | None = None
        self._warned = False

    def start(self) -> None:
        """Begin; the running loop is the one that is measured."""
        self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """End; nothing is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL
        self._timer = loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._schedule(loop)
        self.take(now, max(0.0, now - due))

    def take(self, now: float, late: float) -> None:
        """Take over one measurement, both in s of the loop's clock."""
        self._measured.append((now, late))
        while self._measured[0][0] < now - WINDOW:
            self._measured.popleft()
        if late < SERIOUS:
            return
        self._serious.append(now)
        if self.endangers(now) and not self._warned:
            self._warned = True
            _LOGGER.warning(
                "Home Assistant's event loop was held up for %.1f s, for the third "
                "time in five minutes: another integration blocks it. Meters, devices "
                "and limits react that much later; the grid operator's station does "
                "not wait for it",
                late,
            )
        self._on_serious(late)

    @property
    def worst(self) -> float | None:
        """The worst lateness in s of the last minute; None: none is measured yet."""
        return max((late for _, late in self._measured), default=None)

    def endangers(self, now: float) -> bool:
        """Whether the loop was held up so often of late that reactions suffer."""
        serious = self._serious
        endangered = len(serious) == ENDANGERING and serious[0] > now - EPISODE
        if not endangered and self._warned and serious[-1] < now - EPISODE:
            self._warned = False
        return endangered

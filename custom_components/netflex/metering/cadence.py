"""How often a meter sends by itself, and how long its silence is no loss yet.

Smart meters of Belgium send every second, older ones and some adapters every ten. One
that is slow must not count as lost between its telegrams, and one that has become slow
because its line is bad must not gain patience by it. So only a steady rhythm is learned,
within a bound, and the first telegram that breaks it ends it.
"""

from collections import deque
from statistics import median

SLOWEST = 11.0
"""s: a meter that sends less often is relied on only in between."""
SLOW = 2.5
"""s between telegrams above which the user is told that protection is slower."""
_ALIKE = 3
"""Intervals in a row that make a rhythm."""
_SPREAD = 0.15
"""Share of the rhythm by which its intervals may differ."""
_JITTER = 0.3
"""s by which they may differ in any case: adapters collect bytes."""
_LOST = 2
"""Telegrams that may be due without the meter being lost: one of them is damaged."""
_MARGIN = 2.0
_LONGEST = 60.0
"""s: what is longer is an interruption and no rhythm."""


class Cadence:
    """The rhythm of one meter. Times are monotonic s."""

    def __init__(self) -> None:
        """Know no rhythm yet."""
        self._intervals: deque[float] = deque(maxlen=_ALIKE)
        self._last: float | None = None
        self._damaged = 0

    def take(self, received: float, damaged: int = 0) -> None:
        """Note a good telegram; `damaged` counts the others since the start.

        An interval with damage in it says nothing, nor does one in which telegrams
        were lost as a whole.
        """
        last, self._last = self._last, received
        whole, self._damaged = damaged == self._damaged, damaged
        if last is None or not whole or received <= last:
            return
        interval = received - last
        period = self.period
        if period is not None and self._misses(interval, period):
            return
        if interval > _LONGEST:
            self._intervals.clear()
        else:
            self._intervals.append(interval)

    @property
    def period(self) -> float | None:
        """The s between telegrams, None while there is no rhythm."""
        if len(self._intervals) < _ALIKE:
            return None
        middle = median(self._intervals)
        spread = max(self._intervals) - min(self._intervals)
        return middle if spread <= max(_SPREAD * middle, _JITTER) else None

    def patience(self, least: float) -> float:
        """Return after how many s of silence the meter is lost, at least `least`."""
        period = self.period
        if period is None or period > SLOWEST:
            return least
        return max(least, _LOST * period + _MARGIN)

    def _misses(self, interval: float, period: float) -> bool:
        """Whether telegrams of the rhythm are missing in an interval."""
        missed = round(interval / period)
        return missed >= 2 and abs(interval - missed * period) <= max(
            _SPREAD * period, _JITTER
        )

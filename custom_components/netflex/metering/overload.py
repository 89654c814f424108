"""Line currents against a threshold, within a period or a few of them."""

from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

from ..model.connection import Line, LineValues
from ..model.power_quality import Overload
from .periods import PeriodValues
from .waveform import Wiring

LONGEST: Final = 5
"""Periods: 100 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadLimits:
    """RMS currents in A by line that are too much; a line without one is not watched.

    The RMS is over `periods` periods, 1 to 5, and an overload is over once it has
    fallen by `hysteresis`, a ratio.

    Raises:
        ValueError: `periods` is out of its range.
    """

    current: LineValues
    periods: int = 1
    hysteresis: float = 0.02

    def __post_init__(self) -> None:
        """Check the range."""
        if not 1 <= self.periods <= LONGEST:
            raise ValueError(f"An overload is measured over 1 to {LONGEST} periods")


class OverloadWatch:
    """Follows the currents of one wiring."""

    def __init__(self, wiring: Wiring, limits: OverloadLimits) -> None:
        """Begin without an overload."""
        self._wiring = wiring
        self._limits = limits
        # Every second row is a period of its own: so many rows reach back.
        self._reach = 2 * (limits.periods - 1)
        currents = [limits.current[line] for line in wiring.lines]
        self._too_much = np.array(
            [
                inf if current is None else limits.periods * current**2
                for current in currents
            ]
        )
        self._before = np.empty((0, len(wiring.lines)))
        self._since: dict[Line, float] = {}

    def forget(self) -> None:
        """Begin anew behind a gap; an overload lasts until a current disproves it."""
        self._before = self._before[:0]

    def follow(self, periods: PeriodValues) -> list[Overload]:
        """Return what begins, lasts or ends in these periods."""
        squares = np.concatenate((self._before, periods.currents**2))
        self._before = squares[max(len(squares) - self._reach, 0) :]
        rows = len(squares) - self._reach
        if rows <= 0:
            return []
        means = squares[:rows]
        for first in range(2, self._reach + 1, 2):
            means = means + squares[first : first + rows]
        if not self._since and not (means > self._too_much).any():
            # As a rule nothing is too much, and it is seen at one glance.
            return []
        currents = np.sqrt(means / self._limits.periods)
        ends = periods.ends[-rows:]
        found: list[Overload] = []
        for index, line in enumerate(self._wiring.lines):
            threshold = self._limits.current[line]
            if threshold is None:
                continue
            column = currents[:, index]
            highest = float(column.max())
            above = column > threshold
            since = self._since.get(line)
            if since is None:
                if not above.any():
                    continue
                since = self._since[line] = float(ends[int(np.argmax(above))])
            active = bool(column[-1] > threshold * (1 - self._limits.hysteresis))
            if not active:
                del self._since[line]
            found.append(
                Overload(
                    at=float(ends[-1]),
                    line=line,
                    active=active,
                    current=highest,
                    threshold=threshold,
                    power=float(periods.powers[-1, index])
                    if self._wiring.metered[index]
                    else None,
                    since=since,
                )
            )
        return found

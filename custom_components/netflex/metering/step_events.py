"""Steps of power: what was switched on or off, and its inrush.

The power is steady until it leaves the mean of the last periods by more than a
threshold; the step is over when it has been steady again for a fifth of a second. What
does not come to rest within seconds is no step (a motor under control, clouds).
"""

from collections import deque
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import Line, LineValues
from ..model.power_quality import Inrush, StepEvent
from .periods import ORDERS, PeriodValues
from .waveform import Wiring

_SETTLED: Final = 20
"""Half periods that have to agree."""
_REMEMBERED: Final = _SETTLED + 2
"""Half periods kept: a step may have begun in the newest two before it shows."""
_LONGEST: Final = 500
"""Half periods after which a change is no step."""
_SPREAD: Final = 0.02
"""Ratio to the power up to which steady periods differ."""
_INRUSH_RATIO: Final = 1.5
_INRUSH_STEP: Final = 3.0
"""A by which an inrush stands out."""
_OVER: Final = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLimits:
    """Changes in W and var, of a line or of all, that count as a step."""

    power: float = 40.0


DEFAULT_STEPS: Final = StepLimits()


@dataclass(slots=True, eq=False)
class _Row:
    """One period: powers (W and var by line, then their sums), and where it is from."""

    end: float
    powers: NDArray[np.float64]
    periods: PeriodValues
    index: int

    @property
    def currents(self) -> NDArray[np.float64]:
        currents: NDArray[np.float64] = self.periods.currents[self.index]
        return currents

    @property
    def peaks(self) -> NDArray[np.float64]:
        peaks: NDArray[np.float64] = self.periods.peaks[self.index]
        return peaks


class StepWatch:
    """Follows the powers of one wiring."""

    def __init__(self, wiring: Wiring, limits: StepLimits = DEFAULT_STEPS) -> None:
        """Begin without knowing what is steady."""
        self._wiring = wiring
        # Phasors are peaks: half their product is power, where there is any.
        self._halved = wiring.metered / 2
        self._threshold = limits.power
        self._steady: deque[_Row] = deque(maxlen=_REMEMBERED)
        self._change: list[_Row] = []

    def forget(self) -> None:
        """Begin anew behind a gap: what has changed meanwhile is no step."""
        self._steady.clear()
        self._change.clear()

    def follow(self, periods: PeriodValues) -> list[StepEvent | Inrush]:
        """Return the steps that are over in these periods, inrush first."""
        events: list[StepEvent | Inrush] = []
        powers = self._powers(periods)
        rows = self._rows(periods, powers)
        if not self._change and not self._leaves(powers):
            # As a rule nothing happens, and it is seen at one glance.
            self._steady.extend(rows)
            return events
        for row in rows:
            if self._change:
                self._change.append(row)
                self._end_change(periods.half, events)
            elif self._leaves(row.powers):
                self._change.append(row)
            else:
                self._steady.append(row)
        return events

    def _powers(self, periods: PeriodValues) -> NDArray[np.float64]:
        """Return W and var by line, then the sums of both, by period."""
        count = periods.powers.shape[1]
        currents = periods.current_phasors[:, 0]
        apparent = periods.voltage_phasors * currents.conj()
        powers = np.empty((len(periods), 2 * count + 2))
        powers[:, :count] = periods.powers
        np.multiply(apparent.imag, self._halved, out=powers[:, count:-2])
        powers[:, -2] = np.add.reduce(powers[:, :count], axis=1)
        powers[:, -1] = np.add.reduce(powers[:, count:-2], axis=1)
        return powers

    def _rows(self, periods: PeriodValues, powers: NDArray[np.float64]) -> list[_Row]:
        return [
            _Row(end, powers[index], periods, index)
            for index, end in enumerate(periods.ends.tolist())
        ]

    def _before(self) -> list[_Row]:
        """Return the steady periods but the newest, in which a step may have begun."""
        return list(self._steady)[:_SETTLED]

    def _leaves(self, powers: NDArray[np.float64]) -> bool:
        """Return whether powers, of one or of more periods, leave what was steady."""
        if len(self._steady) < _REMEMBERED:
            return False
        steady = _mean([row.powers for row in self._before()])
        return bool((np.abs(powers - steady) > self._threshold).any())

    def _end_change(self, half: float, events: list[StepEvent | Inrush]) -> None:
        """Close a change that has come to rest, give up one that does not."""
        after = self._change[-_SETTLED:]
        if len(after) < _SETTLED:
            return
        powers = np.array([row.powers for row in after])
        spread = powers.max(axis=0) - powers.min(axis=0)
        allowed = np.maximum(self._threshold / 2, _SPREAD * np.abs(powers[-1]))
        if (spread <= allowed).all():
            events += self._events(after, half)
        elif len(self._change) < _LONGEST:
            return
        self._steady.clear()
        self._steady.extend(after)
        self._change.clear()

    def _events(self, after: list[_Row], half: float) -> list[StepEvent | Inrush]:
        before = self._before()
        power = _mean([row.powers for row in after])
        power = power - _mean([row.powers for row in before])
        if not (np.abs(power) > self._threshold).any():
            return []
        lines = self._wiring.lines
        count = len(lines)
        old = _mean([row.currents for row in before])
        new = _mean([row.currents for row in after])
        harmonics = _harmonics(after, self._wiring) - _harmonics(before, self._wiring)
        orders = [
            _by_line(lines, np.abs(row) / sqrt(2), np.ones(count)) for row in harmonics
        ]
        begin = self._change[0].end
        step = StepEvent(
            at=begin,
            duration=after[0].end - begin,
            power=float(power[-2]),
            reactive_power=float(power[-1]),
            line_power=_by_line(lines, power[:count], self._wiring.metered),
            line_current=_by_line(lines, new - old, np.ones(count)),
            harmonics=(orders[0], orders[1], orders[2]),
        )
        return [*self._inrushes(old, new, half), step]

    def _inrushes(
        self, old: NDArray[np.float64], new: NDArray[np.float64], half: float
    ) -> list[Inrush]:
        currents = np.array([row.currents for row in self._change])
        peaks = np.array([row.peaks for row in self._change])
        found = []
        for index, line in enumerate(self._wiring.lines):
            settled = float(new[index])
            highest = float(currents[:, index].max())
            stands_out = highest > max(settled * _INRUSH_RATIO, settled + _INRUSH_STEP)
            if not stands_out or settled <= float(old[index]):
                continue
            above = np.flatnonzero(currents[:, index] > settled * _OVER)
            found.append(
                Inrush(
                    at=self._change[int(above[0])].end,
                    line=line,
                    current=highest,
                    peak=float(peaks[:, index].max()),
                    settled=settled,
                    duration=len(above) * half,
                )
            )
        return found


def _harmonics(rows: list[_Row], wiring: Wiring) -> NDArray[np.complex128]:
    """Return the mean harmonic phasors of some periods (orders from 3, lines)."""
    referred = {id(row.periods): _referred(row.periods, wiring) for row in rows}
    mean: NDArray[np.complex128] = np.mean(
        [referred[id(row.periods)][row.index] for row in rows], axis=0
    )
    return mean


def _referred(periods: PeriodValues, wiring: Wiring) -> NDArray[np.complex128]:
    """Return the harmonic phasors (rows, orders from 3, lines) against the voltage.

    Each line's own voltage is the reference; in a delta grid U12 is that of all.
    """
    voltages = periods.voltage_phasors
    if not wiring.metered.all():
        voltages = np.broadcast_to(voltages[:, :1], voltages.shape)
    magnitudes = np.abs(voltages)
    # Without a voltage there is no reference, and nothing to be told apart.
    unit = np.where(magnitudes > 1.0, voltages / magnitudes.clip(1.0), 1.0)
    orders = np.array(ORDERS[1:])[None, :, None]
    referred: NDArray[np.complex128] = (
        periods.current_phasors[:, 1:] * unit.conj()[:, None, :] ** orders
    )
    return referred


def _mean(arrays: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.add.reduce(np.array(arrays))
    return total / len(arrays)


def _by_line(
    lines: tuple[Line, ...], values: NDArray[np.float64], present: NDArray[np.float64]
) -> LineValues:
    return LineValues.of(
        {
            line: float(value)
            for line, value, there in zip(lines, values, present, strict=True)
            if there
        }
    )

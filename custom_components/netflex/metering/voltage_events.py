"""Sags, swells and interruptions of the supply voltage, as EN 50160 counts them.

Measured on one-period RMS values refreshed each half period, with hysteresis
(IEC 61000-4-30): an event of several lines begins with the first line and ends with the
last one; an interruption is one of all lines.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import NOMINAL_VOLTAGE, Line
from ..model.power_quality import VoltageEvent, VoltageEventKind
from .periods import PeriodValues
from .waveform import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageLimits:
    """Thresholds as ratios to the nominal voltage in V (EN 50160)."""

    nominal: float = NOMINAL_VOLTAGE
    sag: float = 0.90
    swell: float = 1.10
    interruption: float = 0.05
    hysteresis: float = 0.02


EN_50160: Final = VoltageLimits()


@dataclass(slots=True)
class _Open:
    """An event that has not ended."""

    kind: VoltageEventKind
    at: float
    extreme: float
    touched: NDArray[np.bool_]


class VoltageWatch:
    """Follows the voltages of one wiring."""

    def __init__(self, wiring: Wiring, limits: VoltageLimits = EN_50160) -> None:
        """Begin with a voltage that is as it should be."""
        self._lines = wiring.lines
        self._limits = limits
        self._sag: _Open | None = None
        self._swell: _Open | None = None
        # Whether the sag that is open has already ended as an interruption.
        self._counted = False

    def follow(self, periods: PeriodValues) -> list[VoltageEvent]:
        """Return the events that begin or end in these periods, in order."""
        limits = self._limits
        ratios = periods.voltages / limits.nominal
        usual = (ratios >= limits.sag) & (ratios <= limits.swell)
        if self._sag is None and self._swell is None and usual.all():
            return []
        events: list[VoltageEvent] = []
        for at, row in zip(periods.ends.tolist(), ratios, strict=True):
            self._follow_sag(at, row, events)
            self._follow_swell(at, row, events)
        return events

    def _follow_sag(
        self, at: float, ratios: NDArray[np.float64], events: list[VoltageEvent]
    ) -> None:
        limits, sag = self._limits, self._sag
        low = ratios < limits.sag
        if sag is None:
            if not low.any():
                return
            sag = self._sag = _Open(VoltageEventKind.SAG, at, float(ratios.min()), low)
            self._counted = False
            events.append(self._event(sag, None))
        sag.touched = sag.touched | low
        if sag.kind is VoltageEventKind.SAG:
            if (ratios < limits.interruption).all():
                sag = self._sag = _Open(
                    VoltageEventKind.INTERRUPTION, at, float(ratios.min()), low
                )
                events.append(self._event(sag, None))
        elif (ratios >= limits.interruption + limits.hysteresis).any():
            events.append(self._event(sag, at))
            self._counted = True
            sag = self._sag = _Open(VoltageEventKind.SAG, at, sag.extreme, sag.touched)
        sag.extreme = min(sag.extreme, float(ratios.min()))
        if (ratios >= limits.sag + limits.hysteresis).all():
            if not self._counted:
                events.append(self._event(sag, at))
            self._sag = None

    def _follow_swell(
        self, at: float, ratios: NDArray[np.float64], events: list[VoltageEvent]
    ) -> None:
        limits, swell = self._limits, self._swell
        high = ratios > limits.swell
        if swell is None:
            if not high.any():
                return
            swell = self._swell = _Open(
                VoltageEventKind.SWELL, at, float(ratios.max()), high
            )
            events.append(self._event(swell, None))
        swell.touched = swell.touched | high
        swell.extreme = max(swell.extreme, float(ratios.max()))
        if (ratios <= limits.swell - limits.hysteresis).all():
            events.append(self._event(swell, at))
            self._swell = None

    def _event(self, event: _Open, end: float | None) -> VoltageEvent:
        return VoltageEvent(
            kind=event.kind,
            at=event.at,
            duration=None if end is None else end - event.at,
            lines=_touched(self._lines, event.touched),
            voltage=event.extreme * self._limits.nominal,
            ratio=event.extreme,
        )


def _touched(lines: tuple[Line, ...], which: NDArray[np.bool_]) -> tuple[Line, ...]:
    return tuple(line for line, touched in zip(lines, which, strict=True) if touched)

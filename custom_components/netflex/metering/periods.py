"""Values of one period of the grid, refreshed each half period.

These are what events and fast signals are made of (Urms(1/2) of IEC 61000-4-30). Half
periods follow each other without a gap from the first sample on, not from a zero
crossing: sampling is in step with the grid, so the result is the same. Where a half
period does not begin with a sample, that on the border counts on both sides.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .waveform import Wiring

ORDERS: Final = (1, 3, 5, 7)
"""Harmonics of the currents that tell devices apart."""
_NEARLY: Final = 1e-9
"""Part of a sample by which a border may miss one through rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeriodValues:
    """Periods, each half a period after the one before; arrays have one row each.

    `ends` are s on the clock of the stream, `half` s between two of them. `voltages`
    and `currents` are RMS in V and A by line, `peaks` the largest magnitudes of the
    currents, `powers` in W by line (zero where voltage times current is none).
    `voltage_phasors` (rows, lines), of the fundamental, and `current_phasors` (rows,
    orders, lines) are peak phasors; all have the same reference.
    """

    ends: NDArray[np.float64]
    half: float
    voltages: NDArray[np.float64]
    currents: NDArray[np.float64]
    peaks: NDArray[np.float64]
    powers: NDArray[np.float64]
    voltage_phasors: NDArray[np.complex128]
    current_phasors: NDArray[np.complex128]

    def __len__(self) -> int:
        """Return the number of periods."""
        return len(self.ends)


class PeriodCutter:
    """Cuts the samples of one wiring into periods; keeps less than one of them."""

    def __init__(self, wiring: Wiring) -> None:
        """Begin without samples."""
        self._metered = wiring.metered
        self._count = len(wiring.lines)
        self.forget()

    def forget(self) -> None:
        """Begin anew behind a gap: no period reaches over it."""
        self._rest = np.empty((0, 2 * self._count + 1))
        # Where in the rest the next half period begins: a part of a sample.
        self._begin = 0.0
        # Whether half a turn separates it from the reference of the phasors.
        self._turned = False
        self._previous: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def cut(
        self,
        lines: NDArray[np.float64],
        *,
        samples_per_period: float,
        rate: float,
        end: float,
    ) -> PeriodValues | None:
        """Return the periods that these samples complete, None if there is none.

        `lines` are those of `Wiring.lines_of`, `rate` in samples per s, `end` s on the
        clock of the stream when the last sample is over.
        """
        rest = self._rest
        values = np.concatenate((rest, lines)) if len(rest) else lines
        half = samples_per_period / 2
        number = int((len(values) - self._begin) / half + _NEARLY)
        if number <= 0:
            self._rest = values
            return None
        if self._begin == 0.0 and half.is_integer():
            used = number * int(half)
            means, peaks = self._whole_halves(
                values[:used].reshape(number, -1, len(values[0]))
            )
            over = half * np.arange(1, number + 1, dtype=np.float64)
        else:
            borders = self._begin + half * np.arange(number + 1, dtype=np.float64)
            means, peaks = self._halves(values, borders, half)
            used = min(int(borders[-1] + _NEARLY), len(values))
            self._begin = max(float(borders[-1]) - used, 0.0)
            over = borders[1:]
        ends = end - (len(values) - over) / rate
        self._rest = values[used:]
        self._turned ^= bool(number % 2)
        if self._previous is not None:
            means = np.concatenate((self._previous[0], means))
            peaks = np.concatenate((self._previous[1], peaks))
        else:
            ends = ends[1:]
        self._previous = means[-1:], peaks[-1:]
        if not len(ends):
            return None
        return self._periods(
            (means[:-1] + means[1:]) / 2,
            np.maximum(peaks[:-1], peaks[1:]),
            ends,
            half / rate,
        )

    def _halves(
        self, values: NDArray[np.float64], borders: NDArray[np.float64], half: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return means by half period (see `_periods`) and peaks."""
        count = self._count
        both = values[:, : 2 * count]
        places = np.arange(len(values), dtype=np.float64)
        # How much of each sample lies in each half period.
        parts = np.minimum(borders[1:, None], places + 1.0)
        parts -= np.maximum(borders[:-1, None], places)
        np.maximum(parts, 0.0, out=parts)
        turns = _turns(places - borders[0], half)
        if self._turned:
            # All orders are odd: half a turn changes the sign of each.
            turns = -turns
        turned = (parts[:, None, :] * turns).reshape(-1, len(values)) @ both
        means = np.concatenate(
            (
                parts @ both**2,
                parts @ (both[:, :count] * both[:, count:]),
                turned.reshape(len(parts), -1),
            ),
            axis=1,
        )
        starts = np.minimum((borders[:-1] + _NEARLY).astype(np.intp), len(values) - 1)
        peaks = np.maximum.reduceat(
            np.abs(both[: int(np.ceil(borders[-1] - _NEARLY)), count:]), starts
        )
        return means / half, peaks

    def _whole_halves(
        self, cut: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the same of half periods (halves, samples, columns) in step."""
        count = self._count
        number, half, _ = cut.shape
        both = cut[..., : 2 * count]
        turned = _whole_turns(half) @ both
        turned[int(not self._turned) :: 2] *= -1
        means = np.concatenate(
            (
                np.einsum("hnc,hnc->hc", both, both),
                np.einsum("hnc,hnc->hc", both[..., :count], both[..., count:]),
                turned.reshape(number, -1),
            ),
            axis=1,
        )
        return means / half, np.abs(both[..., count:]).max(axis=1)

    def _periods(
        self,
        means: NDArray[np.float64],
        peaks: NDArray[np.float64],
        ends: NDArray[np.float64],
        half: float,
    ) -> PeriodValues:
        """Return what the means say.

        They are squares of voltages and currents and powers, by line, then the real
        parts of each order's phasors, voltages and currents by line, then the imaginary
        ones.
        """
        count = self._count
        # Rounding may leave a square of nothing just below zero.
        rms = np.sqrt(np.maximum(means[:, : 2 * count], 0.0))
        parts = means[:, 3 * count :].reshape(len(means), 2, len(ORDERS), 2 * count)
        phasors = np.empty(parts[:, 0].shape, dtype=np.complex128)
        np.multiply(parts[:, 0], 2, out=phasors.real)
        np.multiply(parts[:, 1], 2, out=phasors.imag)
        return PeriodValues(
            ends=ends,
            half=half,
            voltages=rms[:, :count],
            currents=rms[:, count:],
            peaks=peaks,
            powers=means[:, 2 * count : 3 * count] * self._metered,
            voltage_phasors=phasors[:, 0, :count],
            current_phasors=phasors[:, :, count:],
        )


def _turns(positions: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """Return the real, then the imaginary parts of each order's turns, by position."""
    turns = np.exp(np.outer(ORDERS, positions) * (-1j * pi / half))
    return np.concatenate((turns.real, turns.imag))


@lru_cache(maxsize=4)
def _whole_turns(half: int) -> NDArray[np.float64]:
    """Return the same for the samples of a half period in step."""
    return _turns(np.arange(half, dtype=np.float64), float(half))

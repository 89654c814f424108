"""Quantities of power quality over windows of 10 periods (IEC 61000-4-30, -4-7).

A window is analysed by harmonic phasors. Where the meter samples in step with the grid
that is a discrete Fourier transform without leakage; where it samples per second, the
phasors are fitted by least squares at the frequency that the meter gives, and the mean
squares are those of the fit and of what it leaves. Interharmonics count in RMS alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import hypot, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import GridType
from ..model.power_quality import LineQuality, PowerQuality
from .waveform import Wiring

PERIODS: Final = 10
HIGHEST_ORDER: Final = 25
_SMALLEST_CURRENT: Final = 0.01
"""A of the fundamental below which a distortion would be that of the digits."""
_SMALLEST_VOLTAGE: Final = 1.0
_TURN: Final = np.exp(2j * pi / 3)


@dataclass(frozen=True, slots=True, eq=False)
class _Basis:
    """How the samples of a window become phasors."""

    analysis: NDArray[np.float64]
    """(1 + 2 * orders, n): the mean, then cosine and sine amplitudes."""
    synthesis: NDArray[np.float64] | None
    """(n, 1 + 2 * orders) where the window is not a whole number of samples."""


@lru_cache(maxsize=128)
def _basis(count: int, samples_per_period: float) -> _Basis:
    orders = np.arange(1, min(HIGHEST_ORDER, _highest(samples_per_period)) + 1)
    phase = np.outer(np.arange(count), 2 * pi / samples_per_period * orders)
    synthesis = np.hstack((np.ones((count, 1)), np.cos(phase), np.sin(phase)))
    if abs(count - PERIODS * samples_per_period) < 1e-9:
        analysis = synthesis.T * (2 / count)
        analysis[0] /= 2
        return _Basis(np.ascontiguousarray(analysis), None)
    # The columns are nearly orthogonal: the normal equations lose nothing.
    normal = synthesis.T @ synthesis
    return _Basis(np.linalg.solve(normal, synthesis.T), synthesis)


def _highest(samples_per_period: float) -> int:
    """Return the highest order that its own image at the sampling rate leaves apart."""
    return max(int(samples_per_period / 2 - 1 / PERIODS), 1)


def window_length(samples_per_period: float) -> int:
    """Return the number of samples of a window, at least one."""
    return max(round(PERIODS * samples_per_period), 1)


@dataclass(frozen=True, slots=True, eq=False)
class WindowValues:
    """What a window shows, as arrays by column of `Wiring.lines_of`.

    `squares` are mean squares, `offsets` means, `peaks` the largest magnitudes,
    `harmonics` (orders, columns) squared RMS values by order, `powers` and `reactive`
    by line. `voltage_ratio` and `current_ratio` are squared ratios of the sequences.
    """

    frequency: float
    squares: NDArray[np.float64]
    offsets: NDArray[np.float64]
    peaks: NDArray[np.float64]
    harmonics: NDArray[np.float64]
    powers: NDArray[np.float64]
    reactive: NDArray[np.float64]
    voltage_ratio: float | None
    current_ratio: float | None
    reversed_order: bool | None


def window_values(
    lines: NDArray[np.float64],
    wiring: Wiring,
    *,
    samples_per_period: float,
    frequency: float,
) -> WindowValues:
    """Analyse one window of samples, as `Wiring.lines_of` gives them."""
    count = len(wiring.lines)
    basis = _basis(len(lines), samples_per_period)
    amplitudes = basis.analysis @ lines
    orders = (len(amplitudes) - 1) // 2
    # Peak phasors: x(t) = Re(phasor * exp(j w t)).
    phasors = amplitudes[1 : orders + 1] - 1j * amplitudes[orders + 1 :]
    harmonics = (amplitudes[1 : orders + 1] ** 2 + amplitudes[orders + 1 :] ** 2) / 2
    if basis.synthesis is None:
        squares = np.einsum("nc,nc->c", lines, lines) / len(lines)
        powers = np.einsum("nl,nl->l", lines[:, :count], lines[:, count : 2 * count])
        powers = powers / len(lines)
    else:
        rest = lines - basis.synthesis @ amplitudes
        squares = amplitudes[0] ** 2 + harmonics.sum(axis=0) + (rest**2).mean(axis=0)
        currents = phasors[:, count : 2 * count]
        powers = (
            amplitudes[0, :count] * amplitudes[0, count : 2 * count]
            + (phasors[:, :count] * currents.conj()).real.sum(axis=0) / 2
            + (rest[:, :count] * rest[:, count : 2 * count]).mean(axis=0)
        )
    first = phasors[0]
    apparent = first[:count] * first[count : 2 * count].conj() / 2
    voltage_ratio = current_ratio = None
    reversed_order = None
    if count == 3:
        voltages = first[:3]
        if wiring.grid_type is GridType.DELTA:
            # U12, U23, U31: the meter's third voltage is U32.
            voltages = np.array([first[0], -first[2], first[1]])
        positive, negative = _sequences(voltages)
        if max(positive, negative) > _SMALLEST_VOLTAGE:
            reversed_order = negative > positive
        voltage_ratio = _ratio(voltages, _SMALLEST_VOLTAGE, turned=reversed_order)
        current_ratio = _ratio(first[3:6], _SMALLEST_CURRENT, turned=reversed_order)
    return WindowValues(
        frequency=frequency,
        squares=squares,
        offsets=amplitudes[0],
        peaks=np.abs(lines).max(axis=0),
        harmonics=harmonics,
        powers=powers * wiring.metered,
        reactive=apparent.imag * wiring.metered,
        voltage_ratio=voltage_ratio,
        current_ratio=current_ratio,
        reversed_order=reversed_order,
    )


def _sequences(phasors: NDArray[np.complex128]) -> tuple[float, float]:
    """Return the magnitudes of the positive and the negative sequence."""
    first, second, third = phasors
    positive = abs(first + _TURN * second + _TURN**2 * third) / 3
    negative = abs(first + _TURN**2 * second + _TURN * third) / 3
    return float(positive), float(negative)


def _ratio(
    phasors: NDArray[np.complex128], smallest: float, *, turned: bool | None
) -> float | None:
    """Return the square of the unbalance, None where there is nothing to compare."""
    positive, negative = _sequences(phasors)
    if turned:
        positive, negative = negative, positive
    return (negative / positive) ** 2 if positive > smallest else None


def to_quality(
    windows: Sequence[WindowValues],
    wiring: Wiring,
    *,
    meter_id: str,
    received: float,
    filled: int = 0,
) -> PowerQuality:
    """Aggregate windows of one wiring into one value; there must be at least one.

    `filled` is how many of their samples were interpolated.
    """
    squares = _mean([window.squares for window in windows])
    rms = np.sqrt(squares).tolist()
    offsets = _mean([window.offsets for window in windows]).tolist()
    peaks = np.max([window.peaks for window in windows], axis=0).tolist()
    orders = min(len(window.harmonics) for window in windows)
    harmonics = _mean([window.harmonics[:orders] for window in windows])
    distortions = harmonics[1:].sum(axis=0).tolist()
    fundamentals = np.sqrt(harmonics[0]).tolist()
    by_order = np.sqrt(harmonics).T.tolist()
    powers = _mean([window.powers for window in windows])
    reactive = _mean([window.reactive for window in windows])
    count = len(wiring.lines)
    lines = []
    for index, line in enumerate(wiring.lines):
        current = count + index
        metered = bool(wiring.metered[index])
        apparent = rms[index] * rms[current]
        power = float(powers[index])
        lines.append(
            LineQuality(
                line=line,
                voltage=rms[index],
                current=rms[current],
                power=power if metered else None,
                reactive_power=float(reactive[index]) if metered else None,
                apparent_power=apparent if metered else None,
                power_factor=_share(power, apparent) if metered else None,
                voltage_distortion=_share(
                    sqrt(distortions[index]), fundamentals[index], _SMALLEST_VOLTAGE
                ),
                current_distortion=_share(
                    sqrt(distortions[current]),
                    fundamentals[current],
                    _SMALLEST_CURRENT,
                ),
                voltage_harmonics=tuple(by_order[index]),
                current_harmonics=tuple(by_order[current]),
                voltage_crest=_share(peaks[index], rms[index], _SMALLEST_VOLTAGE),
                current_crest=_share(peaks[current], rms[current], _SMALLEST_CURRENT),
                voltage_offset=offsets[index],
                current_offset=offsets[current],
            )
        )
    apparent = _apparent(lines, wiring.grid_type)
    power = float(powers.sum())
    has_neutral = wiring.grid_type is GridType.STAR or wiring.neutral_measured
    return PowerQuality(
        meter_id=meter_id,
        received=received,
        grid_type=wiring.grid_type,
        periods=PERIODS * len(windows),
        filled=filled,
        frequency=sum(window.frequency for window in windows) / len(windows),
        lines=tuple(lines),
        power=power,
        reactive_power=float(reactive.sum()),
        apparent_power=apparent,
        power_factor=_share(power, apparent),
        neutral_current=rms[2 * count] if has_neutral else None,
        voltage_unbalance=_unbalance([window.voltage_ratio for window in windows]),
        current_unbalance=_unbalance([window.current_ratio for window in windows]),
        reversed_order=windows[-1].reversed_order,
    )


def _mean(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = sum(arrays[1:], arrays[0])
    return total / len(arrays)


def _share(value: float, whole: float, smallest: float = 0.0) -> float | None:
    return value / whole if whole > smallest else None


def _unbalance(ratios: Sequence[float | None]) -> float | None:
    present = [ratio for ratio in ratios if ratio is not None]
    return sqrt(sum(present) / len(present)) if present else None


def _apparent(lines: Sequence[LineQuality], grid_type: GridType) -> float:
    """Return the apparent power in VA of all lines."""
    if grid_type is GridType.DELTA:
        # IEEE 1459, three wires: the same losses with balanced voltages and currents.
        voltage = hypot(*(line.voltage for line in lines)) / 3
        current = hypot(*(line.current for line in lines)) / sqrt(3)
        return 3 * voltage * current
    return sum(line.voltage * line.current for line in lines)

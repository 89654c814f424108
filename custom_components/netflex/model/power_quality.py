"""Power quality of the connection point, and what happens on its lines.

Sign and units as everywhere: load positive, V, A, W, var, Hz, s. Ratios are 1 for 100 %.
Times `at` are monotonic s. Voltages are those of a phase to neutral; in a delta grid
those between lines: U12 with L1, U31 with L2, U32 with L3, as the P1 port prints the
first and the last.
"""

from dataclasses import dataclass
from enum import StrEnum

from .connection import GridType, Line, LineValues


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuality:
    """One line over a measuring interval; None where there is nothing to measure.

    Harmonics are RMS values by order, the fundamental first, as far as the sampling
    rate allows, to the 25th at most; distortion is over these orders. In a delta grid
    L1 and L3 have the powers of the two-wattmeter method, whose sum is right and which
    belong to no line alone, and L2 has none. Reactive power is that of the fundamental,
    inductive positive.
    """

    line: Line
    voltage: float
    current: float
    power: float | None
    reactive_power: float | None
    apparent_power: float | None
    power_factor: float | None
    """P / S, negative while injecting."""
    voltage_distortion: float | None
    """THD."""
    current_distortion: float | None
    voltage_harmonics: tuple[float, ...]
    current_harmonics: tuple[float, ...]
    voltage_crest: float | None
    current_crest: float | None
    voltage_offset: float
    """DC."""
    current_offset: float
    """DC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerQuality:
    """All lines over `periods` periods of the grid.

    The interval of one window is 10 periods (IEC 61000-4-30); several are aggregated by
    the mean of their squares, powers and offsets by their mean. `received` is monotonic
    s of the last octet.
    """

    meter_id: str
    received: float
    grid_type: GridType
    periods: int
    filled: int
    """Samples that were interpolated, because their frames were damaged or lost."""
    frequency: float
    lines: tuple[LineQuality, ...]
    power: float
    reactive_power: float
    """Of the fundamental, inductive positive."""
    apparent_power: float
    """The sum of the lines; in a delta grid the effective one of IEEE 1459."""
    power_factor: float | None
    neutral_current: float | None
    """As measured, else of the sum of the lines where there is a neutral."""
    voltage_unbalance: float | None
    """Negative against positive sequence of the fundamental (IEC 61000-4-30)."""
    current_unbalance: float | None
    reversed_order: bool | None
    """Whether the phases follow each other as L1, L3, L2."""


class VoltageEventKind(StrEnum):
    """What EN 50160 calls a change of the supply voltage."""

    SAG = "sag"
    """At least one line below 90 %."""
    SWELL = "swell"
    """At least one line above 110 %."""
    INTERRUPTION = "interruption"
    """All lines below 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageEvent:
    """A sag, swell or interruption: once when it begins, once when it has ended.

    A sag that becomes an interruption ends as one and is not counted twice.
    """

    kind: VoltageEventKind
    at: float
    """When it began."""
    duration: float | None
    """None while it lasts."""
    lines: tuple[Line, ...]
    """Those that it has touched."""
    voltage: float
    """V: the lowest one-period RMS of all lines; the highest of a swell."""
    ratio: float
    """The same against the nominal voltage."""

    @property
    def long(self) -> bool:
        """Whether an interruption is a long one (above 3 min)."""
        return self.duration is not None and self.duration > 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """A load or a source has changed: from one steady state to another.

    Differences are new minus old: positive when a load is switched on. `harmonics` are
    the RMS currents of order 3, 5 and 7 that have come or gone, by line: the length of
    the difference of two phasors whose reference is the voltage.
    """

    at: float
    duration: float
    """s until the new state."""
    power: float
    reactive_power: float
    line_power: LineValues
    """In a delta grid the two wattmeters."""
    line_current: LineValues
    """Difference of the RMS currents."""
    harmonics: tuple[LineValues, LineValues, LineValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inrush:
    """A line current that was higher when something was switched on than afterwards."""

    at: float
    line: Line
    current: float
    """A: the highest one-period RMS."""
    peak: float
    """A: the highest instantaneous value, without sign."""
    settled: float
    """A: RMS afterwards."""
    duration: float
    """s above 110 % of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """A line current against its threshold, as fast as it can be known.

    One when it begins, one with each further block of samples while it lasts, and one
    with `active` False when it is over. `current` is the highest RMS value in A since
    the last one, `power` the W of that line (positive: import) where it has one.
    """

    at: float
    line: Line
    active: bool
    current: float
    threshold: float
    power: float | None
    since: float
    """When it began."""


type PowerEvent = VoltageEvent | StepEvent | Inrush

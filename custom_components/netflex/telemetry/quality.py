"""Data quality: what is expected of a day's data, and what a report says of them.

Two questions, as the daily report of GOFLEX asks them (deliverable 8.3, data quality):
*quantity*, how much came of what was expected, and *quality*, whether it makes sense.

A source is a meter or a device, a series one of its values ("power"). Times are Unix
time in s, powers W, counters Wh. A time in which nobody looked (a restart, a blocked
machine) is no fault of any device: it is counted apart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class FaultKind(StrEnum):
    """What may be wrong with a day's data."""

    NOT_RUNNING = "not_running"
    """Nobody looked for a part of the day."""
    MISSING = "missing"
    """Less came than was expected."""
    IMPLAUSIBLE = "implausible"
    """Values outside what can be, or counters that ran backwards."""
    STUCK = "stuck"
    """A value that always moves stood still."""
    ENERGY = "energy_mismatch"
    """What the counters counted is not what the power adds up to."""
    CLOCK = "clock_offset"
    """The source's clock is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a value may be, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a source should bring.

    `period` s between two arrivals; `slower` has that of each series that comes less
    often. `ranges` by series. `restless` are the series that
    never stand still while they are not zero. `counters` are the names of the counters
    that `power` is held against: those that rise with it, and those that fall.
    """

    source: str
    name: str
    period: float
    ranges: Mapping[str, Range] = field(default_factory=lambda: MappingProxyType({}))
    restless: frozenset[str] = frozenset()
    counters: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    slower: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def period_of(self, series: str) -> float:
        """Return the s between two arrivals of a series."""
        return self.slower.get(series, self.period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on something is a fault."""

    completeness: float = 0.95
    """Share of what was expected that must have come, 0..1."""
    plausible: float = 0.999
    """Share of the values that must be inside their range, 0..1."""
    energy: float = 0.05
    """Share of the energy by which counters may differ from the power."""
    energy_least: float = 100.0
    """Wh that they may differ by in any case."""
    clock: float = 30.0
    """s that a clock may be off, on the mean of an hour."""
    unobserved: float = 900.0
    """s of a day in which nobody needs to look."""
    observed_least: float = 600.0
    """s for which a source must have been looked at to be judged."""


DEFAULT_THRESHOLDS: Final = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of one source; `series` None where it is about the source as a whole.

    `amount` has the unit of its kind: a share for missing and implausible data, s for
    the others, Wh for energy.
    """

    source: str
    name: str
    kind: FaultKind
    amount: float
    series: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuality:
    """One series of a day; shares 0..1, None where nothing can be said."""

    series: str
    received: int
    expected: int
    completeness: float | None
    plausibility: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuality:
    """One source of a day: the worst of its series, and each of them."""

    source: str
    name: str
    completeness: float | None
    plausibility: float | None
    clock_offset: float | None
    """s: the mean of the worst hour."""
    series: tuple[SeriesQuality, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """A day's data; `start` and `end` are Unix time in s."""

    start: int
    end: int
    observed: float
    """Share of the day in which somebody looked, 0..1."""
    sources: tuple[SourceQuality, ...]
    faults: tuple[Fault, ...]


def report_to_dict(report: QualityReport | None) -> dict[str, Any] | None:
    """Return a report as it is stored and answered."""
    return None if report is None else asdict(report)


def report_from_dict(stored: Mapping[str, Any] | None) -> QualityReport | None:
    """Return a stored report.

    Raises:
        ValueError: It is damaged.
    """
    if stored is None:
        return None
    try:
        sources = tuple(
            SourceQuality(
                **{
                    **source,
                    "series": tuple(SeriesQuality(**row) for row in source["series"]),
                }
            )
            for source in stored["sources"]
        )
        faults = tuple(
            Fault(**{**fault, "kind": FaultKind(fault["kind"])})
            for fault in stored["faults"]
        )
        return QualityReport(**{**stored, "sources": sources, "faults": faults})
    except (KeyError, TypeError) as err:
        raise ValueError(f"damaged: {err!r}") from err

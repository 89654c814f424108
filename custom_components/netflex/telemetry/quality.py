"""Data quality: what of a day's data came, and what of it can be believed.

Two questions, as the daily report of GOFLEX asks them (deliverable 8.3, data quality):
*quantity*, how much came of what was expected, and *quality*, whether it makes sense.
Both are counted while the data come, in tallies of one hour that survive a restart, so
that a report needs no history of values and looks back whatever is stored of them.

A source is a meter or a device, a series one of its values ("power"). Times are Unix
time in s, powers W, counters Wh. A time in which nobody looked (a restart, a blocked
machine) is no fault of any device: it is counted apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

HOUR: Final = 3600
DAY: Final = 24 * HOUR
LONGEST_LOOK: Final = 30.0
"""s between two looks above which nobody looked in between."""
STUCK_AFTER: Final = 3 * HOUR
"""s for which a value that always moves must stand still to be called stuck."""
STUCK_LEAST: Final = 100
"""Arrivals of the same value that this takes at least."""
VANISHED_AFTER: Final = 7 * DAY
"""s after which a series that came once is not missed any more."""
VERSION: Final = 1


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

    `period` s between two arrivals. `ranges` by series. `restless` are the series that
    never stand still while they are not zero. `counters` are the names of the counters
    that `power` is held against: those that rise with it, and those that fall.
    """

    source: str
    name: str
    period: float
    ranges: Mapping[str, Range] = field(default_factory=lambda: MappingProxyType({}))
    restless: frozenset[str] = frozenset()
    counters: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


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


@dataclass(slots=True)
class _Tally:
    """One series in one hour."""

    count: int = 0
    implausible: int = 0
    stuck: float = 0.0


@dataclass(slots=True)
class _Hour:
    """One source in one hour; energies in Wh between arrivals that follow each other."""

    observed: float = 0.0
    series: dict[str, _Tally] = field(default_factory=dict)
    integral: float = 0.0
    throughput: float = 0.0
    counted: float = 0.0
    breaks: int = 0
    step: float = 0.0
    clock_sum: float = 0.0
    clock_count: int = 0


@dataclass(slots=True)
class _Last:
    """The newest arrival of a source."""

    at: float
    values: Mapping[str, float]
    power: float | None = None
    net: float | None = None
    same: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Since when a value stands still, and how many arrivals that is."""


class QualityLedger:
    """Counts what comes, hour by hour, for one day."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hours: dict[int, dict[str, _Hour]] = {}
        self._observed: dict[int, float] = {}
        self._last: dict[str, _Last] = {}
        self._seen: dict[str, dict[str, int]] = {}
        """By source and series: the newest hour in which it came."""
        self._looked: float | None = None
        self._began: float | None = None

    def look(self, now: float, expectations: Iterable[Expectation]) -> None:
        """Note that somebody looks: what does not come from now on is missing."""
        before, self._looked = self._looked, now
        if self._began is None or now < self._began:
            self._began = now
        if before is None or not 0 < now - before <= LONGEST_LOOK:
            return
        start = _hour(now)
        if start not in self._observed:
            self._prune(start)
        self._observed[start] = self._observed.get(start, 0.0) + now - before
        hour = self._hours.setdefault(start, {})
        for expectation in expectations:
            source = hour.setdefault(expectation.source, _Hour())
            source.observed += now - before

    def arrive(
        self,
        now: float,
        expectation: Expectation,
        values: Mapping[str, float | None],
        *,
        count: int = 1,
        clock_offset: float | None = None,
    ) -> None:
        """Count an arrival: `count` of them since the last call, the newest as given."""
        known = {name: value for name, value in values.items() if value is not None}
        start = _hour(now)
        hour = self._hours.setdefault(start, {}).setdefault(expectation.source, _Hour())
        last = self._last.get(expectation.source)
        seen = self._seen.setdefault(expectation.source, {})
        believed: dict[str, float] = {}
        for name, value in known.items():
            seen[name] = start
            tally = hour.series.setdefault(name, _Tally())
            tally.count += count
            if _plausible(expectation, name, value, last):
                believed[name] = value
            else:
                tally.implausible += count
        if clock_offset is not None:
            hour.clock_sum += clock_offset
            hour.clock_count += 1
        new = _Last(
            at=now,
            values=known,
            # What cannot be is a fault already: its energy would be a second one.
            power=believed.get("power"),
            net=_net(expectation, believed),
        )
        if last is not None:
            _stand_still(hour, expectation, last, new)
            _add_energy(hour, expectation, last, new)
        self._last[expectation.source] = new

    def forget_others(self, sources: Iterable[str]) -> None:
        """Keep only what is still there: a removed device is no missing one."""
        kept = set(sources)
        for hour in self._hours.values():
            for source in hour.keys() - kept:
                del hour[source]
        for memory in (self._last, self._seen):
            for source in memory.keys() - kept:
                del memory[source]

    def report(
        self,
        now: float,
        expectations: Iterable[Expectation],
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> QualityReport:
        """Return what the last day was like, in whole hours and the running one."""
        first = _hour(now - DAY)
        if first < now - DAY:
            first += HOUR
        starts = [start for start in self._hours if first <= start <= now]
        sources, faults = [], []
        since = first if self._began is None else max(first, self._began)
        observed = sum(self._observed.get(start, 0.0) for start in starts)
        whole = now - since
        if whole - observed > thresholds.unobserved:
            faults.append(
                Fault(
                    source="",
                    name="",
                    kind=FaultKind.NOT_RUNNING,
                    amount=whole - observed,
                )
            )
        for expectation in expectations:
            hours = [
                found
                for start in starts
                if (found := self._hours[start].get(expectation.source)) is not None
            ]
            names = [
                name
                for name, start in self._seen.get(expectation.source, {}).items()
                if now - start <= VANISHED_AFTER
            ]
            quality, wrong = _judge(expectation, sorted(names), hours, thresholds)
            sources.append(quality)
            faults.extend(wrong)
        return QualityReport(
            start=first,
            end=int(now),
            observed=min(1.0, observed / whole) if whole > 0 else 0.0,
            sources=tuple(sources),
            faults=tuple(faults),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept over a restart."""
        return {
            "version": VERSION,
            "began": self._began,
            "seen": self._seen,
            "observed": {str(start): value for start, value in self._observed.items()},
            "hours": {
                str(start): {source: asdict(hour) for source, hour in hours.items()}
                for start, hours in self._hours.items()
            },
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> QualityLedger:
        """Go on with what was kept.

        Raises:
            ValueError: It is of another version, or damaged.
        """
        if stored.get("version") != VERSION:
            raise ValueError(f"unknown version {stored.get('version')!r}")
        ledger = cls()
        try:
            began = stored["began"]
            ledger._began = None if began is None else float(began)
            ledger._seen = {
                source: {name: int(start) for name, start in series.items()}
                for source, series in stored["seen"].items()
            }
            ledger._observed = {
                int(start): float(value) for start, value in stored["observed"].items()
            }
            ledger._hours = {
                int(start): {source: _read_hour(hour) for source, hour in hours.items()}
                for start, hours in stored["hours"].items()
            }
        except (AttributeError, KeyError, TypeError) as err:
            raise ValueError(f"damaged: {err!r}") from err
        return ledger

    def _prune(self, start: int) -> None:
        """Let go of what no report asks for any more."""
        for kept in (self._hours, self._observed):
            for old in [key for key in kept if key < start - DAY]:
                del kept[old]
        if self._began is not None:
            # Older is not asked for either, and a clock that was set ahead once
            # must not make a day of looking out of nothing.
            self._began = max(self._began, start - DAY)


def _hour(now: float) -> int:
    return int(now) - int(now) % HOUR


def _read_hour(stored: Mapping[str, Any]) -> _Hour:
    tallies = {name: _Tally(**tally) for name, tally in stored["series"].items()}
    return _Hour(**{**stored, "series": tallies})


def _plausible(
    expectation: Expectation, name: str, value: float, last: _Last | None
) -> bool:
    bounds = expectation.ranges.get(name)
    if bounds is not None and not bounds.low <= value <= bounds.high:
        return False
    if last is not None and name in _counters(expectation):
        return value >= last.values.get(name, value)
    return isfinite(value)


def _counters(expectation: Expectation) -> tuple[str, ...]:
    return (*expectation.counters[0], *expectation.counters[1])


def _net(expectation: Expectation, values: Mapping[str, float]) -> float | None:
    """Return the Wh that the counters have counted, what flows back taken off."""
    names = _counters(expectation)
    if not names or not all(name in values for name in names):
        return None
    rising, falling = expectation.counters
    return sum(values[name] for name in rising) - sum(values[name] for name in falling)


def _stand_still(
    hour: _Hour, expectation: Expectation, last: _Last, new: _Last
) -> None:
    """Follow the values that should move, from one arrival to the next."""
    for name in expectation.restless:
        value = new.values.get(name)
        if not value or value != last.values.get(name):
            continue
        since, arrivals = last.same.get(name, (last.at, 1))
        new.same[name] = since, arrivals + 1
        lasted = new.at - since
        if lasted >= STUCK_AFTER and arrivals + 1 >= STUCK_LEAST:
            known = last.at - since >= STUCK_AFTER and arrivals >= STUCK_LEAST
            tally = hour.series.setdefault(name, _Tally())
            tally.stuck += new.at - last.at if known else lasted


def _add_energy(hour: _Hour, expectation: Expectation, last: _Last, new: _Last) -> None:
    """Add what flowed and what was counted between two arrivals in a row."""
    seconds = new.at - last.at
    if new.net is None or last.net is None:
        return
    longest = max(3 * expectation.period, 60.0)
    if last.power is None or new.power is None or not 0 < seconds <= longest:
        hour.breaks += 1
        return
    mean = (last.power + new.power) / 2
    hour.integral += mean * seconds / HOUR
    hour.throughput += abs(mean) * seconds / HOUR
    counted = new.net - last.net
    hour.counted += counted
    hour.step = max(hour.step, abs(counted))


def _judge(
    expectation: Expectation,
    names: list[str],
    hours: list[_Hour],
    thresholds: Thresholds,
) -> tuple[SourceQuality, list[Fault]]:
    """Return what the hours of one source say, and what is wrong with them."""
    observed = sum(hour.observed for hour in hours)
    faults: list[Fault] = []
    rows = []
    for name in names:
        tallies = [hour.series[name] for hour in hours if name in hour.series]
        row, wrong = _judge_series(expectation, name, tallies, observed, thresholds)
        rows.append(row)
        faults += wrong
    judged = observed >= thresholds.observed_least
    missing = [fault for fault in faults if fault.kind is FaultKind.MISSING]
    if (judged and not names) or (missing and len(missing) == len(names)):
        # One silent device is one fault, not one for each of its values.
        shares = [1 - fault.amount for fault in missing] or [0.0]
        rest = [fault for fault in faults if fault.kind is not FaultKind.MISSING]
        whole = _fault(expectation, FaultKind.MISSING, 1 - max(shares))
        faults = [whole, *rest]
    if (energy := _energy_fault(hours, thresholds)) is not None:
        faults.append(_fault(expectation, FaultKind.ENERGY, energy))
    offsets = [hour.clock_sum / hour.clock_count for hour in hours if hour.clock_count]
    offset = max(offsets, key=abs, default=None)
    if offset is not None and abs(offset) > thresholds.clock:
        faults.append(_fault(expectation, FaultKind.CLOCK, offset))
    shares = [row.completeness for row in rows if row.completeness is not None]
    believed = [row.plausibility for row in rows if row.plausibility is not None]
    return (
        SourceQuality(
            source=expectation.source,
            name=expectation.name,
            completeness=min(shares, default=0.0 if judged else None),
            plausibility=min(believed, default=None),
            clock_offset=offset,
            series=tuple(rows),
        ),
        faults,
    )


def _judge_series(
    expectation: Expectation,
    name: str,
    tallies: list[_Tally],
    observed: float,
    thresholds: Thresholds,
) -> tuple[SeriesQuality, list[Fault]]:
    received = sum(tally.count for tally in tallies)
    expected = int(observed / expectation.period)
    completeness = min(1.0, received / expected) if expected else None
    implausible = sum(tally.implausible for tally in tallies)
    plausibility = 1 - implausible / received if received else None
    stuck = sum(tally.stuck for tally in tallies)
    faults = []
    if observed >= thresholds.observed_least:
        if completeness is not None and completeness < thresholds.completeness:
            share = 1 - completeness
            faults.append(_fault(expectation, FaultKind.MISSING, share, name))
        if plausibility is not None and plausibility < thresholds.plausible:
            share = 1 - plausibility
            faults.append(_fault(expectation, FaultKind.IMPLAUSIBLE, share, name))
        if stuck > 0:
            faults.append(_fault(expectation, FaultKind.STUCK, stuck, name))
    row = SeriesQuality(
        series=name,
        received=received,
        expected=expected,
        completeness=completeness,
        plausibility=plausibility,
    )
    return row, faults


def _fault(
    expectation: Expectation, kind: FaultKind, amount: float, series: str | None = None
) -> Fault:
    return Fault(
        source=expectation.source,
        name=expectation.name,
        kind=kind,
        amount=amount,
        series=series,
    )


def _energy_fault(hours: list[_Hour], thresholds: Thresholds) -> float | None:
    """Return the Wh by which counters and power differ; None: within what is allowed.

    A counter moves in steps: one step is unknown at each end of an unbroken time.
    """
    integral = sum(hour.integral for hour in hours)
    counted = sum(hour.counted for hour in hours)
    throughput = sum(hour.throughput for hour in hours)
    step = max((hour.step for hour in hours), default=0.0)
    breaks = sum(hour.breaks for hour in hours)
    # Many breaks with a coarse counter say nothing; then nothing is claimed.
    allowed = max(
        thresholds.energy * throughput,
        thresholds.energy_least,
        2 * step * (breaks + 1),
    )
    difference = counted - integral
    return difference if abs(difference) > allowed else None


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

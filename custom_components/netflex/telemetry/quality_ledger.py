"""Counts the data of a site while they come, in tallies of one hour.

They survive a restart, so that a report needs no history of values and looks back
whatever is stored of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from .quality import (
    DEFAULT_THRESHOLDS,
    Expectation,
    Fault,
    FaultKind,
    QualityReport,
    Thresholds,
)
from .quality_judge import judge
from .quality_tally import (
    HOUR,
    Arrival,
    HourTally,
    SeriesTally,
    add_energy,
    net_counted,
    plausible,
    read_hour,
    stand_still,
)

DAY: Final = 24 * HOUR
LONGEST_LOOK: Final = 30.0
"""s between two looks above which nobody looked in between."""
VANISHED_AFTER: Final = 7 * DAY
"""s after which a series that came once is not missed any more."""
VERSION: Final = 1


class QualityLedger:
    """Counts what comes, hour by hour, for one day."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._hours: dict[int, dict[str, HourTally]] = {}
        self._observed: dict[int, float] = {}
        self._last: dict[str, Arrival] = {}
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
            source = hour.setdefault(expectation.source, HourTally())
            source.observed += now - before

    def arrive(
        self,
        now: float,
        expectation: Expectation,
        values: Mapping[str, float | None],
        *,
        count: int = 1,
        counts: Mapping[str, int] | None = None,
        clock_offset: float | None = None,
    ) -> None:
        """Count an arrival: `count` of them since the last call, the newest as given.

        `counts` has the number for each series that comes in a rhythm of its own: 0 is
        one that is still what it was.
        """
        slower = counts or {}
        known = {name: value for name, value in values.items() if value is not None}
        start = _hour(now)
        hour = self._hours.setdefault(start, {}).setdefault(
            expectation.source, HourTally()
        )
        last = self._last.get(expectation.source)
        seen = self._seen.setdefault(expectation.source, {})
        believed: dict[str, float] = {}
        for name, value in known.items():
            number = slower.get(name, count)
            if number:
                seen[name] = start
            tally = hour.series.setdefault(name, SeriesTally())
            tally.count += number
            if plausible(expectation, name, value, last):
                believed[name] = value
            else:
                tally.implausible += number
        if clock_offset is not None:
            hour.clock_sum += clock_offset
            hour.clock_count += 1
        new = Arrival(
            at=now,
            values=known,
            # What cannot be is a fault already: its energy would be a second one.
            power=believed.get("power"),
            net=net_counted(expectation, believed),
        )
        if last is not None:
            stand_still(hour, expectation, last, new)
            add_energy(hour, expectation, last, new)
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
            quality, wrong = judge(expectation, sorted(names), hours, thresholds)
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
                int(start): {source: read_hour(hour) for source, hour in hours.items()}
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

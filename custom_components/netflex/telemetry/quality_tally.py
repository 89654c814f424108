"""What is counted of one source in one hour, from one arrival to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from .quality import Expectation

HOUR: Final = 3600
STUCK_AFTER: Final = 3 * HOUR
"""s for which a value that always moves must stand still to be called stuck."""
STUCK_LEAST: Final = 100
"""Arrivals of the same value that this takes at least."""


@dataclass(slots=True)
class SeriesTally:
    """One series in one hour."""

    count: int = 0
    implausible: int = 0
    stuck: float = 0.0


@dataclass(slots=True)
class HourTally:
    """One source in one hour; energies in Wh between arrivals that follow each other."""

    observed: float = 0.0
    series: dict[str, SeriesTally] = field(default_factory=dict)
    integral: float = 0.0
    throughput: float = 0.0
    counted: float = 0.0
    breaks: int = 0
    step: float = 0.0
    clock_sum: float = 0.0
    clock_count: int = 0


@dataclass(slots=True)
class Arrival:
    """The newest arrival of a source."""

    at: float
    values: Mapping[str, float]
    power: float | None = None
    net: float | None = None
    same: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Since when a value stands still, and how many arrivals that is."""


def read_hour(stored: Mapping[str, Any]) -> HourTally:
    """Return a stored hour. Raises KeyError or TypeError where it is damaged."""
    tallies = {name: SeriesTally(**tally) for name, tally in stored["series"].items()}
    return HourTally(**{**stored, "series": tallies})


def plausible(
    expectation: Expectation, name: str, value: float, last: Arrival | None
) -> bool:
    """Whether a value can be: inside its range, a counter not below the last one."""
    bounds = expectation.ranges.get(name)
    if bounds is not None and not bounds.low <= value <= bounds.high:
        return False
    if last is not None and name in _counters(expectation):
        return value >= last.values.get(name, value)
    return isfinite(value)


def _counters(expectation: Expectation) -> tuple[str, ...]:
    return (*expectation.counters[0], *expectation.counters[1])


def net_counted(expectation: Expectation, values: Mapping[str, float]) -> float | None:
    """Return the Wh that the counters have counted, what flows back taken off."""
    names = _counters(expectation)
    if not names or not all(name in values for name in names):
        return None
    rising, falling = expectation.counters
    return sum(values[name] for name in rising) - sum(values[name] for name in falling)


def stand_still(
    hour: HourTally, expectation: Expectation, last: Arrival, new: Arrival
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
            tally = hour.series.setdefault(name, SeriesTally())
            tally.stuck += new.at - last.at if known else lasted


def add_energy(
    hour: HourTally, expectation: Expectation, last: Arrival, new: Arrival
) -> None:
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

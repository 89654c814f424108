"""What is stored and asked for: series, readings, roll-ups, gaps."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class SeriesKind(StrEnum):
    """How the values of a series are to be summed up."""

    GAUGE = "gauge"
    """A quantity that goes up and down (W, %, EUR/MWh): each reading is the mean of
    its minute."""
    COUNTER = "counter"
    """A counter (Wh): each reading is its value at that very second."""
    TEXT = "text"
    """A word that changes now and then (a mode, a cause)."""


class Resolution(IntEnum):
    """Width of what is asked for, in s."""

    MINUTE = 60
    FIVE_MINUTES = 300
    HALF_HOUR = 1800
    HOUR = 3600
    DAY = 86400
    """A day of the site's own zone: 23 and 25 hours where the clock is changed."""


STORED_RESOLUTIONS = (Resolution.FIVE_MINUTES, Resolution.HALF_HOUR, Resolution.HOUR)
"""Rolled up as readings arrive; days are made of hours when they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One quantity of the site, by a key that does not change ("meter.p1.power")."""

    key: str
    kind: SeriesKind
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value: `at` is Unix time in s, UTC. For gauges the start of the minute."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class TextReading:
    """A word and the Unix time in s from which it held."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A roll-up: `start` is Unix time in s; absent is None, never zero.

    `count` are the readings in it. `delta` is what a counter counted, interpolated at
    the edges; the other three are of gauges.
    """

    start: int
    count: int
    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    delta: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time without readings, Unix time in s: [start, end)."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.end - self.start

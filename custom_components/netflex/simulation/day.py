"""A day that passes in minutes: sun, household and car by the hour."""

from dataclasses import dataclass
from itertools import pairwise
from math import pi, sin

SUNRISE, SUNSET = 6.0, 20.5
CAR_LEAVES, CAR_RETURNS = 10.0, 11.5
"""The car is away for a short drive in between."""

_HOUSEHOLD = (
    (0.0, 0.45),
    (6.0, 0.5),
    (7.5, 1.5),
    (9.0, 0.9),
    (12.0, 1.3),
    (14.0, 0.8),
    (18.0, 1.9),
    (21.0, 1.4),
    (24.0, 0.45),
)
"""Share of the mean household load by hour, joined by straight lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Maps monotonic s to the hour of a day that takes `length` s.

    `origin` is the monotonic time at which it is `start_hour`.
    """

    origin: float
    length: float = 240.0
    start_hour: float = 6.0

    def hour(self, now: float) -> float:
        """Return the hour 0..24 at a monotonic time."""
        passed = (now - self.origin) / self.length * 24
        return (self.start_hour + passed) % 24

    def at(self, hour: float) -> float:
        """Return the first monotonic time from `origin` on at which it is `hour`."""
        return self.origin + (hour - self.start_hour) % 24 / 24 * self.length


def sun(hour: float) -> float:
    """Return the irradiance 0..1 at an hour of a clear day."""
    if not SUNRISE < hour < SUNSET:
        return 0.0
    height: float = sin(pi * (hour - SUNRISE) / (SUNSET - SUNRISE)) ** 1.3
    return height


def household(hour: float) -> float:
    """Return the household's load at an hour as a share of its mean."""
    for (early, low), (late, high) in pairwise(_HOUSEHOLD):
        if hour <= late:
            return low + (high - low) * (hour - early) / (late - early)
    return _HOUSEHOLD[-1][1]


def car_is_home(hour: float) -> bool:
    """Tell whether the car stands at its charger."""
    return not CAR_LEAVES <= hour < CAR_RETURNS


def clock_text(hour: float) -> str:
    """Return an hour as hh:mm."""
    minutes = int(hour * 60) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"

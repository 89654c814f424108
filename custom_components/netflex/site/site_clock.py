"""The clocks that the decision is given, and whether they agree."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ..model.reading import MeterReading
from ..model.snapshot import Clock

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Difference between our clock and the meter's from which neither is relied on."""
ANNOUNCED = timedelta(seconds=2)
"""By so much what is announced may move without being announced anew."""


class SiteClock:
    """Reads our clocks and the meter's."""

    def __init__(
        self, monotonic: Callable[[], float], utcnow: Callable[[], datetime]
    ) -> None:
        """Rely on our clock until a meter's says otherwise."""
        self._monotonic = monotonic
        self._utcnow = utcnow
        self.synchronised = True
        """Whether the clocks agreed when they were compared last."""

    def read(self, site_reading: Callable[[float], MeterReading | None]) -> Clock:
        """Return the time now; `site_reading` takes monotonic s."""
        now, utc = self._monotonic(), self._utcnow()
        reading = site_reading(now)
        meter = reading.meter_time if reading is not None else None
        if reading is not None and meter is not None:
            # Without a meter's clock what was found last stands.
            since = timedelta(seconds=now - reading.received)
            self.synchronised = abs(utc - meter - since) <= CLOCK_TOLERANCE
        return Clock(
            monotonic=now, utc=utc, meter=meter, synchronised=self.synchronised
        )

    def announced(
        self, monotonic: float | None, before: datetime | None
    ) -> datetime | None:
        """Return the UTC, in whole s, of a time ahead in monotonic s.

        What was announced `before` stands while it is about the same.
        """
        if monotonic is None:
            return None
        ahead = timedelta(seconds=monotonic - self._monotonic())
        at = (self._utcnow() + ahead).replace(microsecond=0)
        if before is not None and abs(at - before) <= ANNOUNCED:
            return before
        return at

"""The clocks that the decision is given, and whether they agree."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ..model.reading import MeterReading
from ..model.snapshot import Clock

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Difference between our clock and the meter's from which neither is relied on."""


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

"""The meters of a site, and which of them the connection point is held against."""

from collections.abc import Callable
from dataclasses import dataclass
import logging

from ..devices.device import MeterDevice
from ..metering.source import MeterSource
from ..model.reading import MeterReading
from .config import MeterConfig
from .view import MeterView

_LOGGER = logging.getLogger(__name__)

STALE_AFTER = 5.0
"""s without a good reading after which another meter is looked for."""

type AnyMeter = MeterSource | MeterDevice
type MeterFactory = Callable[[MeterConfig], AnyMeter]


def _nothing() -> None:
    """Listen to nothing, until the site does."""


@dataclass(slots=True)
class _Meter:
    config: MeterConfig
    source: AnyMeter
    reading: MeterReading | None = None


class SiteMeters:
    """Owns the meters; the first fresh one of the connection point counts."""

    def __init__(self, make_meter: MeterFactory) -> None:
        """Prepare; meters are added one by one."""
        self._make_meter = make_meter
        self._meters: dict[str, _Meter] = {}
        self._site_meter: str | None = None
        self.on_reading: Callable[[], None] = _nothing
        self.on_status: Callable[[], None] = _nothing

    async def add(self, config: MeterConfig) -> None:
        """Add a meter, or put another configuration in its place."""
        await self.remove(config.meter_id)
        meter = _Meter(config=config, source=self._make_meter(config))
        self._meters[config.meter_id] = meter

        def take(reading: MeterReading) -> None:
            meter.reading = reading
            self.on_reading()

        await meter.source.start(take, lambda _status: self.on_status())

    async def remove(self, meter_id: str) -> None:
        """Remove a meter, if it is there."""
        if (meter := self._meters.pop(meter_id, None)) is not None:
            await meter.source.stop()

    async def stop(self) -> None:
        """Stop all meters."""
        for meter_id in list(self._meters):
            await self.remove(meter_id)

    def site_meter(self, now: float) -> str | None:
        """Return the id of the meter that counts; a fresh one before a stale one.

        The one in use stays in use while it is fresh.
        """
        candidates = [
            meter_id
            for meter_id, meter in self._meters.items()
            if meter.config.connection_point
        ]
        fresh = [key for key in candidates if self._fresh(self._meters[key], now)]
        if self._site_meter in fresh:
            return self._site_meter
        chosen = next(iter(fresh or candidates), None)
        if self._site_meter in candidates and not fresh:
            return self._site_meter
        if chosen != self._site_meter and self._site_meter is not None:
            _LOGGER.warning(
                "The connection point is now measured by %s",
                self._meters[chosen].config.name if chosen else "no meter",
            )
        self._site_meter = chosen
        return chosen

    def site_reading(self, now: float) -> MeterReading | None:
        """Return the newest reading of the meter that counts, however old."""
        meter_id = self.site_meter(now)
        return self._meters[meter_id].reading if meter_id is not None else None

    def views(self, now: float) -> dict[str, MeterView]:
        """Return what is to be shown of every meter."""
        return {
            meter_id: MeterView(
                meter_id=meter_id,
                reading=meter.reading,
                available=self._fresh(meter, now),
                good=meter.source.status.good,
                damaged=meter.source.status.damaged,
                problem=self._problem(meter, now),
            )
            for meter_id, meter in self._meters.items()
        }

    @staticmethod
    def _fresh(meter: _Meter, now: float) -> bool:
        return meter.reading is not None and now - meter.reading.received <= STALE_AFTER

    def _problem(self, meter: _Meter, now: float) -> str | None:
        if (problem := meter.source.status.problem) is not None:
            return problem
        if meter.reading is None or self._fresh(meter, now):
            return None
        age = now - meter.reading.received
        return f"No good reading for {age:.0f} s"

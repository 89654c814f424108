"""What a back-test knows at a moment: prices, the imbalance, the quarter hour's demand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from ..model.demand import QUARTER, QuarterDemand
from ..model.flows import Conditions
from ..model.market import NO_MARKET, Imbalance, Market, PriceSeries, PriceSlot
from ..model.reading import MonthPeak

PUBLISHED: Final = time(13)
"""Local time from which the prices of the next day are known."""
_KEPT: Final = 48 * 3600.0


@dataclass(slots=True)
class Quarter:
    """The running quarter hour and the month's peak, as a meter counts them."""

    zone: tzinfo
    start: float = 0.0
    joules: float = 0.0
    peak: float | None = None
    month: tuple[int, int] | None = None

    def at(self, utc: datetime, power: float) -> QuarterDemand:
        """Return the running quarter at a moment, `power` W being imported."""
        at = utc.timestamp()
        start = at // QUARTER * QUARTER
        if start != self.start:
            if self.start:
                self.peak = max(self.peak or 0.0, self.joules / QUARTER)
            self.start, self.joules = start, 0.0
            local = utc.astimezone(self.zone)
            if (month := (local.year, local.month)) != self.month:
                self.month, self.peak = month, None
        return QuarterDemand(
            start=datetime.fromtimestamp(start, UTC),
            elapsed=at - start,
            average=self.joules / QUARTER,
            power=max(0.0, power),
            complete=True,
            month_peak=None
            if self.peak is None
            else MonthPeak(power=self.peak, at=None),
        )


class Prices:
    """The prices of all rows, shown as far as they were known at a moment."""

    def __init__(self, rows: Sequence[Conditions], zone: tzinfo) -> None:
        """Sort the rows by the days of a zone."""
        self._zone = zone
        self._days: dict[date, list[Conditions]] = {}
        for row in rows:
            if row.import_price is not None or row.export_price is not None:
                day = row.start.astimezone(zone).date()
                self._days.setdefault(day, []).append(row)
        self._known: tuple[tuple[date, bool], Market] | None = None

    def at(self, utc: datetime) -> Market:
        """Return the prices that were known at a moment."""
        if not self._days:
            return NO_MARKET
        local = utc.astimezone(self._zone)
        key = (local.date(), local.time() >= PUBLISHED)
        if self._known is None or self._known[0] != key:
            # A window over midnight has begun with the prices of the day before.
            days = range(-1, 2 if key[1] else 1)
            rows = [
                row
                for shift in days
                for row in self._days.get(key[0] + timedelta(days=shift), ())
            ]
            market = Market(
                import_price=_series(rows, "import_price", utc),
                export_price=_series(rows, "export_price", utc),
            )
            self._known = (key, market)
        return self._known[1]


def _series(rows: list[Conditions], name: str, utc: datetime) -> PriceSeries | None:
    slots = tuple(
        PriceSlot(start=row.start, end=row.end, value=value)
        for row in rows
        if (value := getattr(row, name)) is not None
    )
    if not slots:
        return None
    return PriceSeries(slots=slots, received=utc, stale_after=_KEPT)


@dataclass(slots=True)
class System:
    """The imbalance of the running settlement period, and of the one before."""

    length: float
    start: float | None = None
    seconds: float = 0.0
    price: float = 0.0
    volume: float = 0.0
    before: Imbalance | None = None

    def at(self, utc: datetime) -> dict[str, Any]:
        """Return the fields of a market that a moment knows of the imbalance."""
        start = utc.timestamp() // self.length * self.length
        if start != self.start:
            done = self._so_far(utc)
            follows = self.start == start - self.length
            self.before = done if follows else None
            self.start, self.seconds, self.price, self.volume = start, 0.0, 0.0, 0.0
        before = self.before
        return {
            "imbalance": self._so_far(utc),
            "previous_imbalance": before and replace(before, received=utc),
        }

    def _so_far(self, utc: datetime) -> Imbalance | None:
        if self.start is None or not self.seconds:
            return None
        return Imbalance(
            start=datetime.fromtimestamp(self.start, UTC),
            received=utc,
            price=self.price / self.seconds,
            volume=self.volume / self.seconds,
            period_seconds=self.length,
        )

    def passed(self, row: Conditions, seconds: float) -> None:
        """Count some s of a row."""
        if row.imbalance_price is None or row.imbalance_volume is None:
            return
        self.seconds += seconds
        self.price += row.imbalance_price * seconds
        self.volume += row.imbalance_volume * seconds

"""What the markets say: prices, the imbalance of the system, the grid's frequency.

Prices are in the user's currency per MWh, and every time is aware UTC. `received` says
when a source was last heard, and `stale_after` for how many s what it said counts:
after that, and before it (a clock was set back), nothing here has a value any more.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Self

from .phrase import Phrase

SETTLEMENT_PERIOD = 900.0
"""s of a settlement period in Belgium; 1800 in some other countries."""

_CLOCK_SLACK = 60.0
"""s that a source's clock may be ahead of ours."""


def is_fresh(received: datetime, stale_after: float, utc: datetime) -> bool:
    """Return whether something that was received once still counts."""
    age = (utc - received).total_seconds()
    return -_CLOCK_SLACK <= age <= stale_after


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSlot:
    """One price and the time that it holds for, `end` excluded."""

    start: datetime
    end: datetime
    value: float
    """Currency per MWh; negative prices are prices like any other."""

    def __post_init__(self) -> None:
        """Raise ValueError where it ends before it begins."""
        if self.end <= self.start:
            raise ValueError(Phrase("price_end", "a price must end after it starts"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSeries:
    """The prices that one source knows, in order and without overlaps.

    Gaps are allowed: there is no price in them. What is stored here is all-in: what
    a kWh costs or brings the user, levies and fees included, as far as known.
    """

    slots: tuple[PriceSlot, ...]
    received: datetime
    stale_after: float = 6 * 3600.0
    """s; a source that repeats day-ahead prices is heard several times a day."""

    def __post_init__(self) -> None:
        """Raise ValueError where prices are out of order or overlap."""
        for before, after in zip(self.slots, self.slots[1:], strict=False):
            if after.start < before.end:
                raise ValueError(
                    Phrase(
                        "price_order", "prices must be in order and must not overlap"
                    )
                )

    def fresh(self, utc: datetime) -> bool:
        """Return whether its source was heard lately enough."""
        return is_fresh(self.received, self.stale_after, utc)

    def at(self, utc: datetime) -> PriceSlot | None:
        """Return the price of a moment; None where it is stale or has none."""
        if not self.fresh(utc):
            return None
        index = bisect_right(self.slots, utc, key=attrgetter("start")) - 1
        if index < 0 or utc >= self.slots[index].end:
            return None
        return self.slots[index]

    def between(
        self, start: datetime, end: datetime, utc: datetime
    ) -> tuple[PriceSlot, ...]:
        """Return the prices that touch a span, none where they are stale at `utc`."""
        if not self.fresh(utc):
            return ()
        first = bisect_right(self.slots, start, key=attrgetter("end"))
        last = bisect_right(self.slots, end, key=attrgetter("start"))
        if last and self.slots[last - 1].start >= end:
            last -= 1
        return self.slots[first:last]

    def remembering(self, before: Self | None, since: datetime) -> Self:
        """Return it with what an earlier series knew of the time before it begins.

        A source may forget yesterday at midnight: what was chosen by its prices for a
        night would be chosen anew. What ended before `since` is forgotten, too.
        """
        if before is None or not self.slots:
            return self
        first = self.slots[0].start
        known = tuple(
            replace(slot, end=min(slot.end, first))
            for slot in before.slots
            if slot.start < first and slot.end > since
        )
        return replace(self, slots=(*known, *self.slots)) if known else self


class ImbalanceQuality(StrEnum):
    """How far a figure of the imbalance may be believed."""

    VALIDATED = "validated"
    NON_VALIDATED = "non_validated"
    """As first published: the usual quality of what is near real time."""
    DATA_ISSUE = "data_issue"
    """Its publisher says that something is wrong: it is never acted upon."""
    FORECAST = "forecast"
    """A prediction of what is not settled yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """The imbalance of the system over one settlement period, as far as known.

    For the running period, the figures are cumulative: the mean since its start.

    **Sign of `volume`: positive is a system that is short** (too little generation:
    prices rise, discharging helps). That is the sign of Elia's NRV, and the opposite
    of the sign of its system imbalance (SI).
    """

    start: datetime
    """Of the settlement period."""
    received: datetime
    price: float | None = None
    """Currency per MWh."""
    volume: float | None = None
    """MW, the mean so far; positive: the system is short."""
    quality: ImbalanceQuality = ImbalanceQuality.NON_VALIDATED
    period_seconds: float = SETTLEMENT_PERIOD
    stale_after: float = 300.0

    def __post_init__(self) -> None:
        """Raise ValueError without a length of the settlement period."""
        if self.period_seconds <= 0:
            raise ValueError(
                Phrase(
                    "settlement_length", "a settlement period must last longer than 0 s"
                )
            )

    @property
    def end(self) -> datetime:
        """The end of the settlement period."""
        return self.start + timedelta(seconds=self.period_seconds)

    def usable(self, utc: datetime) -> bool:
        """Return whether it is fresh, and nobody says that it is wrong."""
        return self.quality is not ImbalanceQuality.DATA_ISSUE and is_fresh(
            self.received, self.stale_after, utc
        )

    def covers(self, utc: datetime) -> bool:
        """Return whether a moment lies in its settlement period."""
        return self.start <= utc < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """All that is known of the markets; None is unknown."""

    import_price: PriceSeries | None = None
    """What the user pays for a MWh that is imported."""
    export_price: PriceSeries | None = None
    """What the user gets for a MWh that is injected."""
    imbalance: Imbalance | None = None
    """Of the settlement period that runs (or that ran when it was received)."""
    previous_imbalance: Imbalance | None = None
    """Of the settlement period before that one."""
    forecast: tuple[Imbalance, ...] | None = None
    """Predictions of the running and coming settlement periods, in order."""

    def predicted(self, utc: datetime) -> Imbalance | None:
        """Return the usable prediction of the settlement period of a moment."""
        for item in self.forecast or ():
            if item.covers(utc) and item.usable(utc):
                return item
        return None


NO_MARKET = Market()


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFrequency:
    """A measured frequency of the grid in Hz; `received` is monotonic s."""

    value: float
    received: float
    stale_after: float = 5.0

    def fresh(self, now: float) -> bool:
        """Return whether it is recent enough at monotonic `now` to act on it."""
        return 0.0 <= now - self.received <= self.stale_after

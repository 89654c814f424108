"""Whether the system is short or long, as far as it may be acted upon.

The figures of the running settlement period are cumulative and settle as it goes on:
they count from a share of it on. Before, a prediction or the period before may stand
for them, where the user allows it in that direction. Stale and doubtful data never do.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ....model.market import SETTLEMENT_PERIOD, Imbalance, Market
from ....model.programme import Prediction
from .view import IMBALANCE_EARLY, NO_IMBALANCE, BatteryView, CannotAct


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """What is believed of the running settlement period.

    `volume` in MW, positive: the system is short. `end` is that of the running period.
    """

    volume: float
    price: float | None
    end: datetime

    @property
    def short(self) -> bool:
        """Whether the system lacks energy."""
        return self.volume > 0

    @property
    def long(self) -> bool:
        """Whether the system has too much energy."""
        return self.volume < 0


def settlement_period(
    market: Market, utc: datetime, default: float = SETTLEMENT_PERIOD
) -> tuple[datetime, float]:
    """Return the start of the running settlement period, and its length in s.

    Periods begin on whole multiples of their length since midnight UTC; the length is
    the one that the newest data names, `default` where there is none.
    """
    known = market.imbalance or market.previous_imbalance
    if known is None and market.forecast:
        known = market.forecast[0]
    length = default if known is None else known.period_seconds
    since = utc.timestamp() // length * length
    return datetime.fromtimestamp(since, UTC), length


def system_state(
    market: Market,
    utc: datetime,
    when_short: Prediction,
    when_long: Prediction,
    trusted_after: float,
) -> SystemState | None:
    """Return what is believed of the running settlement period, None for nothing.

    `trusted_after` is the share of it after which its own figures count.
    """
    start, length = settlement_period(market, utc)
    elapsed = (utc - start).total_seconds()
    end = start + timedelta(seconds=length)
    running = _of_period(market, start, utc)
    if running is not None and elapsed >= trusted_after * length:
        return _state(running, end)
    before = _of_period(market, start - timedelta(seconds=length), utc)
    for item in (market.predicted(utc), before):
        if item is None or item.volume is None:
            continue
        rule = when_short if item.volume > 0 else when_long
        if (
            rule.allow
            and elapsed < rule.time_cutoff
            and abs(item.volume) >= rule.volume_cutoff
        ):
            return _state(item, end)
    return None


def unknown(view: BatteryView, trusted_after: float) -> CannotAct:
    """Return why nothing is believed: too early in the period, or nothing is known."""
    market, utc = view.market, view.clock.utc
    start, length = settlement_period(market, utc)
    if (utc - start).total_seconds() < trusted_after * length:
        for begun in (start, start - timedelta(seconds=length)):
            if _of_period(market, begun, utc) is not None:
                return IMBALANCE_EARLY
    return NO_IMBALANCE


def _of_period(market: Market, start: datetime, utc: datetime) -> Imbalance | None:
    """Return the usable figures of one settlement period, whichever field has them."""
    for item in (market.imbalance, market.previous_imbalance):
        if (
            item is not None
            and item.volume is not None
            and item.start == start
            and item.usable(utc)
        ):
            return item
    return None


def _state(item: Imbalance, end: datetime) -> SystemState:
    return SystemState(volume=item.volume or 0.0, price=item.price, end=end)

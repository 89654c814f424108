"""Prices, imbalance, frequency and dispatch: looked up, and never when they are old."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.netflex.model.dispatch import (
    DispatchAction,
    DispatchCommand,
    by_precedence,
)
from custom_components.netflex.model.market import (
    GridFrequency,
    Imbalance,
    ImbalanceQuality,
    Market,
    PriceSeries,
    PriceSlot,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(*values: float | None, **options: object) -> PriceSeries:
    """Return prices by the hour from `NOW` on; None is a gap."""
    return PriceSeries(
        slots=tuple(
            PriceSlot(start=NOW + n * HOUR, end=NOW + (n + 1) * HOUR, value=value)
            for n, value in enumerate(values)
            if value is not None
        ),
        **({"received": NOW} | options),  # type: ignore[arg-type]
    )


def price(prices: PriceSeries, utc: datetime) -> float | None:
    slot = prices.at(utc)
    return None if slot is None else slot.value


def test_a_price_holds_from_its_start_to_before_its_end() -> None:
    prices = series(10.0, -20.0, None, 30.0)
    second = timedelta(seconds=1)
    assert price(prices, NOW - second) is None
    assert price(prices, NOW) == 10.0
    assert price(prices, NOW + HOUR - second) == 10.0
    assert price(prices, NOW + HOUR) == -20.0
    assert price(prices, NOW + 2 * HOUR) is None
    assert price(prices, NOW + 3 * HOUR) == 30.0
    assert price(prices, NOW + 4 * HOUR) is None
    assert price(series(), NOW) is None


def test_a_stale_series_has_no_price_at_all() -> None:
    prices = series(10.0, 20.0, stale_after=600.0)
    assert price(prices, NOW + timedelta(seconds=600)) == 10.0
    late = NOW + timedelta(seconds=601)
    assert price(prices, late) is None
    assert prices.between(NOW, NOW + 2 * HOUR, late) == ()
    # A clock that was set back does not make it younger than it is.
    assert price(series(10.0, received=NOW + HOUR), NOW) is None


def test_prices_that_touch_a_span() -> None:
    prices = series(10.0, 20.0, None, 30.0)

    def touched(start: float, end: float) -> list[float]:
        found = prices.between(NOW + start * HOUR, NOW + end * HOUR, NOW)
        return [slot.value for slot in found]

    assert touched(0, 1) == [10.0]
    assert touched(0.5, 1.5) == [10.0, 20.0]
    assert touched(1, 3) == [20.0]
    assert touched(1, 3.1) == [20.0, 30.0]
    assert touched(-1, 0) == []
    assert touched(4, 9) == []


def test_what_a_source_forgets_is_remembered_for_a_while() -> None:
    before = series(1.0, 2.0, 3.0, 4.0)
    noon = NOW + 2.5 * HOUR
    after = PriceSeries(
        slots=(PriceSlot(start=noon, end=noon + HOUR, value=9.0),), received=noon
    )
    known = after.remembering(before, NOW + 1.5 * HOUR)
    assert [(slot.start, slot.end, slot.value) for slot in known.slots] == [
        (NOW + HOUR, NOW + 2 * HOUR, 2.0),
        (NOW + 2 * HOUR, noon, 3.0),
        (noon, noon + HOUR, 9.0),
    ]
    assert known.received == noon
    assert after.remembering(None, NOW) is after
    # What it says itself counts, and what is still to come is not remembered.
    assert before.remembering(after, NOW) is before
    assert before.remembering(before, NOW) is before


def test_prices_out_of_order_are_refused() -> None:
    slots = series(10.0, 20.0).slots
    with pytest.raises(ValueError, match="in order"):
        PriceSeries(slots=slots[::-1], received=NOW)
    with pytest.raises(ValueError, match="end after"):
        PriceSlot(start=NOW, end=NOW, value=1.0)


@pytest.mark.parametrize("seconds", [900.0, 1800.0])
def test_the_settlement_period_is_a_parameter(seconds: float) -> None:
    item = Imbalance(start=NOW, received=NOW, period_seconds=seconds)
    assert item.end == NOW + timedelta(seconds=seconds)
    assert item.covers(NOW)
    assert not item.covers(item.end)


def test_what_is_stale_or_known_to_be_wrong_is_not_usable() -> None:
    item = Imbalance(start=NOW, received=NOW, volume=50.0, stale_after=120.0)
    assert item.usable(NOW + timedelta(seconds=120))
    assert not item.usable(NOW + timedelta(seconds=121))
    bad = Imbalance(start=NOW, received=NOW, quality=ImbalanceQuality.DATA_ISSUE)
    assert not bad.usable(NOW)


def test_a_prediction_is_found_by_its_period() -> None:
    market = Market(
        forecast=tuple(
            Imbalance(
                start=NOW + n * timedelta(minutes=15),
                received=NOW,
                volume=float(n),
                quality=ImbalanceQuality.FORECAST,
                stale_after=1200.0,
            )
            for n in range(3)
        )
    )
    found = market.predicted(NOW + timedelta(minutes=16))
    assert found is not None
    assert found.volume == 1.0
    assert market.predicted(NOW + timedelta(minutes=21)) is None
    assert Market().predicted(NOW) is None


def test_a_frequency_ages() -> None:
    item = GridFrequency(value=49.98, received=100.0)
    assert item.fresh(105.0)
    assert not item.fresh(105.1)
    assert not item.fresh(99.0)


def command(source: str, **options: object) -> DispatchCommand:
    return DispatchCommand(
        source=source,
        **(  # type: ignore[arg-type]
            {"action": DispatchAction.CHARGE_MAX, "start": NOW, "end": NOW + HOUR}
            | options
        ),
    )


def test_the_priority_decides_who_wins() -> None:
    early = command("early", start=NOW - HOUR, priority=1)
    late = command("late", priority=1)
    first = command("first", start=NOW - HOUR, priority=0, assets=frozenset({"a"}))
    over = command("over", start=NOW - 2 * HOUR, end=NOW, priority=-1)
    commands = (early, late, first, over)
    assert by_precedence(commands, "a", NOW) == [first, late, early]
    assert by_precedence(commands, "b", NOW) == [late, early]
    assert by_precedence(commands, "b", NOW - timedelta(seconds=1)) == [over, early]
    assert by_precedence(commands, "b", NOW + HOUR) == []


def test_a_dispatch_that_cannot_be_carried_out_is_refused() -> None:
    with pytest.raises(ValueError, match="end after"):
        command("x", end=NOW)
    with pytest.raises(ValueError, match="needs a power"):
        command("x", power=1000.0)
    with pytest.raises(ValueError, match="needs a power"):
        command("x", action=DispatchAction.POWER)

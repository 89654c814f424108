"""How long a meter's silence is no loss yet."""

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.metering.cadence import SLOWEST, Cadence

LEAST = 5.0


def after(*intervals: float) -> Cadence:
    cadence = Cadence()
    now = 100.0
    cadence.take(now)
    for interval in intervals:
        now += interval
        cadence.take(now)
    return cadence


def test_unknown_meters_get_the_least() -> None:
    assert Cadence().period is None
    assert Cadence().patience(LEAST) == LEAST
    assert after(10.0, 10.0).patience(LEAST) == LEAST


@pytest.mark.parametrize(
    ("period", "patience"), [(1.0, 5.0), (2.0, 6.0), (5.0, 12.0), (10.0, 22.0)]
)
def test_one_lost_telegram_is_no_loss(period: float, patience: float) -> None:
    cadence = after(period, period + 0.1, period - 0.1, period)
    assert cadence.period == pytest.approx(period, abs=0.1)
    assert cadence.patience(LEAST) == pytest.approx(patience, abs=0.2)
    assert cadence.patience(60.0) == 60.0


def test_a_bad_line_earns_no_patience() -> None:
    # Every tenth telegram comes through, the others are counted as damaged.
    cadence = Cadence()
    for number in range(20):
        cadence.take(10.0 * number, damaged=9 * number)
    assert cadence.period is None
    # The others vanish without a trace, at random.
    assert after(3.0, 11.0, 6.0, 9.0, 14.0).patience(LEAST) == LEAST


def test_the_first_faster_telegram_ends_it() -> None:
    cadence = after(10.0, 10.0, 10.0, 1.0)
    assert cadence.patience(LEAST) == LEAST


def test_a_lost_telegram_does_not_end_the_rhythm() -> None:
    assert after(10.0, 10.0, 10.0, 20.0).patience(LEAST) == 22.0
    assert after(1.0, 1.0, 1.0, 7.0, 1.0).period == 1.0


def test_a_meter_slower_than_the_bound_is_not_waited_for() -> None:
    cadence = after(30.0, 30.0, 30.0)
    assert cadence.period == 30.0
    assert cadence.patience(LEAST) == LEAST


def test_an_outage_is_no_rhythm() -> None:
    assert after(900.0, 900.0, 900.0).period is None
    assert after(10.0, 10.0, 10.0, 4711.0).period in {10.0, None}


def test_the_same_time_twice_is_no_interval() -> None:
    assert after(10.0, 10.0, 0.0, 10.0).period == 10.0


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.integers(0, 3)), max_size=30),
    st.floats(1, 30),
)
def test_patience_is_bounded_whatever_comes(
    steps: list[tuple[float, int]], least: float
) -> None:
    cadence = Cadence()
    now, damaged = 0.0, 0
    for interval, more in steps:
        now, damaged = now + interval, damaged + more
        cadence.take(now, damaged)
        assert least <= cadence.patience(least) <= max(least, 2 * SLOWEST + 2.0)

"""Figures against sums done by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.model.demand import CapacityTariff, MinimumRule
from custom_components.netflex.model.flows import Flow
from custom_components.netflex.telemetry.figures import (
    NO_TOTALS,
    against,
    by_day,
    by_month,
    figures,
    total,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2026, 1, 15, 12, tzinfo=UTC)


def flow(grid: float | None, hours: float = 0.0, **more: Any) -> Flow:
    return Flow(
        start=START + timedelta(hours=hours),
        seconds=more.pop("seconds", 3600.0),
        grid=grid,
        **more,
    )


def test_money_is_counted_either_way_with_and_without_the_battery() -> None:
    found = total(
        [
            flow(1000.0, battery=2000.0, import_price=100.0, export_price=20.0),
            flow(-500.0, 1, battery=-1500.0, import_price=400.0, export_price=-10.0),
        ]
    )
    said = figures(found, capacity=5000.0)
    # With: 1 kWh in at 0.10, 0.5 kWh out at -0.01. Without: 1 kWh out, 1 kWh in.
    assert said.cost == pytest.approx(0.1 + 0.005)
    assert said.cost_without == pytest.approx(-0.02 + 0.4)
    assert said.saved == pytest.approx(0.38 - 0.105)
    assert said.cycles == pytest.approx((2000 + 1500) / 2 / 5000)


def test_a_round_trip_does_not_count_what_is_still_in() -> None:
    found = total(
        [
            flow(0.0, battery=2000.0, stored=1900.0),
            flow(0.0, 1, battery=-900.0, stored=1000.0),
        ]
    )
    said = figures(found, capacity=5000.0)
    # From 1.9 kWh at the end of the first hour to 1 kWh: 0.9 kWh less.
    assert said.efficiency == pytest.approx(900 / (2000 - (1000 - 1900)))
    assert figures(found, capacity=50_000.0).efficiency is None, "nothing moved yet"


def test_self_use_and_self_sufficiency() -> None:
    found = total(
        [
            flow(-1000.0, production=3000.0, battery=500.0),
            flow(400.0, 1, production=0.0, battery=-600.0),
        ]
    )
    said = figures(found)
    assert said.self_use == pytest.approx(2000 / 3000)
    # 1.5 kWh and 1 kWh are used, 0.4 kWh of it imported.
    assert said.self_sufficiency == pytest.approx(2.1 / 2.5)


def test_nothing_known_is_none_and_not_zero() -> None:
    said = figures(NO_TOTALS, capacity=5000.0, tariff=CapacityTariff(price=50.0))
    assert set(vars_of(said).values()) == {None}
    unpriced = figures(total([flow(1000.0, battery=0.0)]))
    assert unpriced.cost is None
    assert unpriced.coverage == 1.0
    half = figures(total([flow(1000.0), flow(None, 1)]))
    assert half.coverage == 0.5


def vars_of(said: Any) -> dict[str, Any]:
    return {name: getattr(said, name) for name in said.__slots__}


def quarters(*grids: float, battery: float = 0.0) -> list[Flow]:
    return [
        flow(grid, index / 4, seconds=900.0, battery=battery)
        for index, grid in enumerate(grids)
    ]


@pytest.mark.parametrize(
    ("rule", "avoided"),
    [(MinimumRule.PER_MONTH, 5000.0 - 2500.0), (MinimumRule.ON_MEAN, 4000.0)],
)
def test_a_peak_below_the_minimum_is_paid_anyway(
    rule: MinimumRule, avoided: float
) -> None:
    found = total(quarters(1000.0, 800.0, battery=-4000.0))
    tariff = CapacityTariff(price=48.0, rule=rule)
    said = figures(found, tariff=tariff)
    assert (said.peak, said.peak_without) == (1000.0, 5000.0)
    assert said.peak_avoided == pytest.approx(avoided)
    assert said.tariff_saved == pytest.approx(avoided / 1000 * 48.0 / 12)


def test_a_peak_is_the_mean_of_its_whole_quarter_and_injection_counts_nothing() -> None:
    given = [
        flow(9000.0, seconds=300.0),
        flow(-9000.0, 300 / 3600, seconds=300.0),
        flow(0.0, 600 / 3600, seconds=300.0),
    ]
    assert total(given).with_battery.peak == pytest.approx(3000.0)
    assert total(given[:2]).with_battery.peak is None, "it is not known whole"
    (hour,) = [flow(1234.0)]
    assert total([hour]).with_battery.peak == pytest.approx(1234.0)


def test_EMS_20_a_test_of_the_operator_is_in_no_figure() -> None:
    real = flow(1000.0, import_price=100.0, battery=0.0, missed=0.0)
    tested = flow(
        9000.0, 1, import_price=100.0, battery=-500.0, missed=700.0, certification=True
    )
    found = total([real, tested])
    assert found.certification == 3600.0
    assert figures(found) == figures(total([real]))


def test_days_are_those_of_the_zone_and_add_up_to_months() -> None:
    given = [
        Flow(
            start=datetime(2026, 1, 31, 22, 30, tzinfo=UTC),
            seconds=3600.0,
            grid=1000.0,
            import_price=100.0,
            export_price=0.0,
        ),
        Flow(
            start=datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
            seconds=3600.0,
            grid=2000.0,
            import_price=100.0,
            export_price=0.0,
        ),
    ]
    days = list(by_day(given, BRUSSELS))
    assert [day for day, _ in days] == [date(2026, 1, 31), date(2026, 2, 1)]
    assert [t.with_battery.imported for _, t in days] == pytest.approx([500.0, 2500.0])
    months = dict(by_month(days))
    assert months[2026, 2].with_battery.peak == 2000.0


@given(
    st.lists(
        st.tuples(st.floats(-5e3, 5e3), st.floats(-5e3, 5e3), st.floats(60, 1e4)),
        min_size=2,
        max_size=40,
    ),
    st.integers(1, 38),
)
def test_parts_add_up_to_the_whole(
    parts: list[tuple[float, float, float]], cut: int
) -> None:
    at, flows = START, []
    for grid, battery, seconds in parts:
        flows.append(
            Flow(
                start=at,
                seconds=seconds,
                grid=grid,
                battery=battery,
                production=10.0,
                stored=grid,
                import_price=1.0,
                export_price=2.0,
            )
        )
        at = flows[-1].end
    whole, split = total(flows), total(flows[:cut]) + total(flows[cut:])
    for name in ("seconds", "known", "priced", "consumed", "produced", "charged"):
        assert (getattr(split, name) or 0.0) == pytest.approx(
            getattr(whole, name) or 0.0, abs=1e-6
        )
    assert split.with_battery.cost == pytest.approx(whole.with_battery.cost, abs=1e-9)
    assert (split.stored_before, split.stored_after) == (
        whole.stored_before,
        whole.stored_after,
    )


def test_a_run_without_batteries_takes_the_place_of_arithmetic() -> None:
    found = total([flow(0.0, battery=2000.0, export_price=100.0)])
    assert figures(found).saved == pytest.approx(-0.2)
    # The run knows twice the time, and sells 0.5 kWh in each half of it.
    replayed = total([flow(-500.0, seconds=7200.0, export_price=100.0)])
    said = figures(against(found, replayed))
    assert said.saved == pytest.approx(-0.05)
    assert said.peak_without == 0.0
    assert against(found, NO_TOTALS) == found

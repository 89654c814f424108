"""Back-tests against results that were reckoned in another way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import block_array, diags_array, eye_array

from custom_components.netflex.control.backtest import (
    BacktestError,
    Options,
    backtest,
    curtails,
    inverters_alone,
    with_programme,
)
from custom_components.netflex.control.backtest_markets import Prices, System
from custom_components.netflex.control.tuning import Tuning
from custom_components.netflex.model.flows import Conditions, Flow
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.model.programme import (
    ChargeTo,
    ImportAvoidanceWhenShort,
    Parameters,
    PeakShaving,
    PriceThreshold,
    SelfConsumption,
)
from custom_components.netflex.model.snapshot import SiteModel
from custom_components.netflex.telemetry.figures import Totals, figures, total

from .programmes import between, entry, programme, store
from .sites import charger, inverter, site

HOUR = timedelta(hours=1)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
EXACT = Options(charge=0.0, tuning=Tuning(dead_band=0.0, charge_band=0.0))


def rows(
    *loads: float | None, step: timedelta = HOUR, **more: object
) -> list[Conditions]:
    """Return rows that follow each other from the beginning of the year."""
    return [
        Conditions(
            start=BEGIN + n * step,
            seconds=step.total_seconds(),
            load=load,
            **more,  # type: ignore[arg-type]
        )
        for n, load in enumerate(loads)
    ]


def alone(*entries: Parameters, **options: object) -> SiteModel:
    """Return a site with one battery of 5 kW and 10 kWh that follows a programme."""
    battery = store(**options)
    return site(battery, programmes={"battery": programme(*entries)})


def run(model: SiteModel, given: list[Conditions], options: Options = EXACT) -> Totals:
    return total(backtest(model, given, options))


def within(flows: list[Flow], low: float, high: float) -> bool:
    return all(low <= flow.stored <= high for flow in flows if flow.stored is not None)


@pytest.mark.slow
def test_a_year_of_self_consumption_is_what_it_is_by_hand() -> None:
    """Each day 4 kWh of sun at 10 to 12 h, and 4 kWh used at 18 to 22 h.

    Of 4 kWh 90 % are stored: 3.6 kWh come back, 0.4 kWh are imported at 300. Without
    a battery 4 kWh are imported at 300 and 4 kWh injected at 50.
    """
    year = [
        Conditions(
            start=BEGIN + n * HOUR,
            seconds=3600.0,
            load=1000.0 if 18 <= n % 24 < 22 else 0.0,
            production=2000.0 if 10 <= n % 24 < 12 else 0.0,
            import_price=300.0,
            export_price=50.0,
        )
        for n in range(365 * 24)
    ]
    found = run(alone(SelfConsumption(), charge_efficiency=0.9), year)
    said = figures(found, capacity=10_000.0)
    assert said.cost == pytest.approx(365 * 0.4 * 0.3, rel=1e-6)
    assert said.cost_without == pytest.approx(365 * (4 * 0.3 - 4 * 0.05), rel=1e-6)
    assert said.cycles == pytest.approx(365 * (4 + 3.6) / 2 / 10, rel=1e-6)
    assert said.efficiency == pytest.approx(0.9, rel=1e-6)
    assert said.self_use == 1.0
    assert said.self_sufficiency == pytest.approx(0.9, rel=1e-6)
    assert said.peak == pytest.approx(1000.0, abs=1.0)


def least_cost(net: np.ndarray, buy: float, sell: float) -> float:
    """Return the least cost of hours of net load in W, by linear programming.

    One battery of 5 kW and 10 kWh, empty at first, that stores 95 % of what it takes.
    Columns: charge, discharge, import, export, stored at the end of the hour; kWh.
    """
    hours = len(net)
    one, none = eye_array(hours), None
    before = diags_array([np.ones(hours - 1)], offsets=[-1], shape=(hours, hours))
    equal = block_array(
        [
            [one, -one, -one, one, none],
            [-0.95 * one, one, none, none, one - before],
        ],
        format="csr",
    )
    found = linprog(
        np.concatenate(
            [
                np.zeros(2 * hours),
                np.full(hours, buy / 1000),
                np.full(hours, -sell / 1000),
                np.zeros(hours),
            ]
        ),
        A_eq=equal,
        b_eq=np.concatenate([-net / 1000, np.zeros(hours)]),
        bounds=[(0, 5)] * (2 * hours) + [(0, None)] * (2 * hours) + [(0, 10)] * hours,
        method="highs",
    )
    assert found.success, found.message
    return float(found.fun)


@pytest.mark.slow
def test_a_year_of_self_consumption_is_the_optimum_of_a_linear_programme() -> None:
    """At one price in and one out, nothing earns more than using one's own sun."""
    random = np.random.default_rng(7)
    hour = np.arange(365 * 24) % 24
    load = np.round(random.gamma(2.0, 400.0, hour.size))
    sun = np.round(np.clip(np.sin((hour - 6) / 12 * np.pi), 0, 1) * 5000)
    sun = np.round(sun * random.uniform(0.05, 1.0, hour.size))
    year = [
        Conditions(
            start=BEGIN + n * HOUR,
            seconds=3600.0,
            load=float(load[n]),
            production=float(sun[n]),
            import_price=300.0,
            export_price=50.0,
        )
        for n in range(hour.size)
    ]
    found = run(alone(SelfConsumption(), charge_efficiency=0.95), year)
    cost = found.with_battery.cost - found.with_battery.revenue
    best = least_cost(load - sun, 300.0, 50.0)
    assert best < found.without.cost - found.without.revenue, "it earns something"
    # Setpoints are whole W, and 2 W at the meter move no battery.
    assert best - 1e-6 <= cost <= best + 0.002 * 8760 * 0.25
    assert cost == pytest.approx(best, rel=5e-3)


def test_a_price_threshold_is_what_it_is_by_hand() -> None:
    """It charges 10 kWh at 50 in 2 h and gives them back at 400, to its load alone."""
    night = rows(500.0, 500.0, 500.0, import_price=50.0)
    day = rows(*[4000.0] * 4, import_price=400.0)
    later = [replace(row, start=row.start + 3 * HOUR) for row in day]
    found = run(
        alone(PriceThreshold(charge_below=100.0, discharge_above=300.0)), night + later
    )
    assert found.charged == pytest.approx(10_000.0)
    assert found.discharged == pytest.approx(10_000.0)
    assert found.with_battery.cost == pytest.approx(
        (1.5 + 10) * 0.05 + (16 - 10) * 0.4, rel=1e-6
    )


def test_a_battery_stops_at_its_reserve_within_a_row() -> None:
    model = alone(SelfConsumption(reserve=20.0), reserve=10.0)
    flows = list(backtest(model, rows(4000.0, 4000.0), replace(EXACT, charge=60.0)))
    # It is looked at as often as its charge moves by two per cent.
    assert within(flows, 1799.0, 6000.0)
    assert flows[-1].stored == pytest.approx(2000.0, abs=200.0)
    assert total(flows).discharged == pytest.approx(4000.0, abs=200.0)


def test_its_own_reserve_is_kept_exactly() -> None:
    flows = list(
        backtest(
            alone(SelfConsumption(), reserve=10.0),
            rows(4000.0, 4000.0),
            replace(EXACT, charge=50.0),
        )
    )
    assert flows[-1].stored == pytest.approx(1000.0, abs=1e-6)
    assert flows[-1].battery == 0.0


def test_charging_by_a_time_is_even_and_ends_there() -> None:
    model = site(
        store(),
        programmes={
            "battery": programme(
                entry(ChargeTo(charge=80.0), between("00:00", "04:00"))
            )
        },
    )
    flows = list(backtest(model, rows(*[0.0] * 6), EXACT))
    assert flows[-1].stored == pytest.approx(8000.0, rel=0.01)
    powers = [flow.battery for flow in flows if flow.start < BEGIN + 3 * HOUR]
    assert powers == pytest.approx([2000.0] * len(powers), rel=0.05)


def test_peaks_are_shaved_and_counted() -> None:
    quarter = timedelta(minutes=15)
    given = rows(500.0, 6000.0, 500.0, 500.0, step=quarter)
    found = run(alone(PeakShaving(limit=3000.0)), given, replace(EXACT, charge=50.0))
    assert found.with_battery.peak == pytest.approx(3000.0, abs=5.0)
    assert found.without.peak == pytest.approx(6000.0)


def test_the_operators_limit_holds_and_what_it_costs_is_counted() -> None:
    """4 kW of sun, no injection allowed: what the full battery leaves is curtailed."""
    model = site(
        store(),
        inverter(rated=5000.0),
        programmes={"battery": programme(SelfConsumption())},
    )
    given = rows(*[1000.0] * 4, production=4000.0, orders={OrderName.MINSETP: 0.0})
    flows = list(backtest(model, given, replace(EXACT, charge=100.0)))
    settled = [flow for flow in flows if flow.seconds > 60]
    assert settled
    assert all(flow.grid is not None and flow.grid >= -1.0 for flow in settled)
    found = total(flows)
    assert found.missed == pytest.approx(4 * 3000.0, rel=0.02)
    free = run(model, [replace(row, orders={}) for row in given])
    assert free.missed == 0.0


def test_EMS_20_orders_that_are_a_test_stay_out_of_the_figures() -> None:
    model = site(
        store(),
        inverter(rated=5000.0),
        programmes={"battery": programme(SelfConsumption())},
    )
    order = {OrderName.MINSETP: 0.0, OrderName.REDENP: 99.0}
    given = rows(*[1000.0] * 4, production=4000.0, import_price=100.0)
    given[1] = replace(given[1], orders=order)
    given[2] = replace(given[2], orders={OrderName.TEST: 1.0})
    found = run(model, given, replace(EXACT, charge=100.0))
    assert found.certification == pytest.approx(2 * 3600.0)
    assert found.seconds == pytest.approx(2 * 3600.0)
    assert found.missed == 0.0
    real = [replace(row, orders={OrderName.MINSETP: 0.0}) for row in given]
    assert run(model, real, replace(EXACT, charge=100.0)).missed > 0


def test_a_gap_moves_nothing_and_is_counted() -> None:
    given = rows(1000.0, None, 1000.0, import_price=100.0)
    found = run(alone(SelfConsumption()), given, replace(EXACT, charge=50.0))
    assert (found.seconds, found.known) == (3 * 3600.0, 2 * 3600.0)
    assert found.discharged == pytest.approx(2000.0)


def test_no_battery_is_the_load_itself() -> None:
    model = with_programme(alone(SelfConsumption()), None)
    (first, second) = backtest(model, rows(700.0, -300.0))
    assert (first.grid, second.grid) == (700.0, -300.0)
    assert first.battery is None


def test_a_site_that_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(BacktestError, match="cannot be simulated"):
        list(backtest(site(charger()), rows(1.0)))
    with pytest.raises(BacktestError, match="capacity"):
        list(backtest(site(store(capacity=None)), rows(1.0)))


def test_tomorrows_prices_are_not_known_before_noon() -> None:
    zone = ZoneInfo("Europe/Brussels")
    prices = Prices(rows(*[0.0] * 72, import_price=1.0), zone)
    before = prices.at(datetime(2025, 1, 2, 11, 59, tzinfo=UTC)).import_price
    after = prices.at(datetime(2025, 1, 2, 12, 0, tzinfo=UTC)).import_price
    assert before is not None
    assert after is not None
    assert before.slots[-1].end == datetime(2025, 1, 2, 23, tzinfo=UTC)
    assert after.slots[-1].end == datetime(2025, 1, 3, 23, tzinfo=UTC)


def test_the_imbalance_of_a_period_is_not_known_before_it_runs() -> None:
    system = System(900.0)
    (row,) = rows(0.0, imbalance_price=90.0, imbalance_volume=-50.0)
    assert system.at(BEGIN)["imbalance"] is None
    system.passed(row, 300.0)
    at = BEGIN + timedelta(seconds=300)
    running = system.at(at)["imbalance"]
    assert (running.price, running.volume, running.start) == (90.0, -50.0, BEGIN)
    system.passed(replace(row, imbalance_volume=70.0), 600.0)
    later = BEGIN + timedelta(seconds=900)
    found = system.at(later)
    assert found["imbalance"] is None
    assert found["previous_imbalance"].volume == pytest.approx(30.0)
    assert system.at(later + timedelta(hours=1))["previous_imbalance"] is None


def test_a_mode_that_waits_for_the_imbalance_acts_after_a_third_of_a_period() -> None:
    quarter = timedelta(minutes=15)
    given = rows(
        *[1000.0] * 4, step=quarter, imbalance_price=100.0, imbalance_volume=80.0
    )
    flows = list(
        backtest(alone(ImportAvoidanceWhenShort()), given, replace(EXACT, charge=50.0))
    )
    delivered = total(flows).discharged
    assert delivered == pytest.approx(1000.0 * 2 / 3, rel=0.01)


def test_what_has_no_battery_is_curtailed_by_the_same_decision() -> None:
    model = site(store(), inverter(rated=5000.0), charger())
    bare = inverters_alone(model)
    assert set(bare.assets) == {"sun"}
    sunny = rows(1000.0, 1000.0, production=3000.0)
    ordered = [replace(row, orders={OrderName.MINSETP: 0.0}) for row in sunny]
    assert run(bare, sunny).with_battery.exported == pytest.approx(4000.0)
    assert run(bare, ordered).with_battery.exported == pytest.approx(0.0, abs=20.0)


@pytest.mark.parametrize(
    ("name", "value", "does"),
    [
        (OrderName.MINSETP, 99.0, True),
        (OrderName.MINSETP, 100.0, False),
        (OrderName.MAXSETAP, 0.0, True),
        (OrderName.EMERGENCY_STOP_PRODUCTION, 1.0, True),
        (OrderName.EMERGENCY_STOP_PRODUCTION, 0.0, False),
        (OrderName.MAXSETP, 0.0, False),
        (OrderName.MINSETAP, 0.0, False),
    ],
)
def test_orders_curtail_production_or_they_do_not(
    name: OrderName, value: float, does: bool
) -> None:
    free, bound = rows(1.0, 1.0)
    assert curtails([free, replace(bound, orders={name: value})]) is does
    assert not curtails([free])

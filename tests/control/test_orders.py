"""What each of the four power limits means: 0 %, 100 % and absent apart."""

from dataclasses import replace

import pytest

from custom_components.netflex.control.limits import collect, contract, tightest
from custom_components.netflex.model.asset import Category, Direction
from custom_components.netflex.model.plan import (
    ALL_ASSETS,
    SITE,
    Cause,
    Limit,
    Quantity,
    Source,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import Sharing, SiteModel, Snapshot

from .sites import (
    battery,
    charger,
    inverter,
    keys,
    load,
    orders,
    plan,
    reading,
    site,
    state,
    values,
)

MODEL = site(charger(), battery(), inverter(), load())
"""40 A, 20 kW in, 10 kW out; installed 13 kW producing, 30.08 kW consuming."""

TABLE = [
    # order, percent, scope, quantity, W
    ("maxsetp", 0.0, SITE, Quantity.IMPORT, 0.0),
    ("maxsetp", 50.0, SITE, Quantity.IMPORT, 10_000.0),
    ("maxsetp", 100.0, SITE, Quantity.IMPORT, 20_000.0),
    ("minsetp", 0.0, SITE, Quantity.INJECTION, 0.0),
    ("minsetp", 50.0, SITE, Quantity.INJECTION, 5000.0),
    ("minsetp", 100.0, SITE, Quantity.INJECTION, 10_000.0),
    ("maxsetap", 0.0, ALL_ASSETS, Quantity.PRODUCTION, 0.0),
    ("maxsetap", 50.0, ALL_ASSETS, Quantity.PRODUCTION, 6500.0),
    ("maxsetap", 100.0, ALL_ASSETS, Quantity.PRODUCTION, 13_000.0),
    ("minsetap", 0.0, ALL_ASSETS, Quantity.CONSUMPTION, 0.0),
    ("minsetap", 50.0, ALL_ASSETS, Quantity.CONSUMPTION, 15_040.0),
    ("minsetap", 100.0, ALL_ASSETS, Quantity.CONSUMPTION, 30_080.0),
]


@pytest.mark.parametrize(("name", "percent", "scope", "quantity", "watts"), TABLE)
def test_orders_table_each_percentage_counts_on_its_own_denominator(
    name: str, percent: float, scope: object, quantity: Quantity, watts: float
) -> None:
    limits = collect(MODEL, Snapshot(orders=orders(**{name: percent})))
    found = {
        (limit.scope, limit.quantity): limit
        for limit in limits.all
        if limit.source is Source.GRID_OPERATOR
    }
    assert set(found) == {(scope, quantity)}
    limit = found[scope, quantity]
    assert limit.value == pytest.approx(watts)
    assert limit.cause.key == name
    assert f"{percent:g} %" in limit.cause.text


def test_orders_table_absent_is_no_limit() -> None:
    limits = collect(MODEL, Snapshot())
    assert {limit.source for limit in limits.all} == {Source.FUSE}


@pytest.mark.parametrize(
    ("percent", "value"), [(None, None), (0.0, 0.0), (50.0, 6500.0), (100.0, None)]
)
def test_orders_table_maxsetap_zero_hundred_and_absent_differ(
    percent: float | None, value: float | None
) -> None:
    model = site(inverter(rated=13_000.0))
    given = orders() if percent is None else orders(maxsetap=percent)
    result = plan(model, reading(0.0), {"sun": -9000.0}, given=given)
    assert values(result) == {"sun": value}
    named = [limit.cause.key for limit in result.limits]
    assert ("maxsetap" in named) is (percent is not None)


@pytest.mark.parametrize(
    ("percent", "amps"), [(None, 32.0), (0.0, 0.0), (50.0, 16.0), (100.0, 32.0)]
)
def test_orders_table_minsetap_zero_hundred_and_absent_differ(
    percent: float | None, amps: float
) -> None:
    model = site(charger())
    given = orders() if percent is None else orders(minsetap=percent)
    result = plan(model, reading(0.0), {"car": 0.0}, given=given)
    assert values(result) == {"car": amps}


@pytest.mark.parametrize(
    ("percent", "amps"),
    # 10 kW of other load; contract 20 kW: 10 kW are left of it, 14.49 A.
    [(None, 25.5), (0.0, 0.0), (80.0, 8.6), (100.0, 14.4)],
)
def test_orders_table_maxsetp_zero_hundred_and_absent_differ(
    percent: float | None, amps: float
) -> None:
    model = site(charger())
    given = orders() if percent is None else orders(maxsetp=percent)
    result = plan(model, reading(10_000.0), {"car": 0.0}, given=given)
    assert values(result) == {"car": amps}


@pytest.mark.parametrize(
    ("percent", "value"),
    # 2 kW of other load on a 10 kW contract, 30 kW of sun installed.
    [(None, None), (0.0, 2000.0), (50.0, 7000.0), (100.0, 12_000.0)],
)
def test_orders_table_minsetp_zero_hundred_and_absent_differ(
    percent: float | None, value: float | None
) -> None:
    model = site(inverter(rated=30_000.0), main_fuse=63.0)
    given = orders() if percent is None else orders(minsetp=percent)
    result = plan(model, reading(-18_000.0), {"sun": -20_000.0}, given=given)
    assert values(result) == {"sun": value}


@pytest.mark.parametrize("missing", [None, 0.0])
def test_orders_table_a_missing_contract_counts_on_the_smallest_known(
    missing: float | None,
) -> None:
    model = site(
        charger(maximum=16.0),
        inverter(rated=8000.0),
        contract_consumption=missing,
        contract_injection=missing,
    )
    assert contract(model, Direction.PRODUCTION).power == 8000.0
    assert contract(model, Direction.CONSUMPTION).power == pytest.approx(11_040.0)
    assert "missing" in contract(model, Direction.PRODUCTION).what
    bare = site(contract_consumption=missing)
    assert contract(bare, Direction.CONSUMPTION).power == pytest.approx(27_600.0)


def test_a_changed_contract_under_an_active_limit_counts_at_once() -> None:
    smaller = replace(
        MODEL, connection=replace(MODEL.connection, contract_consumption=8000.0)
    )
    limit = collect(smaller, Snapshot(orders=orders(maxsetp=50.0))).of_site(
        Quantity.IMPORT
    )
    assert limit is not None
    assert limit.value == 4000.0


def test_orders_table_uncontrollable_assets_count_at_rated_power() -> None:
    """13 kW installed, 9 kW allowed, 5 kW of it beyond control: 4 kW are left."""
    model = site(
        inverter(rated=8000.0), inverter("old", rated=5000.0, controllable=False)
    )
    result = plan(
        model,
        reading(-6000.0),
        {"sun": -7000.0, "old": -100.0},
        given=orders(maxsetap=9 / 13 * 100),
    )
    assert result.setpoints["sun"].value == pytest.approx(4000.0, abs=1)
    assert "old" not in result.setpoints


def test_orders_table_stale_assets_count_at_rated_power() -> None:
    model = site(charger(maximum=16.0), charger("two", maximum=16.0))
    silent = replace(state(model.assets["two"], 0.0), available=False)
    result = plan(
        model,
        reading(0.0),
        {"car": 0.0, "two": silent},
        given=orders(minsetap=75.0),
    )
    # 22.08 kW installed, 16.56 kW allowed, 11.04 kW counted: 5.52 kW are 8 A.
    assert result.setpoints["car"].value == 8.0


def test_orders_table_what_cannot_be_moved_makes_a_limit_infeasible() -> None:
    model = site(inverter(), inverter("old", rated=8000.0, controllable=False))
    result = plan(
        model,
        reading(-6000.0),
        {"sun": -3000.0, "old": -3000.0},
        given=orders(maxsetap=0.0),
    )
    assert values(result) == {"sun": 0}
    (item,) = result.infeasible
    assert item.limit.cause.key == "maxsetap"
    assert item.missing == 8000.0
    assert item.problem == "uncontrollable"


def test_a_hybrids_discharge_is_production() -> None:
    """The battery yields to the sun inside a limit on production."""
    model = site(inverter(), battery())
    result = plan(
        model,
        reading(9000.0),
        {"sun": -4000.0, "battery": -5000.0},
        given=orders(maxsetap=6000 / 13_000 * 100),
    )
    told = values(result)
    assert told["battery"] is not None and told["sun"] is not None
    assert -2000 <= told["battery"] <= -1000
    assert told["sun"] >= 4000
    assert told["sun"] - told["battery"] <= 6000


def test_at_night_the_battery_has_the_whole_limit_on_production() -> None:
    model = site(inverter(), battery())
    result = plan(
        model,
        reading(9000.0),
        {"sun": 0.0, "battery": 0.0},
        given=orders(maxsetap=6000 / 13_000 * 100),
    )
    assert result.setpoints["battery"].value == -5000


def test_charging_a_battery_is_consumption_of_an_asset() -> None:
    model = site(battery())
    result = plan(
        model, reading(-9000.0), {"battery": 0.0}, given=orders(minsetap=40.0)
    )
    assert result.setpoints["battery"].value == 2000
    assert keys(result, "battery") == ["minsetap"]


@pytest.mark.parametrize(
    ("sharing", "sun", "wind"),
    [
        # The wind's 750 W and a tenth, and a twentieth of its rating to rise.
        (Sharing.TOTAL, 3925.0, 1075.0),
        (Sharing.CATEGORY, 2500.0, 2500.0),
        (Sharing.ASSET, 2500.0, 2500.0),
    ],
)
def test_orders_table_a_limit_on_assets_is_shared_as_the_site_chose(
    sharing: Sharing, sun: float, wind: float
) -> None:
    model = site(
        inverter(rated=5000.0),
        inverter("wind", rated=5000.0, category=Category.WIND),
        sharing=sharing,
    )
    result = plan(
        model,
        reading(-5000.0),
        {"sun": -5000.0, "wind": -750.0},
        given=orders(maxsetap=50.0),
    )
    assert result.setpoints["sun"].value == pytest.approx(sun, abs=1)
    assert result.setpoints["wind"].value == pytest.approx(wind, abs=1)


def test_reasons_test_and_reactive_orders_move_nothing() -> None:
    before = plan(MODEL, reading(3000.0), {"car": 5000.0, "sun": -2000.0})
    after = plan(
        MODEL,
        reading(3000.0),
        {"car": 5000.0, "sun": -2000.0},
        given=orders(test=True, redenp=99, redenq=1, minsetq=-10.0, maxsetq=10.0),
    )
    assert values(after) == values(before)


def test_limits_intersect_and_the_more_important_of_two_equals_stands() -> None:
    def limit(value: float, source: Source) -> Limit:
        cause = Cause(source=source, key=source.name, text=source.name)
        return Limit(
            scope=SITE,
            quantity=Quantity.IMPORT,
            value=value,
            source=source,
            cause=cause,
        )

    found = tightest(
        [
            limit(5.0, Source.USER),
            limit(3.0, Source.DISPATCH),
            limit(3.0, Source.GRID_OPERATOR),
            limit(9.0, Source.EMERGENCY_STOP),
        ]
    )
    assert [item.source for item in found.values()] == [Source.GRID_OPERATOR]


def test_what_the_operator_ordered_is_shown_even_where_the_meter_is_tighter() -> None:
    model = site(load())
    meter = reading(0.0, power_threshold=3000.0)
    result = plan(
        model, meter, {"boiler": 0.0}, given=orders(maxsetp=50.0, minsetap=10.0)
    )
    (effective,) = (
        limit for limit in result.limits if limit.quantity is Quantity.IMPORT
    )
    assert (effective.source, effective.value) == (Source.METER_THRESHOLD, 3000.0)
    assert [
        (limit.quantity, limit.value, limit.source) for limit in result.ordered
    ] == [
        (Quantity.CONSUMPTION, 300.0, Source.GRID_OPERATOR),
        (Quantity.IMPORT, 10_000.0, Source.GRID_OPERATOR),
    ]
    assert plan(model, meter, {"boiler": 0.0}).ordered == ()


def test_the_contract_holds_without_an_order_where_the_user_wants_it() -> None:
    model = site(
        charger(), inverter(), contract_consumption=6900.0, contract_injection=2000.0
    )
    measured = reading(0.0)
    cars = [
        values(plan(replace(model, hold_contract=held), measured, {"car": 0.0}))["car"]
        for held in (False, True)
    ]
    assert cars == [32.0, 10.0]
    held = plan(replace(model, hold_contract=True), reading(-8000.0), {"sun": -8000.0})
    assert held.setpoints["sun"].value == pytest.approx(2000.0, rel=0.02)
    (cause,) = held.setpoints["sun"].causes
    assert cause.source is Source.CONTRACT
    assert cause.text == "The contract allows 2.00 kW of injection"
    assert held.ordered == ()


def test_of_operator_and_contract_the_tighter_one_bounds() -> None:
    model = site(
        charger(),
        contract_consumption=6900.0,
        contract_injection=None,
        hold_contract=True,
    )
    for given, source in (
        (orders(), Source.CONTRACT),
        (orders(maxsetp=100.0), Source.GRID_OPERATOR),
        (orders(maxsetp=50.0), Source.GRID_OPERATOR),
    ):
        found = collect(model, Snapshot(reading=reading(0.0), orders=given))
        bound = found.of_site(Quantity.IMPORT)
        assert bound is not None
        assert bound.source is source
        # Of a direction that the contract does not name it says nothing.
        assert found.of_site(Quantity.INJECTION) is None


def test_the_meters_own_thresholds_are_limits() -> None:
    measured = MeterReading(
        meter_id="m", received=1.0, power_threshold=6000.0, fuse_threshold=20.0
    )
    limits = collect(MODEL, Snapshot(reading=measured))
    imported = limits.of_site(Quantity.IMPORT)
    assert imported is not None and imported.value == 6000.0
    on_line = limits.of_line("L1")
    assert on_line is not None and on_line.value == 20.0
    assert on_line.source is Source.METER_THRESHOLD


def test_tolerance_is_held_back_from_every_limit() -> None:
    model: SiteModel = replace(site(charger()), tolerance=0.1)
    result = plan(model, reading(0.0), {"car": 0.0}, given=orders(maxsetp=50.0))
    assert result.setpoints["car"].value == 13.0


def test_every_cause_says_its_figures() -> None:
    result = plan(
        site(charger()), reading(9000.0), {"car": 0.0}, given=orders(maxsetp=90.0)
    )
    (cause,) = result.setpoints["car"].causes
    assert cause.text == (
        "Grid operator limits consumption at the connection point to 90 % of"
        " 20.00 kW (contract): 18.00 kW"
    )

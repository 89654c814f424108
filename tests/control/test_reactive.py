"""Reactive power: mode, band, spread, circle, and what it never costs."""

from collections.abc import Iterable
from dataclasses import replace
from math import hypot
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import Asset, AssetState
from custom_components.netflex.model.orders import GridOrders, QMode
from custom_components.netflex.model.plan import Plan, Problem, Quantity
from custom_components.netflex.model.protection import Protection, ReactiveScope
from custom_components.netflex.model.reading import MeterReading

from .sites import battery, inverter, keys, load, orders, reading, site, state, step

SUN, MORE = inverter("sun", rated=8000.0), inverter("more", rated=4000.0)


def band(low: float | None, high: float | None, **others: Any) -> GridOrders:
    ends = {"minsetq": low, "maxsetq": high}
    named = {name: value for name, value in ends.items() if value is not None}
    return orders(q_mode=QMode.REMOTE, **named, **others)


def gives(asset: Asset, power: float, q: float | None = 0.0, **more: Any) -> AssetState:
    return state(asset, power, takes_reactive=True, reactive_power=q, **more)


def measured(q: float | None, power: float = 0.0, at: float = 100.0) -> MeterReading:
    return replace(reading(power, at), reactive_power=q)


def decided(
    q: float | None, states: Iterable[AssetState], given_: GridOrders, **options: Any
) -> Plan:
    return _step(q, states, given_, **options)[0]


def _step(
    q: float | None,
    states: Iterable[AssetState],
    given_: GridOrders,
    *,
    memory: Memory = EMPTY,
    at: float = 100.0,
    protection: Protection | None = None,
) -> tuple[Plan, Memory]:
    model = site(SUN, MORE, battery(), load())
    if protection is not None:
        model = replace(model, protection=protection)
    return step(
        model,
        measured(q, at=at),
        {item.asset_id: replace(item, at=at) for item in states},
        given=given_,
        memory=memory,
        at=at,
    )


def q_of(plan: Plan) -> dict[str, float | None]:
    return {name: item.reactive for name, item in plan.setpoints.items()}


def test_in_mode_local_the_band_is_not_applied() -> None:
    states = [gives(SUN, -4000.0)]
    for given_ in (
        orders(minsetq=1000.0, maxsetq=2000.0),
        orders(q_mode=QMode.LOCAL, minsetq=1000.0, maxsetq=2000.0),
        orders(q_mode=QMode.REMOTE),
    ):
        result = decided(0.0, states, given_)
        assert set(q_of(result).values()) == {None}
        assert result.reactive is None


def test_inside_the_band_nothing_is_given() -> None:
    result = decided(500.0, [gives(SUN, -4000.0)], band(-1000.0, 1000.0))
    assert q_of(result)["sun"] == 0
    assert keys(result, "sun")[-1] == "q_band"


def test_outside_the_band_it_is_spread_by_what_each_can_give() -> None:
    states = [gives(SUN, 0.0), gives(MORE, 0.0), gives(battery(), 0.0)]
    result = decided(3000.0, states, band(-1000.0, 1000.0))
    given_ = q_of(result)
    assert sum(value or 0.0 for value in given_.values()) == pytest.approx(-2000, abs=2)
    assert given_["sun"] == pytest.approx(2 * (given_["more"] or 0), abs=2)
    assert given_["boiler"] is None
    assert result.reactive is not None and result.reactive.missing == 0


def test_only_who_says_that_it_can_gives() -> None:
    states = [state(SUN, 0.0), gives(MORE, 0.0)]
    result = decided(2000.0, states, band(-1000.0, 1000.0))
    assert q_of(result)["sun"] is None
    assert q_of(result)["more"] == -1000


def test_active_power_leaves_what_the_circle_leaves() -> None:
    result = decided(9000.0, [gives(SUN, -7900.0)], band(0.0, 0.0))
    q = q_of(result)["sun"]
    assert q is not None
    assert hypot(q, 7900.0) <= 8000.0
    assert result.setpoints["sun"].value is None, "active power is not touched"
    assert result.reactive is not None and result.reactive.missing > 7000


@pytest.mark.parametrize(
    ("measured_q", "ends", "end", "missing"),
    [
        (9000.0, (-500.0, 500.0), 500.0, 7000.0),
        (-9000.0, (-500.0, 500.0), -500.0, 7000.0),
        (9000.0, (None, 500.0), 500.0, 7000.0),
    ],
    ids=["too much", "too little", "one end"],
)
def test_a_band_out_of_reach_is_infeasible_with_what_is_missing_in_var(
    measured_q: float,
    ends: tuple[float | None, float | None],
    end: float,
    missing: float,
) -> None:
    states = [
        gives(SUN, 0.0, max_reactive=1500.0),
        state(MORE, 0.0),
        state(battery(), 0.0),
    ]
    result = decided(measured_q, states, band(*ends))

    (item,) = result.infeasible
    assert (item.limit.quantity, item.limit.value) == (Quantity.REACTIVE, end)
    assert item.limit.quantity.unit == "var"
    assert item.missing == pytest.approx(missing)
    assert item.problem is Problem.UNCONTROLLABLE
    assert item.limit.cause.text.startswith("Grid operator's band of reactive power")
    assert result.reactive is not None
    assert result.reactive.missing == pytest.approx(missing)


def test_an_inverter_that_does_not_answer_is_named_as_why_a_band_is_out_of_reach() -> (
    None
):
    result = decided(9000.0, [replace(gives(SUN, 0.0), available=False)], band(0, 0))

    (item,) = [
        item for item in result.infeasible if item.limit.quantity is Quantity.REACTIVE
    ]
    assert item.problem is Problem.ASSET_UNAVAILABLE


def test_a_band_that_is_not_reached_yet_is_not_infeasible() -> None:
    """The base moves while what was told waits for the meter: that is no alarm."""
    states = [gives(SUN, 0.0), gives(MORE, 0.0)]
    _, memory = _step(0.0, states, band(0.0, 0.0))
    plan, _ = _step(3000.0, states, band(0.0, 0.0), memory=memory, at=101.0)

    assert plan.infeasible == ()
    assert plan.reactive is not None and plan.reactive.missing == 0


def test_a_band_that_nobody_measures_is_unknown_and_not_infeasible() -> None:
    plan = decided(None, [gives(SUN, 0.0)], band(0.0, 0.0))

    assert plan.infeasible == ()
    assert plan.reactive is not None and not plan.reactive.known


def test_what_the_device_names_is_its_most() -> None:
    result = decided(9000.0, [gives(SUN, 0.0, max_reactive=1500.0)], band(0.0, 0.0))
    assert q_of(result)["sun"] == -1500


def test_a_stop_outranks_it_and_its_setpoint_is_untouched() -> None:
    given_ = band(0.0, 0.0, emergency_stop_production=True)
    result = decided(3000.0, [gives(SUN, -4000.0)], given_)
    assert result.setpoints["sun"].value == 0
    assert result.setpoints["sun"].reactive is None


def test_what_is_measured_already_counts() -> None:
    """2 kvar at the meter while the inverter gives -1: the rest makes 3."""
    result = decided(2000.0, [gives(SUN, 0.0, -1000.0)], band(-500.0, 500.0))
    assert q_of(result)["sun"] == -2500


def test_it_waits_for_the_meter_before_it_corrects_again() -> None:
    given_ = band(0.0, 0.0)
    first, memory = _step(2000.0, [gives(SUN, 0.0)], given_)
    assert q_of(first)["sun"] == -2000
    # The inverter says that it follows; the meter's figure is older.
    late, memory = _step(
        2000.0, [gives(SUN, 0.0, -2000.0)], given_, memory=memory, at=101.0
    )
    assert q_of(late)["sun"] == -2000
    settled, _ = _step(
        100.0, [gives(SUN, 0.0, -2000.0)], given_, memory=memory, at=107.0
    )
    assert q_of(settled)["sun"] == -2100


def test_a_new_band_counts_at_once() -> None:
    _, memory = _step(2000.0, [gives(SUN, 0.0)], band(0.0, 0.0))
    changed, _ = _step(
        0.0, [gives(SUN, 0.0, -2000.0)], band(1000.0, 1500.0), memory=memory, at=101.0
    )
    assert q_of(changed)["sun"] == -500


def test_without_a_measurement_what_was_told_stands() -> None:
    given_ = band(0.0, 0.0)
    _, memory = _step(2000.0, [gives(SUN, 0.0)], given_)
    blind, _ = _step(None, [gives(SUN, 0.0, -2000.0)], given_, memory=memory, at=110.0)
    assert q_of(blind)["sun"] == -2000
    assert blind.reactive is not None and not blind.reactive.known


def test_the_band_may_count_for_the_assets_alone() -> None:
    result = decided(
        9000.0,
        [gives(SUN, 0.0)],
        band(500.0, 1000.0),
        protection=Protection(reactive_scope=ReactiveScope.ASSETS),
    )
    assert q_of(result)["sun"] == 500


def test_an_open_end_binds_on_one_side_only() -> None:
    result = decided(-3000.0, [gives(SUN, 0.0)], band(None, 1000.0))
    assert q_of(result)["sun"] == 0
    assert "at most 1 kvar" in result.setpoints["sun"].causes[-1].text


def test_a_band_of_one_value_in_closed_loop() -> None:
    memory, q, at = EMPTY, 0.0, 100.0
    for second in range(40):
        at = 100.0 + second
        result, memory = _step(
            1500.0 + q,
            [gives(SUN, -3000.0, q)],
            band(-200.0, -200.0),
            memory=memory,
            at=at,
        )
        told = q_of(result)["sun"]
        assert told is not None
        q = told
    assert 1500.0 + q == pytest.approx(-200.0, abs=2)


@settings(max_examples=60, deadline=None)
@given(
    q=st.floats(-20_000, 20_000),
    ends=st.tuples(st.floats(-8000, 8000), st.floats(-8000, 8000)),
    powers=st.tuples(st.floats(0, 8000), st.floats(0, 4000)),
    minsetp=st.sampled_from([None, 0.0, 40.0]),
)
def test_Q_never_costs_a_limit_and_keeps_the_circle(
    q: float,
    ends: tuple[float, float],
    powers: tuple[float, float],
    minsetp: float | None,
) -> None:
    low, high = sorted(ends)
    given_ = band(low, high)
    if minsetp is not None:
        given_ = replace(given_, minsetp=orders(minsetp=minsetp).minsetp)
    states = [gives(SUN, -powers[0]), gives(MORE, -powers[1])]
    result = decided(q, states, given_)
    without = decided(q, states, replace(given_, q_mode=None))
    assert {n: s.value for n, s in result.setpoints.items()} == {
        n: s.value for n, s in without.setpoints.items()
    }
    for asset, power in ((SUN, powers[0]), (MORE, powers[1])):
        own = q_of(result)[asset.id] or 0.0
        assert hypot(own, power) <= asset.rated_production + 1
    assert result.reactive is not None
    total = q + sum(value or 0.0 for value in q_of(result).values())
    if result.reactive.missing == 0:
        assert low - 12 <= total <= high + 12
    else:
        assert total < low or total > high


def test_rounded_shares_are_not_spread_anew_at_each_decision() -> None:
    """3, 4 and 10 kVA cannot give 718.5 var in whole var: what was told stands."""
    small, large = battery("small", rated=3000.0), battery("large", rated=10_000.0)
    sun = inverter("sun", rated=4000.0)
    model = site(small, large, sun)
    states = {
        item.asset_id: item
        for item in (gives(small, 0.0), gives(large, 0.0), gives(sun, -1051.0))
    }
    given_ = band(-719.0, -718.5)
    first, memory = step(model, measured(0.0), states, given=given_)
    before = {name: item.reactive for name, item in first.setpoints.items()}
    assert sum(value or 0.0 for value in before.values()) == pytest.approx(
        -718.5, abs=2
    )
    for at in (100.0, 100.5, 101.0):
        again, memory = step(
            model, measured(0.0), states, given=given_, memory=memory, at=at
        )
        assert {n: s.reactive for n, s in again.setpoints.items()} == before

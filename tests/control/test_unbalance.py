"""Unbalance and neutral current as limits like the fuse, and the trip model."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.control.trip import CURVES
from custom_components.netflex.control.unbalance import neutral_current
from custom_components.netflex.model.asset import ChargerState
from custom_components.netflex.model.connection import GridType, Line
from custom_components.netflex.model.plan import Plan, Quantity
from custom_components.netflex.model.protection import Protection, TripCurve
from custom_components.netflex.model.snapshot import SiteModel

from .closed_loop import Loop, devices_of, worst
from .sites import (
    battery,
    charger,
    inverter,
    keys,
    load,
    plan,
    reading,
    site,
    state,
    step,
    values,
)

ONE, TWO, THREE = (Line.L1,), (Line.L2,), (Line.L3,)


def test_S20_one_single_phase_car_may_only_draw_what_the_lines_may_differ_by() -> None:
    model = site(charger("a", lines=ONE), protection=Protection(unbalance=20.0))
    result = plan(model, reading(0.0), {"a": 0.0})
    assert values(result) == {"a": 20}
    assert keys(result, "a") == ["unbalance"]
    assert result.headroom.unbalance == 20


def test_S20_a_three_phase_car_is_not_bound_by_it() -> None:
    model = site(charger("a"), protection=Protection(unbalance=5.0))
    assert values(plan(model, reading(0.0), {"a": 0.0})) == {"a": 32}


def test_S20_what_flows_on_the_other_lines_counts() -> None:
    model = site(charger("a", lines=ONE), protection=Protection(unbalance=10.0))
    measured = reading(0.0, currents=(2.0, 8.0, 5.0))
    # The emptiest of the others carries 5 A: 15 A on L1, 2 A of them the house.
    assert values(plan(model, measured, {"a": 0.0})) == {"a": 13}


def test_S20_the_neutral_is_held_and_named() -> None:
    model = site(charger("a", lines=ONE), protection=Protection(neutral=12.0))
    result = plan(model, reading(0.0), {"a": 0.0})
    assert values(result) == {"a": 12}
    assert keys(result, "a") == ["neutral"]


@pytest.mark.parametrize("grid", [GridType.DELTA, GridType.SINGLE_PHASE])
def test_S20_without_a_neutral_there_is_no_such_limit(grid: GridType) -> None:
    model = site(
        charger("a", lines=ONE), grid_type=grid, protection=Protection(unbalance=8.0)
    )
    result = plan(model, reading(0.0, grid=grid), {"a": 0.0})
    assert values(result) == {"a": 32}


def test_S20_three_single_phase_cars_rise_together() -> None:
    """What one draws makes room for the others: none is held at 10 A for good."""
    model = site(
        charger("a", lines=ONE),
        charger("b", lines=TWO),
        charger("c", lines=THREE),
        protection=Protection(unbalance=10.0),
    )
    loop = Loop(site=model, devices=devices_of(model), base=lambda _: (0, 0, 0))
    samples = loop.run(400)
    assert min(samples[-1].currents) > 31
    assert worst(samples, lambda s: max(s.currents) - min(s.currents)) < 10.5


def test_S20_a_car_that_goes_lowers_those_on_other_lines() -> None:
    model = site(
        charger("a", lines=ONE),
        charger("b", lines=TWO),
        charger("c", lines=THREE),
        protection=Protection(unbalance=10.0),
    )
    devices = devices_of(model, c={"appetite": lambda at: 32 if at < 1400 else 0})
    loop = Loop(site=model, devices=devices, base=lambda _: (0, 0, 0))
    loop.run(400)
    after = loop.run(60)
    assert worst(after[8:], lambda s: max(s.currents) - min(s.currents)) < 10.5


def test_S20_single_phase_production_is_curtailed_when_nobody_can_draw() -> None:
    model = site(
        inverter("sun", rated=8000.0, phases=1, lines=ONE),
        protection=Protection(unbalance=20.0),
    )
    result = plan(model, reading(-6900.0, currents=(-30.0, 0.0, 0.0)), {"sun": -6900.0})
    assert values(result)["sun"] == pytest.approx(4600, abs=2)
    assert keys(result, "sun") == ["unbalance"]


def test_S20_a_single_phase_battery_helps_and_does_not_make_it_worse() -> None:
    model = site(
        battery("store", rated=5000.0, phases=1, lines=ONE),
        protection=Protection(unbalance=10.0),
    )
    result = plan(model, reading(0.0, currents=(16.0, 0.0, 0.0)), {"store": 0.0})
    assert (values(result)["store"] or 0) <= -6 * 230 + 2


def test_S20_what_cannot_be_balanced_is_infeasible() -> None:
    model = site(load("boiler", lines=TWO), protection=Protection(unbalance=10.0))
    result = plan(model, reading(0.0, currents=(25.0, 3.0, 0.0)), {"boiler": 0.0})
    (item,) = result.infeasible
    assert item.limit.quantity is Quantity.UNBALANCE
    assert item.limit.quantity.unit == "A"
    assert item.missing == pytest.approx(15)


@given(
    base=st.tuples(*[st.integers(0, 12)] * 3),
    draws=st.lists(st.floats(0, 32), min_size=3, max_size=3),
    limit=st.integers(5, 25),
)
@settings(max_examples=60, deadline=None)
def test_S20_no_plan_lets_the_lines_differ_more_than_they_did(
    base: tuple[int, int, int], draws: list[float], limit: int
) -> None:
    cars = [charger(n, lines=(line,)) for n, line in zip("abc", Line, strict=True)]
    model = site(*cars, main_fuse=80.0, protection=Protection(unbalance=float(limit)))
    draws = [draw if draw >= 6 else 0.0 for draw in draws]
    flows = [float(low + draw) for low, draw in zip(base, draws, strict=True)]
    result = plan(
        model,
        reading(sum(flows) * 230, currents=(flows[0], flows[1], flows[2])),
        {n: draw * 230 for n, draw in zip("abc", draws, strict=True)},
    )
    told = [values(result)[n] or 0.0 for n in "abc"]
    most = [low + new for low, new in zip(base, told, strict=True)]
    least = [
        low + min(new, draw) for low, new, draw in zip(base, told, draws, strict=True)
    ]
    for one in range(3):
        for other in range(3):
            if one != other and most[one] - least[other] > limit + 0.1:
                assert told[one] == 0, (one, other)
    first, second, third = least
    assert neutral_current(first, second, third) <= max(least) - min(least) + 1e-9


def _evening(curve: TripCurve) -> SiteModel:
    return site(
        charger("a", maximum=16.0), main_fuse=25.0, protection=Protection(curve=curve)
    )


def _follow(
    model: SiteModel, base: float, seconds: int, memory: Memory, at: float = 100.0
) -> tuple[list[Plan], Memory]:
    plans = []
    for second in range(seconds):
        drawn = memory.asset("a").value or 0.0
        flow = base + drawn
        result, memory = step(
            model,
            reading(flow * 690, at + second, currents=(flow, flow, flow)),
            {"a": drawn * 690},
            memory=memory,
            at=at + second,
        )
        plans.append(result)
    return plans, memory


@pytest.mark.parametrize("curve", list(TripCurve))
def test_the_trip_model_lowers_later_only_where_it_was_chosen(curve: TripCurve) -> None:
    model = _evening(curve)
    # Long enough below the fuse for the model to know that it is cool.
    _, memory = _follow(model, 5.0, 1000, EMPTY)
    # 27 A on a fuse of 25 A: 1.08 times.
    plans, _ = _follow(model, 11.0, 400, memory, at=1100.0)
    told = [item.setpoints["a"].value for item in plans]
    if curve is TripCurve.OFF:
        assert told[5] == 14
        return
    assert told[100] == 16
    assert told[-1] == 14
    lowered = next(index for index, value in enumerate(told) if value != 16)
    assert lowered <= CURVES[curve].mild + 2


def test_the_trip_model_acts_in_seconds_above_and_at_once_far_above() -> None:
    model = _evening(TripCurve.BREAKER_B)
    _, cool = _follow(model, 5.0, 1000, EMPTY)
    # 32 A: 1.28 times.
    plans, _ = _follow(model, 16.0, 30, cool, at=1100.0)
    told = [item.setpoints["a"].value for item in plans]
    assert told[3] == 16
    assert told[12] == 9
    # 38 A: 1.52 times.
    plans, _ = _follow(model, 22.0, 4, cool, at=1100.0)
    assert plans[-1].setpoints["a"].value == 0


def test_the_trip_model_never_raises_and_tolerates_nothing_after_a_start() -> None:
    model = _evening(TripCurve.FUSE_GG)
    plans, memory = _follow(model, 14.0, 200, EMPTY)
    assert all((p.setpoints["a"].value or 0) <= 11 for p in plans)
    told = [p.setpoints["a"].value or 0 for p in plans]
    assert all(after >= before for before, after in pairwise(told))
    assert memory.stress[1] < 1


def test_the_trip_model_tolerates_nothing_on_old_data() -> None:
    model = _evening(TripCurve.BREAKER_B)
    _, memory = _follow(model, 5.0, 1000, EMPTY)
    assert set(memory.stress.values()) == {0.0}
    last = reading(5.0 * 690, 1100.0, currents=(5.0, 5.0, 5.0))
    _, memory = step(model, last, {"a": 0.0}, memory=memory, at=1200.0)
    assert set(memory.stress.values()) == {1.0}


def test_what_the_meter_disconnects_for_is_never_tolerated() -> None:
    model = _evening(TripCurve.BREAKER_B)
    _, cool = _follow(model, 5.0, 1000, EMPTY)
    told = []
    for threshold in (None, 24.0):
        flow = 27.0
        measured = replace(
            reading(flow * 690, 1100.0, currents=(flow, flow, flow)),
            fuse_threshold=threshold,
        )
        result, _ = step(model, measured, {"a": 16.0 * 690}, memory=cool, at=1100.0)
        told.append(result.setpoints["a"].value)
    assert told == [16.0, 13.0]


def test_nobody_yields_to_a_charger_that_waits_for_a_car() -> None:
    """It might serve a single-phase car: it stands ready within what is left."""
    second, third = (
        charger("second", maximum=16.0, lines=(Line.L2,)),
        charger("third", maximum=16.0, lines=(Line.L3,)),
    )
    waiting = charger("waiting", priority=9)
    states = {
        "second": state(second, 1380.0),
        "third": state(third, 1380.0),
        "waiting": state(waiting, 0.0, charger_state=ChargerState.IDLE),
    }
    measured = reading(4260.0, currents=(6.5, 6.0, 6.0))
    told = {}
    for most in (15.0, 20.0):
        model = site(
            second, third, waiting, main_fuse=25.0, protection=Protection(neutral=most)
        )
        told[most] = values(plan(model, measured, states))
    assert told[15.0] == {"second": 16.0, "third": 16.0, "waiting": 0.0}
    assert told[20.0]["second"] == told[20.0]["third"] == 16.0
    assert 6.0 <= (told[20.0]["waiting"] or 0.0) <= 20.0 - 16.0 + 6.5

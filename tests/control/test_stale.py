"""Missing data is a state of its own: nothing rises on it, everything is bounded."""

from dataclasses import replace

import pytest

from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.snapshot import SiteModel

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
    step,
    stop,
    values,
)


def silent_after(
    model: SiteModel,
    power: float,
    states: dict[str, float],
    seconds: int,
    *,
    given: GridOrders = NO_ORDERS,
    later: GridOrders | None = None,
) -> Plan:
    """Measure for 60 s, lose the meter, and return the plan some seconds later."""
    memory: Memory = EMPTY
    for at in range(100, 160):
        result, memory = step(
            model, reading(power, at), states, given=given, memory=memory, at=at
        )
    last = reading(power, 159)
    for at in range(160, 160 + seconds):
        result, memory = step(
            model,
            last,
            states,
            given=given if later is None else later,
            memory=memory,
            at=at,
        )
    return result


def test_stale_meter_nothing_rises_between_time_out_and_safe_state() -> None:
    model = site(charger(), main_fuse=25.0)
    tight, loose = orders(maxsetp=40.0), orders(maxsetp=90.0)
    fresh = silent_after(model, 5000.0, {"car": 5000.0}, 3, given=tight)
    assert fresh.metered
    held = silent_after(model, 5000.0, {"car": 5000.0}, 8, given=tight, later=loose)
    assert not held.metered
    assert held.setpoints["car"].value == fresh.setpoints["car"].value == 11.5


def test_stale_meter_after_the_delay_chargers_keep_to_their_safe_current() -> None:
    model = site(charger(safe_current=8.0), charger("two", safe_current=0.0))
    before = silent_after(model, 2000.0, {"car": 0.0, "two": 0.0}, 9)
    assert before.setpoints["car"].value == 18.5
    after = silent_after(model, 2000.0, {"car": 0.0, "two": 0.0}, 15)
    assert values(after) == {"car": 8.0, "two": 0.0}
    assert keys(after, "car")[0] == "meter_stale"
    named = {limit.cause.key for limit in after.limits}
    assert "meter_stale" in named


def test_S10_the_safe_current_yields_to_stop_operator_and_fuse() -> None:
    model = site(
        charger(safe_current=10.0), charger("two", safe_current=10.0), main_fuse=25.0
    )
    cars = {"car": 0.0, "two": 0.0}
    # 7 kW of other load leave 14.8 A of the fuse for both.
    by_fuse = silent_after(model, 7000.0, cars, 20)
    told = values(by_fuse)
    assert told["car"] is not None and told["two"] is not None
    assert told["car"] + told["two"] == pytest.approx(14.8, abs=0.2)
    by_operator = silent_after(model, 0.0, cars, 20, given=orders(minsetap=20.0))
    told = values(by_operator)
    assert told["car"] is not None and told["two"] is not None
    assert 0 < (told["car"] + told["two"]) * 690 <= 0.2 * 2 * 22_080
    by_stop = silent_after(model, 0.0, cars, 20, given=stop("consumption"))
    assert values(by_stop) == {"car": 0, "two": 0}


def test_limit_arrives_while_the_meter_is_stale() -> None:
    """The newest order acts on what is known, towards the safe side."""
    model = site(charger(), load(), inverter(rated=15_000.0))
    states = {"car": 7000.0, "boiler": 3000.0, "sun": -4000.0}
    result = silent_after(
        model, 8000.0, states, 20, later=orders(maxsetp=0.0, minsetp=0.0)
    )
    told = values(result)
    assert (told["car"], told["boiler"]) == (0, 0)
    # Nobody sees the other consumption any more: it counts nothing.
    assert told["sun"] == 0


def test_stale_meter_injection_is_held_open_loop_with_known_consumption_only() -> None:
    model = site(load(), inverter(rated=15_000.0))
    states = {"boiler": 3000.0, "sun": -4000.0}
    fresh = silent_after(model, 2000.0, states, 0, given=orders(minsetp=10.0))
    assert fresh.setpoints["sun"].value == 1000 + 3000 + 3000
    blind = silent_after(model, 2000.0, states, 20, given=orders(minsetp=10.0))
    assert blind.setpoints["sun"].value == 1000 + 3000


def test_stale_meter_batteries_rest() -> None:
    result = silent_after(site(battery()), 3000.0, {"battery": -2000.0}, 20)
    assert values(result) == {"battery": 0}
    assert keys(result, "battery") == ["meter_stale"]


def test_stale_meter_import_is_held_open_loop() -> None:
    model = site(battery(), load("pump", never_shed=True, rated=4000.0))
    states = {"battery": 0.0, "pump": 4000.0}
    result = silent_after(model, 6000.0, states, 20, given=orders(maxsetp=10.0))
    # Last known: 2 kW of other load and the pump; 2 kW may be imported.
    assert result.setpoints["battery"].value == -4000


def test_stale_meter_infeasible_names_the_meter() -> None:
    model = site(load("pump", never_shed=True, rated=4000.0))
    result = silent_after(
        model, 6000.0, {"pump": 4000.0}, 20, given=orders(maxsetp=10.0)
    )
    (item,) = result.infeasible
    assert item.problem == "stale_meter"
    assert item.missing == pytest.approx(4000.0)


def test_before_the_first_reading_chargers_keep_to_their_safe_current() -> None:
    result = plan(site(charger()), None, {"car": 0.0})
    assert values(result) == {"car": 6.0}
    assert not result.metered
    assert result.headroom.import_power is None


def test_the_meter_comes_back_and_chargers_rise_slowly() -> None:
    model = site(charger())
    memory: Memory = EMPTY
    told = []
    for at in range(100, 180):
        measured = reading(1000.0, at if at < 110 or at >= 140 else 109)
        result, memory = step(model, measured, {"car": 0.0}, memory=memory, at=at)
        told.append(result.setpoints["car"].value)
    assert told[:15] == [32.0] * 15
    assert told[35:40] == [6.0] * 5
    assert told[40:49] == [6.0] * 9
    assert told[-1] == 32.0


def test_a_silent_charger_is_not_raised_and_is_booked() -> None:
    model = site(charger(safe_current=10.0), charger("two"), main_fuse=25.0)
    gone = replace(state(charger(), 0.0), available=False)
    result = plan(model, reading(0.0), {"car": gone, "two": 0.0})
    assert values(result) == {"car": 0, "two": 15.0}
    assert keys(result, "car") == ["device_silent"]


def test_an_old_answer_counts_as_none() -> None:
    model = site(charger(), charger("two"))
    result = plan(
        model, reading(0.0), {"car": state(charger(), 0.0, at=10.0), "two": 0.0}
    )
    assert keys(result, "car") == ["device_silent"]


def test_injection_cap_with_two_inverters_one_offline() -> None:
    """The one that answers makes room for the one that does not."""
    model = site(inverter(rated=5000.0), inverter("two", rated=5000.0))
    gone = replace(state(inverter("two"), 0.0), available=False)
    result = plan(
        model,
        reading(-7000.0),
        {"sun": -4000.0, "two": gone},
        given=orders(minsetp=50.0),
    )
    # 7 kW go out, 3 kW of them by the silent one: 2 kW less are allowed.
    assert result.setpoints["sun"].value == 2000


def test_a_line_that_the_meter_does_not_name_keeps_its_chargers_safe() -> None:
    model = site(charger(), charger("two", lines=(Line.L2,)))
    measured = replace(
        reading(0.0),
        line_current=replace(reading(0.0).line_current, l1=None),
    )
    result = plan(model, measured, {"car": 0.0, "two": 0.0})
    assert result.setpoints["car"].value == 6.0
    assert result.setpoints["two"].value == 32.0


def test_headroom_is_what_the_meter_leaves() -> None:
    result = plan(
        site(), reading(-3000.0), {}, given=orders(maxsetp=50.0, minsetp=50.0)
    )
    assert result.headroom.import_power == 13_000
    assert result.headroom.injection_power == 2000
    assert result.headroom.line_current.l1 == pytest.approx(40 - 3000 / 690)
    assert plan(site(), reading(0.0), {}).headroom.import_power is None


@pytest.mark.parametrize("fresh", [True, False])
def test_S14_a_load_comes_back_only_on_fresh_data(fresh: bool) -> None:
    model = site(load())
    memory: Memory = EMPTY
    for at in range(100, 320):
        tight = at < 130
        last = at if fresh or at < 150 else 149
        result, memory = step(
            model,
            reading(20_500.0 if tight else 500.0, last),
            {"boiler": state(load(), 0.0, at, enabled=not tight)},
            given=orders(maxsetp=100.0),
            memory=memory,
            at=at,
        )
    assert result.setpoints["boiler"].value == (1.0 if fresh else 0.0)

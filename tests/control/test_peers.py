"""What the users of other systems complained about, and what follows: one test each.

A car's draw is in W; the fuse of `site` is 40 A.
"""

from dataclasses import replace

import pytest

from custom_components.netflex.control.memory import EMPTY, from_dict, to_dict
from custom_components.netflex.model.asset import ChargerState
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    Order,
    OrderSource,
)
from custom_components.netflex.model.plan import ComplianceState, Quantity, Source
from custom_components.netflex.model.protection import Protection
from custom_components.netflex.model.snapshot import ComplianceRules, UserLimits

from .closed_loop import Car, Loop, Sample, changes, devices_of, swings, worst
from .sites import (
    ALL,
    START,
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


def late(loop: Loop, at: float) -> list[Sample]:
    return [sample for sample in loop.samples if sample.at >= at]


# Issue rows.


def test_row_01_an_increase_comes_within_seconds_and_is_announced() -> None:
    model = site(charger())
    car = state(model.assets["car"], 4140.0, current_limit=6.0)
    result, memory = step(model, reading(4140.0), {"car": car})
    assert values(result) == {"car": 6.0}
    assert result.next_change is not None
    for at in range(101, 113):
        result, memory = step(
            model,
            reading(4140.0, at),
            {"car": replace(car, at=float(at))},
            memory=memory,
            at=at,
        )
    assert values(result) == {"car": 32.0}


def test_row_02_the_first_write_is_not_above_the_chargers_maximum() -> None:
    assert values(plan(site(charger(maximum=16.0)), reading(0.0), {"car": 0.0})) == {
        "car": 16.0
    }


@pytest.mark.parametrize("base", [27_000.0, 40_000.0])
def test_row_03_below_the_minimum_it_pauses(base: float) -> None:
    assert values(plan(site(charger()), reading(base), {"car": 0.0})) == {"car": 0.0}


def test_row_03_a_meter_without_any_value_divides_by_nothing() -> None:
    result = plan(site(charger()), reading(None), {"car": 0.0})
    assert values(result) == {"car": 6.0}


def test_row_04_a_restart_goes_on_from_what_the_device_says() -> None:
    loop = Loop(site=site(charger()), devices=devices_of(site(charger())))
    loop.run(60)
    assert loop.samples[-1].plan.setpoints["car"].value == 32.0
    loop.memory = EMPTY
    loop.run(30)
    assert {s.plan.setpoints["car"].value for s in loop.samples[60:]} == {32.0}


def test_row_05_a_manual_limit_is_a_cause_and_leaves_nothing_behind() -> None:
    model = site(charger())
    result, memory = step(
        model, reading(0.0), {"car": 0.0}, user={"car": UserLimits(current=10.0)}
    )
    assert values(result) == {"car": 10.0}
    assert keys(result, "car") == ["user_limit"]
    for at in range(101, 115):
        result, memory = step(
            model, reading(0.0, at), {"car": 0.0}, memory=memory, at=at
        )
    assert values(result) == {"car": 32.0}


def test_row_06_several_chargers_of_one_and_three_phases_use_the_sun() -> None:
    model = site(charger("a"), charger("b", lines=(Line.L2,)), inverter())
    result = plan(model, reading(-6900.0), {"a": 0.0, "b": 0.0, "sun": -6900.0})
    # 40 A and 10 A of sun on each line; the two share L2.
    assert values(result) == {"a": 25.0, "b": 25.0, "sun": None}


def test_row_07_a_single_phase_car_is_not_held_by_other_lines() -> None:
    model = site(charger(lines=(Line.L1,)))
    busy = reading(18_400.0, currents=(0.0, 40.0, 40.0))
    assert values(plan(model, busy, {"car": 0.0})) == {"car": 32.0}


def test_row_07_nor_is_a_three_phase_charger_with_a_single_phase_car() -> None:
    model = site(charger())
    car = state(
        model.assets["car"], 3680.0, currents=LineValues(l1=16.0, l2=0.0, l3=0.0)
    )
    measured = reading(20_240.0, currents=(16.0, 36.0, 36.0))
    assert values(plan(model, measured, {"car": car})) == {"car": 32.0}


def test_row_08_three_cars_on_three_lines_are_not_48_amperes_on_one() -> None:
    rotations = (ALL, (Line.L2, Line.L3, Line.L1), (Line.L3, Line.L1, Line.L2))
    model = site(
        *(
            charger(f"car{n}", maximum=16.0, lines=(lines[0],))
            for n, lines in enumerate(rotations)
        ),
        main_fuse=20.0,
    )
    result = plan(model, reading(0.0), dict.fromkeys(model.assets, 0.0))
    assert set(values(result).values()) == {16.0}


def test_row_09_it_throttles_to_the_minimum_before_it_stops() -> None:
    told = [
        values(plan(site(charger()), reading(690.0 * amps), {"car": 0.0}))["car"]
        for amps in (20, 33, 34, 35)
    ]
    assert told == [20.0, 7.0, 6.0, 0.0]


def test_row_10_a_third_car_gets_its_minimum_or_nothing_and_they_take_turns() -> None:
    model = site(*(charger(name) for name in "abc"), main_fuse=15.0)
    loop = Loop(site=model, devices=devices_of(model))
    loop.run(3000)
    for sample in late(loop, 1060):
        told = [sample.plan.setpoints[name].value or 0.0 for name in "abc"]
        assert all(value == 0 or value >= 6 for value in told)
        assert sum(told) <= 15
    for name in "abc":
        charged = [sample.devices[name] > 0 for sample in loop.samples]
        assert sum(charged) > 900, name


def test_row_11_priority_counts_under_every_limit() -> None:
    model = site(charger("last", priority=2), charger("first"), main_fuse=40.0)
    result = plan(model, reading(0.0), {"last": 0.0, "first": 0.0})
    assert values(result) == {"first": 32.0, "last": 8.0}
    capped = plan(
        model, reading(0.0), {"last": 0.0, "first": 0.0}, given=orders(maxsetp=60.0)
    )
    assert values(capped) == {"first": 17.3, "last": 0.0}


def test_row_14_a_car_that_takes_three_lines_by_itself_stays_inside_the_fuse() -> None:
    model = site(charger(maximum=16.0), main_fuse=20.0)
    loop = Loop(
        site=model,
        devices=devices_of(model),
        base=lambda _: (500.0, 1800.0, 500.0),
    )
    car = loop.devices[0]
    assert isinstance(car, Car)
    car.phases = (Line.L1,)
    loop.run(60)
    car.phases = ALL
    loop.run(60)
    assert worst(late(loop, 1000), lambda s: s.currents[0]) <= 20.0
    assert worst(late(loop, 1065), lambda s: max(s.currents)) <= 20.1
    # No line ever carries more of it than its installation allows.
    assert all((s.plan.setpoints["car"].value or 0) <= 16.0 for s in loop.samples)


@pytest.mark.parametrize("lines", [(Line.L1,), ALL])
@pytest.mark.parametrize("restart", [False, True])
def test_row_15_a_power_limit_holds_and_ends_on_one_and_three_phases(
    lines: tuple[Line, ...], restart: bool
) -> None:
    model = site(charger(lines=lines))
    loop = Loop(
        site=model,
        devices=devices_of(model),
        orders=lambda at: orders(maxsetp=15.0) if at < 1200 else NO_ORDERS,
    )
    loop.run(100)
    if restart:
        loop.memory = from_dict(to_dict(loop.memory))
    loop.run(250)
    limited = [s for s in loop.samples if 1030 <= s.at < 1200]
    assert worst(limited, lambda s: s.power) <= 3050
    assert loop.samples[-1].plan.setpoints["car"].value == 32.0


def test_row_16_a_charger_that_answers_late_does_not_oscillate() -> None:
    model = site(charger(), main_fuse=25.0)
    loop = Loop(
        site=model,
        devices=devices_of(model, car={"delay": 10.0, "poll": 5.0}),
        base=lambda at: (2000.0 if at > 1100 else 500.0,) * 3,
        noise=40.0,
    )
    loop.run(400)
    assert swings(late(loop, 1030), "car", 1.0) <= 1
    assert changes(late(loop, 1200), "car") <= 2


def test_row_17_mixed_cars_share_per_line_and_reclaim_what_is_unused() -> None:
    model = site(charger("one", lines=(Line.L1,)), charger("three"), main_fuse=32.0)
    loop = Loop(
        site=model,
        devices=devices_of(model, one={"appetite": lambda _: 8.0}),
        base=lambda _: (0.0, 0.0, 0.0),
    )
    loop.run(300)
    assert loop.samples[-1].devices["one"] == 8.0 * 230
    assert loop.samples[-1].devices["three"] >= 22.0 * 690


def test_row_18_the_operators_limit_feeds_the_same_sharing_without_a_battery() -> None:
    model = site(charger("a"), charger("b"))
    states = {"a": 0.0, "b": 0.0}
    free = plan(model, reading(0.0), states)
    capped = plan(model, reading(0.0), states, given=orders(maxsetp=50.0))
    assert values(free) == {"a": 20.0, "b": 20.0}
    assert values(capped) == {"a": 7.2, "b": 7.2}
    assert keys(capped, "a") == ["maxsetp"]


def test_row_19_failsafe_priorities_unbalance_and_phase_map_hold_together() -> None:
    """The checklist of that epic in one site: every part binds, each with its cause."""
    model = site(
        charger("first", lines=(Line.L1,), priority=0),
        charger("second", lines=(Line.L1,), priority=1, safe_current=7.0),
        charger("turned", lines=(Line.L2,), priority=1),
        main_fuse=25.0,
        protection=Protection(unbalance=20.0),
    )
    states = {"first": 0.0, "second": 0.0, "turned": 0.0}
    memory = EMPTY
    for at in range(100, 130):
        result, memory = step(model, reading(0.0, at), states, memory=memory, at=at)
    told = values(result)
    # Priority on the shared line, the phase map on the other one.
    assert told["first"] is not None
    assert told["second"] is not None
    assert told["first"] > told["second"]
    lines = (told["first"] + told["second"], told["turned"] or 0.0, 0.0)
    assert max(lines) <= 25.0
    assert max(lines) - min(lines) <= 20.0 + 1e-6
    # Failsafe: nobody measures any more, after the named delay.
    last = reading(0.0, 129)
    for at in range(130, 145):
        result, memory = step(model, last, states, memory=memory, at=at)
    assert (values(result)["second"] or 0.0) <= 7.0
    assert keys(result, "turned")[0] == "meter_stale"


def test_row_20_the_safe_state_is_left_when_the_meter_is_back() -> None:
    model = site(charger(), load())
    loop = Loop(
        site=model,
        devices=devices_of(model),
        meter_works=lambda at: not 1100 <= at < 1200,
        orders=lambda at: orders(maxsetp=0.0) if 1120 <= at < 1150 else NO_ORDERS,
    )
    loop.run(99)
    before = loop.samples[-1].plan.setpoints["car"].value
    loop.run(400)
    (dim,) = [s for s in loop.samples if s.at == 1149]
    assert dim.plan.setpoints["car"].value == 0.0
    last = loop.samples[-1].plan
    assert last.metered
    assert last.setpoints["car"].value == pytest.approx(before, abs=0.2)
    assert last.setpoints["boiler"].value == 1.0


def test_row_21_injection_is_limited_not_generation_and_on_every_inverter() -> None:
    model = site(inverter("a", rated=5000.0), inverter("b", rated=5000.0))
    loop = Loop(
        site=model,
        devices=devices_of(
            model, a={"sun": lambda _: 5000.0}, b={"sun": lambda _: 5000.0}
        ),
        base=lambda _: (1000.0, 1000.0, 1000.0),
        orders=lambda _: orders(minsetp=20.0),
    )
    loop.run(150)
    last = loop.samples[-1]
    assert -last.power == pytest.approx(2000.0, abs=100)
    assert last.devices["a"] == pytest.approx(-2500.0, abs=150)
    assert last.devices["b"] == pytest.approx(-2500.0, abs=150)


def test_row_22_zero_is_a_limit_and_absent_is_none() -> None:
    model = site(charger(), load())
    states = {"car": 0.0, "boiler": 3000.0}
    zero = plan(model, reading(3000.0), states, given=orders(maxsetp=0.0))
    assert values(zero)["car"] == 0.0
    absent = plan(model, reading(3000.0), states)
    assert (absent.ordered, absent.compliance) == ((), ())
    assert values(absent)["car"] == 32.0
    # Scope is explicit: assets' consumption is not import.
    assets = plan(model, reading(3000.0), states, given=orders(minsetap=0.0))
    (limit,) = assets.ordered
    assert (limit.quantity, limit.value) == (Quantity.CONSUMPTION, 0.0)
    assert values(assets) == {"car": 0.0, "boiler": 0.0}


def test_row_23_headroom_is_there_for_planners() -> None:
    model = site(charger())
    result = plan(model, reading(6900.0), {"car": 0.0}, given=orders(maxsetp=50.0))
    assert result.headroom.import_power == 3100.0
    assert result.headroom.line_current[Line.L1] == pytest.approx(30.0)


def test_row_24_a_limit_that_changes_with_time_is_followed() -> None:
    model = site(charger())
    blocks = (10.0, 16.0, 8.0)
    loop = Loop(
        site=model,
        devices=devices_of(model),
        user=lambda at: {
            "car": UserLimits(current=blocks[int((at - 1000) // 100) % 3])
        },
    )
    loop.run(299)
    for index, most in enumerate(blocks):
        (at_end,) = [s for s in loop.samples if s.at == 1000 + 100 * index + 98]
        assert at_end.plan.setpoints["car"].value == most


def test_row_25_the_fuse_comes_after_every_wish() -> None:
    model = site(charger("a"), charger("b"), battery(rated=9000.0), main_fuse=16.0)
    loop = Loop(
        site=model,
        devices=devices_of(model, battery={"charge": 30.0}),
        user=lambda _: {"battery": UserLimits(target_power=9000.0)},
    )
    loop.run(200)
    assert worst(late(loop, 1015), lambda s: max(s.currents)) <= 16.1


def test_row_26_a_value_that_is_not_applied_is_seen_and_counted() -> None:
    model = site(charger("deaf"), charger("other"), main_fuse=32.0)
    user = {"deaf": UserLimits(current=6.0)}
    deaf = state(model.assets["deaf"], 690.0 * 20)
    states = {"deaf": deaf, "other": 690.0 * 6}
    measured = reading(690.0 * 26)
    _, memory = step(model, measured, states, user=user)
    states["deaf"] = replace(deaf, follows=False)
    result = plan(model, measured, states, user=user, memory=memory)
    assert values(result) == {"deaf": 6.0, "other": 12.0}


# Cases.


@pytest.mark.parametrize("name", ["minsetp", "maxsetp", "maxsetap", "minsetap"])
def test_case_01_zero_hundred_and_absent_give_different_plans(name: str) -> None:
    model = site(
        charger(),
        load(),
        inverter(rated=20_000.0),
        contract_consumption=5000.0,
        contract_injection=4000.0,
        main_fuse=63.0,
    )
    given = [orders(**{name: 0.0}), orders(**{name: 100.0}), NO_ORDERS]
    export = name in {"minsetp", "maxsetap"}
    measured = reading(-20_000.0 if export else 3000.0)
    states = {
        "car": 0.0,
        "boiler": 0.0 if export else 3000.0,
        "sun": -20_000.0 if export else 0.0,
    }
    plans = [plan(model, measured, states, given=order) for order in given]
    ordered = [tuple(limit.value for limit in result.ordered) for result in plans]
    assert len(set(ordered)) == 3
    assert values(plans[0]) != values(plans[2])


def test_case_02_a_limit_that_arrives_while_the_meter_is_stale_is_held() -> None:
    model = site(charger(), inverter())
    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"sun": lambda _: 6000.0}),
        meter_works=lambda at: at < 1050,
        orders=lambda at: orders(minsetp=0.0, maxsetp=0.0) if at > 1080 else NO_ORDERS,
    )
    loop.run(120)
    last = loop.samples[-1]
    assert last.devices == {"car": 0.0, "sun": 0.0}
    assert {found.state for found in last.plan.compliance} == {ComplianceState.UNKNOWN}


def test_case_03_the_fallback_of_a_lost_link_is_a_limit_like_any_other() -> None:
    fallback = GridOrders(
        maxsetp=Order(value=40.0, source=OrderSource.FALLBACK, at=START)
    )
    result = plan(site(charger()), reading(0.0), {"car": 0.0}, given=fallback)
    assert values(result) == {"car": 11.5}
    (limit,) = result.ordered
    assert (limit.source, limit.since) == (Source.GRID_OPERATOR, START)


def test_case_04_a_stop_in_the_middle_of_a_change_of_phases() -> None:
    model = site(charger())
    loop = Loop(
        site=model,
        devices=devices_of(model, car={"delay": 1.0}),
        orders=lambda at: stop("consumption") if at >= 1060 else NO_ORDERS,
    )
    car = loop.devices[0]
    assert isinstance(car, Car)
    car.phases = (Line.L1,)
    loop.run(58)
    car.phases = ALL
    loop.run(60)
    for sample in late(loop, 1060):
        setpoint = sample.plan.setpoints["car"]
        assert (setpoint.value, setpoint.phases, setpoint.emergency) == (0, None, True)
    assert worst(late(loop, 1062), lambda s: s.devices["car"]) == 0


def test_case_05_two_chargers_three_limits_one_single_phase_car_on_L2() -> None:
    model = site(charger("three"), charger("one"), main_fuse=32.0)
    loop = Loop(
        site=model,
        devices=devices_of(model, one={"phases": (Line.L2,)}),
        orders=lambda _: orders(maxsetp=75.0, minsetap=30.0),
        base=lambda _: (500.0, 1000.0, 500.0),
    )
    loop.run(300)
    for sample in late(loop, 1100):
        assert max(sample.currents) <= 32.1
        assert sample.power <= 15_100
        assert sum(sample.devices.values()) <= 0.3 * 2 * 32 * 690 + 100
    assert all(power > 0 for power in loop.samples[-1].devices.values())


def test_case_06_a_restart_with_limit_stop_and_override_keeps_all_three() -> None:
    model = site(charger(), battery(), inverter())
    given = replace(stop("production"), maxsetp=orders(maxsetp=30.0).maxsetp)
    user = {"car": UserLimits(current=7.0)}
    states = {"car": 690.0 * 7, "battery": 0.0, "sun": 0.0}
    _, memory = step(model, reading(5000.0), states, given=given, user=user)
    for start in (from_dict(to_dict(memory)), EMPTY):
        result = plan(
            model,
            reading(5000.0, 900.0),
            states,
            given=given,
            user=user,
            memory=start,
            at=900.0,
        )
        assert values(result) == {"car": 7.0, "battery": 0.0, "sun": 0.0}
        assert [limit.value for limit in result.ordered] == [6000.0]


def test_case_09_a_delta_meter_without_a_voltage_on_L2() -> None:
    model = site(charger(maximum=16.0), grid_type=GridType.DELTA, main_fuse=25.0)
    measured = replace(
        reading(2300.0, currents=(12.0, 10.0, 5.0), grid=GridType.DELTA),
        signed_currents=False,
        line_power=LineValues(l1=2000.0, l2=0.0, l3=300.0),
        line_voltage=LineValues(l1=230.0, l2=0.0, l3=230.0),
    )
    assert values(plan(model, measured, {"car": 0.0})) == {"car": 13.0}


def test_case_10_a_battery_at_its_reserve_leaves_shedding() -> None:
    model = site(battery(), load(), charger())
    result = plan(
        model,
        reading(690.0 * 8 + 3500.0),
        {
            "battery": state(model.assets["battery"], 0.0, state_of_charge=10.0),
            "boiler": 3000.0,
            "car": 690.0 * 8,
        },
        given=orders(maxsetp=10.0),
    )
    told = values(result)
    assert (told["battery"], told["car"]) == (0.0, 0.0)
    assert result.infeasible == ()


def test_case_11_an_inverter_that_is_offline_counts_and_the_other_yields() -> None:
    model = site(inverter("a", rated=6000.0), inverter("b", rated=6000.0))
    loop = Loop(
        site=model,
        devices=devices_of(
            model,
            a={"sun": lambda _: 4000.0, "online": lambda _: False},
            b={"sun": lambda _: 4000.0},
        ),
        orders=lambda _: orders(minsetp=50.0),
    )
    loop.run(90)
    last = loop.samples[-1]
    assert last.devices["a"] == -4000.0
    assert -last.power <= 5075


def test_case_13_no_injection_with_a_full_battery_within_ten_seconds() -> None:
    model = site(inverter(), battery(), compliance=ComplianceRules(samples=2))
    loop = Loop(
        site=model,
        devices=devices_of(
            model,
            sun={"sun": lambda _: 7000.0, "delay": 4.0},
            battery={"charge": 100.0},
        ),
        orders=lambda at: orders(minsetp=0.0) if at >= 1030 else NO_ORDERS,
    )
    loop.run(80)
    (found,) = loop.samples[-1].plan.compliance
    assert found.state is ComplianceState.INSIDE
    assert found.seconds is not None
    assert 1.0 <= found.seconds <= 10.0


def test_case_19_a_stop_ten_times_a_second_is_one_stop() -> None:
    model = site(charger(), inverter())
    states = {"car": 11_040.0, "sun": -5000.0}
    given = stop("production", "consumption")
    result, memory = step(model, reading(6040.0), states, given=given)
    for _ in range(10):
        again, memory = step(model, reading(6040.0), states, given=given, memory=memory)
        assert again.setpoints == result.setpoints
        assert again.compliance == result.compliance


def test_case_20_a_test_reason_changes_no_decision() -> None:
    model = site(charger(), inverter())
    states = {"car": 0.0, "sun": -3000.0}
    real = plan(model, reading(-3000.0), states, given=orders(maxsetp=20.0, redenp=0))
    test = plan(model, reading(-3000.0), states, given=orders(maxsetp=20.0, redenp=99))
    assert test == real


def test_case_20_a_car_in_fault_gets_nothing_of_the_share() -> None:
    model = site(charger("a"), charger("b"), main_fuse=32.0)
    broken = state(model.assets["a"], 0.0, charger_state=ChargerState.FAULT)
    assert values(plan(model, reading(0.0), {"a": broken, "b": 0.0}))["b"] == 32.0

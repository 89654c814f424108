"""The main fuse, line by line, on every grid and every kind of meter."""

from dataclasses import replace

import pytest

from custom_components.netflex.control.estimate import channels
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import ChargerState
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import UserLimits

from .sites import (
    ALL,
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
    values,
)


def test_the_fullest_line_bounds_a_three_phase_charger() -> None:
    result = plan(
        site(charger(), main_fuse=25.0),
        reading(5980.0, currents=(2.0, 15.0, 9.0)),
        {"car": 0.0},
    )
    assert values(result) == {"car": 10.0}
    assert "on L2" in result.setpoints["car"].causes[0].text


def test_a_single_phase_charger_is_bound_by_its_own_line_only() -> None:
    """An overload on another line, or injection on it, does not hold it."""
    model = site(charger(lines=(Line.L3,)), main_fuse=25.0)
    result = plan(model, reading(6000.0, currents=(30.0, -9.0, 5.0)), {"car": 0.0})
    assert values(result) == {"car": 20.0}


def test_three_cars_on_three_lines_are_not_booked_on_one() -> None:
    model = site(
        *(charger(line, lines=(line,), maximum=16.0) for line in ALL), main_fuse=25.0
    )
    result = plan(model, reading(0.0), dict.fromkeys(ALL, 0.0))
    assert values(result) == dict.fromkeys(ALL, 16.0)


def test_two_chargers_three_limits_one_single_phase_car_on_L2() -> None:
    """The car's own line is recognised from what is measured."""
    model = site(charger("one"), charger("three"), main_fuse=32.0)
    one = state(
        model.assets["one"], 3680.0, currents=LineValues(l1=0.0, l2=16.0, l3=0.0)
    )
    result = plan(
        model,
        reading(3680.0, currents=(0.0, 16.0, 0.0)),
        {"one": one, "three": 0.0},
    )
    # Only L2 is shared: 32 A there, half each.
    assert values(result) == {"one": 16.0, "three": 16.0}


def test_the_line_of_a_car_is_remembered_while_it_pauses() -> None:
    model = site(charger(), main_fuse=25.0)
    car = model.assets["car"]
    seen = state(car, 3680.0, currents=LineValues(l1=0.0, l2=16.0, l3=0.0))
    _, memory = step(model, reading(3680.0, currents=(0, 16.0, 0)), {"car": seen})
    assert memory.asset("car").lines == (Line.L2,)
    paused = state(car, 0.0, 101.0, currents=LineValues(l1=0.0, l2=0.0, l3=0.0))
    busy = reading(5520.0, 101.0, currents=(24.0, 0.0, 0.0))
    result, memory = step(model, busy, {"car": paused}, memory=memory, at=101.0)
    assert result.setpoints["car"].value == 25.0
    gone = state(car, 0.0, 102.0, charger_state=ChargerState.IDLE)
    _, memory = step(model, busy, {"car": gone}, memory=memory, at=102.0)
    assert memory.asset("car").lines == ()


def test_battery_discharge_makes_room_on_its_lines() -> None:
    model = site(charger(), battery(rated=6900.0), main_fuse=25.0)
    result = plan(model, reading(10_350.0), {"car": 0.0, "battery": 0.0})
    assert values(result)["car"] == 20.0


def test_meter_with_delta_L2_voltage_zero() -> None:
    """Two-wattmeter powers say nothing about a line: currents count unsigned."""
    measured = MeterReading(
        meter_id="m",
        received=100.0,
        grid_type=GridType.DELTA,
        power=182.0,
        line_power=LineValues(l1=230.0, l2=0.0, l3=-48.0),
        line_current=LineValues(l1=1.60, l2=1.66, l3=1.41),
        line_voltage=LineValues(l1=230.0, l2=0.0, l3=230.0),
    )
    model = site(grid_type=GridType.DELTA)
    assert channels(measured, model) == (182.0, 1.60, 1.66, 1.41)


def test_delta_a_single_phase_charger_loads_two_lines() -> None:
    one = charger(lines=(Line.L1, Line.L2), phases=1)
    model = site(one, grid_type=GridType.DELTA, main_fuse=25.0)
    result = plan(
        model,
        reading(0.0, currents=(5.0, 12.0, 24.0), grid=GridType.DELTA),
        {"car": 0.0},
    )
    assert values(result) == {"car": 13.0}


def test_delta_three_phase_power_counts_with_the_root_of_three() -> None:
    model = site(
        charger(rated_consumption=32 * 230 * 3**0.5),
        grid_type=GridType.DELTA,
        contract_consumption=9200.0,
        main_fuse=40.0,
    )
    given = replace(reading(0.0, grid=GridType.DELTA), power_threshold=9200.0)
    result = plan(model, given, {"car": 0.0})
    assert result.setpoints["car"].value == 23.0


def test_unsigned_currents_count_as_import() -> None:
    measured = MeterReading(
        meter_id="m",
        received=100.0,
        power=-460.0,
        line_current=LineValues(l1=10.0, l2=4.0, l3=8.0),
    )
    model = site(charger(), main_fuse=25.0)
    result = plan(model, measured, {"car": 0.0})
    assert values(result) == {"car": 15.0}


def test_unsigned_currents_that_can_only_be_injection_leave_room() -> None:
    """The sum of powers equals the sum of magnitudes: all lines inject."""
    measured = MeterReading(
        meter_id="m",
        received=100.0,
        power=-20.0 * 690,
        line_current=LineValues(l1=20.0, l2=20.0, l3=20.0),
    )
    model = site(charger(), inverter(rated=15_000.0), main_fuse=25.0)
    result = plan(model, measured, {"car": 0.0, "sun": -13_800.0})
    # 25 A of fuse, with the sun as it shines now: the installation's 32 A fit.
    assert result.setpoints["car"].value == 32.0


def test_a_meter_in_whole_amperes_keeps_its_step_as_a_margin() -> None:
    measured = replace(reading(6900.0), current_resolution=1.0)
    result = plan(site(charger(), main_fuse=25.0), measured, {"car": 0.0})
    assert values(result) == {"car": 14.0}


def test_the_fuse_bounds_injection_too() -> None:
    model = site(inverter(rated=30_000.0), main_fuse=25.0)
    result = plan(model, reading(-20_000.0), {"sun": -20_690.0})
    value = result.setpoints["sun"].value
    assert value == pytest.approx(25 * 690 + 690, abs=2)
    assert keys(result, "sun") == ["main_fuse"]


def test_an_inverter_that_produces_is_not_curtailed_for_one_that_only_could() -> None:
    model = site(
        battery(rated=3000.0),
        inverter(rated=15_000.0),
        inverter("shade", rated=4000.0),
        main_fuse=25.0,
    )
    result = plan(
        model,
        reading(-11_352.0),
        {"battery": 0.0, "sun": -11_264.0, "shade": -88.0},
        user={"battery": UserLimits(target_power=-3000.0)},
    )
    # 17.25 kW fit through the fuse.
    assert (result.setpoints["sun"].value or 15_000.0) >= 11_264.0
    told = values(result)
    assert sum(told[name] or 0.0 for name in ("sun", "shade")) <= 17_250 - 3000


def test_only_stop_and_fuse_switch_off_what_is_never_shed() -> None:
    model = site(load(never_shed=True), main_fuse=25.0)
    result = plan(model, reading(9000.0, currents=(1.0, 20.0, 1.0)), {"boiler": 3000.0})
    assert values(result) == {"boiler": 1.0}
    over = plan(model, reading(9000.0, currents=(1.0, 29.5, 1.0)), {"boiler": 3000.0})
    assert values(over) == {"boiler": 0.0}
    assert keys(over, "boiler") == ["main_fuse"]


def test_no_single_sample_sheds_a_load_but_a_second_one_does() -> None:
    model = site(load(), main_fuse=25.0)
    memory: Memory = EMPTY
    calm, spike = (2.0, 15.0, 2.0), (2.0, 40.0, 2.0)
    told = []
    for at, currents in enumerate((calm, calm, spike, calm, spike, spike, spike), 100):
        result, memory = step(
            model,
            reading(sum(currents) * 230, at, currents=currents),
            {"boiler": 3000.0},
            memory=memory,
            at=at,
        )
        told.append(result.setpoints["boiler"].value)
    assert told == [1, 1, 1, 1, 1, 0, 0]


def test_a_charger_that_does_not_follow_is_counted_with_what_it_draws() -> None:
    model = site(charger(), battery(), main_fuse=63.0)
    stuck = state(charger(), 15_000.0, follows=False)
    result = plan(
        model,
        reading(16_000.0),
        {"car": stuck, "battery": 0.0},
        given=orders(maxsetp=0.0),
    )
    assert result.setpoints["battery"].value == -5000
    (item,) = result.infeasible
    assert item.missing == pytest.approx(11_000.0)

"""Overrides: what holds for a while in place of a mode, inside every limit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.netflex.control import scenario
from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.model.asset import Direction, EmergencyOutput
from custom_components.netflex.model.modes import BatteryMode, ChargerMode
from custom_components.netflex.model.orders import NO_ORDERS, LocalStops
from custom_components.netflex.model.plan import Source
from custom_components.netflex.model.snapshot import (
    Override,
    OverrideReason,
    Snapshot,
    UserLimits,
)

from .closed_loop import Loop, devices_of
from .sites import (
    START,
    battery,
    charger,
    clock,
    inverter,
    keys,
    load,
    orders,
    plan,
    reading,
    site,
    state,
    stop,
    values,
)

UNTIL = START + timedelta(hours=1)


def off_but(**override: object) -> dict[str, UserLimits]:
    """A charger that is off, and an override."""
    return {
        "car": UserLimits(
            mode=ChargerMode.OFF,
            override=Override(**override),  # type: ignore[arg-type]
        )
    }


def test_a_charger_charges_at_it_whatever_its_mode_until_it_ends() -> None:
    model = site(charger(maximum=16.0))
    loop = Loop(site=model, devices=devices_of(model))
    user = off_but(current=10.0, until=START + timedelta(seconds=loop.now + 60))
    loop.user = lambda at: user
    samples = loop.run(58)
    assert samples[-1].plan.setpoints["car"].value == 10.0
    cause = samples[-1].plan.setpoints["car"].causes[-1]
    assert cause.key == "override"
    assert cause.source is Source.USER
    assert cause.text == "Override until 2026-01-15 12:17 UTC: 10.0 A"
    assert samples[-1].plan.next_change == pytest.approx(loop.now + 2.0)
    # Nobody takes it back: it ends by itself.
    last = loop.run(4)[-1]
    assert last.plan.setpoints["car"].value == 0.0
    assert keys(last.plan, "car") == ["mode_off"]


def test_it_never_widens_what_the_user_set_for_good() -> None:
    model = site(charger())
    user = {"car": UserLimits(current=8.0, override=Override(current=12.0))}
    result = plan(model, reading(0.0), {"car": 0.0}, user=user)
    assert values(result)["car"] is not None
    assert (values(result)["car"] or 0.0) <= 8.0
    assert "override" not in keys(result, "car")


def test_a_battery_does_what_it_says_and_the_reserve_comes_first() -> None:
    model = site(battery())
    user = {
        "battery": UserLimits(
            mode=BatteryMode.IDLE, override=Override(target_power=-2000.0, until=UNTIL)
        )
    }
    told = plan(model, reading(5000.0), {"battery": 0.0}, user=user)
    assert values(told)["battery"] == -2000.0
    assert keys(told, "battery") == ["override"]
    empty = state(model.assets["battery"], 0.0, state_of_charge=8.0)
    told = plan(model, reading(5000.0), {"battery": empty}, user=user)
    assert values(told)["battery"] == 0.0
    assert keys(told, "battery") == ["battery_reserve"]


def test_an_inverter_and_a_load_too() -> None:
    model = site(inverter(), load())
    user = {
        "sun": UserLimits(override=Override(power=3000.0)),
        "boiler": UserLimits(switch=True, override=Override(switch=False)),
    }
    told = plan(model, reading(0.0), {"sun": -6000.0, "boiler": 3000.0}, user=user)
    assert values(told) == {"sun": 3000.0, "boiler": 0.0}
    assert keys(told, "sun") == ["override"]
    assert keys(told, "boiler") == ["override"]


@pytest.mark.parametrize(
    ("given", "local", "cause"),
    [
        (stop("consumption"), None, "emergency_stop_consumption"),
        (NO_ORDERS, LocalStops(consumption=frozenset({"x"})), "local_stop_consumption"),
        (orders(maxsetp=0.0), None, "maxsetp"),
    ],
)
def test_stops_and_the_operator_come_before_it(
    given: object, local: LocalStops | None, cause: str
) -> None:
    model = site(charger())
    told = plan(
        model,
        reading(500.0),
        {"car": 0.0},
        given=given,  # type: ignore[arg-type]
        local=local,
        user=off_but(current=10.0),
    )
    assert values(told)["car"] == 0.0
    assert keys(told, "car")[0] == cause


def test_the_fuse_comes_before_it() -> None:
    model = site(charger(), main_fuse=16.0)
    told = plan(
        model,
        reading(None, currents=(14.0, 2.0, 2.0)),
        {"car": 0.0},
        user=off_but(current=10.0),
    )
    assert values(told)["car"] == 0.0


def test_a_tested_stop_is_one_and_names_its_cause() -> None:
    model = site(charger(), battery(), inverter())
    test = UserLimits(override=Override(stop=True, reason=OverrideReason.COMMISSIONING))
    told = plan(
        model,
        reading(0.0),
        {"car": 7000.0, "battery": -1000.0, "sun": -6000.0},
        user=dict.fromkeys(("car", "battery", "sun"), test),
    )
    assert values(told) == {"car": 0.0, "battery": 0.0, "sun": 0.0}
    for name in ("car", "battery", "sun"):
        setpoint = told.setpoints[name]
        assert setpoint.emergency
        assert "Commissioning: stopped" in [cause.text for cause in setpoint.causes]


@pytest.mark.parametrize("energised", [True, False])
def test_a_tested_output_acts_and_what_is_behind_it_rests(energised: bool) -> None:
    output = EmergencyOutput(
        asset_id="k1",
        name="Contactor",
        stops=frozenset({Direction.PRODUCTION}),
        energised_when_stopped=energised,
        assets=frozenset({"sun"}),
    )
    model = replace(site(inverter()), outputs=(output,))
    told = plan(model, reading(0.0), {"sun": -6000.0})
    assert told.setpoints["k1"].value == float(not energised)
    test = Override(stop=True, reason=OverrideReason.COMMISSIONING)
    told = plan(
        model,
        reading(0.0),
        {"sun": -6000.0},
        user={"k1": UserLimits(override=test)},
    )
    assert told.setpoints["k1"].value == float(energised)
    assert keys(told, "k1") == ["commissioning"]
    assert not told.stopped
    assert values(told)["sun"] == 0.0


def test_it_goes_into_a_recording_and_back() -> None:
    model = site(charger())
    snapshot = Snapshot(
        reading=reading(0.0),
        states={"car": state(model.assets["car"], 0.0)},
        user=off_but(current=10.0, until=UNTIL),
    )
    frame = scenario.Frame(site=model, snapshot=snapshot, clock=clock())
    lines = [scenario.write_head(frame), scenario.write_frame(frame, None)]
    _head, moments = scenario.open_scenario(lines)
    (moment,) = moments
    again = decide(model, moment.snapshot, EMPTY, moment.clock)[0]
    assert values(again) == values(decide(model, snapshot, EMPTY, clock())[0])
    assert moment.snapshot.user["car"].override == snapshot.user["car"].override

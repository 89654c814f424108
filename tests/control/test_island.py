"""Islanding, what comes after it, production without a limit, lock-out, alarms."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import Direction, EmergencyOutput
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders, LocalStops
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.protection import Protection
from custom_components.netflex.model.reading import BreakerState
from custom_components.netflex.model.snapshot import SiteModel, Snapshot, UserLimits

from .sites import (
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
    step,
    stop,
    values,
)

MODEL = site(charger(), load(), inverter(), battery())
STATES = {"car": 7000.0, "boiler": 3000.0, "sun": -4000.0, "battery": 0.0}


def away(
    given: GridOrders = NO_ORDERS,
    *,
    islanded: bool = True,
    model: SiteModel = MODEL,
    memory: Memory = EMPTY,
    at: float = 100.0,
    **options: Any,
) -> tuple[Plan, Memory]:
    snapshot = Snapshot(
        orders=given,
        reading=options.pop("measured", reading(0.0, at)),
        states={
            name: state(model.assets[name], power, at) for name, power in STATES.items()
        },
        islanded=islanded,
        **options,
    )
    return decide(model, snapshot, memory, clock(at))


def test_S20_stop_of_production_does_not_black_out_an_islanded_house() -> None:
    result, memory = away(stop("production"))
    assert values(result)["sun"] is None
    assert Direction.PRODUCTION not in result.stopped
    # Back on the grid it acts at once.
    back, _ = away(stop("production"), islanded=False, memory=memory, at=101.0)
    assert values(back)["sun"] == 0
    assert back.setpoints["sun"].emergency


def test_S20_unless_the_user_wants_it_to() -> None:
    wants = replace(MODEL, protection=Protection(stop_blacks_out_island=True))
    result, _ = away(stop("production"), model=wants)
    assert values(result)["sun"] == 0


def test_S20_a_stop_given_on_the_site_acts_on_an_island_too() -> None:
    local = LocalStops(production=frozenset({"fire panel"}))
    result, _ = away(local_stops=local)
    assert values(result)["sun"] == 0


def test_S20_chargers_rest_on_an_island_unless_the_user_wants_them() -> None:
    result, _ = away()
    assert values(result)["car"] == 0
    assert keys(result, "car")[0] == "islanded"
    wants = replace(MODEL, protection=Protection(charge_on_island=True))
    assert (values(away(model=wants)[0])["car"] or 0) > 0


@pytest.mark.parametrize("breaker", [None, BreakerState.DISCONNECTED])
def test_S20_after_grid_loss_all_come_back_staggered_and_with_a_gradient(
    breaker: BreakerState | None,
) -> None:
    lost = {"islanded": breaker is None}
    _, memory = away(
        memory=EMPTY, measured=replace(reading(0.0, 100.0), breaker=breaker), **lost
    )
    starts: dict[str, int] = {}
    caps = []
    for second in range(1, 150):
        result, memory = away(islanded=False, memory=memory, at=100.0 + second)
        told = values(result)
        caps.append(told["sun"])
        for name in ("car", "boiler"):
            if told[name]:
                starts.setdefault(name, second)
        if told["sun"] is None or told["sun"] > 0:
            starts.setdefault("sun", second)
        if second == 1:
            assert "the grid is back" in result.setpoints["boiler"].causes[0].text
    assert min(starts.values()) >= 10
    assert all(b - a >= 4 for a, b in pairwise(sorted(starts.values())))
    rising = [cap for cap in caps if cap]
    assert max(b - a for a, b in pairwise(rising)) <= 8000 / 60 + 1
    assert caps[-1] is None


GENERATOR = inverter("old", rated=6000.0, controllable=False)
RELAY = EmergencyOutput(
    asset_id="relay",
    name="Relay",
    stops=frozenset({Direction.PRODUCTION}),
    assets=frozenset({"old"}),
)


@pytest.mark.parametrize("off", [False, True])
def test_S21_production_without_a_limit_is_counted_or_off(off: bool) -> None:
    model = site(replace(GENERATOR, off_when_limited=off), inverter(), outputs=(RELAY,))
    result = plan(
        model,
        reading(-5000.0),
        {"old": -3000.0, "sun": -2000.0},
        given=orders(maxsetap=50.0),
    )
    # 7 kW of 14 kW: what is counted takes 6 of them.
    assert values(result)["sun"] == (7000 if off else 1000)
    assert bool(result.setpoints["relay"].value) is off
    if off:
        (cause,) = result.setpoints["relay"].causes
        assert "cannot be limited" in cause.text


def test_S21_it_is_on_again_once_the_limit_is_loose() -> None:
    model = site(replace(GENERATOR, off_when_limited=True), outputs=(RELAY,))
    for given, driven in (
        (orders(minsetp=0.0), True),
        (orders(minsetp=100.0), False),
        (orders(maxsetap=100.0), False),
        (NO_ORDERS, False),
    ):
        result = plan(model, reading(-3000.0), {"old": -3000.0}, given=given)
        assert bool(result.setpoints["relay"].value) is driven


def test_S21_what_is_cut_off_is_booked_for_the_fuse() -> None:
    model = site(
        replace(GENERATOR, off_when_limited=True),
        charger(maximum=32.0),
        main_fuse=25.0,
        outputs=(RELAY,),
    )
    result = plan(
        model,
        reading(0.0, currents=(0.0, 0.0, 0.0)),
        {"old": -6000.0, "car": 6000.0},
        given=orders(maxsetap=0.0),
    )
    assert (values(result)["car"] or 0) <= 25


def test_S21_a_locked_out_asset_is_started_by_nothing() -> None:
    locked = dict.fromkeys(STATES, UserLimits(locked=True, target_power=3000.0))
    memory = EMPTY
    for at in range(100, 250):
        result, memory = step(
            MODEL,
            reading(1000.0, at),
            dict.fromkeys(STATES, 0.0),
            given=stop("production", "consumption") if at < 110 else NO_ORDERS,
            user=locked,
            memory=memory,
            at=at,
        )
        assert values(result) == {"car": 0, "boiler": 0, "sun": 0, "battery": 0}
    assert keys(result, "boiler") == ["locked_out"]
    assert keys(result, "sun") == ["locked_out"]


def test_S21_a_lock_out_ends_with_its_own_release() -> None:
    memory = EMPTY
    for at in range(100, 180):
        result, memory = step(
            MODEL,
            reading(0.0, at),
            dict.fromkeys(STATES, 0.0),
            user={"car": UserLimits(locked=at < 110)},
            memory=memory,
            at=at,
        )
    assert (values(result)["car"] or 0) >= 6


@pytest.mark.parametrize(("charge", "alarm"), [(50.0, False), (10.0, True)])
def test_stop_of_consumption_with_an_empty_battery_raises_an_alarm(
    charge: float, alarm: bool
) -> None:
    states = {**STATES, "battery": state(battery(), 0.0, state_of_charge=charge)}
    result = plan(MODEL, reading(0.0), states, given=stop("consumption"))
    assert values(result)["battery"] == 0 or charge == 50.0
    assert [item.subject for item in result.alarms] == (["battery"] if alarm else [])
    assert plan(MODEL, reading(0.0), states).alarms == ()

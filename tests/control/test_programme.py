"""Programmes: priority, sharing between batteries, shaping, and what still wins."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.model.demand import (
    CapacityHold,
    CapacityTariff,
    QuarterDemand,
)
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import Market
from custom_components.netflex.model.modes import BatteryMode
from custom_components.netflex.model.plan import Source
from custom_components.netflex.model.programme import (
    ChargeTo,
    Constraint,
    Dispatch,
    Hold,
    ImportAvoidance,
    PeakShaving,
    PriceThreshold,
    Programme,
    ProgrammeMode,
    ProgrammeState,
    SelfConsumption,
    SolarCharge,
)
from custom_components.netflex.model.reading import MonthPeak
from custom_components.netflex.model.schedule import DayGroup
from custom_components.netflex.model.snapshot import Snapshot, UserLimits

from .programmes import between, decided, entry, one, prices, programme, store, told
from .sites import START, battery, clock, keys, orders, plan, reading, site, state, stop

CHEAP = Market(import_price=prices(10.0), export_price=prices(10.0))
BUY = PriceThreshold(charge_below=50.0)
SELL = PriceThreshold(discharge_above=5.0, export=True)
NOON = between("12:00", "16:00")


# ------------------------------------------------------------------------------ selection


def test_the_first_mode_with_a_say_is_active_the_one_that_decides_is_effective() -> (
    None
):
    given = programme(ImportAvoidance(), BUY, SelfConsumption())
    value, stands = one(given, -1500.0, market=CHEAP)
    assert value == 1500.0
    assert stands.active is ProgrammeMode.IMPORT_AVOIDANCE
    assert stands.effective is ProgrammeMode.IMPORT_AVOIDANCE
    small = PriceThreshold(charge_below=50.0, power=800.0)
    value, stands = one(programme(ImportAvoidance(), small), -1500.0, market=CHEAP)
    assert value == 800.0
    assert stands.active is ProgrammeMode.IMPORT_AVOIDANCE
    assert stands.effective is ProgrammeMode.PRICE_THRESHOLD


def test_a_later_bound_does_not_push_an_earlier_target_out() -> None:
    charging = entry(ChargeTo(charge=80.0), NOON)
    value, stands = one(programme(charging, ImportAvoidance()), 1000.0)
    assert value == 750.0
    assert stands.effective is ProgrammeMode.CHARGE_TO
    value, _ = one(programme(ImportAvoidance(), charging), 1000.0)
    assert value == -1000.0


def test_bounds_of_two_modes_that_contradict_each_other_leave_the_first() -> None:
    """No discharge while charging towards a time, whatever the avoidance says."""
    charging = entry(ChargeTo(charge=50.0), NOON)
    assert one(programme(charging, ImportAvoidance()), 1000.0)[0] == 0.0
    assert one(programme(ImportAvoidance(), charging), 1000.0)[0] == -1000.0


def test_without_any_wish_it_rests() -> None:
    result, _ = decided(programme(entry(Hold(), between("01:00", "02:00"))), 2000.0)
    assert told(result) == 0.0
    assert keys(result, "battery") == ["programme_rests"]
    assert result.programmes["battery"] == ProgrammeState(wish=0.0)


def test_a_schedule_turns_modes_on_and_off_and_the_plan_says_when() -> None:
    given = programme(entry(Hold(), between("11:00", "12:30")), SelfConsumption())
    result, _ = decided(given, 2000.0, options={"meter_timeout": 9e9})
    assert told(result) == 0.0
    assert result.next_change == 100.0 + 1800.0
    later = START + timedelta(minutes=30)
    assert one(given, 2000.0, utc=later)[0] == -2000.0


def test_a_changed_holiday_is_noticed_within_the_same_site() -> None:
    holidays = between("12:00", "13:00", days=DayGroup.HOLIDAYS)
    given = programme(entry(Hold(), holidays), SelfConsumption())
    model = site(store(), programmes={"battery": given})
    for days, value in (((), -2000.0), ((START.date(),), 0.0), ((), -2000.0)):
        snapshot = Snapshot(
            reading=reading(2000.0),
            states={"battery": state(store(), 0.0)},
            holidays=frozenset(days),
        )
        assert told(decide(model, snapshot, EMPTY, clock())[0]) == value


# ------------------------------------------------------- which batteries follow a programme


def user(limits: UserLimits) -> tuple[float, dict[str, ProgrammeState]]:
    result, _ = decided(programme(Hold()), 2000.0, user={"battery": limits})
    return told(result), dict(result.programmes)


def test_a_word_of_the_user_goes_before_the_programme() -> None:
    assert user(UserLimits(target_power=1200.0)) == (1200.0, {})
    assert user(UserLimits(mode=BatteryMode.SELF_CONSUMPTION)) == (-2000.0, {})
    assert user(UserLimits(mode=BatteryMode.IDLE)) == (0.0, {})
    value, stands = user(UserLimits(mode=BatteryMode.PROGRAMME))
    assert value == 0.0
    assert stands["battery"].effective is ProgrammeMode.HOLD


def test_without_the_grid_a_battery_keeps_the_house_and_earns_nothing() -> None:
    options: dict[str, Any] = {"islanded": True, "market": CHEAP}
    result, _ = decided(programme(BUY), 800.0, **options)
    assert told(result) == -800.0
    assert result.programmes == {}


def test_a_battery_without_a_programme_behaves_as_before() -> None:
    model = site(battery())
    measured = {"battery": 0.0}
    for limits in (UserLimits(), UserLimits(mode=BatteryMode.PROGRAMME)):
        found = plan(model, reading(2000.0), measured, user={"battery": limits})
        assert told(found) == -2000.0
        assert found.programmes == {}


# -------------------------------------------------------------------- several batteries


def pair(
    first: Programme, second: Programme, power: float, **options: Any
) -> tuple[float, float]:
    result, _ = decided({"a": first, "b": second}, power, **options)
    return told(result, "a"), told(result, "b")


AVOID = programme(ImportAvoidance())


def charged(a: float, b: float) -> dict[str, Any]:
    return {
        "states": {
            "a": state(store("a"), 0.0, state_of_charge=a),
            "b": state(store("b"), 0.0, state_of_charge=b),
        }
    }


def test_a_wish_of_the_site_is_shared_by_charge_and_headroom() -> None:
    assert pair(AVOID, AVOID, 2000.0) == (-1000.0, -1000.0)
    assert pair(AVOID, AVOID, 2000.0, **charged(90.0, 30.0)) == (-1500.0, -500.0)
    follow = programme(SelfConsumption())
    assert pair(follow, follow, -2000.0, **charged(90.0, 60.0)) == (400.0, 1600.0)
    # What one cannot do the other one does.
    assert pair(AVOID, AVOID, 8000.0, **charged(90.0, 1.0)) == (-5000.0, -3000.0)


def test_what_a_group_cannot_do_is_flagged() -> None:
    result, _ = decided({"a": AVOID, "b": AVOID}, 12_000.0)
    for name in "ab":
        assert told(result, name) == -5000.0
        stands = result.programmes[name]
        assert stands.constraints == {Constraint.BATTERY_POWER}


def test_no_battery_charges_what_another_one_delivers() -> None:
    sells, follows = programme(SELL), programme(SelfConsumption())
    assert pair(sells, follows, 2000.0, market=CHEAP) == (-5000.0, 0.0)
    buys = programme(BUY)
    assert pair(buys, follows, 2000.0, market=CHEAP) == (5000.0, -2000.0)
    assert pair(buys, follows, -7000.0, market=CHEAP) == (5000.0, 2000.0)
    # Nor one that follows no programme.
    result, _ = decided(
        {"a": sells},
        2000.0,
        assets=(store("a"), store("b")),
        states={"b": state(store("b"), 0.0)},
        market=CHEAP,
    )
    assert told(result, "a") == -5000.0
    assert told(result, "b") == 0.0


def test_what_an_empty_battery_wishes_is_done_by_nobody() -> None:
    """One sells and is empty: the other one carries the house all the same."""
    states = {
        "a": state(store("a"), 0.0, state_of_charge=0.0),
        "b": state(store("b"), 0.0, state_of_charge=50.0),
    }
    sells, follows = programme(SELL), programme(SelfConsumption())
    found = pair(sells, follows, 2000.0, states=states, market=CHEAP)
    assert found == (0.0, -2000.0)


def test_a_dear_price_is_spared_by_all_together_and_not_sold() -> None:
    """Each could deliver 3 kW; the house takes 4."""
    each = programme(PriceThreshold(discharge_above=5.0, power=3000.0))
    assert pair(each, each, 4000.0, market=CHEAP) == (-2000.0, -2000.0)
    assert pair(each, each, 9000.0, market=CHEAP) == (-3000.0, -3000.0)
    assert pair(each, each, -9000.0, market=CHEAP) == (0.0, 0.0)


def test_own_targets_inside_a_shared_bound_are_cut_together() -> None:
    """Each wants 3 kW and only what the sun leaves: 4 kW for both."""
    each = programme(ImportAvoidance(), PriceThreshold(charge_below=50.0, power=3000.0))
    assert pair(each, each, -4000.0, market=CHEAP) == (2000.0, 2000.0)
    # One that may import comes first, the other takes what is left of the sun.
    free = programme(PriceThreshold(charge_below=50.0, power=3000.0))
    assert pair(free, each, -4000.0, market=CHEAP) == (3000.0, 1000.0)
    assert pair(free, each, -2000.0, market=CHEAP) == (3000.0, 0.0)


def test_who_wishes_more_of_the_site_comes_first() -> None:
    """All import avoided by one; what the other one shaves is done with it."""
    shaves = programme(PeakShaving(limit=1000.0))
    assert pair(AVOID, shaves, 3000.0) == (-3000.0, 0.0)
    assert pair(AVOID, shaves, 8000.0) == (-5000.0, -2000.0)


def test_a_silent_battery_leaves_its_part_to_the_other() -> None:
    silent = replace(state(store("b"), 0.0), available=False)
    result, _ = decided({"a": AVOID, "b": AVOID}, 3000.0, states={"b": silent})
    assert told(result, "a") == -3000.0
    stands = result.programmes["b"]
    assert stands.constraints == {Constraint.NO_MEASUREMENT}
    assert stands.wish is None


# ----------------------------------------------------------------------- dead band, ramp


def sequence(
    given: Programme, powers: list[float], step: float = 1.0, **options: Any
) -> list[float]:
    """Return what is told while the rest of the house draws `powers`, followed at once."""
    memory, value, found = EMPTY, 0.0, []
    for index, power in enumerate(powers):
        at = 100.0 + index * step
        result, memory = decided(
            given,
            power + value,
            states={"battery": state(store(), value, at, state_of_charge=50.0)},
            memory=memory,
            at=at,
            utc=START + timedelta(seconds=at - 100.0),
            **options,
        )
        value = told(result)
        found.append(value)
    return found


def test_a_small_change_moves_nothing() -> None:
    follow = programme(SelfConsumption())
    steady = [2000.0] * 6
    assert sequence(follow, [*steady, *[2030.0] * 6])[-1] == -2000.0
    assert sequence(follow, [*steady, *[2080.0] * 6])[-1] == -2080.0
    narrow = replace(follow, dead_band=10.0)
    assert sequence(narrow, [*steady, *[2030.0] * 6])[-1] == -2030.0


def test_the_dead_band_never_charges_into_an_import_to_be_avoided() -> None:
    sun = programme(SolarCharge())
    values = sequence(sun, [*[-2000.0] * 8, *[-1970.0] * 8])
    assert values[7] == 2000.0
    assert values[-1] == 1970.0
    assert sequence(sun, [*[-2000.0] * 8, *[-2030.0] * 8])[-1] == 2000.0


def test_a_ramp_shapes_wishes() -> None:
    ramped = programme(BUY, ramp=500.0)
    values = sequence(ramped, [0.0] * 6, market=CHEAP)
    # The first decision does not know how long ago the last one was.
    assert values == [0.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0]


def test_limits_do_not_wait_for_a_ramp() -> None:
    ramped = programme(BUY, ramp=500.0)
    _, memory = decided(ramped, 5000.0, states={"battery": 5000.0}, market=CHEAP)
    result, _ = decided(
        ramped,
        5000.0,
        states={"battery": 5000.0},
        market=CHEAP,
        memory=memory,
        at=101.0,
        orders=orders(maxsetp=10.0),
    )
    assert told(result) <= 2000.0


# ---------------------------------------------------------------- constraints, flagged


def constrained(
    given: Programme, power: float, **options: Any
) -> tuple[float, set[Constraint]]:
    value, stands = one(given, power, **options)
    return value, set(stands.constraints)


def test_every_constraint_is_flagged() -> None:
    buy, sell = programme(BUY), programme(SELL)
    known: dict[str, Any] = {"market": CHEAP}
    assert constrained(buy, 0.0, **known) == (5000.0, set())
    weak = state(store(), 0.0, max_charge_power=1200.0)
    assert constrained(buy, 0.0, states={"battery": weak}, **known) == (
        1200.0,
        {Constraint.BATTERY_POWER},
    )
    full = {"charge": 100.0, **known}
    assert constrained(buy, 0.0, **full) == (0.0, {Constraint.STATE_OF_ENERGY})
    ceiling = {"assets": (store(ceiling=80.0),), "charge": 80.0, **known}
    assert constrained(buy, 0.0, **ceiling) == (0.0, {Constraint.STATE_OF_ENERGY})
    empty = {"assets": (store(reserve=20.0),), "charge": 20.0, **known}
    assert constrained(sell, 0.0, **empty) == (0.0, {Constraint.STATE_OF_ENERGY})
    # 40 A on each line are 27.6 kW: 2.6 kW are left, seen before it is charged.
    value, flags = constrained(buy, 25_000.0, **known)
    assert (round(value, -1), flags) == (2600.0, {Constraint.SITE_POWER})
    limited = {"orders": orders(maxsetp=50.0), **known}
    assert constrained(buy, 8000.0, **limited) == (2000.0, {Constraint.GRID_OPERATOR})
    injecting = {"orders": orders(minsetp=20.0), **known}
    assert constrained(sell, 0.0, **injecting) == (-2000.0, {Constraint.GRID_OPERATOR})
    stopped = {"orders": stop("consumption"), **known}
    assert constrained(buy, 0.0, **stopped) == (0.0, {Constraint.STOP})
    stopped = {"orders": stop("production"), **known}
    assert constrained(sell, 0.0, **stopped) == (0.0, {Constraint.STOP})


def test_two_constraints_at_once_are_both_flagged() -> None:
    weak = state(store(), 0.0, max_charge_power=4000.0)
    value, flags = constrained(
        programme(BUY), 25_000.0, states={"battery": weak}, market=CHEAP
    )
    assert round(value, -1) == 2600.0
    assert flags == {Constraint.BATTERY_POWER, Constraint.SITE_POWER}


def test_the_site_is_foreseen_with_the_change_not_as_it_was_measured() -> None:
    """It charges with 5 kW already: 26 kW at the meter are 21 kW without it."""
    value, _ = constrained(
        programme(BUY), 26_000.0, states={"battery": 5000.0}, market=CHEAP
    )
    assert value == 5000.0


def test_maintenance_outranks_every_economic_mode() -> None:
    command = DispatchCommand(
        source="axle",
        action=DispatchAction.CHARGE_MAX,
        start=START,
        end=START + timedelta(hours=1),
    )
    value, flags = constrained(
        programme(Dispatch(), BUY),
        2000.0,
        market=CHEAP,
        dispatches=(command,),
        user={"battery": UserLimits(locked=True)},
    )
    assert value == 0.0
    assert flags == {Constraint.MAINTENANCE}


def test_without_a_meter_programmes_rest() -> None:
    result, _ = decided(programme(BUY), None, market=CHEAP, at=100.0)
    assert told(result) == 0.0
    stands = result.programmes["battery"]
    assert stands == ProgrammeState(constraints=frozenset({Constraint.NO_MEASUREMENT}))


@pytest.mark.parametrize("shave", [True, False])
def test_the_capacity_tariff_goes_before_a_cheap_price(shave: bool) -> None:
    """4 kW are free in this quarter, and the house draws 3 of them."""
    quarter = QuarterDemand(
        start=START,
        elapsed=0.0,
        average=0.0,
        power=3000.0,
        complete=True,
        month_peak=MonthPeak(power=4000.0, at=None),
    )
    tariff = CapacityTariff(hold=CapacityHold.PAID, shave=shave)
    options: dict[str, Any] = {
        "quarter": quarter,
        "options": {"tariff": tariff},
        "market": CHEAP,
    }
    value, flags = constrained(programme(BUY), 3000.0, **options)
    assert value == 1000.0
    assert flags == {Constraint.SITE_POWER}
    # Above it a battery that does not shave stops charging, and does no more.
    value, _ = constrained(programme(BUY), 6000.0, **options)
    assert value == (-2000.0 if shave else 0.0)


def test_causes_name_the_mode_and_its_rank() -> None:
    result, _ = decided(programme(BUY), 0.0, market=CHEAP)
    (cause,) = result.setpoints["battery"].causes
    assert cause.source is Source.ECONOMIC
    assert cause.text == "The price is below 50 per MWh"
    command = DispatchCommand(
        source="axle",
        action=DispatchAction.CHARGE_MAX,
        start=START,
        end=START + timedelta(hours=1),
    )
    result, _ = decided(programme(Dispatch()), 0.0, dispatches=(command,))
    (cause,) = result.setpoints["battery"].causes
    assert cause.source is Source.DISPATCH

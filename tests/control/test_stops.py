"""Emergency stops: every path, both directions, and the way back."""

from dataclasses import replace
import itertools

import pytest

from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.control.stops import (
    Weakness,
    relay_states,
    unreached,
    weak_stops,
)
from custom_components.netflex.model.asset import (
    Category,
    Direction,
    EmergencyOutput,
    StopPath,
)
from custom_components.netflex.model.orders import NO_ORDERS, LocalStops, Stops
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.snapshot import UserLimits

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

PRODUCTION = frozenset({Direction.PRODUCTION})
CONSUMPTION = frozenset({Direction.CONSUMPTION})
STATES = {"car": 7000.0, "battery": 0.0, "sun": -4000.0, "boiler": 3000.0}
MODEL = site(charger(), battery(), inverter(), load())


def test_stop_of_production_leaves_consumption_alone() -> None:
    result = plan(MODEL, reading(-500.0), STATES, given=stop("production"))
    told = values(result)
    assert told["sun"] == 0
    assert told["battery"] is not None and told["battery"] >= 0
    assert (told["car"], told["boiler"]) == (32, 1)
    assert result.stopped == PRODUCTION
    urgent = {name for name, item in result.setpoints.items() if item.emergency}
    assert urgent == {"sun", "battery"}


def test_stop_of_production_lets_a_battery_charge() -> None:
    model = site(battery(), inverter("old", controllable=False))
    result = plan(
        model,
        reading(-3000.0),
        {"battery": 0.0, "old": -4000.0},
        given=stop("production"),
    )
    assert result.setpoints["battery"].value == 3000


def test_stop_of_consumption_stops_chargers_loads_and_charging() -> None:
    result = plan(MODEL, reading(-500.0), STATES, given=stop("consumption"))
    told = values(result)
    assert (told["car"], told["boiler"]) == (0, 0)
    assert told["battery"] is not None and told["battery"] <= 0
    assert told["sun"] is None
    assert keys(result, "boiler") == ["emergency_stop_consumption"]


def test_both_stops_hold_a_battery_at_zero() -> None:
    for power in (-8000.0, 8000.0):
        result = plan(
            MODEL, reading(power), STATES, given=stop("production", "consumption")
        )
        assert values(result) == {"car": 0, "boiler": 0, "sun": 0, "battery": 0}


def test_a_stop_reaches_what_is_never_shed_and_what_does_not_answer() -> None:
    model = site(load(never_shed=True), charger())
    result = plan(
        model,
        reading(3000.0),
        {"boiler": 3000.0, "car": replace(state(charger(), 0.0), available=False)},
        given=stop("consumption"),
    )
    assert values(result) == {"boiler": 0, "car": 0}
    assert all(item.emergency for item in result.setpoints.values())


def test_a_stop_acts_without_any_meter_and_any_state() -> None:
    result = plan(MODEL, None, {}, given=stop("production", "consumption"))
    assert values(result) == {"car": 0, "boiler": 0, "sun": 0, "battery": 0}
    assert not result.metered


def test_a_vehicle_that_discharges_is_production() -> None:
    model = site(charger(rated_production=11_000.0))
    result = plan(model, reading(-5000.0), {"car": -5000.0}, given=stop("production"))
    assert values(result) == {"car": 0}


def test_S06_a_local_stop_and_the_operators_need_their_own_release() -> None:
    local = LocalStops(consumption=frozenset({"mushroom button"}))
    for given, held in (
        (stop("consumption"), local),
        (NO_ORDERS, local),
        (stop("consumption"), LocalStops()),
    ):
        result = plan(MODEL, reading(0.0), STATES, given=given, local=held)
        assert result.setpoints["car"].value == 0
    free = plan(MODEL, reading(0.0), STATES)
    assert free.setpoints["car"].value == 32


def output(name: str, **options: object) -> EmergencyOutput:
    defaults = {"stops": CONSUMPTION, "asset_id": name, "name": name}
    return EmergencyOutput(**(defaults | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("energised", [True, False])
@pytest.mark.parametrize(
    "directions", [PRODUCTION, CONSUMPTION, PRODUCTION | CONSUMPTION]
)
def test_S13_relay_states_for_every_wiring_and_direction(
    energised: bool, directions: frozenset[Direction]
) -> None:
    relay = output("k1", stops=directions, energised_when_stopped=energised)
    for given in (NO_ORDERS, stop("production"), stop("consumption")):
        stops = Stops(orders=given)
        acts = any(stops.stopped(direction) for direction in directions)
        assert relay_states(stops, [relay]) == {
            "k1": energised if acts else not energised
        }


def test_the_plan_carries_the_outputs() -> None:
    model = replace(MODEL, outputs=(output("k1"), output("k2", stops=PRODUCTION)))
    result = plan(model, reading(0.0), STATES, given=stop("consumption"))
    first, second = result.setpoints["k1"], result.setpoints["k2"]
    assert (first.value, first.emergency, first.kind) == (1.0, True, "switch")
    assert (second.value, second.emergency, second.causes) == (0.0, False, ())


def test_S12_what_a_stop_misses_is_named() -> None:
    model = site(
        charger(controllable=False, stop_paths=frozenset()),
        inverter(controllable=False, stop_paths=frozenset({StopPath.RELAY})),
        inverter("old", controllable=False, stop_paths=frozenset()),
        load(stays_stopped=True),
        battery(),
        outputs=(output("k1", stops=PRODUCTION, assets=frozenset({"sun"})),),
    )
    assert unreached(model, [Direction.PRODUCTION]) == ("old",)
    assert unreached(model, list(Direction)) == ("car", "old")
    weak = {
        (item.asset_id, item.direction): item.weakness for item in weak_stops(model)
    }
    assert weak == {
        ("car", Direction.CONSUMPTION): Weakness.NOT_STOPPED,
        ("old", Direction.PRODUCTION): Weakness.NOT_STOPPED,
        ("battery", Direction.PRODUCTION): Weakness.NOT_KEPT_STOPPED,
        ("battery", Direction.CONSUMPTION): Weakness.NOT_KEPT_STOPPED,
    }
    result = plan(model, reading(0.0), {}, given=stop("production"))
    assert result.uncontrolled == ("old",)


def test_S12_a_relay_for_one_direction_does_not_cover_the_other() -> None:
    model = site(
        battery(controllable=False),
        outputs=(output("k1", stops=PRODUCTION, assets=frozenset({"battery"})),),
    )
    assert unreached(model, [Direction.PRODUCTION]) == ()
    assert unreached(model, [Direction.CONSUMPTION]) == ("battery",)


def test_S16_lost_generation_is_booked_in_the_same_plan() -> None:
    """30 kW of sun feed 40 kW of charging on 63 A: without it the fuse would blow."""
    model = site(
        charger("left"),
        charger("right"),
        inverter(rated=30_000.0),
        main_fuse=63.0,
    )
    # Base 2 kW; both cars draw 20 kW.
    states = {"left": 20_000.0, "right": 20_000.0, "sun": -30_000.0}
    before = plan(model, reading(12_000.0), states)
    assert values(before) == {"left": 32, "right": 32, "sun": None}
    after = plan(model, reading(12_000.0), states, given=stop("production"))
    told = values(after)
    assert told["sun"] == 0
    assert told["left"] is not None and told["right"] is not None
    assert told["left"] + told["right"] + 2000 / 690 <= 63
    assert told["left"] + told["right"] >= 59
    assert keys(after, "left") == ["main_fuse"]


def test_S16_generation_that_only_a_relay_stops_is_booked_too() -> None:
    model = site(
        charger(),
        inverter(rated=20_000.0, controllable=False),
        outputs=(output("k1", stops=PRODUCTION, assets=frozenset({"sun"})),),
    )
    states = {"car": 20_000.0, "sun": -18_000.0}
    # Base 18 kW: with the sun gone 9.6 kW are left for the car.
    result = plan(model, reading(20_000.0), states, given=stop("production"))
    assert result.setpoints["car"].value == 13.9


def test_S17_a_tighter_import_limit_may_raise_a_discharge() -> None:
    model = site(battery())
    target = {"battery": UserLimits(target_power=-1000.0)}
    loose = plan(model, reading(6000.0), {"battery": -1000.0}, user=target)
    assert loose.setpoints["battery"].value == -1000
    tight = plan(
        model,
        reading(6000.0),
        {"battery": -1000.0},
        user=target,
        given=orders(maxsetp=20.0),
    )
    assert tight.setpoints["battery"].value == -3000


def released(model_states: dict[str, float], seconds: int) -> list[tuple[int, Plan]]:
    """Stop everything, release it, and return the plans of the seconds after."""
    memory: Memory = EMPTY
    plans = []
    for at in range(100, 105):
        _, memory = step(
            MODEL,
            reading(1000.0, at),
            dict.fromkeys(STATES, 0.0),
            given=stop("production", "consumption"),
            memory=memory,
            at=at,
        )
    for at in range(105, 105 + seconds):
        result, memory = step(
            MODEL,
            reading(1000.0, at),
            {
                **dict.fromkeys(STATES, 0.0),
                "boiler": state(load(), 0.0, at, enabled=False),
            },
            memory=memory,
            at=at,
        )
        plans.append((at - 105, result))
    return plans


def test_S20_after_a_release_assets_come_back_staggered_and_delayed() -> None:
    plans = released(STATES, 120)
    starts = {}
    for after, result in plans:
        told = values(result)
        for name in ("car", "boiler", "battery"):
            if told[name] and name not in starts:
                starts[name] = after
        if told["sun"] is None or told["sun"] > 0:
            starts.setdefault("sun", after)
    assert set(starts) == {"car", "boiler", "battery", "sun"}
    assert min(starts.values()) >= 10
    moments = sorted(starts.values())
    assert all(later - sooner >= 4 for sooner, later in itertools.pairwise(moments))
    assert not any(
        item.emergency for _, result in plans for item in result.setpoints.values()
    )


def test_S20_generation_comes_back_with_a_gradient() -> None:
    caps = [result.setpoints["sun"].value for _, result in released(STATES, 120)]
    assert caps[0] == 0
    rising = [cap for cap in caps if cap is not None and cap > 0]
    assert len(rising) >= 50
    steps = [later - sooner for sooner, later in itertools.pairwise(rising)]
    assert max(steps) <= 8000 / 60 + 1
    assert caps[-1] is None


def test_a_release_says_whom_it_waits_for_and_until_when() -> None:
    _, result = released(STATES, 1)[0]
    assert keys(result, "car")[0].startswith("release_")
    assert result.next_change is not None


def test_S21_a_lock_out_is_never_started_by_a_release() -> None:
    locked = {
        "car": UserLimits(current=0.0),
        "boiler": UserLimits(switch=False),
        "sun": UserLimits(power=0.0),
        "battery": UserLimits(power=0.0),
    }
    memory = EMPTY
    for at in range(100, 300):
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


def test_S14_S15_a_stop_keeps_being_told_while_it_holds() -> None:
    """Someone switches the load on again: the plan still says off, urgently."""
    memory = EMPTY
    for at in range(100, 130):
        result, memory = step(
            MODEL,
            reading(4000.0, at),
            {**STATES, "boiler": state(load(), 3000.0, at, enabled=True)},
            given=stop("consumption"),
            memory=memory,
            at=at,
        )
        assert result.setpoints["boiler"].value == 0
        assert result.setpoints["boiler"].emergency


def test_a_stop_repeated_ten_times_a_second_is_idempotent() -> None:
    memory = EMPTY
    plans = []
    for tenth in range(30):
        at = 100 + tenth / 10
        result, memory = step(
            MODEL, reading(0.0), STATES, given=stop("consumption"), memory=memory, at=at
        )
        plans.append(values(result))
    assert all(told["car"] == 0 and told["boiler"] == 0 for told in plans)
    assert plans[1:] == plans[:1] * 29


def test_rating_of_categories_is_of_no_concern_to_a_stop() -> None:
    model = site(inverter("chp", category=Category.CHP))
    assert values(
        plan(model, reading(0.0), {"chp": -1.0}, given=stop("production"))
    ) == {"chp": 0}

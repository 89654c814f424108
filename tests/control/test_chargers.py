"""Sharing among chargers: tiers, fairness, minimums, turns and timers."""

from itertools import pairwise
from random import Random

import pytest

from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.control.tuning import DEFAULT
from custom_components.netflex.model.asset import ChargerState
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import NO_ORDERS
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.snapshot import SiteModel, UserLimits

from .sites import (
    ALL,
    charger,
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

IDLE = {"charger_state": ChargerState.IDLE}


def follow(
    model: SiteModel,
    base: list[float],
    *,
    memory: Memory = EMPTY,
    start: int = 100,
    draw: float = 1.0,
    obey: bool = True,
) -> list[Plan]:
    """Run second by second over a base load in A on every line; cars obey at once."""
    plans: list[Plan] = []
    told = {name: 0.0 for name, asset in model.assets.items()}
    for at, amps in enumerate(base, start):
        watts = {
            name: told[name] * draw * 230 * len(model.assets[name].lines)
            for name in told
        }
        currents = [amps, amps, amps]
        for name, value in watts.items():
            for line in model.assets[name].lines:
                currents[ALL.index(line)] += value / 230 / len(model.assets[name].lines)
        result, memory = step(
            model,
            reading(
                sum(currents) * 230,
                at,
                currents=(currents[0], currents[1], currents[2]),
            ),
            dict(watts.items()),
            memory=memory,
            at=at,
        )
        if obey:
            told = {name: value or 0.0 for name, value in values(result).items()}
        plans.append(result)
    return plans


def told(plans: list[Plan], name: str = "car") -> list[float | None]:
    return [result.setpoints[name].value for result in plans]


def test_S18_less_than_the_minimum_pauses_without_a_timer() -> None:
    model = site(charger(), main_fuse=25.0)
    plans = follow(model, [5.0] * 5 + [20.0] * 3)
    assert told(plans)[:5] == [20.0] * 5
    assert told(plans)[5:] == [0.0] * 3
    assert keys(plans[-1], "car") == ["main_fuse", "below_minimum"]


def test_a_charger_throttles_to_its_minimum_before_it_stops() -> None:
    model = site(charger(), main_fuse=25.0)
    assert told(follow(model, [5.0, 5.0, 18.9]))[-1] == 6.1


def test_a_paused_charger_resumes_with_a_margin_after_a_while() -> None:
    model = site(charger(), main_fuse=25.0)
    # 7 A is more than the minimum, but too little to start again soon.
    short = told(follow(model, [5.0] * 3 + [20.0] * 5 + [18.0] * 100))
    assert short[-1] == 0
    enough = told(follow(model, [5.0] * 3 + [20.0] * 5 + [16.0] * 100))
    resumed = enough.index(9.0)
    assert resumed - 8 == pytest.approx(DEFAULT.resume_delay, abs=1)
    patient = told(follow(model, [5.0] * 3 + [20.0] * 5 + [18.0] * 400))
    assert patient[-1] == 7.0


def test_a_charger_is_raised_slowly_to_what_was_free_all_along() -> None:
    model = site(charger(), main_fuse=25.0)
    base = [15.0] * 5 + [5.0] * 5 + [9.0] * 4 + [5.0] * 30
    amps = told(follow(model, base))
    assert amps[:5] == [10.0] * 5
    raises = [at for at, (one, other) in enumerate(pairwise(amps)) if other > one]
    first, second = raises
    # The dip in between counts: it is raised to 16 A first.
    assert amps[first + 1] == 16.0
    assert amps[-1] == 20.0
    assert 5 + DEFAULT.raise_delay <= first + 1 <= 5 + DEFAULT.raise_delay + 3
    assert second - first >= DEFAULT.raise_delay


def test_toward_the_tighter_side_at_once() -> None:
    model = site(charger(), main_fuse=25.0)
    assert told(follow(model, [5.0] * 5 + [15.0])) == [20.0] * 5 + [10.0]


def test_a_small_raise_is_not_worth_a_write_but_the_maximum_is() -> None:
    model = site(charger(maximum=16.0), main_fuse=25.0)
    flicker = [10.0 + 0.2 * (at % 2) for at in range(120)]
    assert len(set(told(follow(model, flicker)))) <= 2
    amps = told(follow(model, [9.3] * 3 + [9.0] * 20))
    assert amps[0] == 15.7
    assert amps[-1] == 16.0


def test_ramp_up_limits_how_fast_a_site_rises() -> None:
    model = site(charger(), main_fuse=40.0, ramp_up=100.0)
    amps = [value or 0.0 for value in told(follow(model, [30.0] * 3 + [5.0] * 200))]
    rises = [later - sooner for sooner, later in pairwise(amps) if later > sooner]
    assert rises
    assert sum(rises) * 690 <= 100 * 200
    assert max(rises) * 690 <= 100 * 25


def test_first_write_is_clamped_to_the_chargers_own_maximum() -> None:
    result = plan(
        site(charger(maximum=16.0), main_fuse=63.0),
        reading(0.0),
        {"car": 0.0},
        user={"car": UserLimits(current=32.0)},
    )
    assert values(result) == {"car": 16.0}


def test_the_users_limit_is_a_source_and_only_tightens() -> None:
    model = site(charger(), main_fuse=25.0)
    for limit, value, key in ((10.0, 10.0, "user_limit"), (30.0, 20.0, "main_fuse")):
        result = plan(
            model,
            reading(5 * 690.0),
            {"car": 0.0},
            user={"car": UserLimits(current=limit)},
        )
        assert values(result) == {"car": value}
        assert keys(result, "car") == [key]
    paused = plan(
        model, reading(0.0), {"car": 0.0}, user={"car": UserLimits(current=4.0)}
    )
    assert values(paused) == {"car": 0}
    assert keys(paused, "car") == ["below_minimum", "user_limit"]


def test_a_users_change_of_mind_is_followed_at_once() -> None:
    model = site(charger())
    memory = EMPTY
    amps = []
    for at in range(100, 110):
        result, memory = step(
            model,
            reading(0.0, at),
            {"car": 0.0},
            user={"car": UserLimits(current=0.0 if at < 105 else 16.0)},
            memory=memory,
            at=at,
        )
        amps.append(result.setpoints["car"].value)
    assert amps == [0.0] * 5 + [16.0] * 5


def test_priorities_count_in_the_allocator_itself() -> None:
    model = site(
        charger("first", priority=1),
        charger("second", priority=2),
        charger("third", priority=0),
        main_fuse=50.0,
    )
    result = plan(model, reading(0.0), dict.fromkeys(model.assets, 0.0))
    assert values(result) == {"third": 32.0, "first": 18.0, "second": 0.0}


def test_fair_inside_a_tier_and_what_a_small_one_cannot_use_goes_round() -> None:
    model = site(
        charger("small", maximum=10.0),
        charger("one"),
        charger("two"),
        main_fuse=40.0,
    )
    result = plan(model, reading(0.0), dict.fromkeys(model.assets, 0.0))
    assert values(result) == {"small": 10.0, "one": 15.0, "two": 15.0}


def test_fair_per_line_with_single_and_three_phase_cars() -> None:
    model = site(
        charger("all"),
        charger("l1", lines=(Line.L1,)),
        charger("l2", lines=(Line.L2,)),
        main_fuse=40.0,
    )
    result = plan(
        model,
        reading(2300.0, currents=(10.0, 0.0, 0.0)),
        dict.fromkeys(model.assets, 0.0),
    )
    assert values(result) == {"all": 15.0, "l1": 15.0, "l2": 25.0}


def test_the_third_car_gets_its_minimum_or_nothing() -> None:
    model = site(*(charger(name) for name in "abc"), main_fuse=16.0)
    result = plan(model, reading(0.0), dict.fromkeys("abc", 0.0))
    assert values(result) == {"a": 8.0, "b": 8.0, "c": 0.0}


def test_where_not_everyone_gets_the_minimum_they_take_turns() -> None:
    model = site(*(charger(name) for name in "abc"), main_fuse=16.0)
    plans = follow(model, [0.0] * 4000)
    for name in "abc":
        busy = sum(bool(value) for value in told(plans, name))
        assert busy > 1500, name
    for result in plans:
        amps = [value for value in values(result).values() if value]
        assert all(value >= 6 for value in amps)
        assert sum(amps) <= 16


def test_unused_share_is_lent_and_given_back() -> None:
    model = site(charger("full"), charger("hungry"), main_fuse=40.0)
    memory = EMPTY
    amps: list[tuple[float, float]] = []
    drawn = {"full": 0.0, "hungry": 0.0}
    for at in range(100, 300):
        want = 8.0 if at < 220 else 32.0
        result, memory = step(
            model,
            reading(sum(drawn.values()), at),
            drawn,
            memory=memory,
            at=at,
        )
        now = {name: value or 0.0 for name, value in values(result).items()}
        amps.append((now["full"], now["hungry"]))
        drawn = {
            "full": min(want, now["full"]) * 690,
            "hungry": now["hungry"] * 690,
        }
    assert amps[10] == (20.0, 20.0)
    full, hungry = amps[115]
    assert full == pytest.approx(9.0, abs=0.2)
    assert hungry == pytest.approx(31.0, abs=0.2)
    assert amps[-1] == (20.0, 20.0)
    assert all(one + other <= 40 for one, other in amps)


def test_a_charger_without_a_car_stands_ready_with_what_nobody_uses() -> None:
    model = site(charger("busy"), charger("empty"), main_fuse=40.0)
    result = plan(
        model,
        reading(0.0),
        {"busy": 0.0, "empty": state(charger("empty"), 0.0, **IDLE)},
    )
    assert values(result) == {"busy": 32.0, "empty": 8.0}


def test_loads_keep_running_before_chargers_get_more() -> None:
    model = site(charger(lines=(Line.L2,)), load(), main_fuse=25.0)
    result = plan(
        model,
        reading(5750.0, currents=(0.0, 25.0, 0.0)),
        {"car": 0.0, "boiler": 2300.0},
    )
    # 15 A of other load, 10 A of boiler: nothing is left for the car.
    assert values(result) == {"car": 0, "boiler": 1}
    tight = plan(
        model,
        reading(3450.0, currents=(0.0, 26.0, 0.0)),
        {"car": 0.0, "boiler": 2300.0},
    )
    assert values(tight)["boiler"] == 0


def test_a_load_of_a_later_tier_yields_to_an_earlier_charger() -> None:
    model = site(
        charger(lines=(Line.L2,), priority=0), load(priority=1), main_fuse=25.0
    )
    result = plan(
        model,
        reading(2300.0, currents=(0.0, 10.0, 0.0)),
        {"car": 0.0, "boiler": 2300.0},
    )
    assert values(result) == {"car": 25.0, "boiler": 0}


def test_restart_the_state_is_rebuilt_from_the_device() -> None:
    """No memory: what the charger says it applies is where a raise begins."""
    model = site(charger())
    limited = state(charger(), 5520.0, current_limit=8.0)
    result, memory = step(model, reading(5520.0), {"car": limited})
    assert values(result) == {"car": 8.0}
    assert result.next_change == 110.0
    for at in range(101, 112):
        result, memory = step(
            model,
            reading(5520.0, at),
            {"car": state(charger(), 5520.0, at, current_limit=8.0)},
            memory=memory,
            at=at,
        )
    assert values(result) == {"car": 32.0}


def test_restart_with_an_active_limit_stop_and_override() -> None:
    model = site(charger())
    limited = state(charger(), 0.0, current_limit=16.0)
    for given, user, value in (
        (orders(minsetap=50.0), None, 16.0),
        (orders(emergency_stop_consumption=True), None, 0.0),
        (NO_ORDERS, {"car": UserLimits(current=10.0)}, 10.0),
    ):
        result = plan(model, reading(0.0), {"car": limited}, given=given, user=user)
        assert values(result) == {"car": value}


def test_expected_draw_is_booked_before_it_is_measured() -> None:
    """Two cars wait, no car draws: together they still fit the fuse."""
    model = site(charger("one"), charger("two"), main_fuse=32.0)
    result = plan(model, reading(0.0), {"one": 0.0, "two": 0.0})
    assert values(result) == {"one": 16.0, "two": 16.0}


def test_a_car_that_starts_is_not_taken_for_other_load() -> None:
    """The meter sees it a second before the charger says so."""
    model = site(charger(), main_fuse=25.0)
    memory = EMPTY
    amps = []
    for at in range(100, 130):
        seen = 20.0 * 690 if at >= 110 else 0.0
        said = 20.0 * 690 if at >= 112 else 0.0
        result, memory = step(
            model,
            reading(5.0 * 690 + seen, at),
            {"car": state(charger(), said, at - 0.4)},
            memory=memory,
            at=at,
        )
        amps.append(result.setpoints["car"].value)
    assert amps == [20.0] * 30


@pytest.mark.parametrize("seed", range(5))
def test_chargers_obey_the_fuse_on_a_restless_base_load(seed: int) -> None:
    random = Random(seed)
    model = site(*(charger(name) for name in "ab"), main_fuse=40.0)
    base, level = [], 10.0
    for _ in range(300):
        level = min(45.0, max(0.0, level + random.uniform(-6, 6)))
        base.append(level)
    told_amps = [
        sum(value or 0.0 for value in values(result).values())
        for result in follow(model, base)
    ]
    # A car that was just told less may still draw what it drew: for three samples a
    # rise is laid at its door. What was there before is never exceeded.
    for now, amps in enumerate(told_amps):
        assert amps == 0 or amps + min(base[max(0, now - 3) : now + 1]) <= 40 + 1e-6

"""Safe states, one by one: what happens when something that is needed is not there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory, from_dict, to_dict
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.modes import ChargerMode
from custom_components.netflex.model.orders import NO_ORDERS, GridOrders
from custom_components.netflex.model.snapshot import (
    Clock,
    SiteModel,
    Snapshot,
    UserLimits,
)

from .closed_loop import Loop, devices_of
from .sites import (
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


def lose_meter(
    model: SiteModel, power: float, states: dict[str, float], **options: object
) -> Loop:
    """Return a site whose meter is silent from 1100 on."""
    loop = Loop(
        site=model,
        devices=devices_of(model),
        base=lambda at: (power / 3,) * 3,
        meter_works=lambda at: at < 1100,
        **options,  # type: ignore[arg-type]
    )
    loop.run(99)
    return loop


@pytest.mark.parametrize("delay", [0.0, 5.0, 30.0])
def test_a_stale_meter_acts_after_the_named_delay_and_not_before(delay: float) -> None:
    model = site(charger(safe_current=8.0), safe_delay=delay)
    loop = lose_meter(model, 1500.0, {})
    samples = loop.run(60)
    silent_at = 1100.0 + model.meter_timeout + delay
    for sample in samples:
        told = sample.plan.setpoints["car"].value or 0.0
        if sample.at <= silent_at - 1:
            assert told > 8.0
        elif sample.at > silent_at + 1:
            assert told == 8.0
            assert keys(sample.plan, "car") == ["meter_stale"]


def test_a_stale_meter_first_bounds_each_charger_and_then_the_site() -> None:
    """Four safe currents of 16 A are more than a fuse of 40 A and its base leave."""
    cars = [charger(name, safe_current=16.0) for name in "abcd"]
    loop = lose_meter(site(*cars), 6900.0, {})
    told = values(loop.run(60)[-1].plan)
    assert all((told[name] or 0.0) <= 16.0 for name in "abcd")
    # 10 A of base on each line: 30 A are left for all of them.
    assert sum(told[name] or 0.0 for name in "abcd") <= 30.0 + 1e-6
    assert sum((told[name] or 0.0) >= 6.0 for name in "abcd") >= 3


def test_S10_what_is_left_by_operator_and_stop_is_less_than_the_safe_current() -> None:
    model = site(charger(safe_current=16.0))
    loop = lose_meter(model, 1500.0, {}, orders=lambda at: orders(maxsetp=40.0))
    told = values(loop.run(60)[-1].plan)["car"] or 0.0
    assert 0.0 < told <= (8000.0 - 1500.0) / 690
    loop.orders = lambda at: stop("consumption")
    assert values(loop.run(2)[-1].plan)["car"] == 0.0


def test_a_stale_device_is_counted_at_what_it_may_do_and_never_raised() -> None:
    model = site(charger("a"), charger("b", safe_current=10.0))
    memory = EMPTY
    for at in range(100, 130):
        result, memory = step(
            model,
            reading(13_800.0, at),
            {"a": 6900.0, "b": 6900.0},
            memory=memory,
            at=at,
        )
    before = values(result)
    old = state(model.assets["b"], 6900.0, 129.0)
    for at in range(130, 240):
        states = {"a": state(model.assets["a"], 6900.0, at), "b": old}
        result, memory = step(
            model, reading(13_800.0, at), states, memory=memory, at=at
        )
    after = values(result)
    # Its last answer is older than a minute: nothing moves it up.
    assert (after["b"] or 0.0) <= (before["b"] or 0.0)
    assert keys(result, "b") == ["device_silent"]


def test_an_unavailable_entity_is_a_silent_device_and_its_comfort_is_unknown() -> None:
    model = site(
        charger(),
        load(comfort_low=40.0, comfort_high=60.0),
        inverter(),
    )
    gone = {
        "car": AssetState(asset_id="car", available=False),
        "boiler": AssetState(asset_id="boiler", available=False, temperature=20.0),
        "sun": AssetState(asset_id="sun", available=False),
    }
    result = plan(model, reading(0.0), gone, given=orders(maxsetap=50.0))
    assert values(result)["car"] == 0.0
    assert keys(result, "car") == ["device_silent"]
    # An inverter that does not answer counts at its rated power.
    missing = {item.limit.cause.key: item.missing for item in result.infeasible}
    assert missing["maxsetap"] == pytest.approx(4000.0)
    assert set(values(result)) == {"car", "boiler", "sun"}


def test_an_unsynchronised_clock_moves_no_limit_and_waits_for_nothing() -> None:
    model = site(charger(maximum=16.0), battery(), inverter())
    due = {
        "car": UserLimits(
            mode=ChargerMode.DEADLINE,
            energy=5000.0,
            deadline=START + timedelta(hours=9),
        )
    }

    def told(clock: Clock, user: dict[str, UserLimits]) -> dict[str, float | None]:
        snapshot = Snapshot(
            orders=orders(maxsetp=60.0, minsetp=0.0),
            reading=reading(500.0),
            states={
                name: state(model.assets[name], 0.0)
                for name in ("car", "battery", "sun")
            },
            user=user,
        )
        return values(decide(model, snapshot, EMPTY, clock)[0])

    right = Clock(monotonic=100.0, utc=START)
    for year in (1970, 2099):
        wrong = Clock(
            monotonic=100.0,
            utc=datetime(year, 1, 1, tzinfo=UTC),
            synchronised=False,
        )
        # Limits, stops and timers know nothing of the clock.
        assert told(wrong, {}) == told(right, {})
        # What would wait for a time does not.
        assert (told(wrong, due)["car"] or 0.0) > (told(right, due)["car"] or 0.0)


def test_a_clock_that_jumps_keeps_every_timer() -> None:
    model = site(charger())
    one, two = EMPTY, EMPTY
    for second in range(120):
        at = 100.0 + second
        snapshot = Snapshot(
            reading=reading(20_000.0 if second < 40 else 3000.0, at),
            states={"car": state(model.assets["car"], 0.0, at)},
        )
        steady = Clock(monotonic=at, utc=START + timedelta(seconds=second))
        jumping = replace(steady, utc=START + timedelta(days=(-1) ** second * 400))
        first, one = decide(model, snapshot, one, steady)
        second_plan, two = decide(model, snapshot, two, jumping)
        assert values(first) == values(second_plan)


# ------------------------------------------------------------------- start and reload


def started(
    model: SiteModel,
    states: dict[str, AssetState],
    *,
    seconds: int = 8,
    power: float = 1000.0,
    given: GridOrders = NO_ORDERS,
) -> list[dict[str, float | None]]:
    """Return what assets are told from the first decision on, without any memory."""
    seen = []
    memory: Memory = EMPTY
    for second in range(seconds):
        at = 100.0 + second
        current = {name: replace(item, at=at) for name, item in states.items()}
        result, memory = step(
            model,
            reading(power, at),
            current,
            memory=memory,
            at=at,
            given=given,
        )
        seen.append(values(result))
    return seen


def test_a_start_reads_back_what_devices_were_told_before_anything_is_raised() -> None:
    model = site(charger(), inverter(), battery(), load())
    assets = model.assets
    states = {
        "car": state(assets["car"], 6900.0, current_limit=10.0),
        "sun": state(assets["sun"], -2000.0, power_limit=2000.0),
        "battery": state(assets["battery"], 0.0),
        "boiler": state(assets["boiler"], 0.0, enabled=False),
    }
    seen = started(model, states)
    first = seen[0]
    assert first["car"] == 10.0
    assert first["sun"] is not None
    assert first["sun"] <= 2000.0 + 8000.0 / 60
    assert first["boiler"] == 0.0
    # And for some seconds nothing comes back at once.
    assert all(each["car"] == 10.0 for each in seen)
    assert all(each["boiler"] == 0.0 for each in seen)


def test_S04_a_start_has_stored_orders_in_force_in_its_first_decision() -> None:
    model = site(charger(), inverter())
    states = {
        "car": state(model.assets["car"], 11_000.0, current_limit=16.0),
        "sun": state(model.assets["sun"], -5000.0),
    }
    stopped = started(model, states, seconds=1, given=stop("consumption", "production"))
    assert stopped[0] == {"car": 0.0, "sun": 0.0}
    limited = started(
        model, states, seconds=1, power=12_000.0, given=orders(maxsetp=20.0)
    )
    assert (limited[0]["car"] or 0.0) * 690 <= 4000.0


def test_a_start_without_a_meter_keeps_chargers_to_their_safe_current() -> None:
    model = site(charger(safe_current=6.0))
    car = state(model.assets["car"], 11_000.0, current_limit=16.0)
    result = plan(model, None, {"car": car})
    assert values(result) == {"car": 6.0}
    assert keys(result, "car") == ["meter_stale"]


def test_a_reload_goes_on_with_what_was_kept_and_raises_nothing_by_it() -> None:
    model = site(charger(), inverter())
    loop = Loop(
        site=model,
        devices=devices_of(model, sun={"sun": lambda at: 3000.0}),
        orders=lambda at: orders(maxsetp=30.0),
    )
    before = loop.run(120)[-1]
    loop.memory = from_dict(json.loads(json.dumps(to_dict(loop.memory))))
    after = loop.run(20)
    told = before.plan.setpoints["car"].value or 0.0
    assert all((s.plan.setpoints["car"].value or 0.0) <= told + 0.6 for s in after)
    assert after[0].plan.compliance[0].ordered_at == (
        before.plan.compliance[0].ordered_at
    )

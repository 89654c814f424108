"""Feeders: fuses of sub-circuits, level by level, measured or reckoned."""

import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.layout import circle, layout_of
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.connection import Feeder, Line
from custom_components.netflex.model.plan import Plan, ScopeKind
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import SiteModel, Snapshot

from .closed_loop import Loop, Sample, devices_of, swings, worst
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
    values,
)


def feeder(name: str, fuse: float, *members: str, **options: object) -> Feeder:
    return Feeder(
        id=name,
        name=name.title(),
        fuse=fuse,
        members=frozenset(members),
        **options,  # type: ignore[arg-type]
    )


def metered(
    model: SiteModel,
    measured: MeterReading,
    readings: dict[str, MeterReading],
    states: dict[str, AssetState],
    memory: Memory = EMPTY,
    at: float = 100.0,
) -> tuple[Plan, Memory]:
    snapshot = Snapshot(reading=measured, feeder_readings=readings, states=states)
    return decide(model, snapshot, memory, clock(at))


def test_a_feeders_fuse_bounds_its_own_chargers_and_no_other() -> None:
    model = site(
        charger("a"),
        charger("b"),
        charger("c"),
        main_fuse=100.0,
        contract_consumption=None,
        feeders=(feeder("garage", 32.0, "a", "b"),),
    )
    result = plan(model, reading(0.0), {"a": 0.0, "b": 0.0, "c": 0.0})
    assert values(result) == {"a": 16, "b": 16, "c": 32}
    assert keys(result, "a") == ["feeder_fuse"]
    assert "Garage" in result.setpoints["a"].causes[0].text


def test_limits_hold_at_each_level_of_the_tree() -> None:
    model = site(
        *(charger(name, maximum=32.0) for name in "abcd"),
        main_fuse=100.0,
        feeders=(
            feeder("hall", 50.0, "d"),
            feeder("row", 20.0, "a", "b", parent="hall"),
            feeder("other", 63.0, "c", parent="hall"),
        ),
    )
    result = plan(model, reading(0.0), dict.fromkeys("abcd", 0.0))
    told = values(result)
    # 20 A in the row; the hall's 50 A leave 15 A each for the two others.
    assert told == {"a": 10, "b": 10, "c": 15, "d": 15}
    scopes = {
        (limit.scope.id, limit.scope.line)
        for limit in result.limits
        if limit.scope.kind is ScopeKind.FEEDER
    }
    assert ("row", Line.L2) in scopes
    assert len(scopes) == 9


def test_a_single_phase_car_uses_its_own_line_of_the_feeder_only() -> None:
    model = site(
        charger("a", lines=(Line.L1,)),
        charger("b", lines=(Line.L2,)),
        feeders=(feeder("row", 16.0, "a", "b"),),
    )
    assert values(plan(model, reading(0.0), {"a": 0.0, "b": 0.0})) == {"a": 16, "b": 16}


def test_without_a_meter_unknown_loads_and_what_nobody_moves_are_counted() -> None:
    pump = load("pump", rated=2300.0, lines=(Line.L1,), phases=1, controllable=False)
    model = site(
        charger("a"), pump, feeders=(feeder("row", 32.0, "a", "pump", other_loads=4.0),)
    )
    assert values(plan(model, reading(0.0), {"a": 0.0})) == {"a": 18}
    said = plan(model, reading(0.0), {"a": 0.0, "pump": 1150.0})
    assert values(said) == {"a": 23}


def test_with_a_meter_only_what_it_measures_is_counted() -> None:
    model = site(
        charger("a"), feeders=(feeder("row", 32.0, "a", meter="m", other_loads=20.0),)
    )
    seen = {"row": reading(None, currents=(10.0, 4.0, 4.0))}
    result, _ = metered(
        model, reading(0.0), seen, {"a": state(model.assets["a"], 690.0 * 3)}
    )
    # 10 A on L1, 3 A of them the car's own.
    assert values(result) == {"a": 25}
    flow = result.feeders["row"]
    assert flow.metered
    assert flow.current[Line.L1] == 10
    assert flow.headroom[Line.L1] == 22


def test_a_feeder_whose_meter_falls_silent_raises_nobody_and_goes_safe() -> None:
    model = site(
        charger("a", safe_current=8.0),
        charger("b"),
        feeders=(feeder("row", 16.0, "a", meter="m"),),
    )
    states = {name: state(model.assets[name], 0.0) for name in "ab"}
    seen = {"row": reading(None, currents=(10.0, 10.0, 10.0))}
    first, memory = metered(model, reading(0.0), seen, states)
    assert values(first)["a"] == 6
    for at in range(101, 140):
        result, memory = metered(
            model, reading(0.0, float(at)), seen, states, memory, float(at)
        )
        assert (result.setpoints["a"].value or 0) <= 6, at
    assert keys(result, "a")
    assert values(result)["b"] == 32


def test_never_measured_feeder_keeps_its_chargers_at_their_safe_current() -> None:
    model = site(
        charger("a", safe_current=7.0), feeders=(feeder("row", 16.0, "a", meter="m"),)
    )
    result = plan(model, reading(0.0), {"a": 0.0})
    assert values(result) == {"a": 7}
    assert keys(result, "a") == ["feeder_meter_stale"]


def test_a_battery_discharges_for_its_feeder_and_charges_within_it() -> None:
    model = site(
        battery("store", rated=20_000.0),
        main_fuse=63.0,
        feeders=(feeder("row", 16.0, "store", meter="m"),),
    )
    # The row draws 20 A per line besides: 4 A per line have to be delivered.
    seen = {"row": reading(None, currents=(20.0, 20.0, 20.0))}
    result, _ = metered(
        model, reading(0.0), seen, {"store": state(model.assets["store"], 0.0)}
    )
    assert values(result)["store"] == pytest.approx(-4 * 690, abs=2)
    assert keys(result, "store") == ["feeder_fuse"]


def test_production_is_curtailed_for_the_fuse_of_its_feeder() -> None:
    model = site(
        inverter("sun", rated=30_000.0),
        main_fuse=63.0,
        feeders=(feeder("roof", 20.0, "sun"),),
    )
    result = plan(model, reading(-20_000.0), {"sun": -20_000.0})
    assert values(result)["sun"] == pytest.approx(20 * 690, abs=2)
    assert keys(result, "sun") == ["feeder_fuse"]


def test_a_feeder_that_only_unmovable_loads_overload_is_named_infeasible() -> None:
    heater = load("heater", rated=9000.0, lines=(Line.L1,), controllable=False)
    model = site(charger("a"), heater, feeders=(feeder("row", 25.0, "a", "heater"),))
    result = plan(model, reading(0.0), {"a": 0.0, "heater": 9000.0})
    assert values(result)["a"] == 0
    (item,) = result.infeasible
    assert (item.limit.scope.id, item.limit.scope.line) == ("row", Line.L1)
    assert item.missing == pytest.approx(9000 / 230 - 25)


def test_an_asset_of_two_feeders_counts_once_and_a_circle_ends() -> None:
    model = site(
        charger("a"),
        feeders=(
            feeder("one", 10.0, "a", parent="two"),
            feeder("two", 9.0, "a", parent="one"),
        ),
    )
    assert circle(model.feeders) == ("one", "two")
    assert [branch.feeder.id for branch in layout_of(model).above("a")] == [
        "one",
        "two",
    ]
    assert values(plan(model, reading(0.0), {"a": 0.0})) == {"a": 9}


def test_feeders_that_change_between_two_decisions_start_anew() -> None:
    model = site(charger("a"), feeders=(feeder("row", 16.0, "a", meter="m"),))
    seen = {"row": reading(None, currents=(5.0, 5.0, 5.0))}
    states = {"a": state(model.assets["a"], 0.0)}
    _, memory = metered(model, reading(0.0), seen, states)
    other = site(charger("a"))
    result, memory = metered(other, reading(0.0, 101.0), {}, states, memory, 101.0)
    assert result.feeders == {}
    back, _ = metered(model, reading(0.0, 102.0), seen, states, memory, 102.0)
    assert back.feeders["row"].current[Line.L1] == 5


def test_twelve_late_cars_on_two_feeders_fill_them_and_do_not_swing() -> None:
    """Chargers that answer 10 s late: each feeder is full, none is over its fuse."""
    names = [f"car{number:02}" for number in range(12)]
    rows = {"left": names[:6], "right": names[6:]}
    model = site(
        *(charger(name, maximum=16.0) for name in names),
        main_fuse=100.0,
        contract_consumption=None,
        tolerance=0.0,
        feeders=tuple(feeder(row, 50.0, *cars) for row, cars in rows.items()),
    )
    loop = Loop(
        site=model,
        devices=devices_of(model, **{name: {"delay": 10.0} for name in names}),
        base=lambda _: (300, 300, 300),
    )
    loop.run(200)
    samples = loop.run(200)
    for cars in rows.values():

        def drawn(sample: Sample, cars: list[str] = cars) -> float:
            return sum(sample.devices[name] for name in cars) / 690

        # The main fuse leaves 49.3 A for each of them on average.
        assert worst(samples, drawn) <= 50.0
        assert min(drawn(sample) for sample in samples) >= 48.0
    assert worst(loop.samples, lambda s: max(s.currents)) <= 100.2
    assert all(swings(samples, name, 0.5) == 0 for name in names)


@pytest.mark.parametrize("tight", [60.0, 40.0, 31.0, 30.0, 10.0])
def test_a_tighter_limit_on_production_raises_no_inverter_behind_a_feeder(
    tight: float,
) -> None:
    """Both limits share by the same rule, so the tighter one is lower for all."""
    small, large = inverter("small", rated=4000.0), inverter("large", rated=15_000.0)
    row = Feeder(id="row", name="Row", fuse=10.0, members=frozenset({"small", "large"}))
    model = site(small, large, feeders=(row,))
    states = {"small": state(small, 0.0), "large": state(large, -248.0)}
    loose, bound = (
        values(plan(model, reading(212.0), states, given=orders(maxsetap=percent)))
        for percent in (100.0, tight)
    )
    assert all((bound[name] or 0.0) <= (loose[name] or 0.0) for name in states)


def test_a_discharging_battery_gives_way_to_the_sun_behind_one_feeder() -> None:
    """At night the battery has the feeder to itself; what the sun brings goes first."""
    model = site(
        battery("store", rated=10_000.0),
        inverter("sun", rated=4000.0),
        contract_injection=None,
        feeders=(feeder("row", 10.0, "store", "sun"),),
    )
    loop = Loop(
        site=model,
        devices=devices_of(
            model,
            store={"charge": 90.0, "capacity": 100_000.0},
            sun={"sun": lambda at: min(3000.0, max(0.0, at - 1060.0) * 10.0)},
        ),
        base=lambda _: (3000, 3000, 3000),
    )
    night = loop.run(60)
    assert night[-1].devices["store"] < -6500
    day = loop.run(600)
    assert day[-1].devices["sun"] == pytest.approx(-3000, abs=50)
    delivered = [-sample.devices["store"] - sample.devices["sun"] for sample in day]
    assert min(delivered) > 6000
    assert max(delivered) <= 6900 + 100

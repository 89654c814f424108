"""Which wins: precedence over random sites, and pair by pair."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given, settings
import pytest

from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.model.asset import Asset, ChargerState, Direction, Nature
from custom_components.netflex.model.connection import Feeder
from custom_components.netflex.model.orders import LocalStops, Stops
from custom_components.netflex.model.plan import Plan, Quantity, ScopeKind
from custom_components.netflex.model.snapshot import NO_USER_LIMITS, UserLimits

from .sites import (
    ALL,
    START,
    battery,
    charger,
    inverter,
    keys,
    load,
    order,
    orders,
    plan,
    reading,
    site,
    state,
    step,
    values,
)
from .strategies import Case, cases, overridden


def decided(case: Case) -> Plan:
    return plan(
        case.model,
        case.measured,
        case.states,
        given=case.given,
        local=case.local,
        user=case.user,
    )


def base_of(case: Case, line: int | None) -> float:
    """Return the uncontrolled W of the site, or A of a line, from the measurements."""
    if line is None:
        total = case.measured.power or 0.0
    else:
        total = case.measured.line_current[ALL[line]] or 0.0
    for asset in case.model.assets.values():
        if asset.controllable:
            total -= on_line(asset, case.states[asset.id].power or 0.0, line)
    return total


def on_line(asset: Asset, power: float, line: int | None) -> float:
    if line is None:
        return power
    return power / 230 / len(asset.lines) if ALL[line] in asset.lines else 0.0


def booked(
    case: Case,
    result: Plan,
    asset: Asset,
    *,
    help_in_need: bool,
    drawn: bool = False,
) -> float:
    """Return the W that an asset may draw under the plan, `drawn` only if it does so now.

    With `help_in_need` a battery counts with what it could still discharge.
    """
    value = result.setpoints[asset.id].value
    present = case.states[asset.id].power or 0.0
    if asset.nature is Nature.BATTERY and help_in_need:
        return -most_help(case, asset)
    if asset.nature is Nature.CHARGER:
        told = (value or 0.0) * 230 * len(asset.lines)
        return min(told, present) if drawn else told
    if asset.nature is Nature.LOAD:
        if not value:
            return 0.0
        return present if case.states[asset.id].enabled else asset.rated_consumption
    if asset.nature is Nature.INVERTER:
        return -min(-present, asset.rated_production if value is None else value)
    return value or 0.0


def most_help(case: Case, asset: Asset) -> float:
    """Return the W that a battery could deliver: not from its reserve, nor when stopped."""
    charge = case.states[asset.id].state_of_charge
    stops = Stops(orders=case.given, local=case.local)
    if charge is None or charge <= asset.reserve or stops.stopped(Direction.PRODUCTION):
        return 0.0
    return 0.0 if stopped_by_override(case, asset) else asset.rated_production


def flow(
    case: Case,
    result: Plan,
    line: int | None,
    *,
    help_in_need: bool = False,
    drawn: bool = False,
) -> float:
    total = base_of(case, line)
    for asset in case.model.assets.values():
        if asset.controllable:
            power = booked(case, result, asset, help_in_need=help_in_need, drawn=drawn)
            total += on_line(asset, power, line)
    return total


def stopped_by_override(case: Case, asset: Asset) -> bool:
    """Whether an override stops an asset as an emergency stop would."""
    override = case.user.get(asset.id, NO_USER_LIMITS).override
    return override is not None and override.stop and override.until != START


@settings(max_examples=100, deadline=None)
@given(cases(overridden))
def test_which_wins_no_stop_is_ever_violated(case: Case) -> None:
    result = decided(case)
    stops = Stops(orders=case.given, local=case.local)
    told = values(result)
    if stops.stopped(Direction.PRODUCTION):
        for asset in case.model.assets.values():
            if asset.nature is Nature.INVERTER and asset.controllable:
                assert told[asset.id] == 0
            if asset.nature is Nature.BATTERY:
                assert (told[asset.id] or 0) >= 0
    if stops.stopped(Direction.CONSUMPTION):
        for asset in case.model.assets.values():
            if asset.nature in {Nature.CHARGER, Nature.LOAD}:
                assert told[asset.id] == 0
            if asset.nature is Nature.BATTERY:
                assert (told[asset.id] or 0) <= 0
    for asset in case.model.assets.values():
        if not asset.controllable:
            continue
        concerned = {
            direction
            for direction, acts in (
                (Direction.PRODUCTION, asset.produces),
                (Direction.CONSUMPTION, asset.consumes),
            )
            if acts and stops.stopped(direction)
        }
        emergency = bool(concerned) or stopped_by_override(case, asset)
        assert result.setpoints[asset.id].emergency == emergency


@settings(max_examples=100, deadline=None)
@given(cases(overridden))
def test_which_wins_import_and_fuse_hold_or_nothing_is_left_to_yield(
    case: Case,
) -> None:
    """Whoever still draws does so within every import limit that it uses."""
    result = decided(case)
    limits = {
        (limit.scope.kind, limit.scope.id, limit.quantity): limit.value
        for limit in result.limits
    }
    scopes: list[tuple[int | None, float]] = [
        (index, limits[ScopeKind.LINE, line, Quantity.CURRENT])
        for index, line in enumerate(ALL)
    ]
    if (most := limits.get((ScopeKind.SITE, None, Quantity.IMPORT))) is not None:
        scopes.append((None, most))
    for line, limit in scopes:
        margin = 2.0 if line is None else 0.02
        if flow(case, result, line, help_in_need=True) <= limit + margin:
            continue
        for asset in case.model.assets.values():
            if on_line(asset, 1.0, line) == 0:
                continue
            spared = asset.never_shed and line is None
            if asset.nature in {Nature.CHARGER, Nature.LOAD} and not spared:
                assert result.setpoints[asset.id].value == 0, (asset.id, line)


@settings(max_examples=100, deadline=None)
@given(cases(overridden))
def test_S19_what_the_plan_breaks_it_says(case: Case) -> None:
    result = decided(case)
    named = {
        (item.limit.scope.kind, item.limit.scope.id, item.limit.quantity)
        for item in result.infeasible
    }
    for limit in result.limits:
        if limit.scope.kind is ScopeKind.SITE:
            total = base_of(case, None)
            for asset in case.model.assets.values():
                if asset.controllable:
                    power = booked(case, result, asset, help_in_need=False)
                    if asset.nature is Nature.CHARGER:
                        power = min(power, case.states[asset.id].power or 0.0)
                    total += power
            sign = 1 if limit.quantity is Quantity.IMPORT else -1
            if sign * total > limit.value + 10:
                key = (limit.scope.kind, limit.scope.id, limit.quantity)
                assert key in named


@settings(max_examples=100, deadline=None)
@given(cases(overridden))
def test_S18_a_charger_gets_nothing_or_its_minimum_and_never_more_than_allowed(
    case: Case,
) -> None:
    result = decided(case)
    for asset in case.model.assets.values():
        if asset.nature is not Nature.CHARGER:
            continue
        value = result.setpoints[asset.id].value
        assert value is not None and asset.maximum_current is not None
        assert value == 0 or asset.minimum_current <= value <= asset.maximum_current
        user = case.user[asset.id].current
        if user is not None:
            assert value <= user


@settings(max_examples=100, deadline=None)
@given(cases(overridden))
def test_every_bounded_setpoint_names_a_cause(case: Case) -> None:
    result = decided(case)
    for asset in case.model.assets.values():
        if not asset.controllable:
            continue
        setpoint = result.setpoints[asset.id]
        free = {
            Nature.CHARGER: asset.maximum_current,
            Nature.INVERTER: None,
            Nature.LOAD: 1.0,
        }
        if asset.nature is Nature.BATTERY or setpoint.value != free[asset.nature]:
            assert setpoint.causes, asset.id
            assert all(cause.text and cause.key for cause in setpoint.causes)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_plan_is_a_fixed_point_on_repeated_identical_input(case: Case) -> None:
    first, memory = step(
        case.model,
        case.measured,
        case.states,
        given=case.given,
        local=case.local,
        user=case.user,
    )
    second, _ = step(
        case.model,
        case.measured,
        case.states,
        given=case.given,
        local=case.local,
        user=case.user,
        memory=memory,
    )
    assert values(second) == values(first)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_order_of_assets_does_not_matter(case: Case) -> None:
    turned = replace(case.model, assets=dict(reversed(list(case.model.assets.items()))))
    assert values(decided(replace(case, model=turned))) == values(decided(case))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_an_idle_asset_more_changes_nothing(case: Case) -> None:
    idle = charger("zz", priority=9)
    more = replace(case.model, assets={**case.model.assets, "zz": idle})
    states = {**case.states, "zz": state(idle, 0.0, charger_state=ChargerState.IDLE)}
    # Percentages of installed power count the newcomer: absent here.
    given_ = replace(case.given, maxsetap=None, minsetap=None)
    before = values(decided(replace(case, given=given_)))
    after = values(decided(replace(case, model=more, states=states, given=given_)))
    after.pop("zz")
    assert after == before


TIGHTER = ("minsetp", "maxsetp", "maxsetap", "minsetap")


@pytest.mark.parametrize("name", TIGHTER)
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_tightening_a_limit_never_loosens_its_own_scope(name: str, case: Case) -> None:
    """The flow is no further into the limited direction, or inside the new limit.

    Inside it may rise: a load that does not fit any more leaves room for a car.
    """
    assert_never_loosens(name, case)


def assert_never_loosens(name: str, case: Case) -> None:
    """Check one limit at two values.

    A car that is told more than it draws counts with all of it. Batteries help such a
    car inside the limit only as it begins to draw: what they still can do then counts.
    """
    flows = []
    for percent in (80.0, 30.0):
        changed = replace(case.given, **{name: order(percent)})
        result = decided(replace(case, given=changed))
        flows.append(_flow_in_scope(name, case, result))
        limit = next(
            (
                limit.value
                for limit in result.limits
                if limit.cause.key == name and percent == 30.0
            ),
            0.0,
        )
    if flows[1] <= max(flows[0], limit) + 10:
        return
    assert name == "maxsetp"
    drawn = flow(case, result, None, drawn=True)
    assert drawn <= limit + 10
    assert flow(case, result, None, help_in_need=True) <= limit + 10


def test_tightening_the_import_gives_a_car_what_a_load_leaves_and_batteries_add() -> (
    None
):
    """The load had waited; for the car, the battery will go from its target of 0 W."""
    boiler = load("boiler", lines=ALL, phases=3)
    car = charger(lines=(ALL[1],), maximum=16.0)
    store = battery("store", rated=3000.0)
    case = Case(
        model=site(car, store, boiler, main_fuse=25.0),
        measured=reading(6210.0, currents=(0.0, 20.0, 7.0)),
        states={
            "car": state(car, 0.0),
            "store": state(store, 0.0, state_of_charge=15.0),
            "boiler": state(boiler, 0.0, enabled=False),
        },
        given=orders(),
        local=LocalStops(),
        user={
            "car": UserLimits(),
            "store": UserLimits(target_power=0.0),
            "boiler": UserLimits(),
        },
    )
    loose = decided(replace(case, given=orders(maxsetp=80.0)))
    tight = decided(replace(case, given=orders(maxsetp=30.0)))
    assert keys(loose, "boiler") == ["coming_back"]
    assert values(loose)["car"] == 0
    assert keys(tight, "boiler") == ["maxsetp"]
    assert (values(tight)["car"] or 0.0) >= 6
    # Now exactly what is drawn too much, and once the car draws, what it draws.
    assert values(tight)["store"] == -210
    assert_never_loosens("maxsetp", case)


def _flow_in_scope(name: str, case: Case, result: Plan) -> float:
    """Return the W that an order limits, as the plan leaves it."""
    if name in {"maxsetp", "minsetp"}:
        return flow(case, result, None) * (1 if name == "maxsetp" else -1)
    assets = [asset for asset in case.model.assets.values() if asset.controllable]
    if name == "minsetap":
        powers = [booked(case, result, asset, help_in_need=False) for asset in assets]
        return sum(max(0.0, power) for power in powers)
    total = 0.0
    for asset in assets:
        value = result.setpoints[asset.id].value
        if asset.nature is Nature.INVERTER:
            total += asset.rated_production if value is None else value
        elif asset.nature is Nature.BATTERY:
            total += max(0.0, -(value or 0.0))
    return total


def test_which_wins_stop_over_a_limit_of_a_hundred() -> None:
    model = site(charger(), inverter(), battery())
    result = plan(
        model,
        reading(2000.0),
        {"car": 7000.0, "sun": -3000.0, "battery": 1000.0},
        given=orders(
            emergency_stop_consumption=True,
            emergency_stop_production=True,
            maxsetp=100.0,
            minsetp=100.0,
            maxsetap=100.0,
            minsetap=100.0,
        ),
    )
    assert values(result) == {"car": 0, "sun": 0, "battery": 0}
    assert keys(result, "car")[0] == "emergency_stop_consumption"


def test_which_wins_each_stop_needs_its_own_release() -> None:
    model = site(inverter())
    both = plan(
        model,
        reading(-3000.0),
        {"sun": -3000.0},
        given=orders(emergency_stop_production=False),
        local=LocalStops(production=frozenset({"key switch"})),
    )
    assert values(both) == {"sun": 0}
    assert keys(both, "sun") == ["local_stop_production"]
    assert "key switch" in both.setpoints["sun"].causes[0].text


def test_which_wins_maxsetp_zero_with_the_sun_below_the_base_load() -> None:
    """Discharge, shed all that may be shed, then infeasible."""
    keep = load("pump", rated=2000.0, never_shed=True)
    model = site(charger(), battery(), inverter(), load(), keep)
    result = plan(
        model,
        reading(18_000.0 + 5000.0 - 1000.0),
        {
            "car": 7000.0,
            "battery": 0.0,
            "sun": -1000.0,
            "boiler": 3000.0,
            "pump": 2000.0,
        },
        given=orders(maxsetp=0.0),
    )
    # Base 11 kW, pump 2 kW, sun 1 kW, battery 5 kW: 7 kW are missing.
    told = values(result)
    assert told == {"car": 0, "battery": -5000, "sun": None, "boiler": 0, "pump": 1}
    (item,) = result.infeasible
    assert item.limit.cause.key == "maxsetp"
    assert item.missing == pytest.approx(7000.0)


def test_which_wins_stop_of_consumption_and_an_empty_battery() -> None:
    model = site(battery())
    result = plan(
        model,
        reading(-4000.0),
        {"battery": state(battery(), 0.0, state_of_charge=2.0)},
        given=orders(emergency_stop_consumption=True),
    )
    assert values(result) == {"battery": 0}


def test_which_wins_a_target_of_the_user_yields_to_everything() -> None:
    model = site(battery())
    result = plan(
        model,
        reading(19_000.0),
        {"battery": 0.0},
        given=orders(maxsetp=90.0),
        user={"battery": UserLimits(target_power=5000.0)},
    )
    assert values(result) == {"battery": -1000}
    assert keys(result, "battery") == ["maxsetp"]


@pytest.mark.parametrize(
    "order_of_arrival",
    list(
        permutations(
            (
                {"emergency_stop_production": True},
                {"maxsetp": 0.0},
                {"minsetp": 0.0},
            )
        )
    ),
)
def test_contradictory_orders_end_alike_in_every_order_of_arrival(
    order_of_arrival: tuple[dict[str, float], ...],
) -> None:
    model = site(charger(), battery(), inverter())
    measured, states = reading(1000.0), {"car": 5000.0, "battery": 0.0, "sun": -6000.0}
    memory = EMPTY
    given_: dict[str, float] = {}
    for index, arriving in enumerate(order_of_arrival):
        given_ |= arriving
        result, memory = step(
            model,
            measured,
            states,
            given=orders(**given_),
            memory=memory,
            at=100.0 + index / 10,
        )
    assert values(result) == {"car": 0, "battery": 0, "sun": 0}


@pytest.mark.parametrize(
    "given_", [{"minsetp": 0.0, "minsetap": 0.0}, {"minsetap": 0.0}]
)
def test_a_battery_that_may_not_charge_does_not_take_what_another_one_delivers(
    given_: dict[str, float],
) -> None:
    """A user's target of 9 kW discharge: neither injection nor the feeder's fuse."""
    one, other = battery("one", rated=3000.0), battery("other", rated=10_000.0)
    row = Feeder(id="row", name="Row", fuse=10.0, members=frozenset({"one", "other"}))
    result = plan(
        site(one, other, main_fuse=25.0, feeders=(row,)),
        reading(0.0),
        {"one": 0.0, "other": 0.0},
        given=orders(**given_),
        user={"other": UserLimits(target_power=-9000.0)},
    )
    assert result.infeasible == ()
    told = values(result)
    assert told["one"] == 0
    assert told["other"] == (0 if "minsetp" in given_ else -6900)


def overloaded(**given: object) -> Plan:
    """A base load of 20 kW on three lines of 25 A, a full battery of 5 kW."""
    store = battery("store", rated=5000.0)
    return plan(
        site(store, main_fuse=25.0),
        reading(20_000.0),
        {"store": state(store, 0.0, state_of_charge=90.0)},
        given=orders(**given),
    )


def test_which_wins_a_fuse_over_the_operators_limit_on_production() -> None:
    relieved = overloaded(maxsetap=0.0)
    # The fuse lacks 2.75 kW: exactly that, and for its sake.
    assert values(overloaded())["store"] == -5000.0
    told = values(relieved)["store"]
    assert told is not None
    assert told == pytest.approx(-2750, abs=5)
    assert keys(relieved, "store") == ["main_fuse"]
    assert any(
        item.limit.quantity is Quantity.PRODUCTION for item in relieved.infeasible
    )


def test_which_wins_the_operators_limit_on_production_without_an_overload() -> None:
    store = battery("store", rated=5000.0)
    result = plan(
        site(store, main_fuse=25.0),
        reading(9000.0),
        {"store": state(store, 0.0, state_of_charge=90.0)},
        given=orders(maxsetap=0.0),
    )
    assert values(result)["store"] == 0.0
    assert result.infeasible == ()


def test_which_wins_who_can_be_shed_goes_before_the_operators_limit() -> None:
    store = battery("store", rated=5000.0)
    boiler = load("boiler", rated=6000.0, phases=3, lines=ALL)
    result = plan(
        site(store, boiler, main_fuse=25.0),
        reading(20_000.0),
        {"store": state(store, 0.0, state_of_charge=90.0), "boiler": 6000.0},
        given=orders(maxsetap=0.0),
    )
    assert values(result) == {"store": 0.0, "boiler": 0.0}


def test_which_wins_a_stop_of_production_over_a_fuse() -> None:
    store = battery("store", rated=5000.0)
    result = plan(
        site(store, main_fuse=25.0),
        reading(20_000.0),
        {"store": state(store, 0.0, state_of_charge=90.0)},
        given=orders(maxsetap=0.0, emergency_stop_production=True),
    )
    assert values(result)["store"] == 0.0

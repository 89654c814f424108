"""Properties of every plan, with feeders, unbalance and reactive power in play."""

from dataclasses import replace
from itertools import combinations
from math import hypot

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.control.explain import COMING_BACK
from custom_components.netflex.control.layout import layout_of
from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    ChargerState,
    Direction,
    Nature,
)
from custom_components.netflex.model.connection import Feeder, Line, LineValues
from custom_components.netflex.model.orders import LocalStops, QMode, Stops
from custom_components.netflex.model.plan import Plan, Scope, Source
from custom_components.netflex.model.protection import Protection
from custom_components.netflex.model.snapshot import UserLimits

from .sites import (
    ALL,
    battery,
    charger,
    inverter,
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
from .strategies import Case, cases


@st.composite
def rich(draw: st.DrawFn) -> Case:
    """Draw a situation with feeders, unbalance and a reactive band on top."""
    case = draw(cases())
    names = sorted(case.model.assets)
    cut = draw(st.integers(0, len(names)))
    middle = draw(st.integers(0, cut))
    feeders = (
        Feeder(
            id="hall",
            name="Hall",
            fuse=draw(st.sampled_from([16.0, 25.0, 40.0])),
            members=frozenset(names[:middle]),
            other_loads=draw(st.sampled_from([0.0, 5.0])),
        ),
        Feeder(
            id="row",
            name="Row",
            fuse=draw(st.sampled_from([10.0, 20.0])),
            parent="hall",
            members=frozenset(names[middle:cut]),
        ),
    )
    protection = Protection(
        unbalance=draw(st.sampled_from([None, None, 8.0, 20.0])),
        neutral=draw(st.sampled_from([None, None, 15.0])),
    )
    given_ = case.given
    if draw(st.booleans()):
        low, high = sorted((draw(st.floats(-9e3, 9e3)), draw(st.floats(-9e3, 9e3))))
        given_ = replace(
            given_,
            q_mode=order(draw(st.sampled_from(list(QMode)))),
            minsetq=order(low),
            maxsetq=order(high),
        )
    states = {
        name: replace(item, takes_reactive=draw(st.booleans()), reactive_power=0.0)
        if case.model.assets[name].nature in {Nature.INVERTER, Nature.BATTERY}
        else item
        for name, item in case.states.items()
    }
    return replace(
        case,
        model=replace(case.model, feeders=feeders, protection=protection),
        measured=replace(case.measured, reactive_power=draw(st.floats(-9e3, 9e3))),
        given=given_,
        states=states,
    )


def decided(case: Case) -> Plan:
    return plan(
        case.model,
        case.measured,
        case.states,
        given=case.given,
        local=case.local,
        user=case.user,
    )


def most_on_line(case: Case, result: Plan, asset: Asset, line: Line) -> float:
    """Return the A that an asset may draw on a line, a battery as far as it helps."""
    if line not in asset.lines:
        return 0.0
    value = result.setpoints[asset.id].value if asset.controllable else None
    if asset.nature is Nature.CHARGER:
        return value or 0.0
    watts = 230.0 * len(asset.lines)
    if asset.nature is Nature.LOAD:
        # One that is on already is booked with what it draws: see `load_power`.
        state_ = case.states[asset.id]
        on = (state_.power or 0.0) if state_.enabled else asset.rated_consumption
        return on / watts if value else 0.0
    if asset.nature is Nature.BATTERY:
        return -asset.rated_production / watts
    return -(case.states[asset.id].power or 0.0) / -watts


@settings(max_examples=80, deadline=None)
@given(rich())
def test_no_feeder_is_overloaded_or_nothing_on_it_is_left_to_yield(case: Case) -> None:
    result = decided(case)
    for branch in layout_of(case.model).branches:
        members = [case.model.assets[name] for name in branch.members]
        for line in ALL:
            total = branch.feeder.other_loads + sum(
                most_on_line(case, result, asset, line) for asset in members
            )
            if total <= branch.feeder.fuse + 0.02:
                continue
            for asset in members:
                if line in asset.lines and asset.nature in {
                    Nature.CHARGER,
                    Nature.LOAD,
                }:
                    assert result.setpoints[asset.id].value == 0, asset.id


@settings(max_examples=80, deadline=None)
@given(rich())
def test_no_stop_is_violated_whatever_else_is_in_play(case: Case) -> None:
    result = decided(case)
    stops = Stops(orders=case.given, local=case.local)
    for asset in case.model.assets.values():
        if not asset.controllable:
            continue
        setpoint = result.setpoints[asset.id]
        value = setpoint.value
        if stops.stopped(Direction.PRODUCTION):
            if asset.nature is Nature.INVERTER:
                assert value == 0
            if asset.nature is Nature.BATTERY:
                assert (value or 0.0) >= 0
            if asset.produces:
                assert setpoint.reactive is None
        if stops.stopped(Direction.CONSUMPTION) and asset.nature is not Nature.INVERTER:
            assert (value or 0.0) <= 0


@settings(max_examples=60, deadline=None)
@given(rich())
def test_reactive_power_keeps_the_circle_and_its_cause(case: Case) -> None:
    result = decided(case)
    for name, setpoint in result.setpoints.items():
        if setpoint.reactive is None:
            continue
        asset = case.model.assets[name]
        rated = max(asset.rated_production, asset.rated_consumption)
        power = abs(case.states[name].power or 0.0)
        assert hypot(setpoint.reactive, min(power, rated)) <= rated + 1
        assert "q_band" in [cause.key for cause in setpoint.causes]


@settings(max_examples=60, deadline=None)
@given(rich())
def test_every_bounded_setpoint_names_a_cause_with_feeders_too(case: Case) -> None:
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


@settings(max_examples=50, deadline=None)
@given(rich())
def test_the_same_input_again_changes_nothing_with_feeders_too(case: Case) -> None:
    given_ = {"given": case.given, "local": case.local, "user": case.user}
    first, memory = step(case.model, case.measured, case.states, **given_)
    second, _ = step(case.model, case.measured, case.states, memory=memory, **given_)
    assert values(second) == values(first)
    assert [s.reactive for s in second.setpoints.values()] == [
        s.reactive for s in first.setpoints.values()
    ]


@settings(max_examples=60, deadline=None)
@given(case=rich(), data=st.data())
def test_permuting_assets_permutes_the_plan_with_feeders_too(
    case: Case, data: st.DataObject
) -> None:
    """Whatever order they and their feeders were added in."""
    names = data.draw(st.permutations(list(case.model.assets)))
    model = replace(
        case.model,
        assets={name: case.model.assets[name] for name in names},
        feeders=tuple(data.draw(st.permutations(case.model.feeders))),
    )
    states = {name: case.states[name] for name in reversed(names)}
    one, other = decided(case), decided(replace(case, model=model, states=states))
    assert other.setpoints == one.setpoints
    assert sorted(map(repr, other.infeasible)) == sorted(map(repr, one.infeasible))


IDLE = {
    "charger without a car": (
        charger("zz", priority=9),
        {"charger_state": ChargerState.IDLE},
    ),
    "load that nobody wants": (
        load("zz", rated=2000.0, priority=9),
        {"enabled": False},
    ),
    "battery that is locked out": (battery("zz"), {}),
}
"""Not an inverter at night: the sun may come back, and limits leave room for it."""
UNWANTED = {
    Nature.CHARGER: UserLimits(),
    Nature.LOAD: UserLimits(switch=False),
    Nature.BATTERY: UserLimits(locked=True),
}


@pytest.mark.parametrize("kind", IDLE)
@settings(max_examples=60, deadline=None)
@given(case=rich(), place=st.sampled_from([None, "hall", "row"]))
def test_an_idle_asset_more_changes_nothing_with_feeders_too(
    kind: str, case: Case, place: str | None
) -> None:
    """Wherever it is connected."""
    idle, options = IDLE[kind]
    # Percentages of installed power count the newcomer: absent here.
    given_ = replace(case.given, maxsetap=None, minsetap=None)
    case = replace(case, given=given_)
    feeders = tuple(
        replace(item, members=item.members | {"zz"}) if item.id == place else item
        for item in case.model.feeders
    )
    more = replace(
        case,
        model=replace(
            case.model, assets={**case.model.assets, "zz": idle}, feeders=feeders
        ),
        states={**case.states, "zz": state(idle, 0.0, **options)},
        user={**case.user, "zz": UNWANTED[idle.nature]},
    )
    before, after = decided(case), decided(more)
    setpoints = dict(after.setpoints)
    del setpoints["zz"]
    assert {name: item.value for name, item in setpoints.items()} == values(before)
    assert {name: item.reactive for name, item in setpoints.items()} == {
        name: item.reactive for name, item in before.setpoints.items()
    }


@settings(max_examples=80, deadline=None)
@given(case=rich(), order_=st.permutations(ALL))
def test_permuting_the_phases_permutes_nothing_but_the_phases(
    case: Case, order_: list[Line]
) -> None:
    turn = dict(zip(ALL, order_, strict=True))
    currents = case.measured.line_current
    states = {
        name: replace(
            item,
            currents=LineValues.of(
                {turn[line]: value for line, value in item.currents.items()}
            )
            if item.currents.total() is not None
            else item.currents,
        )
        for name, item in case.states.items()
    }
    turned = replace(
        case,
        model=replace(
            case.model,
            assets={
                name: replace(asset, lines=tuple(turn[line] for line in asset.lines))
                for name, asset in case.model.assets.items()
            },
        ),
        measured=replace(
            case.measured,
            line_current=LineValues.of(
                {turn[line]: value for line, value in currents.items()}
            ),
        ),
        states=states,
    )
    before, after = values(decided(case)), values(decided(turned))
    for name, value in before.items():
        # Whole watts and tenths of amperes are rounded off sums in another order.
        current = case.model.assets[name].nature is Nature.CHARGER
        assert after[name] == pytest.approx(value, abs=0.11 if current else 2.0), name


@settings(max_examples=60, deadline=None)
@given(case=rich(), factor=st.sampled_from([0.3, 0.6, 0.9]))
def test_a_smaller_fuse_of_a_feeder_raises_nobody_on_it(
    case: Case, factor: float
) -> None:
    """Chargers of one priority: who shares a feeder with a load may be its heir."""
    flat = replace(
        case,
        model=replace(
            case.model,
            protection=Protection(),
            assets={
                name: replace(asset, priority=0)
                for name, asset in case.model.assets.items()
                if asset.nature is Nature.CHARGER
            },
        ),
        local=type(case.local)(),
        given=orders(),
    )
    hall, row = flat.model.feeders
    smaller = replace(hall, fuse=hall.fuse * factor)
    tight = replace(flat, model=replace(flat.model, feeders=(smaller, row)))
    before, after = values(decided(flat)), values(decided(tight))
    behind = layout_of(tight.model).branches[0].members
    assert sum(after[name] or 0.0 for name in behind) <= (
        sum(before[name] or 0.0 for name in behind) + 0.35 * len(behind) + 6.0
    )
    for line in ALL:
        drawn = hall.other_loads + sum(
            after[name] or 0.0
            for name in behind
            if line in tight.model.assets[name].lines
        )
        assert drawn <= smaller.fuse + 1e-6 or all(
            after[name] == 0
            for name in behind
            if line in tight.model.assets[name].lines
        )


EVERY_ORDER = {
    "emergency_stop_production": True,
    "emergency_stop_consumption": True,
    "maxsetp": 0.0,
    "minsetp": 0.0,
    "maxsetap": 0.0,
    "minsetap": 0.0,
    "q_mode": QMode.REMOTE,
    "minsetq": 2000.0,
    "maxsetq": 3000.0,
}


@pytest.mark.parametrize(("one", "other"), list(combinations(EVERY_ORDER, 2)))
def test_contradictory_orders_in_every_pair_and_order_of_arrival(
    one: str, other: str
) -> None:
    model = site(charger(), battery(), inverter(), load())
    states = {
        "car": state(charger(), 5000.0),
        "battery": state(battery(), 0.0, takes_reactive=True, reactive_power=0.0),
        "sun": state(inverter(), -6000.0, takes_reactive=True, reactive_power=0.0),
        "boiler": state(load(), 3000.0),
    }
    measured = replace(reading(1000.0), reactive_power=0.0)
    ends = []
    for first, second in ((one, other), (other, one)):
        memory = EMPTY
        for index, names in enumerate(((first,), (first, second))):
            result, memory = step(
                model,
                measured,
                states,
                given=orders(**{name: EVERY_ORDER[name] for name in names}),
                memory=memory,
                at=100.0 + index / 10,
            )
        ends.append(
            {n: (s.value, s.emergency, s.reactive) for n, s in result.setpoints.items()}
        )
    assert ends[0] == ends[1]
    if "emergency_stop_production" in {one, other}:
        assert ends[0]["sun"][:2] == (0, True)
    if "emergency_stop_consumption" in {one, other}:
        assert ends[0]["car"][:2] == ends[0]["boiler"][:2] == (0, True)


PERCENTAGES = ("minsetp", "maxsetp", "minsetap", "maxsetap")
MOST_IMPORTANT = {Source.FUSE, Source.FEEDER}


@settings(max_examples=120, deadline=None)
@given(rich())
def test_no_more_important_limit_is_broken_for_the_sake_of_a_lesser_one(
    case: Case,
) -> None:
    """Without what is less important, a fuse would miss as much or more.

    Not with limits on the assets themselves, nor without the user's own: what they
    allow a battery or an inverter also bounds the help that it could be to the fuse.
    """
    case = replace(
        case,
        model=replace(case.model, protection=Protection()),
        given=replace(case.given, minsetap=None, maxsetap=None),
    )
    alone = replace(
        case, given=replace(case.given, minsetp=None, maxsetp=None, q_mode=None)
    )
    before = _missing(decided(alone))
    for scope, missing in _missing(decided(case)).items():
        assert missing <= before.get(scope, 0.0) + 0.5, scope


def _missing(result: Plan) -> dict[Scope, float]:
    return {
        item.limit.scope: item.missing
        for item in result.infeasible
        if item.limit.source in MOST_IMPORTANT
    }


def claimed(case: Case, result: Plan) -> dict[str, float]:
    """Return the W that each asset may take, whether it does so already or not.

    A load that waits for its turn has its room: nobody else gets it meanwhile.
    """
    found = {}
    for name, setpoint in result.setpoints.items():
        asset, value = case.model.assets[name], setpoint.value
        if asset.nature is Nature.CHARGER:
            found[name] = (value or 0.0) * 230.0 * len(asset.lines)
        elif asset.nature is Nature.INVERTER:
            found[name] = -(asset.rated_production if value is None else value)
        elif asset.nature is Nature.LOAD:
            state_ = case.states[name]
            on = (state_.power or 0.0) if state_.enabled else asset.rated_consumption
            waits = any(cause.key == COMING_BACK for cause in setpoint.causes)
            found[name] = on if value or waits else 0.0
        else:
            found[name] = value or 0.0
    return found


def assert_raises_nobody(name: str, case: Case, loose: float, tight: float) -> None:
    """Check one limit at two values; see the property for what holds."""
    model = replace(case.model, protection=Protection())
    case = replace(case, model=model)
    before, after = (
        decided(
            replace(
                case,
                given=replace(
                    case.given, **{name: order(float(percent))}, q_mode=order(None)
                ),
            )
        )
        for percent in (loose, tight)
    )
    sign = 1 if name in {"maxsetp", "minsetap"} else -1
    one, other = (
        {key: sign * power for key, power in claimed(case, result).items()}
        for result in (before, after)
    )
    kind = {key: model.assets[key].nature for key in one}
    risen = {key: max(0.0, other[key]) - max(0.0, one[key]) for key in one}
    left = sum(max(0.0, -change) for change in risen.values())
    places = sum(
        max(0.0, one[key])
        for key in one
        if kind[key] in {Nature.CHARGER, Nature.LOAD} and other[key] == 0
    )
    stored = sum(
        max(0.0, one[key] - other[key]) for key in one if kind[key] is Nature.BATTERY
    )
    heirs = dict.fromkeys(kind.values(), 0.0)
    spare = dict.fromkeys(kind.values(), 0.0)
    for key, setpoint in after.setpoints.items():
        if kind[key] in heirs and name in {cause.key for cause in setpoint.causes}:
            heirs[kind[key]] += max(0.0, risen[key])
            lines = len(model.assets[key].lines)
            # Setpoints are in tenths of an ampere and in whole watts.
            spare[kind[key]] += 25.5 * lines if kind[key] is Nature.CHARGER else 2.0
    for nature, most in (
        (Nature.CHARGER, places),
        (Nature.INVERTER, stored),
        (Nature.BATTERY, left),
    ):
        assert heirs.get(nature, 0.0) <= most + spare.get(nature, 0.0), nature
    assert sum(heirs.values()) <= left + sum(spare.values())


@pytest.mark.parametrize("name", PERCENTAGES)
@settings(max_examples=80, deadline=None)
@given(
    case=rich(), loose=st.sampled_from([100.0, 70.0]), tight=st.sampled_from([30, 0])
)
def test_tightening_a_limit_raises_nobody_whom_it_binds(
    name: str, case: Case, loose: float, tight: int
) -> None:
    """Unless others leave room, and then by no more than they leave.

    Shares of equals rise together until a limit is used up; the less there is of it,
    the lower they stop. So those whom it binds have less, but for three kinds of heirs:

    - A car gets 0 or its minimum (S18), and a load is on or off. Who no longer fits
      leaves its whole place, and nothing that can be used stays unused: cars get it.
    - A battery does what others no longer do: one that follows the meter delivers what
      another with a target may not, one with a target charges what cars may not draw.
    - An inverter has what batteries leave of a line or feeder that it shares with them.

    Who does more for a fuse is bound by the fuse, which goes before the grid operator.
    """
    assert_raises_nobody(name, case, loose, tight)


def situation(
    *assets: Asset,
    power: float,
    currents: tuple[float, float, float],
    states: dict[str, AssetState],
    user: dict[str, UserLimits] | None = None,
    feeder: float | None = None,
    main_fuse: float = 25.0,
) -> Case:
    """Return a situation, all of its assets behind one feeder where there is one."""
    members = frozenset(asset.id for asset in assets)
    feeders = (
        ()
        if feeder is None
        else (Feeder(id="row", name="Row", fuse=feeder, members=members),)
    )
    return Case(
        model=site(*assets, main_fuse=main_fuse, feeders=feeders),
        measured=reading(power, currents=currents),
        states={asset.id: state(asset, 0.0) for asset in assets} | states,
        given=orders(),
        local=LocalStops(),
        user={asset.id: UserLimits() for asset in assets} | (user or {}),
    )


STORE = battery("store", rated=10_000.0)
OTHER = battery("other", rated=3000.0)
SUN = inverter("sun", rated=4000.0)

HEIRS = {
    "a battery that the fuse asks for what the sun no longer brings": (
        "maxsetap",
        situation(
            OTHER,
            inverter("sun", rated=15_000.0),
            power=687.0,
            currents=(-7.67, -7.67, 18.33),
            states={"sun": state(SUN, -5293.0)},
        ),
    ),
    "a battery that follows the meter, beside one with a target": (
        "maxsetap",
        situation(
            OTHER,
            battery("second", rated=3000.0),
            power=1840.0,
            currents=(0.0, 0.0, 8.0),
            states={},
            user={"second": UserLimits(target_power=-9000.0)},
        ),
    ),
    "an inverter whose line a battery leaves": (
        "minsetp",
        situation(
            STORE,
            inverter("sun", rated=15_000.0),
            power=0.0,
            currents=(0.0, 0.0, 0.0),
            states={},
            user={"store": UserLimits(target_power=-9000.0)},
        ),
    ),
    "an inverter whose feeder a battery leaves": (
        "maxsetap",
        situation(
            STORE,
            SUN,
            power=6899.0,
            currents=(0.0, 3.0, 27.0),
            states={"sun": state(SUN, -1.0)},
            feeder=10.0,
        ),
    ),
    "a car for which a load leaves": (
        "maxsetp",
        situation(
            charger("car", lines=(Line.L2,), maximum=16.0),
            battery("other", rated=3000.0),
            load("boiler", lines=ALL, phases=3),
            power=6210.0,
            currents=(0.0, 20.0, 7.0),
            states={"boiler": state(load(), 0.0, enabled=False)},
            user={"other": UserLimits(target_power=0.0)},
        ),
    ),
}


@pytest.mark.parametrize("what", HEIRS)
def test_tightening_a_limit_leaves_heirs_no_more_than_others_leave(what: str) -> None:
    name, case = HEIRS[what]
    for tight in (30.0, 0.0):
        assert_raises_nobody(name, case, 100.0, tight)

"""Random sites, readings, states and orders, all of them possible."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from custom_components.netflex.model.asset import Asset, AssetState, Nature
from custom_components.netflex.model.connection import GridType, Line
from custom_components.netflex.model.orders import GridOrders, LocalStops
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import Override, SiteModel, UserLimits

from .sites import (
    ALL,
    START,
    battery,
    charger,
    inverter,
    load,
    orders,
    reading,
    site,
    state,
)

PERCENT = st.one_of(
    st.none(), st.sampled_from([0.0, 50.0, 100.0]), st.floats(0, 100).map(round)
)
LINES = st.sampled_from([ALL, (Line.L1,), (Line.L2,), (Line.L3,)])


@dataclass(frozen=True)
class Case:
    """One situation: everything that a first decision looks at."""

    model: SiteModel
    measured: MeterReading
    states: dict[str, AssetState]
    given: GridOrders
    local: LocalStops
    user: dict[str, UserLimits]


@st.composite
def assets(draw: st.DrawFn, *, at_most: int = 3) -> list[Asset]:
    """Draw some assets of every nature, some of them beyond control."""
    result: list[Asset] = []
    for index in range(draw(st.integers(0, at_most))):
        lines = draw(LINES)
        result.append(
            charger(
                f"charger{index}",
                maximum=draw(st.sampled_from([16.0, 32.0])),
                lines=lines,
                priority=draw(st.integers(0, 2)),
            )
        )
    result.extend(
        battery(
            f"battery{index}",
            rated=draw(st.sampled_from([3000.0, 10_000.0])),
            reserve=draw(st.sampled_from([0.0, 20.0])),
        )
        for index in range(draw(st.integers(0, 2)))
    )
    result.extend(
        inverter(
            f"inverter{index}",
            rated=draw(st.sampled_from([4000.0, 15_000.0])),
            controllable=draw(st.booleans()) or index == 0,
        )
        for index in range(draw(st.integers(0, 2)))
    )
    result.extend(
        load(
            f"load{index}",
            rated=draw(st.sampled_from([1500.0, 3000.0])),
            lines=draw(LINES),
            phases=1,
            never_shed=draw(st.booleans()),
            priority=draw(st.integers(0, 2)),
        )
        for index in range(draw(st.integers(0, 2)))
    )
    return result


@st.composite
def states_of(draw: st.DrawFn, asset: Asset) -> AssetState:
    """Draw what an asset may be doing; currents follow from the power."""
    options: dict[str, Any] = {}
    if asset.nature is Nature.CHARGER:
        power = 0.0
        if draw(st.booleans()):
            assert asset.maximum_current is not None
            amps = draw(st.floats(6, asset.maximum_current))
            power = round(amps * 230 * len(asset.lines))
    elif asset.nature is Nature.BATTERY:
        power = round(draw(st.floats(-asset.rated_production, asset.rated_consumption)))
        options["state_of_charge"] = draw(st.sampled_from([0.0, 15.0, 50.0, 100.0]))
    elif asset.nature is Nature.INVERTER:
        power = -round(draw(st.floats(0, asset.rated_production)))
    else:
        on = draw(st.booleans())
        options["enabled"] = on
        power = asset.rated_consumption if on and draw(st.booleans()) else 0.0
    return state(asset, power, **options)


@st.composite
def users(draw: st.DrawFn, asset: Asset) -> UserLimits:
    """Draw what a user may have asked for."""
    if asset.nature is Nature.CHARGER:
        return UserLimits(current=draw(st.sampled_from([None, 0.0, 4.0, 10.0, 40.0])))
    if asset.nature is Nature.LOAD:
        return UserLimits(switch=draw(st.sampled_from([None, True, False])))
    if asset.nature is Nature.BATTERY:
        return UserLimits(target_power=draw(st.sampled_from([None, -9e3, 0.0, 9e3])))
    return UserLimits(power=draw(st.sampled_from([None, 0.0, 2000.0])))


@st.composite
def overridden(draw: st.DrawFn, asset: Asset) -> UserLimits:
    """Draw what a user may have asked for, mostly with something else for a while."""
    limits = draw(users(asset))
    if draw(st.integers(0, 3)) == 0:
        return limits
    asked = draw(users(asset))
    override = Override(
        current=asked.current,
        power=asked.power,
        target_power=asked.target_power,
        switch=asked.switch,
        stop=draw(st.integers(0, 4)) == 0,
        until=draw(st.sampled_from([None, START, START + timedelta(hours=1)])),
    )
    return replace(limits, override=override)


def _holders(name: str) -> st.SearchStrategy[frozenset[str]]:
    """One local holder at times, mostly none."""
    nobody: frozenset[str] = frozenset()
    return st.sampled_from([nobody, nobody, nobody, frozenset({name})])


@st.composite
def cases(
    draw: st.DrawFn,
    user: Callable[[Asset], st.SearchStrategy[UserLimits]] = users,
) -> Case:
    """Draw a whole situation with a fresh meter on a star grid."""
    chosen = draw(assets())
    model = site(
        *chosen,
        main_fuse=draw(st.sampled_from([25.0, 40.0, 63.0])),
        grid_type=GridType.STAR,
    )
    states = {asset.id: draw(states_of(asset)) for asset in chosen}
    currents = [draw(st.floats(0, 30)) for _ in range(3)]
    power = sum(currents) * 230
    for asset in chosen:
        drawn = states[asset.id].power or 0.0
        power += drawn
        for line in asset.lines:
            currents[ALL.index(line)] += drawn / 230 / len(asset.lines)
    given = {
        name: value
        for name in ("minsetp", "maxsetp", "maxsetap", "minsetap")
        if (value := draw(PERCENT)) is not None
    }
    for direction in ("production", "consumption"):
        if draw(st.integers(0, 4)) == 0:
            given[f"emergency_stop_{direction}"] = draw(st.booleans())
    return Case(
        model=model,
        measured=reading(power, currents=(currents[0], currents[1], currents[2])),
        states=states,
        given=orders(**given),
        local=LocalStops(
            production=draw(_holders("key switch")),
            consumption=draw(_holders("fire panel")),
        ),
        user={asset.id: draw(user(asset)) for asset in chosen},
    )

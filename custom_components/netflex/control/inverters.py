"""Inverters: limits on production shared, injection limits held by curtailing."""

from ..model.asset import Direction, Nature
from ..model.plan import Limit
from .flows import (
    Balance,
    Bound,
    distribute,
    expected,
    is_cut_off,
    is_stop,
    lead_of,
    others,
    total,
)
from .limits import Budget, Limits
from .units import Unit

CONSUMERS = frozenset({Nature.CHARGER, Nature.LOAD})

_NEARLY_FULL = 2.0
"""% below full from which a battery is no longer counted on to take it all."""


def share_budgets(balance: Balance) -> None:
    """Narrow inverters and batteries to the limits on the sum of production."""
    for budget in _production_budgets(balance.limits):
        _share_production(balance, budget, discharge=0.0)
    _bound_discharge(balance)


def _production_budgets(limits: Limits) -> list[Budget]:
    return [
        budget
        for budget in limits.budgets
        if budget.direction is Direction.PRODUCTION and not is_stop(budget)
    ]


def _budget_room(balance: Balance, budget: Budget) -> float:
    """Return the W that movable inverters and batteries of a budget may produce."""
    fixed = others(balance.site, budget)
    for unit in balance.units:
        if unit.asset.id not in budget.members:
            continue
        if not unit.movable:
            fixed += 0.0 if is_cut_off(unit) else unit.asset.rated_production
        elif unit.asset.nature is Nature.CHARGER:
            fixed += max(0.0, -unit.measured)
    return max(0.0, budget.limit.value - fixed)


def _share_production(balance: Balance, budget: Budget, *, discharge: float) -> None:
    inverters = [
        unit for unit in balance.of(Nature.INVERTER) if unit.asset.id in budget.members
    ]
    _share_inverters(inverters, _budget_room(balance, budget) - discharge, budget.limit)


def _share_inverters(inverters: list[Unit], room: float, limit: Limit) -> None:
    """Narrow inverters so that together they produce `room` W at most.

    Who cannot use its share leaves it to the others; the rest goes by rated power,
    whatever another limit has left of it: so a tighter limit raises nobody.
    """
    if sum(-unit.low for unit in inverters) <= room:
        return
    shares = distribute(
        max(0.0, room),
        [_usable(unit) for unit in inverters],
        [-unit.low for unit in inverters],
        [unit.asset.rated_production for unit in inverters],
    )
    for unit, share in zip(inverters, shares, strict=True):
        unit.narrow_low(-share, limit.cause)


def _usable(unit: Unit) -> float:
    """Return the W that an inverter can make use of soon.

    What it was told does not count: one that is curtailed asks for a little more
    than it produces, and so reaches its share in a few steps.
    """
    most = -unit.low
    if unit.state is None or unit.state.power is None:
        return most
    return min(most, max(0.0, -unit.draw) * 1.1 + lead_of(unit))


def _bound_discharge(balance: Balance) -> None:
    """Let batteries yield to inverters within a limit on production."""
    batteries = balance.of(Nature.BATTERY)
    for budget in _production_budgets(balance.limits):
        members = [unit for unit in batteries if unit.asset.id in budget.members]
        if not members:
            continue
        room = _budget_room(balance, budget)
        for unit in balance.of(Nature.INVERTER):
            if unit.asset.id in budget.members:
                room -= min(
                    -unit.low,
                    max(0.0, -unit.draw) + lead_of(unit) * (unit.draw < 0),
                )
        most = [-unit.low for unit in members]
        if sum(most) > room:
            shares = distribute(max(0.0, room), most, most)
            for unit, share in zip(members, shares, strict=True):
                if unit.firm_low is None:
                    unit.firm_low = unit.low
                unit.narrow_low(-share, budget.limit.cause)


def set_inverters(balance: Balance) -> None:
    """Narrow inverters to what injection limits leave, batteries charging first."""
    inverters = balance.of(Nature.INVERTER)
    if not inverters:
        return
    batteries = balance.of(Nature.BATTERY)
    for budget in _production_budgets(balance.limits):
        discharge = sum(
            max(0.0, -(unit.told or 0.0))
            for unit in batteries
            if unit.asset.id in budget.members
        )
        _share_production(balance, budget, discharge=discharge)
    taken = _consumed(balance)
    on_channel: dict[int, list[Unit]] = {}
    for unit in inverters:
        for channel in (0, *unit.paths):
            on_channel.setdefault(channel, []).append(unit)
    for bound in balance.injections:
        channel = bound.channel
        if (members := on_channel.get(channel)) is None:
            continue
        base = total(balance.picture.injection_base, channel)
        if bound.open_loop:
            # The limit goes straight to the inverters, whatever else is measured.
            room = bound.value + min(base, 0.0)
            room += sum(min(0.0, unit.told or 0.0) for unit in batteries)
            _narrow_channel(members, room, bound)
            continue
        room = bound.value + base + taken[channel]
        for unit in batteries:
            if channel == 0:
                room += _absorbs(balance, unit)
            elif channel in unit.paths:
                room += unit.flow(channel, unit.told or 0.0)
        _narrow_channel(members, room, bound)


def _consumed(balance: Balance) -> list[float]:
    """Return by channel what chargers and loads surely go on drawing."""
    flows = [0.0] * len(balance.extra)
    for unit in balance.units:
        if not unit.movable or unit.asset.nature not in CONSUMERS:
            continue
        power = min(unit.draw, expected(unit))
        flows[0] += power
        moved = (power - unit.measured) / unit.watts
        currents = unit.currents
        for channel in unit.paths:
            flows[channel] += currents[(channel - 1) % 3 + 1] + moved
    return flows


def _absorbs(balance: Balance, unit: Unit) -> float:
    """Return the W of a battery that production may count on: it yields to the sun."""
    told = unit.told or 0.0
    if not balance.picture.fresh:
        return min(told, max(unit.measured, 0.0)) if told >= 0 else told
    if unit.state is None or unit.state.follows is False:
        return max(told, unit.measured)
    # A battery that is nearly full stops from one moment to the next; what it
    # leaves then is curtailed beforehand, not afterwards.
    charge = unit.state.state_of_charge
    left = (
        1.0
        if charge is None
        else min(1.0, (unit.asset.ceiling - charge) / _NEARLY_FULL)
    )
    return max(min(told, unit.high), unit.high * left)


def _narrow_channel(members: list[Unit], room: float, bound: Bound) -> None:
    if bound.channel == 0:
        _share_inverters(members, room, bound.limit)
        return
    channel = bound.channel
    most = [max(0.0, -unit.flow(channel, unit.low)) for unit in members]
    if sum(most) <= room:
        return
    # As at the connection point: who produces now keeps its share before who only could.
    demands = [
        min(top, max(0.0, -unit.flow(channel, -_usable(unit))))
        for unit, top in zip(members, most, strict=True)
    ]
    weights = [unit.asset.rated_production / unit.watts for unit in members]
    shares = distribute(max(0.0, room), demands, most, weights)
    for unit, share in zip(members, shares, strict=True):
        power = unit.measured - (share + unit.flow(channel, unit.measured)) * unit.watts
        unit.narrow_low(min(0.0, power), bound.limit.cause)
